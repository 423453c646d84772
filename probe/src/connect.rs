//! `connect`: a TCP handshake with an endpoint, TLS where its URL is https, then closed. No byte of a request is
//! sent.

mod phases;

use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{Cause, ConnectOutcome, ConnectResult, SendFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

pub use phases::Phases;

use crate::reach::{
    Attempt, BadUrl, Broken, ByteStream, EndpointUrl, ErrorText, Failure, Lint, Reach, Tried,
};

/// One connection to make.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Where to: the URL's host and port; its path does not matter.
    pub url: EndpointUrl,
    /// Over which family; there is no fallback to the other.
    pub family: Family,
    /// How long it may take, from its start to the end of the last handshake.
    pub timeout: Duration,
}

/// Everything that is known about one finished connection.
#[derive(Clone, Debug)]
pub struct ConnectReport {
    /// The family it ran over.
    pub family: Family,
    /// The address that answered or, where none did, that was judged or dialled last; `None` when the name did not
    /// resolve.
    pub address: Option<SocketAddr>,
    /// Addresses of the name that did not answer before it.
    pub tried: Vec<Tried>,
    /// When the certificate that the server showed expires, in seconds of Unix time; also known when it was
    /// refused.
    pub certificate_not_after: Option<i64>,
    /// Where the time went, or why it did not work: then there is no latency.
    pub result: Result<Phases, Failure>,
    /// What is odd about its URL.
    pub lints: Vec<Lint>,
}

impl ConnectRequest {
    /// To `url` over `family`, with the default timeout.
    pub fn new(url: EndpointUrl, family: Family) -> Self {
        Self {
            url,
            family,
            timeout: Duration::from_millis(u64::from(Check::Connect.timeout_ms())),
        }
    }

    /// The connection that a plan means, given up after `timeout` (and after the default, if it is shorter).
    ///
    /// # Errors
    /// If `url` cannot be used.
    pub fn planned(family: Family, url: &str, timeout: Duration) -> Result<Self, BadUrl> {
        let default = Self::new(EndpointUrl::parse(url)?, family);
        Ok(Self {
            timeout: default.timeout.min(timeout),
            ..default
        })
    }
}

/// Makes one connection and closes it.
///
/// # Cancel safety
/// Dropping the future closes the connection and leaves nothing behind, not even a task.
pub async fn connect(reach: &Reach, request: &ConnectRequest) -> ConnectReport {
    let mut attempt = Attempt::new(reach, request.url.clone(), request.family);
    let opened = timeout(request.timeout, attempt.open(request.timeout)).await;
    let end = reach.now();
    let timed = match opened {
        Ok(Ok(stream)) => {
            close(stream).await;
            Phases::of(attempt.watch(), end).ok_or_else(|| {
                Broken::new(
                    SendFailure::Local,
                    ErrorText::new("this machine's clock ran backwards"),
                )
            })
        }
        Ok(Err(broken)) => Err(broken),
        Err(_) => Err(attempt.gave_up(attempt.watch().phase(), request.timeout)),
    };
    ConnectReport {
        family: request.family,
        address: attempt.address(),
        tried: attempt.tried().to_vec(),
        certificate_not_after: attempt.certificate_not_after(),
        result: timed.map_err(|broken| attempt.failure(attempt.watch().phase(), broken)),
        lints: Vec::new(), // the path of its URL does not matter
    }
}

/// Ends the connection in order, so that the server sees a close and no reset. What it sends meanwhile (session
/// tickets, a greeting) is read and dropped.
async fn close(mut stream: Box<dyn ByteStream>) {
    let farewell = async {
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    drop(timeout(CLOSE_MAX, farewell).await); // the measurement is over: how the close ends changes nothing
}

/// How long a server may take to close its side, before this one just goes.
const CLOSE_MAX: Duration = Duration::from_millis(250);

impl ConnectReport {
    /// The report as it is stored and sent.
    pub(crate) fn to_outcome(&self) -> ConnectOutcome {
        let result = match &self.result {
            Ok(phases) => match phases.to_wire() {
                Some(phases) => ConnectResult::Connected(phases),
                // A total above 100 s: the timeout is far below, so this machine slept.
                None => ConnectResult::Unsent(SendFailure::Resources),
            },
            Err(failure) => match failure.cause {
                Cause::Unsent(cause) => ConnectResult::Unsent(cause),
                Cause::Failed(cause) => ConnectResult::Failed {
                    phase: failure.phase,
                    cause,
                    text: failure.text.as_str().to_owned(),
                },
            },
        };
        ConnectOutcome {
            address: self.address.map(|address| address.ip()),
            certificate_expires: self.certificate_not_after.and_then(|at| u64::try_from(at).ok()),
            result,
        }
    }
}

#[cfg(test)]
mod tests;
