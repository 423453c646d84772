//! What marks a round-trip time as suspect: this process did not get the processor in time, or the responder claims
//! to have taken long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A timer that is this late or less says nothing: timers have a grain of about 1 ms.
const STALL_FROM: Duration = Duration::from_millis(10);

/// A responder that claims to have held a packet for longer makes the reply suspect; more than this is never
/// subtracted.
const CLAIM_MAX: Duration = Duration::from_millis(1);

/// Whether a reply's round-trip time is suspect and leaves the percentiles. `starved`: this process stood still
/// while the echo was under way; `claimed`: the delay that the responder claims.
pub(super) fn is_suspect(starved: bool, claimed: Duration) -> bool {
    starved || claimed > CLAIM_MAX
}

/// What the agent's lag timer found; shared with the probers.
#[derive(Clone, Debug, Default)]
pub struct SelfStall(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    worst: Duration,
    last_ended: Option<Instant>,
}

impl SelfStall {
    /// At `now` a timer fired `lag` later than it was set for.
    pub fn report(&self, lag: Duration, now: Instant) {
        let mut found = self.found();
        found.worst = found.worst.max(lag);
        if lag > STALL_FROM {
            found.last_ended = found.last_ended.max(Some(now));
        }
    }

    /// Whether a stall of more than 10 ms ended at or after `from`.
    #[must_use]
    pub fn since(&self, from: Instant) -> bool {
        self.found().last_ended.is_some_and(|ended| ended >= from)
    }

    /// The worst lag since the last call, for a batch's `SelfStall` event.
    #[must_use]
    pub(crate) fn take_worst(&self) -> Duration {
        std::mem::take(&mut self.found().worst)
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // plain numbers: never half-written
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamp::monotonic_now;
    use super::*;

    #[test]
    fn stall_during_a_run_is_seen_and_an_earlier_one_is_not() {
        let stall = SelfStall::default();
        let now = monotonic_now();
        assert!(!stall.since(now));
        stall.report(Duration::from_millis(50), now);
        assert!(stall.since(now - Duration::from_millis(1)));
        assert!(stall.since(now));
        assert!(!stall.since(now + Duration::from_nanos(1)));
    }

    #[test]
    fn grain_of_a_timer_is_no_stall_but_counts_as_worst() {
        let stall = SelfStall::default();
        let now = monotonic_now();
        stall.report(STALL_FROM, now);
        assert!(!stall.since(now));
        stall.report(Duration::from_millis(1), now);
        assert_eq!(stall.take_worst(), STALL_FROM);
        assert_eq!(stall.take_worst(), Duration::ZERO);
    }
}
