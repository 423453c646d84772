//! The prober against scripted servers. Most run over in-memory streams in paused time, so that a delay of
//! 300 ms is exactly 300 ms; what needs a kernel (refused, reset, own address) runs on loopback.

mod failures;
mod healthy;
mod phases;
mod secured;
mod sockets;
mod throughput;
mod trickles;

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{CacheState, Cause, EndpointResult, FailureCause, Phase, SendFailure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::address_policy::AddressPolicy;
use crate::reach::fixture::{Memory, NODE, now};
use crate::reach::{Connection, Dial, EndpointUrl, ErrorText, Failure, TlsRoots};

/// Reads the request, then says `answer` and closes.
fn saying(answer: impl Into<Vec<u8>>) -> Arc<Memory> {
    let answer = answer.into();
    Memory::new(move |mut stream| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await;
            write(&mut stream, &answer).await;
        }
    })
}

/// Reads up to the end of the request's head; what it was.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Writes as far as the other side still reads.
async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        drop(stream.flush().await);
    }
}

/// Without roots, private addresses closed.
fn reach() -> Reach {
    Reach::new(AddressPolicy::default(), TlsRoots::only(vec![]).unwrap(), now)
}

fn prober(dial: Arc<Memory>) -> EndpointProber {
    EndpointProber::new(Arc::new(reach().with_dial(dial)))
}

fn page(url: &str) -> CheckRequest {
    CheckRequest::new(
        Check::Http {
            url: EndpointUrl::parse(url).unwrap(),
        },
        Family::V4,
    )
}

fn base() -> EndpointUrl {
    EndpointUrl::parse_base(&format!("http://{NODE}/distributor/")).unwrap()
}

fn status() -> CheckRequest {
    CheckRequest::new(Check::ArgusStatus { base: base() }, Family::V4)
}

fn asset_get(first: u32) -> CheckRequest {
    let first = ByteCount::new(first).unwrap();
    CheckRequest::new(
        Check::AssetGet {
            base: base(),
            asset: crate::argus::AssetId::new(1343),
            first,
        },
        Family::V4,
    )
}

fn throughput() -> CheckRequest {
    CheckRequest::new(
        Check::Throughput {
            base: base(),
            asset: crate::argus::AssetId::new(1343),
        },
        Family::V4,
    )
}

fn asset_head() -> CheckRequest {
    CheckRequest::new(
        Check::AssetHead {
            base: base(),
            asset: crate::argus::AssetId::new(1343),
        },
        Family::V4,
    )
}

fn http_page() -> CheckRequest {
    page(&format!("http://{NODE}/"))
}

async fn check(dial: Arc<Memory>, request: &CheckRequest) -> CheckReport {
    prober(dial).check(request).await
}

/// The failure of a check, which must be one, in both words.
fn failure(report: &CheckReport) -> &Failure {
    let failure = report
        .outcome
        .failure()
        .unwrap_or_else(|| panic!("no failure: {report:?}"));
    assert!(!matches!(report.to_outcome().result, EndpointResult::Ok { .. }));
    failure
}

fn broke(report: &CheckReport) -> (Phase, Cause) {
    let failure = failure(report);
    (failure.phase, failure.cause)
}

fn answer(report: &CheckReport) -> &Answer {
    report
        .outcome
        .answer()
        .unwrap_or_else(|| panic!("no answer: {report:?}"))
}
