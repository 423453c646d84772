//! The account of every planned slot, by probe, epoch and hour of the slot.
//!
//! `planned = run + skipped + absent`, `run = stored + spooled + dropped + refused + forked`. What was
//! planned is counted here again, from the plans that each epoch adopted, and compared at the epoch's cut
//! with what the probe says. `verify` does not trust any of it, and counts the log itself.

mod planned;
mod removed_hours;
mod slots;
mod sums;
mod verify;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::{Hour, UnixMillis};

use self::planned::{EpochAccount, accounts};
pub(crate) use self::planned::{Kept, kept_of};
pub(crate) use self::removed_hours::RemovedHours;
use self::removed_hours::removed_lines;
pub use self::sums::Sums;
pub use self::verify::{Audit, verify, verify_with};
use crate::ingest::{Refused, newest_refused};
use crate::{Damage, HourRow, Store, StoreError};

/// One hour of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The probe that the account is of.
    pub probe: ProbeId,
    /// Its name, as its plan gives it; its id if no plan is there.
    pub probe_name: String,
    /// The probe's epoch that is counted.
    pub epoch: EpochId,
    /// Hour of the slots.
    pub hour: Hour,
    /// Slots that were planned (forked ones included).
    pub planned: u64,
    /// Slots that became a measurement.
    pub run: u64,
    /// Slots that did not, for a reason that is known.
    pub skipped: u64,
    /// Of these, slots for which the probe was not running, found out by this collector.
    pub(crate) not_running: u64,
    /// Slots of which nothing was heard: the host is off, or its results are still to come.
    pub absent: u64,
    /// Measurements that were stored.
    pub stored: u64,
    /// Of these, measurements that are kept no longer, and were removed.
    pub removed: u64,
    /// Measurements that the probe counted and that are still to come.
    pub spooled: u64,
    /// Measurements that the probe's spool dropped, and said so; and those that are lost with damaged batches.
    pub dropped: u64,
    /// Of these, measurements that were stored, and are lost with damaged batches.
    pub damaged: u64,
    /// Measurements that were refused for their content, and are in quarantine.
    pub refused: u64,
    /// Measurements of batches that did not fit their epoch.
    pub forked: u64,
    /// Of `spooled` and `absent`, those of a revoked probe: they never come any more.
    pub revoked: u64,
    /// Both equations hold, and at the cut both ends planned the same. Where a plan is missing that cannot be told,
    /// and this is false.
    pub balanced: bool,
}

/// The oldest hours of a probe, which are kept no longer, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedLine {
    /// The probe that the account is of.
    pub probe: ProbeId,
    /// Its name.
    pub probe_name: String,
    /// The first hour.
    pub from: Hour,
    /// The hour after the last.
    pub until: Hour,
    /// Rows that it stands for: an hour of each epoch.
    pub rows: u64,
    /// Of these, rows that were not balanced.
    pub unbalanced: u64,
    /// Their sums.
    pub totals: Totals,
}

/// The whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// By probe, epoch and hour.
    pub rows: Vec<Row>,
    /// What was before them, in one line a probe.
    pub removed: Vec<RemovedLine>,
    /// Batches and tombstones that were ever refused for their content.
    pub refused: u64,
    /// The newest of them that are kept, newest first.
    pub quarantine: Vec<Refused>,
    /// What is damaged in the store.
    pub damage: Damage,
    /// `store` or `demo`.
    pub source: &'static str,
}

/// Refused items that the ledger names.
const REFUSED_TOLD: usize = 10;

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// See [`Row::planned`].
    pub planned: u64,
    /// See [`Row::run`].
    pub run: u64,
    /// See [`Row::skipped`].
    pub skipped: u64,
    /// See [`Row::absent`].
    pub absent: u64,
    /// See [`Row::stored`].
    pub stored: u64,
    /// See [`Row::removed`].
    pub removed: u64,
    /// See [`Row::spooled`].
    pub spooled: u64,
    /// See [`Row::dropped`].
    pub dropped: u64,
    /// See [`Row::damaged`].
    pub damaged: u64,
    /// See [`Row::refused`].
    pub refused: u64,
    /// See [`Row::forked`].
    pub forked: u64,
    /// See [`Row::revoked`].
    pub revoked: u64,
}

impl Totals {
    const NOTHING: Self = Self {
        planned: 0,
        run: 0,
        skipped: 0,
        absent: 0,
        stored: 0,
        removed: 0,
        spooled: 0,
        dropped: 0,
        damaged: 0,
        refused: 0,
        forked: 0,
        revoked: 0,
    };

    /// In the order in which they are written.
    pub(crate) fn counts(&self) -> [u64; 12] {
        [
            self.planned,
            self.run,
            self.skipped,
            self.absent,
            self.stored,
            self.removed,
            self.spooled,
            self.dropped,
            self.damaged,
            self.refused,
            self.forked,
            self.revoked,
        ]
    }

    /// Of what [`Totals::counts`] gave.
    pub(crate) fn from_counts(counts: [u64; 12]) -> Self {
        let [
            planned,
            run,
            skipped,
            absent,
            stored,
            removed,
            spooled,
            dropped,
            damaged,
            refused,
            forked,
            revoked,
        ] = counts;
        Self {
            planned,
            run,
            skipped,
            absent,
            stored,
            removed,
            spooled,
            dropped,
            damaged,
            refused,
            forked,
            revoked,
        }
    }

    /// The sums of `rows`.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        rows.into_iter()
            .fold(Self::NOTHING, |sum, row| sum.plus(&Self::from(row)))
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, |sum, part| sum + part)
    }

    /// Without `other`, which is a part of them.
    fn minus(&self, other: &Self) -> Self {
        self.with(other, |sum, part| sum - part)
    }

    fn with(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            planned: both(self.planned, other.planned),
            run: both(self.run, other.run),
            skipped: both(self.skipped, other.skipped),
            absent: both(self.absent, other.absent),
            stored: both(self.stored, other.stored),
            removed: both(self.removed, other.removed),
            spooled: both(self.spooled, other.spooled),
            dropped: both(self.dropped, other.dropped),
            damaged: both(self.damaged, other.damaged),
            refused: both(self.refused, other.refused),
            forked: both(self.forked, other.forked),
            revoked: both(self.revoked, other.revoked),
        }
    }
}

impl From<&Row> for Totals {
    fn from(row: &Row) -> Self {
        Self {
            planned: row.planned,
            run: row.run,
            skipped: row.skipped,
            absent: row.absent,
            stored: row.stored,
            removed: row.removed,
            spooled: row.spooled,
            dropped: row.dropped,
            damaged: row.damaged,
            refused: row.refused,
            forked: row.forked,
            revoked: row.revoked,
        }
    }
}

/// The ledger as it stands at `now`.
///
/// # Errors
/// When the store failed.
pub fn read(store: &Store, now: UnixMillis) -> Result<Ledger, StoreError> {
    let recounts = store.0.recounts.load(Ordering::Relaxed);
    let mut rows = rows(store, now)?;
    if store.0.recounts.load(Ordering::Relaxed) != recounts {
        rows = self::rows(store, now)?; // damage was found on the way, and the account put right
    }
    let (refused, quarantine) = newest_refused(store, REFUSED_TOLD)?;
    Ok(Ledger {
        rows,
        removed: removed_lines(store)?,
        refused,
        quarantine,
        damage: store.damage()?,
        source: store.source(),
    })
}

/// The rows of the ledger as it stands at `now`, by probe, order of epochs, and hour.
///
/// # Errors
/// When the store failed.
pub fn rows(store: &Store, now: UnixMillis) -> Result<Vec<Row>, StoreError> {
    let accounts = accounts(store, now)?;
    Ok(accounts
        .iter()
        .flat_map(|account| rows_from(account, Hour(0)))
        .collect())
}

/// The rows of an epoch, of `first` and later hours, by hour.
fn rows_from(account: &EpochAccount, first: Hour) -> Vec<Row> {
    let first = first.max(account.kept_from);
    let mut planned = account.planned(first);
    for (&hour, counts) in account.hours.range(first..) {
        if !account.knows_plans_of(hour) {
            let told = planned.entry(hour).or_default();
            *told = counts.planned.max(*told); // by the probe's word
        }
    }
    let hours: BTreeSet<Hour> = planned
        .keys()
        .chain(account.hours.range(first..).map(|(hour, _)| hour))
        .copied()
        .collect();
    let row = |hour| {
        let planned = planned.get(&hour).copied().unwrap_or(0);
        let counts = account.hours.get(&hour).copied().unwrap_or_default();
        row_of(account, hour, planned, &counts)
    };
    hours.into_iter().map(row).collect()
}

fn row_of(account: &EpochAccount, hour: Hour, planned: u64, counts: &HourRow) -> Row {
    let never_spooled = if account.over {
        counts.run.saturating_sub(counts.placed())
    } else {
        0
    };
    let unheard = planned.saturating_sub(counts.planned);
    let (not_running, absent) = if account.over {
        (unheard + never_spooled, 0)
    } else {
        (0, unheard)
    };
    // The account of what was refused may be refused with it: such rows were run, whatever was planned.
    let unaccounted = counts.placed().saturating_sub(counts.run);
    let explained = unaccounted.min(not_running + absent);
    let of_absent = explained.min(absent);
    let (absent, not_running) = (absent - of_absent, not_running - (explained - of_absent));
    let planned = planned + unaccounted - explained;
    let run = counts.run - never_spooled + unaccounted;
    let spooled = run.saturating_sub(counts.placed());
    let skipped = counts.skipped + not_running;
    let agreed =
        account.knows_plans_of(hour) && account.planned_at_cut(hour) == counts.planned + counts.pending;
    Row {
        probe: account.probe,
        probe_name: account.probe_name.clone(),
        epoch: account.epoch,
        hour,
        planned: planned + counts.forked,
        run: run + counts.forked,
        skipped,
        not_running,
        absent,
        stored: counts.stored,
        removed: counts.removed,
        spooled,
        dropped: counts.dropped + counts.damaged,
        damaged: counts.damaged,
        refused: counts.refused,
        forked: counts.forked,
        revoked: if account.revoked { spooled + absent } else { 0 },
        balanced: agreed && planned == run + skipped + absent && run == counts.placed() + spooled,
    }
}

impl Ledger {
    /// Whether every row is balanced.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.rows.iter().all(|row| row.balanced)
    }

    /// The sums of all rows.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of(&self.rows)
    }

    /// What a probe is called, where the ledger knows it.
    #[must_use]
    pub fn name_of<'a>(&'a self, refused: &'a Refused) -> &'a str {
        let row = self
            .rows
            .iter()
            .find(|row| row.probe.to_string() == refused.probe);
        row.map_or(&refused.probe, |row| &row.probe_name)
    }
}

#[cfg(test)]
mod tests;
