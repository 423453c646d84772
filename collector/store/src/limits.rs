//! How long, and how much of, what is stored is kept; and what one step of removing took.

use std::time::Duration;

use crate::tier::Tier;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// An account lives on for so long after its measurements: a probe may come back with what it has not sent.
const ACCOUNTS: Duration = Duration::from_secs(60 * 86_400);

/// How long what is stored is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Each measurement by itself; older slots are refused.
    pub raw: Duration,
    /// What the measurements of an hour add up to.
    pub hours: Duration,
    /// What those of a day add up to.
    pub days: Duration,
    /// Bytes of all segments together: where they are more, the oldest measurements go first, then hours, then days.
    pub total: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw: 30 * DAY,
            hours: 180 * DAY,
            days: 3 * 365 * DAY,
            total: 20 << 30,
        }
    }
}

impl Retention {
    /// However many bytes there are, the last seven days stay.
    pub const FLOOR: Duration = Duration::from_secs(7 * 86_400);

    /// How long a tier is kept.
    #[must_use]
    pub fn of(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Raw => self.raw,
            Tier::Hour => self.hours,
            Tier::Day => self.days,
        }
    }

    /// How long marks of epochs, and what was planned, are kept.
    pub(crate) fn accounts(&self) -> Duration {
        self.raw + ACCOUNTS
    }
}

/// What one step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files of segments.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Measurements of the raw tier.
    pub measurements: u64,
    /// Rows of accounts: hours, digests, epochs, plans.
    pub rows: u64,
}

/// The segments are larger than they may be, and nothing of them may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Bytes that they may have: [`Retention::total`].
    pub total: u64,
}
