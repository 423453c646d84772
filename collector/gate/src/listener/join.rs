//! Joining: one stream, one request of at most 16 KiB, five seconds, 64 at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use isochrone_base::aside::aside;
use isochrone_proto::codec::{self, DecodeError};
use isochrone_proto::control::CloseCode;
use isochrone_proto::frame::{self, FrameError, HEADER_BYTES, MessageKind};
use isochrone_proto::join::{EXPORTER_LABEL, JoinRefusal, JoinRequest, JoinResponse};
use isochrone_proto::limits::JOIN_BYTES_MAX;
use quinn::{Connection, SendStream};
use tokio::time::timeout;

use super::failures::Failures;
use crate::registry::Registry;

const JOIN: Duration = Duration::from_secs(5);
/// Joins served at once.
pub(super) const JOINS_MAX: usize = 64;
/// Joins that may be told so beyond that; further ones are closed at once.
const TOLD_MAX: usize = 256;

/// Counts the joins under way.
#[derive(Default)]
pub(super) struct Joins(AtomicUsize);

/// One join under way.
struct JoinSeat<'a>(&'a AtomicUsize);

impl Drop for JoinSeat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Joins {
    /// Counts joins that nobody serves.
    pub(super) fn occupy(&self, places: usize) {
        self.0.fetch_add(places, Ordering::Relaxed);
    }

    /// Ends them.
    pub(super) fn vacate(&self, places: usize) {
        self.0.fetch_sub(places, Ordering::Relaxed);
    }
}

impl Joins {
    /// Serves one joining client.
    pub(super) async fn serve(&self, registry: &Registry, connection: Connection, failures: &Failures) {
        let remote = connection.remote_address();
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let _seat = JoinSeat(&self.0);
        let busy = before >= JOINS_MAX;
        if before >= JOINS_MAX + TOLD_MAX {
            return hang_up(&connection, CloseCode::Refused, &JoinRefusal::Busy.to_string());
        }
        connection.set_max_concurrent_uni_streams(0u32.into());
        connection.set_receive_window((JOIN_BYTES_MAX as u32 + 1_024).into()); // 16 KiB and a frame's header
        match timeout(JOIN, answer(registry, &connection, busy, failures)).await {
            Ok(Ok(())) => hang_up(&connection, CloseCode::Done, ""),
            Ok(Err(JoinError::Gone)) => tracing::debug!("a joining client left"),
            Ok(Err(error)) => {
                failures.add(remote, "join failed", &error);
                let code = match error {
                    JoinError::Registry => CloseCode::StoreUnavailable,
                    _ => CloseCode::Protocol,
                };
                hang_up(&connection, code, &error.to_string());
            }
            Err(_) => {
                let late = "joining must be over within 5 s";
                failures.add(remote, "join failed", &late);
                hang_up(&connection, CloseCode::Protocol, late);
            }
        }
    }
}

/// Reads the request, which ends its stream, and answers it.
async fn answer(
    registry: &Registry,
    connection: &Connection,
    busy: bool,
    failures: &Failures,
) -> Result<(), JoinError> {
    let (mut send, mut receive) = connection.accept_bi().await.map_err(|_| JoinError::Gone)?;
    let response = if busy {
        JoinResponse::Refused(JoinRefusal::Busy)
    } else {
        let bytes =
            receive
                .read_to_end(HEADER_BYTES + JOIN_BYTES_MAX)
                .await
                .map_err(|error| match error {
                    quinn::ReadToEndError::TooLong => JoinError::TooLong,
                    quinn::ReadToEndError::Read(_) => JoinError::Gone,
                })?;
        let request = parse(&bytes)?;
        judge(registry, connection, &request)?
    };
    match &response {
        JoinResponse::Accepted { name, probe, .. } => tracing::info!(%probe, name, "probe joined"),
        JoinResponse::Refused(refusal) => failures.add(connection.remote_address(), "join refused", refusal),
    }
    respond(&mut send, &response).await
}

fn parse(bytes: &[u8]) -> Result<JoinRequest, JoinError> {
    let (kind, payload, taken) = frame::read(bytes).map_err(JoinError::Frame)?;
    if kind != MessageKind::JoinRequest {
        return Err(JoinError::NotJoinRequest { found: kind });
    }
    if taken != bytes.len() {
        return Err(JoinError::Trailing {
            bytes: bytes.len() - taken,
        });
    }
    codec::decode_join_request(&payload).map_err(JoinError::Content)
}

fn judge(
    registry: &Registry,
    connection: &Connection,
    request: &JoinRequest,
) -> Result<JoinResponse, JoinError> {
    let mut exporter = [0; 32];
    let exported = connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"");
    exported.map_err(|_| JoinError::NoExporter)?;
    let remote = connection.remote_address();
    aside(|| registry.join(request, &exporter, remote)).map_err(|error| {
        tracing::error!(%error, "the registry cannot take a join");
        JoinError::Registry
    })
}

async fn respond(send: &mut SendStream, response: &JoinResponse) -> Result<(), JoinError> {
    let payload = codec::encode_join_response(response);
    let frame = frame::seal(MessageKind::JoinResponse, &payload).map_err(|error| {
        tracing::error!(%error, "an answer to a join does not fit a frame");
        JoinError::Registry
    })?;
    send.write_all(&frame).await.map_err(|_| JoinError::Gone)?;
    send.finish().map_err(|_| JoinError::Gone)?;
    let stopped = send.stopped().await; // until the client has all of it
    tracing::trace!(?stopped, "join answered");
    Ok(())
}

fn hang_up(connection: &Connection, code: CloseCode, reason: &str) {
    connection.close(code.code().into(), reason.as_bytes());
}

/// Why a join got no answer.
#[derive(Debug, thiserror::Error)]
enum JoinError {
    #[error("a request to join has at most 16 KiB")]
    TooLong,
    #[error("malformed request to join: {0}")]
    Frame(FrameError),
    #[error("malformed request to join: a frame of kind {found:?} where JoinRequest was due")]
    NotJoinRequest { found: MessageKind },
    #[error("malformed request to join: {bytes} bytes after the request")]
    Trailing { bytes: usize },
    #[error("malformed request to join: {0}")]
    Content(DecodeError),
    #[error("malformed request to join: no key can be exported from this connection")]
    NoExporter,
    #[error("the collector cannot keep a join now; try again in a minute")]
    Registry,
    #[error("the client left")]
    Gone,
}
