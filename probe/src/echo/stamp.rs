//! When a packet arrived: the kernel's stamp, moved to the monotonic clock.
//!
//! Kernel stamps are CLOCK_REALTIME, which steps and is slewed; an RTT needs both ends on one monotonic
//! clock. So a stamp only says how old the packet is when it is read: receive instant = monotonic now −
//! (realtime now − stamp), both read back to back.

use std::time::{Duration, Instant};

use isochrone_proto::measurement::Stamp;
use nix::time::{ClockId, clock_gettime};

/// Above this age a stamp is not believed: the wall clock stepped between stamp and reading.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Two readings of the monotonic clock around one of the realtime clock are at most this far apart; else the
/// thread was interrupted between them and reads again.
const APART_MAX: Duration = Duration::from_micros(20);
const TRIES: usize = 4;

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The monotonic clock.
    pub(crate) monotonic: Instant,
    /// CLOCK_REALTIME since 1970; `None` if the system does not tell.
    pub(crate) realtime: Option<Duration>,
}

impl Reading {
    /// Reads both clocks back to back: this module is where echoes read time.
    pub(crate) fn now() -> Self {
        let mut closest = Self::once();
        for _ in 1..TRIES {
            if closest.1 <= APART_MAX {
                break;
            }
            let next = Self::once();
            if next.1 < closest.1 {
                closest = next;
            }
        }
        closest.0
    }

    fn once() -> (Self, Duration) {
        let before = monotonic_now();
        let realtime = clock_gettime(ClockId::CLOCK_REALTIME).ok().map(Duration::from);
        let apart = monotonic_now() - before;
        let reading = Self {
            monotonic: before + apart / 2,
            realtime,
        };
        (reading, apart)
    }
}

/// The monotonic clock, for send stamps: one read, nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "a send stamp is taken last, right before the system call; a handle cannot be closer to it"
)]
pub(crate) fn monotonic_now() -> Instant {
    Instant::now()
}

/// When a packet arrived, by the kernel if it can be believed, and by this process in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    kernel: Option<Instant>,
    read: Instant,
}

impl Arrival {
    /// `stamp` is the kernel's, since 1970. Below an age of 0 or above 1 s it is not used.
    pub(crate) fn new(stamp: Option<Duration>, reading: Reading) -> Self {
        let age = stamp
            .zip(reading.realtime)
            .and_then(|(stamp, realtime)| realtime.checked_sub(stamp))
            .filter(|age| *age <= AGE_MAX);
        Self {
            kernel: age.and_then(|age| reading.monotonic.checked_sub(age)),
            read: reading.monotonic,
        }
    }

    /// The best known instant of arrival.
    pub(crate) fn instant(&self) -> Instant {
        self.kernel.unwrap_or(self.read)
    }

    /// Whether the kernel's stamp is believed.
    pub(crate) fn is_by_kernel(&self) -> bool {
        self.kernel.is_some()
    }

    /// Time since `sent`, and who stamped its end. A kernel stamp from before `sent` is not used. `None` if
    /// even the process read the packet before it was sent: a bug to surface, not an RTT of 0.
    pub(crate) fn since(&self, sent: Instant) -> Option<(Duration, Stamp)> {
        let kernel = self.kernel.and_then(|kernel| kernel.checked_duration_since(sent));
        match kernel {
            Some(rtt) => Some((rtt, Stamp::Kernel)),
            None => self
                .read
                .checked_duration_since(sent)
                .map(|rtt| (rtt, Stamp::User)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn reading() -> Reading {
        Reading {
            monotonic: monotonic_now() + Duration::from_secs(10),
            realtime: Some(NOW),
        }
    }

    #[test]
    fn stamp_of_a_believable_age_gives_the_kernels_instant() {
        let reading = reading();
        let sent = reading.monotonic - Duration::from_millis(30);
        for age_us in [0, 1, 20_000] {
            let age = Duration::from_micros(age_us);
            let arrival = Arrival::new(Some(NOW - age), reading);
            assert_eq!(arrival.instant(), reading.monotonic - age);
            assert_eq!(
                arrival.since(sent),
                Some((Duration::from_millis(30) - age, Stamp::Kernel))
            );
        }
    }

    #[test]
    fn stamp_from_the_future_or_too_old_is_replaced_by_the_process_time() {
        let reading = reading();
        let sent = reading.monotonic - Duration::from_secs(3);
        let just_too_old = NOW - AGE_MAX - Duration::from_nanos(1);
        let stamps = [
            None,
            Some(NOW + Duration::from_nanos(1)),
            Some(just_too_old),
            Some(Duration::ZERO),
        ];
        for stamp in stamps {
            let arrival = Arrival::new(stamp, reading);
            assert_eq!(
                arrival.since(sent),
                Some((Duration::from_secs(3), Stamp::User)),
                "{stamp:?}"
            );
        }
        let oldest = Arrival::new(Some(NOW - AGE_MAX), reading);
        assert_eq!(oldest.since(sent), Some((Duration::from_secs(2), Stamp::Kernel)));
    }

    #[test]
    fn stamp_before_the_send_is_replaced_by_the_process_time() {
        let reading = reading();
        let sent = reading.monotonic - Duration::from_millis(1);
        let arrival = Arrival::new(Some(NOW - Duration::from_millis(2)), reading);
        assert_eq!(arrival.since(sent), Some((Duration::from_millis(1), Stamp::User)));
    }

    #[test]
    fn packet_read_before_it_was_sent_has_no_rtt() {
        let reading = reading();
        let sent = reading.monotonic + Duration::from_nanos(1);
        assert_eq!(Arrival::new(Some(NOW), reading).since(sent), None);
        assert_eq!(Arrival::new(None, reading).since(sent), None);
    }

    #[test]
    fn clocks_are_read_in_order() {
        let first = Reading::now();
        let second = Reading::now();
        assert!(second.monotonic >= first.monotonic);
        assert!(second.realtime.is_some());
    }

    proptest! {
        /// A wall clock that is wrong by any amount changes no RTT, as long as it is wrong on both readings.
        #[test]
        fn wrong_wall_clock_bends_no_rtt(wall_s in 2u64..4_000_000_000, age_ns in 0u64..=1_000_000_000, flight_ns in 0u64..2_000_000_000) {
            let monotonic = monotonic_now() + Duration::from_secs(10);
            let realtime = Duration::from_secs(wall_s);
            let age = Duration::from_nanos(age_ns);
            let sent = monotonic - age - Duration::from_nanos(flight_ns);
            let arrival = Arrival::new(Some(realtime - age), Reading { monotonic, realtime: Some(realtime) });
            prop_assert_eq!(arrival.since(sent), Some((Duration::from_nanos(flight_ns), Stamp::Kernel)));
        }
    }
}
