//! What is recorded beside a prober's own outcomes.

use std::time::Duration;

use isochrone_proto::kind::Check;
use isochrone_proto::ledger::Event;
use isochrone_proto::measurement::{
    CacheState, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Outcome, Phase, SendFailure,
};

use crate::prober::ProberCounters;

/// Timers that fire later than this are told.
const STALL_TOLD_FROM: Duration = Duration::from_millis(20);

/// A run that went on long after its timeout.
pub(super) fn never_ended(check: Check) -> Outcome {
    match check {
        Check::Echo => Outcome::Echo(EchoOutcome::TimedOut),
        _ => endpoint(EndpointResult::Failed {
            phase: Phase::Transfer,
            cause: FailureCause::Timeout,
            text: "the check did not end within its timeout and was given up".into(),
        }),
    }
}

/// A run that broke inside the probe says nothing about the target.
pub(super) fn failed_inside(check: Check) -> Outcome {
    match check {
        Check::Echo => Outcome::Echo(EchoOutcome::Unsent(SendFailure::Resources)),
        _ => endpoint(EndpointResult::Unsent(SendFailure::Resources)),
    }
}

fn endpoint(result: EndpointResult) -> Outcome {
    Outcome::Endpoint(Box::new(EndpointOutcome {
        address: String::new(),
        http_status: None,
        cache: CacheState::Absent,
        certificate_expires: None,
        result,
    }))
}

/// What was counted, as events.
pub(super) fn events(counters: ProberCounters, worst_stall: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    if counters.late_replies > 0 {
        events.push(Event::LateReplies {
            count: counters.late_replies,
        });
    }
    if counters.duplicate_replies > 0 {
        events.push(Event::DuplicateReplies {
            count: counters.duplicate_replies,
        });
    }
    if counters.foreign_datagrams > 0 {
        events.push(Event::ForeignDatagrams {
            count: counters.foreign_datagrams,
        });
    }
    if worst_stall >= STALL_TOLD_FROM {
        events.push(Event::SelfStall {
            worst_us: u32::try_from(worst_stall.as_micros()).unwrap_or(u32::MAX),
        });
    }
    events
}
