//! Takes connections off a QUIC endpoint: joins to the registry, probes to their conversation.

mod failures;
mod join;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::{CloseCode, Refusal};
use isochrone_proto::join::{ALPN, ALPN_JOIN};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, ConnectionError, Endpoint, Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::failures::{COUNTED_OVER, Failures};
use self::join::Joins;
use crate::session::{Gate, converse};

/// A handshake that takes longer is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// With more handshakes than this under way, a client must first show that its address is its own (Retry).
const RETRY_FROM: usize = 64;
/// With more than this, new clients are turned away at once.
const HANDSHAKES_MAX: usize = 512;
/// Conversations have this long to flush after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The gate's outer door.
pub struct Listener {
    gate: Gate,
    joins: Arc<Joins>,
    handshakes: Arc<Semaphore>,
    failures: Arc<Failures>,
}

impl Listener {
    /// A listener that lets probes into `gate`.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self {
            gate,
            joins: Arc::default(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            failures: Arc::default(),
        }
    }

    /// Serves until `stop` is cancelled or the endpoint is closed. Intake stops first; what was read is
    /// judged and acknowledged, then the connections are closed. The endpoint stays open: its owner waits for
    /// it to become idle ([`Endpoint::wait_idle`]). The endpoint's server configuration is
    /// [`crate::authority::tls::quic_server_config`].
    ///
    /// Several endpoints (one for each address listened on) may be served by one listener.
    pub async fn run(&self, endpoint: Endpoint, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let mut changes = self.gate.registry.changes();
        let mut counting = tokio::time::interval(COUNTED_OVER);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = counting.tick() => self.failures.begin_anew(),
                Ok(()) = changes.changed() => self.gate.sessions.close_revoked(&self.gate.registry),
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => self.take(incoming, &connections, &stop),
                    None => break,
                },
            }
        }
        self.failures.begin_anew();
        connections.close();
        let turned_away = async {
            while let Some(incoming) = endpoint.accept().await {
                incoming.refuse();
            }
            std::future::pending().await
        };
        tokio::select! {
            () = connections.wait() => {}
            () = turned_away => {}
            () = tokio::time::sleep(DRAIN) => {
                tracing::warn!(connections = connections.len(), "connections did not drain in time");
            }
        }
    }

    fn take(&self, incoming: Incoming, connections: &TaskTracker, stop: &CancellationToken) {
        let under_way = HANDSHAKES_MAX - self.handshakes.available_permits();
        if under_way >= RETRY_FROM && !incoming.remote_address_validated() {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "cannot ask a client to prove its address");
            }
            return;
        }
        let Ok(permit) = Arc::clone(&self.handshakes).try_acquire_owned() else {
            incoming.refuse();
            return;
        };
        let (gate, joins, stop) = (self.gate.clone(), Arc::clone(&self.joins), stop.clone());
        let (failures, remote) = (Arc::clone(&self.failures), incoming.remote_address());
        let span = tracing::info_span!("connection", %remote);
        let serve = async move {
            let shaken = shake_hands(incoming).await;
            drop(permit);
            match shaken {
                Ok((connection, Door::Probe)) => {
                    if connection.peer_identity().is_none() {
                        failures.add(remote, "connection closed", &Refusal::NoCertificate);
                    }
                    converse(gate, connection, stop).await;
                }
                Ok((connection, Door::Join)) => joins.serve(&gate.registry, connection, &failures).await,
                Err(error) => failures.add(remote, "handshake failed", &error),
            }
        };
        connections.spawn(serve.instrument(span));
    }
}

/// What a client came for, by its ALPN.
enum Door {
    Probe,
    Join,
}

async fn shake_hands(incoming: Incoming) -> Result<(Connection, Door), HandshakeError> {
    let connecting = incoming.accept().map_err(HandshakeError::Failed)?;
    let connection = timeout(HANDSHAKE, connecting).await;
    let connection = connection
        .map_err(|_| HandshakeError::Slow)?
        .map_err(HandshakeError::Failed)?;
    let data = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok());
    let door = match data.and_then(|data| data.protocol) {
        Some(protocol) if protocol == ALPN => Door::Probe,
        Some(protocol) if protocol == ALPN_JOIN => Door::Join,
        _ => {
            connection.close(CloseCode::Protocol.code().into(), b"no ALPN of ours");
            return Err(HandshakeError::Protocol);
        }
    };
    Ok((connection, door))
}

/// Why a handshake came to nothing. A certificate of a foreign authority shows here.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("{0}")]
    Failed(ConnectionError),
    #[error("not over after 10 s")]
    Slow,
    #[error("the client speaks neither isochrone/1 nor isochrone-join/1")]
    Protocol,
}
