//! The ledger's sums, kept up to date by differences: what a commit or the time changes is counted again, and nothing
//! else. Equal to the sums of [`super::rows`] at every instant.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadTransaction;

use super::planned::{EpochAccount, KnownEpoch, read_epochs, read_hours_of};
use super::{Row, Totals, rows_from};
use crate::rows::Lookup;
use crate::tables::{ENDS, EPOCHS, epoch_key};
use crate::{EpochRow, Store, StoreError};

/// The sums of a store's ledger. Only one of a store is kept up to date: each update takes what changed since the last.
#[derive(Debug, Default)]
pub struct Sums {
    probes: BTreeMap<ProbeId, Probe>,
    all: Counted,
    /// As of when.
    at: UnixMillis,
    /// Not before the first update, and not after one that failed: what it took is not counted.
    is_current: bool,
}

#[derive(Debug, Default)]
struct Probe {
    /// By the order in which the collector came to know them.
    epochs: BTreeMap<Order, Epoch>,
    /// It was revoked then.
    ended: Option<UnixMillis>,
    /// To be counted again.
    changed: BTreeSet<Order>,
    /// No later one had begun when they were counted last: their planned slots grow with the time.
    open: BTreeSet<Order>,
    /// An epoch began, or a beginning was told.
    is_reordered: bool,
}

type Order = (u64, EpochId);

#[derive(Debug)]
struct Epoch {
    known: KnownEpoch,
    /// First slot of the next one: this one's end.
    later: Option<UnixMillis>,
    counted: Counted,
    settled: Settled,
}

/// Hours before `until` change only with a commit that says so.
#[derive(Clone, Copy, Debug)]
struct Settled {
    until: Hour,
    counted: Counted,
}

impl Settled {
    const NOTHING: Self = Self {
        until: Hour(0),
        counted: Counted::NOTHING,
    };
}

/// What is counted of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    totals: Totals,
    unbalanced: u64,
    first: Option<Hour>,
}

impl Counted {
    const NOTHING: Self = Self {
        totals: Totals::NOTHING,
        unbalanced: 0,
        first: None,
    };

    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Self {
        Self {
            totals: Totals::of(rows.clone()),
            unbalanced: rows.clone().filter(|row| !row.balanced).count() as u64,
            first: rows.map(|row| row.hour).min(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            totals: self.totals.plus(&other.totals),
            unbalanced: self.unbalanced + other.unbalanced,
            first: self.first.into_iter().chain(other.first).min(),
        }
    }

    /// `other` was added before, and rows only leave with everything else.
    fn minus(self, other: Self) -> Self {
        Self {
            totals: self.totals.minus(&other.totals),
            unbalanced: self.unbalanced - other.unbalanced,
            first: self.first,
        }
    }
}

impl Probe {
    /// Takes an epoch's row over, of which the hours from `hour` on changed.
    fn put(&mut self, known: KnownEpoch, hour: Option<Hour>) {
        let order = (known.row.ordinal, known.id);
        self.changed.insert(order);
        let Some(epoch) = self.epochs.get_mut(&order) else {
            self.is_reordered = true;
            self.open.insert(order);
            let epoch = Epoch {
                known,
                later: None,
                counted: Counted::NOTHING,
                settled: Settled::NOTHING,
            };
            self.epochs.insert(order, epoch);
            return;
        };
        let before = std::mem::replace(&mut epoch.known, known);
        let (old, new) = (&before.row, &epoch.known.row);
        self.is_reordered |= old.first_slot() != new.first_slot();
        let adopted = new
            .adoptions
            .iter()
            .filter(|adoption| !old.adoptions.contains(adoption));
        let earliest = adopted.map(|adoption| adoption.first_slot.hour());
        let earliest = earliest.chain(hour).min();
        if earliest.is_some_and(|hour| hour < epoch.settled.until) || old.is_drained() != new.is_drained() {
            epoch.settled = Settled::NOTHING;
        }
    }

    /// Which epoch is ended by which, after one began.
    fn reorder(&mut self) {
        if !std::mem::take(&mut self.is_reordered) {
            return;
        }
        let mut next = None;
        for (&order, epoch) in self.epochs.iter_mut().rev() {
            if epoch.later != next {
                (epoch.later, epoch.settled) = (next, Settled::NOTHING);
                self.open.insert(order);
            }
            next = epoch.known.row.first_slot().or(next);
        }
    }
}

impl Sums {
    /// Brings the sums up to `now`.
    ///
    /// # Errors
    /// When the store failed; the next call counts everything again.
    pub fn update(&mut self, store: &Store, now: UnixMillis) -> Result<(), StoreError> {
        let noted = store.account_changes().take();
        let from_the_ground = noted.everything || !self.is_current || now < self.at;
        self.is_current = false;
        if from_the_ground {
            store.read(|transaction| {
                *self = Self::default();
                self.count_everything(store, transaction, now)
            })?;
        } else {
            store.read(|transaction| self.count_changes(store, transaction, (&noted.epochs, now)))?;
        }
        (self.at, self.is_current) = (now, true);
        Ok(())
    }

    /// As of when.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        self.at
    }

    /// The sums of all rows.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.all.totals
    }

    /// Whether every row is balanced.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.all.unbalanced == 0
    }

    /// The earliest hour that the ledger has a row of.
    #[must_use]
    pub fn first_hour(&self) -> Option<Hour> {
        self.all.first
    }

    fn count_everything(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let ends = ENDS.read(transaction, store.found())?;
        for (id, epochs) in read_epochs(transaction, store.found())? {
            let probe = self.probes.entry(id).or_default();
            probe.ended = ends.get(id.0)?.map(|at| UnixMillis(at.number()));
            for known in epochs {
                probe.put(known, None);
            }
        }
        self.count(store, transaction, now)
    }

    fn count_changes(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        (changed, now): (&BTreeMap<(ProbeId, EpochId), Option<Hour>>, UnixMillis),
    ) -> Result<(), StoreError> {
        let table = EPOCHS.read(transaction, store.found())?;
        let ends = ENDS.read(transaction, store.found())?;
        for (&(id, epoch), &hour) in changed {
            let Lookup::Is(row) = table.lookup_as(&epoch_key(id, epoch), EpochRow::decode)? else {
                return Err(StoreError::Unsettled); // noted as damaged: counted from the ground once it is put right
            };
            let probe = match self.probes.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Probe {
                    ended: ends.get(id.0)?.map(|at| UnixMillis(at.number())),
                    ..Probe::default()
                }),
            };
            probe.put(KnownEpoch { id: epoch, row }, hour);
        }
        self.count(store, transaction, now)
    }

    /// Counts again what changed, and what the time changes.
    fn count(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let table = EPOCHS.read(transaction, store.found())?;
        for (&id, probe) in &mut self.probes {
            // a commit may be seen here before it says what it changed: an epoch and its hours are of one instant
            for order in probe.open.clone() {
                if let Lookup::Is(row) = table.lookup_as(&epoch_key(id, order.1), EpochRow::decode)? {
                    probe.put(KnownEpoch { id: order.1, row }, None);
                }
            }
            probe.reorder();
            probe.changed.extend(&probe.open);
            let until = probe.ended.map_or(now, |at| at.min(now));
            while let Some(&order) = probe.changed.first() {
                if let Some(epoch) = probe.epochs.get_mut(&order) {
                    let mut account = EpochAccount::of(store, id, (&epoch.known, epoch.later), until)?;
                    account.revoked = probe.ended.is_some();
                    let hours = (id, epoch.known.id, epoch.settled.until);
                    account.hours = read_hours_of(transaction, store.found(), hours)?;
                    let before = std::mem::replace(&mut epoch.counted, epoch.settled.count(&account, now));
                    self.all = self.all.minus(before).plus(epoch.counted);
                    if epoch.later.is_some_and(|later| later <= until) {
                        probe.open.remove(&order);
                    }
                }
                probe.changed.pop_first();
            }
        }
        Ok(())
    }
}

impl Settled {
    /// Counts the hours that are not settled, and settles those that are over.
    fn count(&mut self, account: &EpochAccount, now: UnixMillis) -> Counted {
        let rows = rows_from(account, self.until);
        // what is planned beyond its cut may still be told, for the life of a plan
        let until = now.hour().min(account.cut.hour()).max(self.until);
        let (over, others) = rows.split_at(rows.partition_point(|row| row.hour < until));
        *self = Self {
            until,
            counted: self.counted.plus(Counted::of(over.iter())),
        };
        self.counted.plus(Counted::of(others.iter()))
    }
}

#[cfg(test)]
mod tests;
