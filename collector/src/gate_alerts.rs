//! Which events at the gate the lead is told of, and in which words: the alerts of the gate, in the outbox.

use std::sync::Arc;

use isochrone_base::error_chain::chain;
use isochrone_gate::clocks::{collector_sentence, probe_words};
use isochrone_gate::events::{EventSink, GateEvent, GateEventKind};
use isochrone_store::{StoreError, Transaction};
use isochrone_watch::alert::{Alert, Outbox, SecurityNotice};

/// Tells the lead, through the outbox.
pub struct GateAlerts {
    outbox: Outbox,
    collector: Arc<str>,
}

impl GateAlerts {
    /// `collector`: the name that alerts carry.
    #[must_use]
    pub fn new(outbox: Outbox, collector: &str) -> Self {
        let collector = collector.into();
        Self { outbox, collector }
    }

    fn alert(&self, event: &GateEvent) -> Option<Alert> {
        Some(Alert::of_security(notice(event)?, &self.collector, event.at))
    }
}

impl EventSink for GateAlerts {
    fn tell_in(&self, transaction: &Transaction, event: &GateEvent) -> Result<(), StoreError> {
        match self.alert(event) {
            Some(alert) => self.outbox.add_in(transaction, &alert, event.at),
            None => Ok(()),
        }
    }

    fn committed(&self, _: GateEvent) {
        if let Err(error) = self.outbox.refresh() {
            tracing::error!(error = %chain(&error), "cannot read the outbox; its alerts wait");
        }
    }

    fn tell(&self, event: GateEvent) {
        if let Some(alert) = self.alert(&event)
            && let Err(error) = self.outbox.add(&alert, event.at)
        {
            tracing::error!(error = %chain(&error), alert = %alert.summary, "cannot keep an alert");
        }
    }
}

/// What is told of an event; `None` for what is everyday.
fn notice(event: &GateEvent) -> Option<SecurityNotice> {
    let (kind, text) = match &event.kind {
        GateEventKind::Joined | GateEventKind::Revoked { .. } => return None,
        GateEventKind::TokenReused { remote, revoked, .. } => {
            let both = match revoked {
                Some(name) => format!("Both keys are revoked; the other one was probe {name}'s."),
                None => "Both keys are revoked.".to_owned(),
            };
            let text = format!(
                "its invitation was shown a second time, with another key, from {remote}. {both} Ask the \
                 worker what happened, then invite the probe again."
            );
            ("token-reused", text)
        }
        GateEventKind::KeyLiveTwice { remote } => (
            "key-live-twice",
            format!(
                "two processes take turns with its key; the one that came back is at {remote}. The key was \
                 copied or the machine was cloned. Stop one of them, or revoke the probe and invite it again."
            ),
        ),
        GateEventKind::ForkDetected { epoch, sequence } => (
            "fork",
            format!(
                "its epoch {epoch} went on in two places from batch {sequence}: a machine was restored from a \
                 snapshot, or cloned. The rows are counted as forked and not used. If there are two machines \
                 now, stop one."
            ),
        ),
        GateEventKind::ClockWrong(clock) => {
            ("clock", format!("its clock is {}", probe_words(*clock, event.at)))
        }
        GateEventKind::OwnClockWrong { ahead_ms } => ("own-clock", collector_sentence(*ahead_ms, event.at)),
        GateEventKind::ProtocolBroken { reason } => (
            "protocol-broken",
            format!("it broke the protocol and was disconnected: {reason}. Check its version."),
        ),
    };
    Some(SecurityNotice {
        kind: kind.to_owned(),
        probe: event.name.clone(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use isochrone_base::fixture::DAY0;
    use isochrone_gate::clocks::WrongClock;
    use isochrone_proto::ids::{EpochId, KeyHash, ProbeId, Sequence};
    use isochrone_proto::units::UnixMillis;
    use isochrone_store::{Store, StoreOptions};
    use isochrone_watch::alert::{Receiver, ReceiverKind, SecretUrl};

    use super::*;

    fn notice(kind: GateEventKind) -> Option<SecurityNotice> {
        super::notice(&GateEvent {
            at: UnixMillis(0),
            probe: ProbeId(1),
            name: "ada-berlin".into(),
            kind,
        })
    }

    #[test]
    fn everyday_events_are_not_told() {
        assert_eq!(notice(GateEventKind::Joined), None);
        assert_eq!(
            notice(GateEventKind::Revoked {
                by: "local user lead".into()
            }),
            None
        );
    }

    #[test]
    fn each_breach_says_what_to_do() {
        let remote = "192.0.2.1:5".parse().unwrap();
        let other = KeyHash([1; 32]);
        let (epoch, sequence) = (EpochId([2; 16]), Sequence(7));
        let reason = "frame too long".into();
        for (kind, word, advice) in [
            (
                GateEventKind::TokenReused {
                    other,
                    revoked: None,
                    remote,
                },
                "token-reused",
                "invite the probe again",
            ),
            (
                GateEventKind::TokenReused {
                    other,
                    revoked: Some("bob-oslo".into()),
                    remote,
                },
                "token-reused",
                "probe bob-oslo's",
            ),
            (
                GateEventKind::KeyLiveTwice { remote },
                "key-live-twice",
                "Stop one of them",
            ),
            (
                GateEventKind::ForkDetected { epoch, sequence },
                "fork",
                "stop one",
            ),
            (
                GateEventKind::ClockWrong(WrongClock {
                    offset_ms: 360_000,
                    right_ms: 0,
                    is_doubtful: false,
                }),
                "clock",
                "6 min ahead of this collector's (there 1970-01-01T00:06:00Z, here 1970-01-01T00:00:00Z)",
            ),
            (
                GateEventKind::OwnClockWrong { ahead_ms: -600_000 },
                "own-clock",
                "10 min behind that of most of its probes",
            ),
            (
                GateEventKind::ProtocolBroken { reason },
                "protocol-broken",
                "Check its version",
            ),
        ] {
            let notice = notice(kind).unwrap();
            assert_eq!(notice.kind, word);
            assert!(notice.text.contains(advice), "{}", notice.text);
        }
    }

    #[test]
    fn same_breach_within_an_hour_has_one_id() {
        let notice = notice(GateEventKind::KeyLiveTwice {
            remote: "192.0.2.1:5".parse().unwrap(),
        })
        .unwrap();
        let id = |minute: u64| Alert::of_security(notice.clone(), "lead", UnixMillis(minute * 60_000)).id;
        assert_eq!(id(1), id(59));
        assert_ne!(id(1), id(61));
    }

    #[test]
    fn breach_at_the_gate_is_told_once_an_hour_and_survives_a_restart() {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let open = || {
            let url = SecretUrl::try_from("https://hook.example.org/x".to_owned()).unwrap();
            Outbox::open(
                &store,
                vec![Receiver::new(ReceiverKind::Webhook, url)],
                UnixMillis(DAY0),
            )
            .unwrap()
        };
        let outbox = open();
        let events = GateAlerts::new(outbox.clone(), "lead");
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
