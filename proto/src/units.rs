//! Quantities, one type each, so that a millisecond is never read as a microsecond.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::LATENCY_MAX_US;

/// Milliseconds since 1970-01-01T00:00:00Z: slots, cuts and expiries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This instant, `duration` later; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// This instant, `duration` earlier; stops at 1970.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The hour this instant falls in.
    #[must_use]
    pub fn hour(self) -> Hour {
        Hour(u32::try_from(self.0 / Hour::MILLIS).unwrap_or(u32::MAX))
    }
}

/// An hour of UTC: hours since 1970-01-01T00:00Z. The ledger's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub u32);

impl Hour {
    const MILLIS: u64 = 3_600_000;

    /// The first instant of this hour.
    #[must_use]
    pub fn start(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * Self::MILLIS)
    }

    /// The hour after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The first instant after this hour.
    #[must_use]
    pub fn end(self) -> UnixMillis {
        UnixMillis((u64::from(self.0) + 1) * Self::MILLIS)
    }
}

/// A measured duration in microseconds, at most 100 s. Never made from a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(u32);

impl Micros {
    /// `None` above `LATENCY_MAX_US`.
    #[must_use]
    pub fn new(us: u64) -> Option<Self> {
        if us > LATENCY_MAX_US {
            None
        } else {
            u32::try_from(us).ok().map(Self)
        }
    }

    /// Rounds to whole microseconds; `None` above 100 s.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Option<Self> {
        u64::try_from((duration.as_nanos() + 500) / 1_000)
            .ok()
            .and_then(Self::new)
    }

    /// Rounds to whole microseconds; what is above 100 s becomes 100 s. For lateness, never for latency.
    #[must_use]
    pub fn saturating(duration: Duration) -> Self {
        Self::from_duration(duration).unwrap_or(Self(LATENCY_MAX_US as u32))
    }

    /// The number of microseconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The same in milliseconds, for people.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms", self.as_millis_f64())
    }
}
