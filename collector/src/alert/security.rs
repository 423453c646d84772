//! Which events at the gate the lead is told of, and in which words.

use super::message::SecurityNotice;
use crate::events::{GateEvent, GateEventKind};

impl SecurityNotice {
    /// What is told of an event; `None` for what is everyday.
    #[must_use]
    pub fn of(event: &GateEvent) -> Option<Self> {
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
            GateEventKind::ProtocolBroken { reason } => (
                "protocol-broken",
                format!("it broke the protocol and was disconnected: {reason}. Check its version."),
            ),
        };
        Some(Self {
            kind: kind.to_owned(),
            probe: event.name.clone(),
            text,
        })
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::ids::{EpochId, KeyHash, ProbeId, Sequence};
    use isochrone_proto::units::UnixMillis;

    use super::*;
    use crate::alert::Alert;

    fn notice(kind: GateEventKind) -> Option<SecurityNotice> {
        SecurityNotice::of(&GateEvent {
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
}
