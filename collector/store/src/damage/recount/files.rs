//! Files of measurements that are lost, and nothing else: only the hours that they held are counted again, from the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use isochrone_proto::units::{Hour, UnixMillis};
use redb::WriteTransaction;

use super::EpochKey;
use super::batches::whole_batch;
use crate::found::Found;
use crate::heads::Head;
use crate::rows::WriteRows;
use crate::segment::{SealedLog, Segment, Segments};
use crate::tables::{HOURS, LOG, hour_key};
use crate::{HourRow, StoreError, StoredBlob};

/// Measurements that are there, by epoch and hour.
type Counted = BTreeMap<(EpochKey, Hour), u64>;

/// Counts the measurements of lost files as damaged. The catalogue does not name them any more.
pub(in crate::damage) fn recount_files(
    transaction: &WriteTransaction,
    (found, segments): (&Found, &Segments),
    files: &[Segment],
) -> Result<(), StoreError> {
    let sealed = SealedLog::open(transaction, found, segments)?;
    let log = LOG.open(transaction, found)?;
    let mut hours = HOURS.open(transaction, found)?;
    for file in files {
        let window = Window {
            first: file.slots.0.hour(),
            last: file.slots.1.hour(),
        };
        let mut epochs: BTreeSet<EpochKey> = BTreeSet::new();
        sealed.each_head(file.span, &mut |head| {
            epochs.insert((head.probe, head.header.epoch));
        })?;
        let mut counted = Counted::new();
        let wants = |head: &Head| {
            head.rows > 0 && window.touches(head.slots) && epochs.contains(&(head.probe, head.header.epoch))
        };
        sealed.walk(0, &wants, &mut |head, runs| {
            let key = (head.probe, head.header.epoch);
            runs.iter()
                .for_each(|run| window.count(key, run.slot, &mut counted));
            Ok(ControlFlow::Continue(()))
        })?;
        window.count_log(&log, &epochs, &mut counted)?;
        for key in epochs {
            window.lose(&mut hours, key, &counted)?;
        }
    }
    Ok(())
}

/// The hours of a lost file.
struct Window {
    first: Hour,
    last: Hour,
}

impl Window {
    fn touches(&self, (first, last): (UnixMillis, UnixMillis)) -> bool {
        first.hour() <= self.last && last.hour() >= self.first
    }

    fn count(&self, key: EpochKey, slot: UnixMillis, counted: &mut Counted) {
        if self.touches((slot, slot)) {
            *counted.entry((key, slot.hour())).or_default() += 1;
        }
    }

    /// What came so late that it is still in the log.
    fn count_log(
        &self,
        log: &WriteRows<'_, u64>,
        epochs: &BTreeSet<EpochKey>,
        counted: &mut Counted,
    ) -> Result<(), StoreError> {
        for row in log.iter()? {
            let (_, row) = row?;
            let is_touched = |blob: &StoredBlob<'_>| blob.rows > 0 && self.touches(blob.slots);
            if !StoredBlob::decode(row.value()).is_ok_and(|blob| is_touched(&blob)) {
                continue;
            }
            if let Some((blob, batch)) = whole_batch(row.value()) {
                let key = (blob.probe, batch.header.epoch);
                let slots = batch.slots().filter(|_| epochs.contains(&key));
                slots.for_each(|(_, slot)| self.count(key, slot, counted));
            }
        }
        Ok(())
    }

    /// What an epoch's hours counted beyond what is there is damaged.
    fn lose(
        &self,
        hours: &mut WriteRows<'_, &'static [u8; 28]>,
        key: EpochKey,
        counted: &Counted,
    ) -> Result<(), StoreError> {
        for hour in self.first.0..=self.last.0 {
            let hour_key = hour_key(key.0, key.1, Hour(hour));
            let Some(mut row) = hours.get_as(&hour_key, HourRow::decode)? else {
                continue;
            };
            let stored = counted.get(&(key, Hour(hour))).copied().unwrap_or(0) + row.removed;
            let missing = row.stored.saturating_sub(stored);
            if missing > 0 {
                row.stored -= missing;
                row.damaged += missing;
                hours.insert(&hour_key, &row.encode())?;
            }
        }
        Ok(())
    }
}
