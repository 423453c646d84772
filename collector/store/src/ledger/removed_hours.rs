//! What retention took out of a probe's ledger: one line that stands for its oldest hours.

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::Hour;
use redb::ReadTransaction;

use super::{RemovedLine, Row, Totals};
use crate::found::Found;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::tables::REMOVED;
use crate::{Store, StoreError};

/// The sums of hours that are kept no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RemovedHours {
    /// The probe's name at last.
    pub(crate) name: String,
    /// The first hour, and the one after the last; 0 and 0: none yet.
    pub(crate) hours: (Hour, Hour),
    /// Rows of the ledger: an hour of each epoch.
    pub(crate) rows: u64,
    /// Of these, rows that were not balanced.
    pub(crate) unbalanced: u64,
    pub(crate) totals: Totals,
}

const VERSION: u8 = 1;

impl RemovedHours {
    /// Takes in a row of the ledger.
    pub(crate) fn add(&mut self, row: &Row) {
        if self.rows == 0 {
            self.hours = (row.hour, row.hour.next());
        }
        self.hours = (self.hours.0.min(row.hour), self.hours.1.max(row.hour.next()));
        self.rows += 1;
        self.unbalanced += u64::from(!row.balanced);
        self.totals = self.totals.plus(&Totals::from(row));
        self.name.clone_from(&row.probe_name);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::version(VERSION);
        row.number(self.name.len() as u64)
            .bytes(self.name.as_bytes())
            .number(u64::from(self.hours.0.0))
            .number(u64::from(self.hours.1.0))
            .number(self.rows)
            .number(self.unbalanced);
        for count in self.totals.counts() {
            row.number(count);
        }
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut row = RowReader::new(bytes, VERSION)?;
        let length: usize = row.narrow("name's length")?;
        let name = std::str::from_utf8(row.bytes(length, "name")?).map_err(|_| Malformed::Text)?;
        let mut removed = Self {
            name: name.to_owned(),
            hours: (Hour(row.narrow("first hour")?), Hour(row.narrow("last hour")?)),
            rows: row.number("rows")?,
            unbalanced: row.number("unbalanced")?,
            totals: Totals::default(),
        };
        let mut counts = removed.totals.counts();
        for count in &mut counts {
            *count = row.number("count")?;
        }
        removed.totals = Totals::from_counts(counts);
        row.end()?;
        Ok(removed)
    }
}

/// What was removed, by probe.
pub(crate) fn removed_lines(store: &Store) -> Result<Vec<RemovedLine>, StoreError> {
    store.read(|transaction| read_lines(transaction, store.found()))
}

/// The same, of a transaction.
pub(super) fn read_lines(
    transaction: &ReadTransaction,
    found: &Found,
) -> Result<Vec<RemovedLine>, StoreError> {
    let table = REMOVED.read(transaction, found)?;
    let mut lines = Vec::new();
    for row in table.iter()? {
        let (probe, row) = row?;
        let Some(removed) = table.decode(probe.value(), &row, RemovedHours::decode) else {
            continue;
        };
        lines.push(RemovedLine {
            probe: ProbeId(probe.value()),
            probe_name: removed.name,
            from: removed.hours.0,
            until: removed.hours.1,
            rows: removed.rows,
            unbalanced: removed.unbalanced,
            totals: removed.totals,
        });
    }
    Ok(lines)
}
