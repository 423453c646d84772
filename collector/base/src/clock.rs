//! The one place that reads time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use isochrone_proto::units::UnixMillis;
use tokio::time::Instant;

/// A cheap handle to the time: the system's, or a simulation's.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Virtual(Arc<Virtual>),
}

#[derive(Debug)]
struct Virtual {
    base: UnixMillis,
    start: Instant,
    step_ms: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Wall time that starts at `base` now and follows tokio's time, paused or not.
    #[must_use]
    pub fn virtual_from(base: UnixMillis) -> Self {
        let start = monotonic();
        let step_ms = AtomicI64::new(0);
        Self(Source::Virtual(Arc::new(Virtual { base, start, step_ms })))
    }

    /// Wall time. It may step; durations are measured with [`Clock::now`].
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        match &self.0 {
            Source::System => system_wall(),
            Source::Virtual(time) => {
                let step_ms = time.step_ms.load(Ordering::Relaxed);
                let unstepped = time.base.plus(monotonic() - time.start);
                UnixMillis(unstepped.0.saturating_add_signed(step_ms))
            }
        }
    }

    /// Monotonic time, for durations and deadlines.
    #[must_use]
    pub fn now(&self) -> Instant {
        monotonic()
    }

    /// Steps a virtual wall clock by `by_ms`; the system's is left alone.
    pub fn step(&self, by_ms: i64) {
        if let Source::Virtual(time) = &self.0 {
            time.step_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }
}

/// Notices that the wall clock was set: it moved apart from the clock that nobody sets. A machine that slept looks the
/// same.
#[derive(Clone, Copy, Debug)]
pub struct ClockSteps {
    wall: UnixMillis,
    at: Instant,
}

impl ClockSteps {
    /// Begins with both clocks as they are.
    #[must_use]
    pub fn new(wall: UnixMillis, at: Instant) -> Self {
        Self { wall, at }
    }

    /// By how much it was set since the last call, in milliseconds; `None` up to a second.
    pub fn step(&mut self, wall: UnixMillis, at: Instant) -> Option<i64> {
        let expected = self.wall.plus(at.saturating_duration_since(self.at));
        (self.wall, self.at) = (wall, at);
        let by_ms = i64::try_from(i128::from(wall.0) - i128::from(expected.0)).ok()?;
        (by_ms.unsigned_abs() > 1_000).then_some(by_ms)
    }
}

/// Monotonic time, for drivers that hold no [`Clock`].
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads monotonic time"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Monotonic time that no simulation pauses, for round-trip times.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads monotonic time"
)]
pub fn unpaused() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads wall time")]
fn system_wall() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO); // a clock before 1970 is out of every range
    UnixMillis(0).plus(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_clock_that_was_set_has_stepped() {
        let clock = Clock::virtual_from(UnixMillis(1_000_000));
        let mut steps = ClockSteps::new(clock.wall(), clock.now());
        let mut look = |clock: &Clock| steps.step(clock.wall(), clock.now());
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(look(&clock), None, "however long nobody looked");
        clock.step(-600_000);
        assert_eq!((look(&clock), look(&clock)), (Some(-600_000), None));
        clock.step(900);
        assert_eq!(look(&clock), None, "slewed");
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_clock_follows_paused_time_and_steps() {
        let clock = Clock::virtual_from(UnixMillis(1_000_000));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.wall(), UnixMillis(1_001_500));
        clock.step(-2_000);
        assert_eq!(clock.wall(), UnixMillis(999_500));
    }
}
