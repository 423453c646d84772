//! The one place that reads time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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
    slept_ms: AtomicU64,
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
        Self(Source::Virtual(Arc::new(Virtual {
            base,
            start,
            step_ms: AtomicI64::new(0),
            slept_ms: AtomicU64::new(0),
        })))
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

    /// Monotonic time, for durations and deadlines. It stands still while the machine sleeps.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System => monotonic(),
            Source::Virtual(time) => monotonic() - time.slept(),
        }
    }

    /// Time since some moment before this process began. It goes on while the machine sleeps, and nobody sets it.
    #[must_use]
    pub fn since_boot(&self) -> Duration {
        match &self.0 {
            Source::System => boottime(),
            Source::Virtual(time) => monotonic() - time.start,
        }
    }

    /// Steps a virtual wall clock by `by_ms`; the system's is left alone.
    pub fn step(&self, by_ms: i64) {
        if let Source::Virtual(time) = &self.0 {
            time.step_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// A virtual machine slept for so long until now: its monotonic time stood still.
    pub fn slept(&self, time: Duration) {
        if let Source::Virtual(of) = &self.0 {
            let slept_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            of.slept_ms.fetch_add(slept_ms, Ordering::Relaxed);
        }
    }
}

impl Virtual {
    fn slept(&self) -> Duration {
        Duration::from_millis(self.slept_ms.load(Ordering::Relaxed))
    }
}

/// Notices that the wall clock was set: it moved apart from the clock that nobody sets and that goes on while the machine
/// sleeps. A gap that both agree on is a gap.
#[derive(Clone, Copy, Debug)]
pub struct ClockSteps {
    wall: UnixMillis,
    since_boot: Duration,
}

impl ClockSteps {
    /// Begins with both clocks as they are.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        let (wall, since_boot) = (clock.wall(), clock.since_boot());
        Self { wall, since_boot }
    }

    /// By how much it was set since the last call, in milliseconds; `None` up to a second.
    pub fn step(&mut self, clock: &Clock) -> Option<i64> {
        let (wall, since_boot) = (clock.wall(), clock.since_boot());
        let expected = self.wall.plus(since_boot.saturating_sub(self.since_boot));
        (self.wall, self.since_boot) = (wall, since_boot);
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

#[cfg(target_os = "linux")]
fn boottime() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
    time.expect("Linux always has CLOCK_MONOTONIC").into()
}

#[cfg(not(target_os = "linux"))]
fn boottime() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    monotonic() - *START.get_or_init(monotonic)
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
        let mut steps = ClockSteps::new(&clock);
        let mut look = |clock: &Clock| steps.step(clock);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(look(&clock), None, "however long nobody looked");
        clock.step(-600_000);
        assert_eq!((look(&clock), look(&clock)), (Some(-600_000), None));
        clock.step(900);
        assert_eq!(look(&clock), None, "slewed");
    }

    #[tokio::test(start_paused = true)]
    async fn machine_that_slept_has_no_clock_that_was_set() {
        let clock = Clock::virtual_from(UnixMillis(1_000_000));
        let (mut steps, awake) = (ClockSteps::new(&clock), clock.now());
        tokio::time::advance(Duration::from_secs(3_605)).await;
        clock.slept(Duration::from_secs(3_600));
        assert_eq!(clock.now() - awake, Duration::from_secs(5));
        assert_eq!(steps.step(&clock), None);
        clock.step(-3_600_000);
        assert_eq!(steps.step(&clock), Some(-3_600_000));
    }

    #[test]
    fn systems_clocks_go_on_together() {
        let clock = Clock::system();
        let (mut steps, before) = (ClockSteps::new(&clock), clock.since_boot());
        assert_eq!(steps.step(&clock), None);
        assert!(clock.since_boot() >= before);
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
