//! The probe's only source of time.
//!
//! A slot's time is UTC at the start of the epoch, advanced by a clock that no one sets and that goes on
//! while the machine sleeps (CLOCK_BOOTTIME). The wall clock is only watched: where it has moved away from
//! that by more than a second, it was stepped, and the probe opens a new epoch with a new anchor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_proto::units::UnixMillis;
use tokio::time::Instant;

/// A wall clock that is this far from the anchored time was stepped.
pub(crate) const STEP_MIN: Duration = Duration::from_secs(1);

/// A cheap handle to the time. Every copy shares one anchor.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    anchor: Mutex<Anchor>,
}

#[derive(Debug)]
enum Source {
    System,
    Virtual(Mutex<VirtualTime>),
}

/// UTC at some reading of the clock that is never set.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    wall_us: u64,
    boot_us: u64,
}

#[derive(Debug)]
struct VirtualTime {
    start: Instant,
    base: UnixMillis,
    /// Time that passed while tokio's clock stood still, as during a suspension.
    suspended: Duration,
    /// How far the wall clock was set forward or back, in microseconds.
    stepped_us: i64,
}

impl Clock {
    /// This machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Source::System)
    }

    /// A clock that follows tokio's (paused) time; it shows `base` now.
    #[must_use]
    pub fn simulated(base: UnixMillis) -> Self {
        Self::new(Source::Virtual(Mutex::new(VirtualTime {
            start: tokio_now(),
            base,
            suspended: Duration::ZERO,
            stepped_us: 0,
        })))
    }

    fn new(source: Source) -> Self {
        let anchor = Anchor {
            wall_us: source.wall_us(),
            boot_us: source.boot_us(),
        };
        Self(Arc::new(Inner {
            source,
            anchor: Mutex::new(anchor),
        }))
    }

    /// Monotonic time for durations and timeouts. It stands still while the machine sleeps.
    #[must_use]
    pub fn now(&self) -> Instant {
        tokio_now()
    }

    /// Time since some moment before this process began. It goes on while the machine sleeps, and nobody sets it.
    #[must_use]
    pub(crate) fn since_boot(&self) -> Duration {
        Duration::from_micros(self.0.source.boot_us())
    }

    /// Slot time in microseconds since 1970: the anchor, advanced by CLOCK_BOOTTIME.
    #[must_use]
    pub(crate) fn wall_us(&self) -> u64 {
        let anchor = *self.0.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.wall_us + self.0.source.boot_us().saturating_sub(anchor.boot_us)
    }

    /// Slot time: the anchor, advanced by CLOCK_BOOTTIME.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall_us() / 1_000)
    }

    /// How far the wall clock has moved away from slot time, in milliseconds; `None` up to `STEP_MIN`.
    #[must_use]
    pub fn step_ms(&self) -> Option<i64> {
        let slot_us = i64::try_from(self.wall_us()).unwrap_or(i64::MAX);
        let wall_us = i64::try_from(self.0.source.wall_us()).unwrap_or(i64::MAX);
        let step_ms = (wall_us - slot_us) / 1_000;
        (step_ms.unsigned_abs() > STEP_MIN.as_millis() as u64).then_some(step_ms)
    }

    /// Anchors slot time at the wall clock anew; for a new epoch after a step.
    pub fn anchor(&self) {
        let anchor = Anchor {
            wall_us: self.0.source.wall_us(),
            boot_us: self.0.source.boot_us(),
        };
        *self.0.anchor.lock().unwrap_or_else(PoisonError::into_inner) = anchor;
    }

    /// Sets a simulated wall clock forward or back.
    ///
    /// # Panics
    /// On the system's clock, which a probe never sets.
    pub fn simulate_step(&self, step_ms: i64) {
        self.simulated_time(|time| time.stepped_us += step_ms * 1_000);
    }

    /// Lets simulated time pass while tokio's stands still: the machine slept.
    ///
    /// # Panics
    /// On the system's clock.
    pub fn simulate_suspension(&self, slept: Duration) {
        self.simulated_time(|time| time.suspended += slept);
    }

    fn simulated_time(&self, change: impl FnOnce(&mut VirtualTime)) {
        match &self.0.source {
            Source::Virtual(time) => change(&mut time.lock().unwrap_or_else(PoisonError::into_inner)),
            Source::System => panic!("the system's clock cannot be set by a simulation"),
        }
    }
}

impl Source {
    /// Microseconds of a clock that nobody sets and that goes on during a suspension.
    fn boot_us(&self) -> u64 {
        match self {
            Self::System => boottime_us(),
            Self::Virtual(time) => {
                let time = time.lock().unwrap_or_else(PoisonError::into_inner);
                micros(tokio_now().duration_since(time.start) + time.suspended)
            }
        }
    }

    /// The wall clock, in microseconds since 1970.
    fn wall_us(&self) -> u64 {
        match self {
            Self::System => realtime_us(),
            Self::Virtual(time) => {
                let time = time.lock().unwrap_or_else(PoisonError::into_inner);
                let passed = micros(tokio_now().duration_since(time.start) + time.suspended);
                (time.base.0 * 1_000 + passed).saturating_add_signed(time.stepped_us)
            }
        }
    }
}

/// Monotonic time for code that wants a plain function ([`crate::reach::Reach`]).
#[must_use]
pub fn monotonic() -> std::time::Instant {
    tokio_now().into_std()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads monotonic time"
)]
fn tokio_now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn realtime_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, micros) // a machine set before 1970 is at 1970 until its clock steps
}

#[cfg(target_os = "linux")]
fn boottime_us() -> u64 {
    use nix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
    let time = time.expect("Linux always has CLOCK_MONOTONIC");
    time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
}

#[cfg(not(target_os = "linux"))]
fn boottime_us() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    micros(tokio_now().duration_since(*START.get_or_init(tokio_now)))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: UnixMillis = UnixMillis(1_700_000_000_000);

    #[tokio::test(start_paused = true)]
    async fn stepped_wall_clock_leaves_slot_time_until_anchored() {
        let clock = Clock::simulated(BASE);
        tokio::time::advance(Duration::from_secs(5)).await;
        clock.simulate_step(-3_600_000);
        assert_eq!(clock.wall(), BASE.plus(Duration::from_secs(5)));
        assert_eq!(clock.step_ms(), Some(-3_600_000));
        clock.anchor();
        assert_eq!(clock.step_ms(), None);
        assert_eq!(
            clock.wall(),
            BASE.plus(Duration::from_secs(5))
                .minus(Duration::from_secs(3_600))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn suspension_moves_slot_time_without_a_step() {
        let clock = Clock::simulated(BASE);
        clock.simulate_suspension(Duration::from_secs(600));
        assert_eq!(clock.wall(), BASE.plus(Duration::from_secs(600)));
        assert_eq!(clock.step_ms(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn slew_below_a_second_is_no_step() {
        let clock = Clock::simulated(BASE);
        clock.simulate_step(1_000);
        assert_eq!(clock.step_ms(), None);
        clock.simulate_step(1);
        assert_eq!(clock.step_ms(), Some(1_001));
    }

    #[test]
    fn system_clock_advances_with_the_wall_clock() {
        let clock = Clock::system();
        let (slot, wall) = (clock.wall_us(), realtime_us());
        assert!(
            wall.abs_diff(slot) < 1_000_000,
            "slot time {slot}, wall clock {wall}"
        );
    }
}
