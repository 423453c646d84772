//! What someone should hear of although nobody is looking: who gets in, and who should not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isochrone_proto::ids::{EpochId, KeyHash, ProbeId, Sequence};
use isochrone_proto::units::UnixMillis;
use tokio::sync::mpsc;

/// Events that may wait for whoever sends the alerts.
const QUEUE: usize = 1_024;

/// Something that happened at the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateEvent {
    /// When.
    pub at: UnixMillis,
    /// The probe it is about, and its name.
    pub probe: ProbeId,
    /// That probe's name.
    pub name: String,
    /// What.
    pub kind: GateEventKind,
}

/// What happened at the gate.
#[derive(Clone, Debug, PartialEq)]
pub enum GateEventKind {
    /// A probe joined.
    Joined,
    /// An invitation that this probe had spent was shown with another key; both keys are now revoked.
    TokenReused {
        /// The other key.
        other: KeyHash,
        /// Whence it came.
        remote: SocketAddr,
    },
    /// Two processes take turns with this probe's key: a copied key or a cloned machine.
    KeyLiveTwice {
        /// Where the process that came back is.
        remote: SocketAddr,
    },
    /// The probe was revoked.
    Revoked {
        /// By whom: `local user …`, or the collector itself.
        by: String,
    },
    /// An epoch went on in two places: a machine restored from a snapshot, or cloned.
    ForkDetected {
        /// The epoch.
        epoch: EpochId,
        /// The first batch that does not fit.
        sequence: Sequence,
    },
    /// The probe broke the protocol and was disconnected.
    ProtocolBroken {
        /// How.
        reason: String,
    },
}

/// The sending end. Cheap to clone; never waits: when the queue is full the event is logged and counted.
#[derive(Clone, Debug)]
pub struct GateEvents {
    queue: mpsc::Sender<GateEvent>,
    dropped: Arc<AtomicU64>,
}

impl GateEvents {
    /// A queue of 1,024 events, and its receiving end.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<GateEvent>) {
        let (queue, receiver) = mpsc::channel(QUEUE); // full: the newest is dropped and counted
        let dropped = Arc::default();
        (Self { queue, dropped }, receiver)
    }

    /// Hands an event over.
    pub fn tell(&self, event: GateEvent) {
        if let Err(error) = self.queue.try_send(event) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "an event found no room on its way to the alerts");
        }
    }

    /// Events that found no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
