//! What someone should hear of although nobody is looking: who gets in, and who should not.

use std::net::SocketAddr;
use std::sync::Arc;

use isochrone_proto::ids::{EpochId, KeyHash, ProbeId, Sequence};
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;
use tokio::sync::mpsc;

use crate::alert::{Alert, Outbox};
use crate::chain::chain;
use crate::store::StoreError;

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

/// Where what happens at the gate is told: what the lead should hear of goes to the outbox, durably. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct GateEvents(Ear);

#[derive(Clone, Debug)]
enum Ear {
    Outbox { outbox: Outbox, collector: Arc<str> },
    Queue(mpsc::Sender<GateEvent>),
}

impl GateEvents {
    /// Tells the lead, through `outbox`. `collector`: the name that alerts carry.
    #[must_use]
    pub fn to(outbox: Outbox, collector: &str) -> Self {
        let collector = collector.into();
        Self(Ear::Outbox { outbox, collector })
    }

    /// Tells whoever holds the receiving end, and no lead: for simulations and tests.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<GateEvent>) {
        let (queue, receiver) = mpsc::channel(QUEUE); // full: the newest is logged and dropped
        (Self(Ear::Queue(queue)), receiver)
    }

    /// Makes the alert of an event part of the transaction of what happened. Call [`GateEvents::told`] after
    /// the commit.
    ///
    /// # Errors
    /// When the store failed.
    pub fn tell_in(&self, transaction: &WriteTransaction, event: &GateEvent) -> Result<(), StoreError> {
        let Ear::Outbox { outbox, collector } = &self.0 else {
            return Ok(());
        };
        match Alert::of_event(event, collector) {
            Some(alert) => outbox.add_in(transaction, &alert, event.at),
            None => Ok(()),
        }
    }

    /// What [`GateEvents::tell_in`] kept is durable: it may be delivered.
    pub fn told(&self, event: GateEvent) {
        match &self.0 {
            Ear::Outbox { outbox, .. } => {
                if let Err(error) = outbox.refresh() {
                    tracing::error!(error = %chain(&error), "cannot read the outbox; its alerts wait");
                }
            }
            Ear::Queue(queue) => {
                if let Err(error) = queue.try_send(event) {
                    tracing::debug!(%error, "nobody took an event of the gate");
                }
            }
        }
    }

    /// Tells of an event that no transaction is about; it is durable when this returns.
    pub fn tell(&self, event: GateEvent) {
        let Ear::Outbox { outbox, collector } = &self.0 else {
            return self.told(event);
        };
        if let Some(alert) = Alert::of_event(&event, collector)
            && let Err(error) = outbox.add(&alert, event.at)
        {
            tracing::error!(error = %chain(&error), alert = %alert.summary, "cannot keep an alert");
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::alert::{Receiver, SecretUrl};
    use crate::fixture::DAY0;
    use crate::store::{Store, StoreOptions};

    #[test]
    fn breach_at_the_gate_is_told_once_an_hour_and_survives_a_restart() {
        let store = Store::open_with_backend(InMemoryBackend::new(), StoreOptions::default()).unwrap();
        let open = || {
            let url = SecretUrl::try_from("https://hook.example.org/x".to_owned()).unwrap();
            Outbox::open(&store, vec![Receiver::Webhook(url)], UnixMillis(DAY0)).unwrap()
        };
        let outbox = open();
        let events = GateEvents::to(outbox.clone(), "lead");
        let event = |minute: u64, kind| GateEvent {
            at: UnixMillis(DAY0 + minute * 60_000),
            probe: ProbeId(1),
            name: "berlin".into(),
            kind,
        };
        let twice = || GateEventKind::KeyLiveTwice {
            remote: "192.0.2.1:5".parse().unwrap(),
        };
        for minute in [1, 2, 3] {
            events.tell(event(minute, twice()));
        }
        events.tell(event(4, GateEventKind::Joined));
        assert_eq!(outbox.board().pending.len(), 1);
        events.tell(event(61, twice()));
        assert_eq!(outbox.board().pending.len(), 2);
        assert_eq!(open().board().pending.len(), 2, "nothing waited in memory only");
    }
}
