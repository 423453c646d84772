//! Reports from the stored log: what it holds, never what was told at the time.
//!
//! Each report is filled batch by batch in any order, then finished; the same figures come from a live
//! store, a restored one, or one that was filled up days later.

use std::time::Duration;

use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;
use isochrone_watch::clocks::Clocks;

pub(crate) const DAY_MS: u64 = 86_400_000;

/// A window of slots: from inclusive, until exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first instant.
    pub from: UnixMillis,
    /// The first instant after it.
    pub until: UnixMillis,
}

impl Window {
    /// The time `since` long that ends at `now`.
    #[must_use]
    pub fn since(now: UnixMillis, since: Duration) -> Self {
        Self {
            from: now.minus(since),
            until: now,
        }
    }

    /// Whether a slot lies in it.
    #[must_use]
    pub(crate) fn holds(&self, slot: UnixMillis) -> bool {
        self.from <= slot && slot < self.until
    }
}

/// When a slot of a batch was, by the collector's clock: when its row came, where nothing else is known.
pub(crate) fn dated(clocks: &Clocks, stored: &Stored, slot: UnixMillis) -> UnixMillis {
    let dated = clocks.date(stored.probe, slot, stored.received);
    dated.unwrap_or(stored.received)
}

#[cfg(test)]
mod tests;
