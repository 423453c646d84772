//! A stored row, as the engine takes it. What an outcome says of its target is `isochrone_base::kinds`'s; here it becomes
//! a word.

use std::time::Duration;

use isochrone_base::kinds::{Ended, EndpointRun, Finding, counts_for};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::{
    ConnectOutcome, ConnectResult, EndpointOutcome, EndpointResult, FailureCause, Outcome, Phase, SendFailure,
};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};

use super::observation::{Cadence, Observation, Word};

/// A status answer whose first byte came later is slow.
const SLOW_US: u64 = 2_000_000;

impl Cadence {
    /// Of a planned check.
    #[must_use]
    pub fn of(schedule: Schedule) -> Self {
        Self {
            interval_ms: u64::from(schedule.interval_ms()),
            timeout_ms: u64::from(schedule.timeout_ms()),
        }
    }
}

impl<'a> Observation<'a> {
    /// What the run of a slot says; `None` for an echo, which judges no node, and for kinds that no verdict looks at. A
    /// run stands at its slot: the jitter of its start is nobody's.
    #[must_use]
    pub fn of(kind: Kind, slot: UnixMillis, outcome: &'a Outcome) -> Option<Self> {
        if !counts_for(kind.check).is_judged() {
            return None;
        }
        let run = EndpointRun::of(kind.check, outcome)?;
        let said = Said {
            word: word(kind.check, &run),
            text: match run.ended {
                Ended::Failed { text, .. } => text,
                Ended::Ok { .. } | Ended::Unsent(_) => "",
            },
        };
        match outcome {
            Outcome::Echo(_) => None,
            Outcome::Endpoint(outcome) => Some(of_request(slot, outcome, said)),
            Outcome::Connect(outcome) => Some(of_connection(slot, outcome, said)),
        }
    }
}

/// What a run says of its target, and its error verbatim.
struct Said<'a> {
    word: Word,
    text: &'a str,
}

/// The engine's word for what the kind of check makes of a run: the same that `show`, pages and live state read.
fn word(check: Check, run: &EndpointRun<'_>) -> Word {
    match (run.finding(), run.ended) {
        (Finding::Absent, _) => Word::Absent,
        (Finding::Good, Ended::Ok { ttfb_us, .. }) => match ttfb_us {
            Some(us) if check == Check::Status && us > SLOW_US => Word::Slow,
            _ => Word::Green,
        },
        (Finding::Bad, Ended::Failed { phase, cause, text }) => {
            match check == Check::AssetGet && blames_source(run.http_status, cause, text) {
                true => Word::Source { cause },
                false => Word::Red { phase, cause },
            }
        }
        (_, Ended::Unsent(SendFailure::ForbiddenAddress)) => Word::Forbidden,
        (
            _,
            Ended::Failed {
                cause: FailureCause::ForbiddenAddress,
                ..
            },
        ) => Word::Forbidden,
        _ => Word::Nothing,
    }
}

fn of_connection<'a>(slot: UnixMillis, outcome: &'a ConnectOutcome, said: Said<'a>) -> Observation<'a> {
    let mut run = Observation {
        began: slot,
        finished: slot,
        word: said.word,
        address: outcome.address,
        connect: None,
        secured: false,
        text: said.text,
    };
    match &outcome.result {
        ConnectResult::Connected(phases) => {
            run.finished = after(slot, phases.total_us());
            run.connect = Some(phases.connect);
            run.secured = outcome.certificate_expires.is_some();
        }
        ConnectResult::Failed { .. } | ConnectResult::Unsent(_) => {}
    }
    run
}

fn of_request<'a>(slot: UnixMillis, outcome: &'a EndpointOutcome, said: Said<'a>) -> Observation<'a> {
    let has_certificate = outcome.certificate_expires.is_some();
    let mut run = Observation {
        began: slot,
        finished: slot,
        word: said.word,
        address: outcome.address,
        connect: None,
        secured: false,
        text: said.text,
    };
    match &outcome.result {
        EndpointResult::Ok { phases, .. } => {
            run.finished = after(slot, phases.total_us());
            run.connect = Some(phases.connect);
            run.secured = has_certificate;
        }
        EndpointResult::Failed { phase, .. } => {
            run.secured = has_certificate && *phase > Phase::Tls;
        }
        EndpointResult::Unsent(_) => {}
    }
    run
}

/// Argus answers 500 on a miss that no storage node served, and says so.
fn blames_source(http_status: Option<u16>, cause: FailureCause, text: &str) -> bool {
    let said = text.to_lowercase();
    let names_one = ["storage provider", "storage node", "storage source"];
    http_status == Some(500)
        && cause == FailureCause::BadStatus
        && (said.contains("failed to download object") || names_one.iter().any(|name| said.contains(name)))
}

fn after(slot: UnixMillis, us: u64) -> UnixMillis {
    slot.plus(Duration::from_micros(us))
}

/// The time to connect that an observation of a compressed stretch stands for.
pub(crate) fn same_way(one: Micros, other: Micros) -> bool {
    let (low, high) = (one.get().min(other.get()), one.get().max(other.get()));
    high / 2 <= low
}

#[cfg(test)]
mod tests {
    use isochrone_base::fixture;
    use isochrone_proto::kind::Family;
    use isochrone_proto::measurement::{CacheState, Phases};

    use super::*;

    fn word(check: Check, outcome: &Outcome) -> Word {
        Observation::of(Kind::new(check, Family::V4), UnixMillis(1), outcome)
            .unwrap()
            .word
    }

    fn endpoint(status: u16, cache: CacheState, result: EndpointResult) -> Outcome {
        Outcome::Endpoint(Box::new(EndpointOutcome {
            address: "192.0.2.1".parse().ok(),
            http_status: Some(status),
            cache,
            certificate_expires: None,
            result,
        }))
    }

    fn ok(body_bytes: u32, first_byte_us: u64) -> EndpointResult {
        EndpointResult::Ok {
            phases: Phases {
                first_byte: Micros::new(first_byte_us).unwrap(),
                ..Phases::default()
            },
            body_bytes,
            node_uptime_s: None,
            node_version: String::new(),
        }
    }

    fn error(text: &str) -> EndpointResult {
        EndpointResult::Failed {
            phase: Phase::Verify,
            cause: FailureCause::BadStatus,
            text: text.into(),
        }
    }

    #[test]
    fn asset_without_x_cache_or_without_a_byte_is_no_argus_answer() {
        let red = Word::Red {
            phase: Phase::Verify,
            cause: FailureCause::NotArgus,
        };
        let html = endpoint(200, CacheState::Absent, ok(500, 1));
        assert_eq!(word(Check::AssetGet, &html), red);
        let empty = endpoint(200, CacheState::Hit, ok(0, 1));
        assert_eq!(word(Check::AssetGet, &empty), red);
        assert_eq!(
            word(Check::AssetHead, &empty),
            Word::Green,
            "HEAD has no body, and judges nothing"
        );
        assert_eq!(
            word(Check::AssetGet, &endpoint(206, CacheState::Miss, ok(9, 1))),
            Word::Green
        );
    }

    #[test]
    fn error_500_that_names_a_storage_source_blames_it() {
        let says = "500: {\"message\":\"Failed to download object 1343 from any of the storage providers\"}";
        let blaming = endpoint(500, CacheState::Absent, error(says));
        assert_eq!(
            word(Check::AssetGet, &blaming),
            Word::Source {
                cause: FailureCause::BadStatus
            }
        );
        let other = endpoint(500, CacheState::Absent, error("500: connect ECONNREFUSED"));
        assert!(matches!(word(Check::AssetGet, &other), Word::Red { .. }));
        assert!(
            matches!(word(Check::Status, &blaming), Word::Red { .. }),
            "a status has no source"
        );
    }

    #[test]
    fn status_that_takes_longer_than_two_seconds_is_slow() {
        assert_eq!(
            word(
                Check::Status,
                &endpoint(200, CacheState::Absent, ok(9, 2_000_001))
            ),
            Word::Slow
        );
        assert_eq!(
            word(
                Check::Status,
                &endpoint(200, CacheState::Absent, ok(9, 2_000_000))
            ),
            Word::Green
        );
    }

    #[test]
    fn echo_is_no_observation_of_a_node() {
        let echo = fixture::replied(20);
        let kind = Kind::new(Check::Echo, Family::V4);
        assert!(Observation::of(kind, UnixMillis(1), &echo).is_none());
    }
}
