//! Reports from the stored log: what it holds, never what was told at the time.
//!
//! Each report is filled batch by batch in any order, then finished; the same figures come from a live
//! store, a restored one, or one that was filled up days later.

use std::time::Duration;

use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError, Stored};
use isochrone_watch::clocks::Clocks;

use crate::tiers;

pub(crate) const DAY_MS: u64 = 86_400_000;
/// The slots of a batch lie closer together than this.
const BATCH_SPAN_MAX: Duration = Duration::from_secs(3_600);

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

    /// The part of it that the store can hold: from the day of the oldest batch, or of the oldest sums, until `now`. Without this, a window
    /// of centuries would list each of its days.
    ///
    /// # Errors
    /// When the store failed.
    pub fn within(self, store: &Store, now: UnixMillis) -> Result<Self, StoreError> {
        let until = self.until.min(now);
        let rows = store.oldest_hour()?.map(|hour| {
            let first = hour.start().minus(BATCH_SPAN_MAX); // a batch may have begun before the hour of its end
            UnixMillis(first.0 / DAY_MS * DAY_MS)
        });
        let oldest = rows
            .into_iter()
            .chain(tiers::oldest_sums(store)?)
            .min()
            .unwrap_or(until);
        let from = self.from.max(oldest).min(until);
        Ok(Self { from, until })
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
