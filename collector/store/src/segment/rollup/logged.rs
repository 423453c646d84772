//! What the log adds up to, kept from one reader to the next: only batches that came since are added. Once batches left
//! the log, it is added up anew.

use std::sync::{Mutex, MutexGuard, PoisonError};

use isochrone_proto::codec;
use redb::ReadTransaction;

use super::fold::Fold;
use super::{Key, Period};
use crate::row::Malformed;
use crate::rows::ReadRows;
use crate::tables::LOG;
use crate::{Store, StoreError, StoredBlob};

/// So many rollups are kept at most: those of a larger mesh are added up at each reading.
const KEPT_MAX: usize = 100_000;

/// What was added up of the log.
#[derive(Debug, Default)]
pub(crate) struct Logged(Mutex<Option<Sums>>);

#[derive(Debug)]
struct Sums {
    hours: Fold,
    batches: u64,
    /// The last commit.
    last: u64,
    /// Nothing was passed over, and this is what the log held.
    is_whole: bool,
}

impl Sums {
    const fn new() -> Self {
        Self {
            hours: Fold::new(Period::Hour),
            batches: 0,
            last: 0,
            is_whole: true,
        }
    }
}

impl Store {
    /// Adds what is in the log to `fold`.
    pub(super) fn fold_log(
        &self,
        transaction: &ReadTransaction,
        fold: &mut Fold,
        wants: &dyn Fn(&Key) -> bool,
    ) -> Result<(), StoreError> {
        let log = LOG.read(transaction, self.found())?;
        let mut kept = self.0.logged.lock();
        let mut sums = kept.take().unwrap_or_else(Sums::new);
        if !self.add_newer(&log, &mut sums)? {
            sums = Sums::new();
            sums.is_whole = self.add_newer(&log, &mut sums)?;
        }
        for hour in sums.hours.rollups() {
            if wants(&fold.period().key(hour.key())) {
                fold.merge_finer(hour.clone());
            }
        }
        let is_kept = sums.is_whole && sums.hours.len() <= KEPT_MAX;
        *kept = is_kept.then_some(sums);
        Ok(())
    }

    /// Adds what came since. Returns whether exactly what is in this log was added up: commits are only added behind the
    /// last and taken out before it, so where the last is the same, so many are the same.
    fn add_newer(&self, log: &ReadRows<'_, u64>, sums: &mut Sums) -> Result<bool, StoreError> {
        for row in log.range(sums.last + 1..)? {
            let (commit, row) = row?;
            sums.batches += 1;
            sums.last = commit.value();
            let decoded = log.decode(commit.value(), &row, |row| {
                let blob = StoredBlob::decode(row)?;
                let batch = codec::decode_batch(blob.payload);
                let batch = batch.map_err(|_| Malformed::Content { what: "batch" })?;
                Ok((blob.probe, batch))
            });
            let Some((probe, batch)) = decoded else {
                sums.is_whole = false;
                continue;
            };
            let Some(plan) = self.plan(probe, batch.header.plan)? else {
                self.note_missing_plan(probe, batch.header.plan);
                sums.is_whole = false;
                continue;
            };
            for run in batch.measurements() {
                sums.hours.add(&plan, &run, &|_| true);
            }
            for skipped in &batch.header.skipped {
                sums.hours.skip(&plan, skipped, &|_| true);
            }
        }
        let last = log.iter()?.next_back().transpose()?;
        let last = last.map_or(0, |(commit, _)| commit.value());
        Ok(sums.is_whole && sums.batches == log.len()? && sums.last == last)
    }
}

impl Logged {
    fn lock(&self) -> MutexGuard<'_, Option<Sums>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
