//! What someone should hear of although nobody is looking: who gets in, and who should not.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use isochrone_proto::ids::{EpochId, KeyHash, ProbeId, Sequence};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{StoreError, Transaction};
use tokio::sync::mpsc;

use crate::clocks::WrongClock;

/// Events that may wait for a simulation or test to read them.
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
    /// With what a person needs to act on it.
    pub kind: GateEventKind,
}

/// What happened at the gate.
#[derive(Clone, Debug, PartialEq)]
pub enum GateEventKind {
    /// A probe joined.
    Joined,
    /// An invitation that this probe had spent was shown with another key; both keys are now revoked.
    TokenReused {
        /// Hash of the key that the spent invitation was shown with.
        other: KeyHash,
        /// Name of the probe that was in with the other key, and is out now too.
        revoked: Option<String>,
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
        /// The epoch that both claim.
        epoch: EpochId,
        /// The first batch that does not fit.
        sequence: Sequence,
    },
    /// The probe's clock is far from the right one, by four answers in a row.
    ClockWrong(WrongClock),
    /// The collector's clock is far from that of most of its probes.
    OwnClockWrong {
        /// The collector's minus theirs, in milliseconds.
        ahead_ms: i64,
    },
    /// The probe broke the protocol and was disconnected.
    ProtocolBroken {
        /// What it sent that cannot be, in words.
        reason: String,
    },
}

/// Takes what happens at the gate: it decides who should hear of it, and in which words.
pub trait EventSink: Send + Sync + 'static {
    /// Makes what is told of an event part of the transaction of what happened. [`EventSink::committed`]
    /// follows once that is durable.
    ///
    /// # Errors
    /// When the store failed.
    fn tell_in(&self, transaction: &Transaction, event: &GateEvent) -> Result<(), StoreError>;

    /// What [`EventSink::tell_in`] kept is durable: it may be delivered.
    fn committed(&self, event: GateEvent);

    /// Tells of an event that no transaction is about; it is durable when this returns.
    fn tell(&self, event: GateEvent);
}

/// Where what happens at the gate is told. Cheap to clone.
#[derive(Clone)]
pub struct GateEvents(Arc<dyn EventSink>);

impl GateEvents {
    /// Tells `sink`.
    #[must_use]
    pub fn to(sink: impl EventSink) -> Self {
        Self(Arc::new(sink))
    }

    /// Tells whoever holds the receiving end: for simulations and tests.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<GateEvent>) {
        let (queue, receiver) = mpsc::channel(QUEUE); // full: the newest is logged and dropped
        (Self::to(Queue(queue)), receiver)
    }

    pub(crate) fn tell_in(&self, transaction: &Transaction, event: &GateEvent) -> Result<(), StoreError> {
        self.0.tell_in(transaction, event)
    }

    pub(crate) fn committed(&self, event: GateEvent) {
        self.0.committed(event);
    }

    pub(crate) fn tell(&self, event: GateEvent) {
        self.0.tell(event);
    }
}

impl fmt::Debug for GateEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateEvents")
    }
}

struct Queue(mpsc::Sender<GateEvent>);

impl EventSink for Queue {
    fn tell_in(&self, _: &Transaction, _: &GateEvent) -> Result<(), StoreError> {
        Ok(())
    }

    fn committed(&self, event: GateEvent) {
        if let Err(error) = self.0.try_send(event) {
            tracing::debug!(%error, "nobody took an event of the gate");
        }
    }

    fn tell(&self, event: GateEvent) {
        self.committed(event);
    }
}
