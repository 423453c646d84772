//! What is recorded beside a prober's own outcomes.

use std::time::Duration;

use isochrone_proto::kind::{Check, Layout};
use isochrone_proto::ledger::Event;
use isochrone_proto::measurement::{FailureCause, Outcome, Phase, SendFailure};

use crate::prober::ProberCounters;

/// Timers that fire later than this are told.
const STALL_TOLD_FROM: Duration = Duration::from_millis(20);

/// A run that went on long after its timeout.
pub(super) fn never_ended(check: Check) -> Outcome {
    let last = match check.layout() {
        Layout::Echo | Layout::Connect => Phase::Connect,
        Layout::Endpoint => Phase::Transfer,
    };
    let text = "the check did not end within its timeout and was given up";
    Outcome::failed(check, last, FailureCause::Timeout, text.into())
}

/// A run that broke inside the probe says nothing about the target.
pub(super) fn failed_inside(check: Check) -> Outcome {
    Outcome::unsent(check, SendFailure::Resources)
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
