//! What hours and days add up to, against the measurements that were counted.

use redb::ReadTransaction;

use super::Count;
use crate::ledger::removed_hours::read_lines;
use crate::segment::SealedLog;
use crate::tables::{HOURS, LOG, parse_hour_key};
use crate::{HourRow, Store, StoreError};

impl Count {
    /// Once all measurements are counted.
    pub(super) fn rollups(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        self.read_removed(store, transaction)?;
        let log = LOG.read(transaction, store.found())?;
        let sealed = SealedLog::read(transaction, store.found(), &store.0.segments)?;
        let (batches, total) = (self.audit.batches, self.total(&log, &sealed)?);
        let (tally, audit) = (std::mem::take(&mut self.tally), &mut self.audit);
        let mut find = |finding| {
            audit.wrong_sums += 1;
            audit.find(finding);
        };
        tally.compare(store, &mut find, &mut |files| progress(batches + files, total))
    }

    /// Of which days retention removed measurements: sums may know more of these.
    fn read_removed(&mut self, store: &Store, transaction: &ReadTransaction) -> Result<(), StoreError> {
        let hours = HOURS.read(transaction, store.found())?;
        for row in hours.iter()? {
            let (key, row) = row?;
            let (_, _, hour) = parse_hour_key(key.value());
            let row = hours.decode(key.value(), &row, HourRow::decode);
            if row.is_some_and(|row| row.removed > 0) {
                self.tally.lacks(hour.start());
            }
        }
        for line in read_lines(transaction, store.found())? {
            if line.totals.removed > 0 {
                self.tally.lacks_until(line.until.start());
            }
        }
        Ok(())
    }
}
