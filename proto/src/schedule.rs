//! The time grid: when a check is planned to run.

use serde::{Deserialize, Serialize};

use crate::ids::{ProbeId, TargetId};
use crate::kind::{Check, Kind};
use crate::limits::{ECHO_INTERVAL_MIN_MS, INTERVAL_MAX_MS, TIMEOUT_MAX_MS};
use crate::units::UnixMillis;

/// When one check runs: at `offset + n · interval` since 1970, for every n. A slot **is** such an instant.
///
/// The grid is absolute, so a slow run never shifts later ones and both ends can count what was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSchedule", into = "RawSchedule")]
pub struct Schedule {
    interval_ms: u32,
    offset_ms: u32,
    timeout_ms: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RawSchedule {
    interval_ms: u32,
    offset_ms: u32,
    timeout_ms: u32,
}

impl Schedule {
    /// A checked schedule. `timeout` may exceed `interval`: the tail must stay visible.
    ///
    /// # Errors
    /// When a bound is broken; the error names it.
    pub fn new(interval_ms: u32, offset_ms: u32, timeout_ms: u32) -> Result<Self, ScheduleError> {
        if !(ECHO_INTERVAL_MIN_MS..=INTERVAL_MAX_MS).contains(&interval_ms) {
            return Err(ScheduleError::Interval { interval_ms });
        }
        if offset_ms >= interval_ms {
            return Err(ScheduleError::Offset {
                offset_ms,
                interval_ms,
            });
        }
        if timeout_ms == 0 || timeout_ms > TIMEOUT_MAX_MS {
            return Err(ScheduleError::Timeout { timeout_ms });
        }
        Ok(Self {
            interval_ms,
            offset_ms,
            timeout_ms,
        })
    }

    /// The schedule of (probe, target, kind): its offset is a hash of the three, stable over restarts, so
    /// that the fleet never fires together.
    ///
    /// # Errors
    /// As [`Schedule::new`].
    pub fn spread(
        probe: ProbeId,
        target: TargetId,
        kind: Kind,
        interval_ms: u32,
        timeout_ms: u32,
    ) -> Result<Self, ScheduleError> {
        let mut hasher = blake3::Hasher::new_derive_key("isochrone slot offset 1");
        hasher
            .update(&probe.0.to_be_bytes())
            .update(&target.0.to_be_bytes());
        hasher.update(kind.to_string().as_bytes());
        let offset = first_u64(&hasher) % u64::from(interval_ms.max(1));
        Self::new(interval_ms, offset as u32, timeout_ms)
    }

    /// Distance between two slots, in milliseconds.
    #[must_use]
    pub fn interval_ms(&self) -> u32 {
        self.interval_ms
    }

    /// How long a run may take, in milliseconds.
    #[must_use]
    pub fn timeout_ms(&self) -> u32 {
        self.timeout_ms
    }

    /// How many runs can overlap: the timeout in intervals, rounded up.
    #[must_use]
    pub fn in_flight_max(&self) -> u32 {
        self.timeout_ms.div_ceil(self.interval_ms)
    }

    /// Whether `slot` lies on this grid.
    #[must_use]
    pub fn contains(&self, slot: UnixMillis) -> bool {
        slot.0 >= u64::from(self.offset_ms)
            && (slot.0 - u64::from(self.offset_ms)).is_multiple_of(u64::from(self.interval_ms))
    }

    /// The first slot at or after `from`.
    #[must_use]
    pub fn first_from(&self, from: UnixMillis) -> UnixMillis {
        UnixMillis(u64::from(self.offset_ms) + self.index_from(from) * u64::from(self.interval_ms))
    }

    /// The next planned run.
    #[must_use]
    pub fn after(&self, slot: UnixMillis) -> UnixMillis {
        UnixMillis(slot.0 + u64::from(self.interval_ms))
    }

    /// How many slots lie in `[from, until)`.
    #[must_use]
    pub fn count(&self, from: UnixMillis, until: UnixMillis) -> u64 {
        if until <= from {
            0
        } else {
            self.index_from(until) - self.index_from(from)
        }
    }

    /// How much later than its slot a run is meant to start, in microseconds: up to 1 % of the interval and
    /// 50 ms, different for each slot, so that runs never stay in step with something periodic. Both ends
    /// compute it; lateness is counted from here.
    #[must_use]
    pub fn jitter_us(&self, target: TargetId, slot: UnixMillis) -> u64 {
        let most_us = (u64::from(self.interval_ms) * 10).min(50_000);
        let mut hasher = blake3::Hasher::new_derive_key("isochrone slot jitter 1");
        hasher
            .update(&target.0.to_be_bytes())
            .update(&slot.0.to_be_bytes());
        first_u64(&hasher) % most_us.max(1)
    }

    /// Index of the first slot at or after `from`.
    fn index_from(&self, from: UnixMillis) -> u64 {
        from.0
            .saturating_sub(u64::from(self.offset_ms))
            .div_ceil(u64::from(self.interval_ms))
    }

    /// Whether the interval respects the floor of `check` (invariant 4).
    #[must_use]
    pub(crate) fn respects_floor(&self, check: Check) -> bool {
        self.interval_ms >= check.facts().interval_min_ms
    }
}

impl TryFrom<RawSchedule> for Schedule {
    type Error = ScheduleError;

    fn try_from(raw: RawSchedule) -> Result<Self, ScheduleError> {
        Self::new(raw.interval_ms, raw.offset_ms, raw.timeout_ms)
    }
}

impl From<Schedule> for RawSchedule {
    fn from(schedule: Schedule) -> Self {
        let Schedule {
            interval_ms,
            offset_ms,
            timeout_ms,
        } = schedule;
        Self {
            interval_ms,
            offset_ms,
            timeout_ms,
        }
    }
}

fn first_u64(hasher: &blake3::Hasher) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Why a schedule cannot exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Below the floor of 100 ms or above a day.
    #[error("interval of {interval_ms} ms is outside 100 ms to 86400000 ms (a day)")]
    Interval {
        /// The interval asked for.
        interval_ms: u32,
    },
    /// The offset is not within the interval.
    #[error("offset of {offset_ms} ms is not below the interval of {interval_ms} ms")]
    Offset {
        /// The offset asked for.
        offset_ms: u32,
        /// The interval asked for.
        interval_ms: u32,
    },
    /// Zero, or above a minute.
    #[error("timeout of {timeout_ms} ms is outside 1 ms to 60000 ms")]
    Timeout {
        /// The timeout asked for.
        timeout_ms: u32,
    },
}

#[cfg(test)]
mod tests;
