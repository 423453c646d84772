//! An epoch's hours, counted again from its batches.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::WriteTransaction;

use super::{EpochKey, Tables};
use crate::ingest::refused_of;
use crate::plans::plan_in;
use crate::tables::{epoch_key, hour_key, parse_hour_key};
use crate::{EpochRow, HourRow, StoreError};

impl Tables<'_> {
    /// Counts an epoch's hours again from its batches. Returns how many measurements are lost since the hours were
    /// counted last.
    pub(super) fn recount_hours(
        &mut self,
        transaction: &WriteTransaction,
        key: EpochKey,
        counted: &BTreeMap<Hour, HourRow>,
    ) -> Result<u64, StoreError> {
        let (probe, epoch) = key;
        let known = self.known_hours(key)?;
        let refused = refused_of(transaction, (self.found, &self.retention), key)?;
        let row = self.epochs.get_as(&epoch_key(probe, epoch), EpochRow::decode)?;
        let kept_from = row.map_or(Hour(0), |row| row.kept_from);
        let hours = counted.keys().chain(known.keys()).copied();
        let hours: BTreeSet<Hour> = hours.filter(|hour| *hour >= kept_from).collect();
        let mut lost = 0;
        for hour in hours {
            let found = counted.get(&hour).copied().unwrap_or_default();
            let row = match known.get(&hour) {
                Some(row) => {
                    let missing = row.stored.saturating_sub(found.stored + row.removed);
                    lost += missing;
                    HourRow {
                        stored: found.stored + row.removed,
                        damaged: row.damaged + missing,
                        ..*row
                    }
                }
                None => {
                    let refused = refused.get(&hour).copied().unwrap_or(0);
                    let rest = found.run.saturating_sub(found.stored + refused);
                    HourRow {
                        refused,
                        damaged: rest, // a spool's drops among them are no longer told apart
                        ..found
                    }
                }
            };
            if known.get(&hour) != Some(&row) {
                self.hours.insert(&hour_key(probe, epoch, hour), &row.encode())?;
            }
        }
        Ok(lost)
    }

    /// What the whole batches of these epochs hold and say, by hour.
    pub(super) fn count_batches(
        &self,
        transaction: &WriteTransaction,
        keys: &BTreeSet<EpochKey>,
    ) -> Result<BTreeMap<EpochKey, BTreeMap<Hour, HourRow>>, StoreError> {
        let mut all: BTreeMap<EpochKey, BTreeMap<Hour, HourRow>> = BTreeMap::new();
        let mut failed = None;
        self.each_batch(keys, |key, header, slots| {
            let counted = all.entry(key).or_default();
            for (_, slot) in slots {
                counted.entry(slot.hour()).or_default().stored += 1;
            }
            for told in &header.hours {
                let hour = counted.entry(told.hour).or_default();
                hour.told(&hour.at_least(told)); // one that came again says less than those after it
            }
            let skipped = self.count_skipped(transaction, key.0, header, counted);
            failed = failed.take().or(skipped.err());
        })?;
        failed.map_or(Ok(all), Err)
    }

    fn known_hours(&self, (probe, epoch): EpochKey) -> Result<BTreeMap<Hour, HourRow>, StoreError> {
        let mut known = BTreeMap::new();
        let (lowest, highest) = (Hour(0), Hour(u32::MAX));
        let range = hour_key(probe, epoch, lowest)..=hour_key(probe, epoch, highest);
        for row in self.hours.range::<&[u8; 28]>(range.start()..=range.end())? {
            let (key, row) = row?;
            let hour = parse_hour_key(key.value()).2;
            known.extend(
                self.hours
                    .decode(key.value(), &row, HourRow::decode)
                    .map(|row| (hour, row)),
            );
        }
        Ok(known)
    }

    fn count_skipped(
        &self,
        transaction: &WriteTransaction,
        probe: ProbeId,
        header: &BatchHeader,
        counted: &mut BTreeMap<Hour, HourRow>,
    ) -> Result<(), StoreError> {
        if header.skipped.is_empty() {
            return Ok(());
        }
        let Some(plan) = plan_in(transaction, self.found, probe, header.plan)? else {
            return Ok(());
        };
        for range in &header.skipped {
            let Some(check) = plan.checks.get(usize::from(range.check)) else {
                continue;
            };
            let interval = u64::from(check.schedule.interval_ms());
            for number in 0..u64::from(range.count) {
                let slot = UnixMillis(range.first_slot.0 + number * interval);
                counted.entry(slot.hour()).or_default().skip(range.cause, 1);
            }
        }
        Ok(())
    }
}
