//! A day of slots.

use std::fmt;
use std::time::Duration;

use isochrone_base::words;
use isochrone_proto::units::UnixMillis;

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) u32);

pub(crate) const DAY_MS: u64 = 86_400_000;
/// A day is over when so much of the next one has passed: most of it is sealed by then.
pub(super) const OVER: Duration = Duration::from_secs(3 * 3_600);

impl Day {
    /// The day that an instant falls on.
    pub(crate) fn of(at: UnixMillis) -> Self {
        Self(u32::try_from(at.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// Its first instant.
    pub(crate) fn start(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * DAY_MS)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::date(self.start()))
    }
}
