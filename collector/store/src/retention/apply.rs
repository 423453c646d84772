//! Takes out of the accounts what is of no use any more, in one transaction.

use std::sync::atomic::Ordering;

use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::units::Hour;
use redb::WriteTransaction;

use super::accounts::{Limits, Surplus, SurplusOfEpoch};
use crate::found::Found;
use crate::ledger::RemovedHours;
use crate::rows::WriteRows;
use crate::tables::{
    EPOCHS, FORKS, HOURS, PLANS, PROBE_HOURS, REMOVED, SEEN, STREAM, TOMBSTONES, epoch_key, fork_key,
    hour_key, plan_key, probe_hour_key, seen_key, stream_key,
};
use crate::{EpochRow, HourRow, Store, StoreError};

impl Store {
    /// Takes it out; returns how many rows that were.
    pub(super) fn take_out(
        &self,
        probe: ProbeId,
        surplus: &Surplus,
        limits: &Limits,
    ) -> Result<u64, StoreError> {
        let rows = self.write_tables(|transaction| {
            self.0.recounts.fetch_add(1, Ordering::Relaxed); // ingest reads again what changes here
            let mut tables = Tables::open(transaction, self.found(), probe)?;
            surplus
                .epochs
                .iter()
                .try_for_each(|of_epoch| tables.trim(of_epoch))?;
            tables.quotas(limits.hour)?;
            let mut plans = PLANS.open(transaction, self.found())?;
            for version in &surplus.plans {
                tables.rows += u64::from(plans.remove(&plan_key(probe, *version))?.is_some());
            }
            Ok(tables.rows)
        })?;
        self.forget_plans_of(probe, &surplus.plans);
        if surplus.epochs.iter().any(|of_epoch| of_epoch.is_over) {
            self.account_changes().everything();
        }
        let changed = surplus
            .epochs
            .iter()
            .map(|of_epoch| ((probe, of_epoch.epoch), Some(Hour(0))));
        self.account_changes().note(changed.collect());
        Ok(rows)
    }
}

struct Tables<'t> {
    probe: ProbeId,
    epochs: WriteRows<'t, &'static [u8; 24]>,
    hours: WriteRows<'t, &'static [u8; 28]>,
    probe_hours: WriteRows<'t, &'static [u8; 12]>,
    seen: WriteRows<'t, &'static [u8; 36]>,
    stream: WriteRows<'t, &'static [u8; 32]>,
    tombstones: WriteRows<'t, &'static [u8; 32]>,
    forks: WriteRows<'t, &'static [u8; 64]>,
    removed: WriteRows<'t, u64>,
    rows: u64,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction, found: &'t Found, probe: ProbeId) -> Result<Self, StoreError> {
        Ok(Self {
            probe,
            epochs: EPOCHS.open(transaction, found)?,
            hours: HOURS.open(transaction, found)?,
            probe_hours: PROBE_HOURS.open(transaction, found)?,
            seen: SEEN.open(transaction, found)?,
            stream: STREAM.open(transaction, found)?,
            tombstones: TOMBSTONES.open(transaction, found)?,
            forks: FORKS.open(transaction, found)?,
            removed: REMOVED.open(transaction, found)?,
            rows: 0,
        })
    }

    fn trim(&mut self, surplus: &SurplusOfEpoch) -> Result<(), StoreError> {
        let (probe, epoch) = (self.probe, surplus.epoch);
        let key = epoch_key(probe, epoch);
        let row = self.epochs.get_as(&key, EpochRow::decode)?;
        let mut row = row.ok_or(StoreError::Unsettled)?;
        self.fold(surplus)?;
        for sequence in &surplus.sequences {
            let key = stream_key(probe, epoch, *sequence);
            self.rows += u64::from(self.stream.remove(&key)?.is_some());
        }
        if let Some(last) = surplus.sequences.last() {
            row.stream_from = self.first_known(epoch)?.unwrap_or(last.next());
            let first = stream_key(probe, epoch, Sequence(0));
            let until = stream_key(probe, epoch, row.stream_from);
            self.rows += clear(&mut self.tombstones, &first, &until)?;
        }
        if surplus.is_over {
            return self.end(epoch);
        }
        for version in &surplus.plans {
            self.rows += u64::from(self.seen.remove(&seen_key(probe, epoch, *version))?.is_some());
        }
        if let Some(began) = row.first_slot().filter(|_| !surplus.plans.is_empty()) {
            row.began = began;
        }
        row.adoptions
            .retain(|adoption| !surplus.plans.contains(&adoption.version));
        row.kept_from = surplus.kept_from;
        self.epochs.insert(&key, &row.encode())
    }

    /// The lowest sequence at which something stands.
    fn first_known(&self, epoch: EpochId) -> Result<Option<Sequence>, StoreError> {
        let first = stream_key(self.probe, epoch, Sequence(0));
        let last = stream_key(self.probe, epoch, Sequence(u64::MAX));
        let found = self
            .stream
            .range::<&[u8; 32]>(&first..=&last)?
            .next()
            .transpose()?;
        Ok(found.map(|(key, _)| crate::tables::sequence_of(key.value())))
    }

    /// Hours become part of the probe's line.
    fn fold(&mut self, surplus: &SurplusOfEpoch) -> Result<(), StoreError> {
        if surplus.hours.is_empty() {
            return Ok(());
        }
        let line = self.removed.get_as(self.probe.0, RemovedHours::decode)?;
        let mut line = line.unwrap_or_default();
        for hour in &surplus.hours {
            let key = hour_key(self.probe, surplus.epoch, hour.hour);
            let stands = self.hours.get_as(&key, HourRow::decode)?.unwrap_or_default();
            if stands.stored != hour.stored || stands.removed != hour.removed {
                return Err(StoreError::Unsettled); // it came to something more since
            }
            line.add(hour);
            self.rows += u64::from(self.hours.remove(&key)?.is_some());
        }
        self.removed.insert(self.probe.0, &line.encode())
    }

    /// Nothing of the epoch is kept.
    fn end(&mut self, epoch: EpochId) -> Result<(), StoreError> {
        let probe = self.probe;
        self.rows += u64::from(self.epochs.remove(&epoch_key(probe, epoch))?.is_some());
        let lowest = stream_key(probe, epoch, Sequence(0));
        let highest = stream_key(probe, epoch, Sequence(u64::MAX));
        self.rows += clear(&mut self.stream, &lowest, &highest)?;
        self.rows += clear(&mut self.tombstones, &lowest, &highest)?;
        let lowest = fork_key(probe, epoch, Sequence(0), Digest::ZERO);
        let highest = fork_key(probe, epoch, Sequence(u64::MAX), Digest([0xff; 32]));
        self.rows += clear(&mut self.forks, &lowest, &highest)?;
        let mut lowest = [0; 36];
        lowest[..24].copy_from_slice(&epoch_key(probe, epoch));
        let mut highest = [0xff; 36];
        highest[..24].copy_from_slice(&epoch_key(probe, epoch));
        self.rows += clear(&mut self.seen, &lowest, &highest)?;
        Ok(())
    }

    /// Quotas of hours of which nothing is taken any more.
    fn quotas(&mut self, until: Hour) -> Result<(), StoreError> {
        let lowest = probe_hour_key(self.probe, Hour(0));
        let highest = probe_hour_key(self.probe, until);
        self.rows += clear(&mut self.probe_hours, &lowest, &highest)?;
        Ok(())
    }
}

/// Removes the rows from `first` to before `until`; returns how many.
fn clear<const N: usize>(
    table: &mut WriteRows<'_, &'static [u8; N]>,
    first: &[u8; N],
    until: &[u8; N],
) -> Result<u64, StoreError> {
    let mut keys: Vec<[u8; N]> = Vec::new();
    for row in table.range::<&[u8; N]>(first..until)? {
        keys.push(*row?.0.value());
    }
    for key in &keys {
        table.remove(key)?;
    }
    Ok(keys.len() as u64)
}
