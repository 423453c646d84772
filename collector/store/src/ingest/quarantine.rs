//! Refused items, raw, with their reason: as many as there is room for, the newest; all of them counted.

use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{Incoming, Item, RefuseReason};
use crate::tables::{META_QUARANTINE_BYTES, META_QUARANTINE_FIRST, META_QUARANTINED, QUARANTINE};
use crate::{Store, StoreError};

/// Bytes kept; the oldest go first.
const BYTES_MAX: u64 = 64 << 20;

/// Where the quarantine stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarantine {
    total: u64,
    first: u64,
    bytes: u64,
}

/// What is known of a refused item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number among all that were refused; the first is 1.
    pub(crate) number: u64,
    /// Whose, as hexadecimal digits.
    pub probe: String,
    /// Of which epoch, as hexadecimal digits.
    pub epoch: String,
    /// Its sequence; a tombstone's last.
    pub sequence: u64,
    /// `batch` or `tombstone`.
    pub item: String,
    /// Why, in words.
    pub reason: String,
    /// When it came, Unix milliseconds.
    pub received_ms: u64,
}

impl Quarantine {
    pub(super) fn load(meta: &Table<'_, &'static str, u64>) -> Result<Self, StoreError> {
        let read = |name| -> Result<u64, StoreError> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
        Ok(Self {
            total: read(META_QUARANTINED)?,
            first: read(META_QUARANTINE_FIRST)?.max(1),
            bytes: read(META_QUARANTINE_BYTES)?,
        })
    }

    pub(super) fn save(&self, meta: &mut Table<'_, &'static str, u64>) -> Result<(), StoreError> {
        meta.insert(META_QUARANTINED, self.total)?;
        meta.insert(META_QUARANTINE_FIRST, self.first)?;
        meta.insert(META_QUARANTINE_BYTES, self.bytes)?;
        Ok(())
    }

    /// How many were ever refused.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn keep(
        &mut self,
        transaction: &WriteTransaction,
        incoming: &Incoming,
        reason: RefuseReason,
    ) -> Result<(), StoreError> {
        let mut table = transaction.open_table(QUARANTINE)?;
        self.total += 1;
        let refused = Refused {
            number: self.total,
            probe: incoming.probe.to_string(),
            epoch: incoming.epoch().to_string(),
            sequence: incoming.last_sequence().0,
            item: match &incoming.item {
                Item::Batch(_) => "batch".to_owned(),
                Item::Tombstone(_) => "tombstone".to_owned(),
            },
            reason: reason.to_string(),
            received_ms: incoming.received.0,
        };
        // One line of JSON, then the payload as it came.
        let mut row = serde_json::to_vec(&refused).map_err(|source| StoreError::Record {
            table: "quarantine",
            key: self.total.to_string(),
            source,
        })?;
        row.push(b'\n');
        row.extend_from_slice(&incoming.payload);
        self.bytes += row.len() as u64;
        table.insert(self.total, row.as_slice())?;
        while self.bytes > BYTES_MAX && self.first < self.total {
            if let Some(old) = table.remove(self.first)? {
                self.bytes = self.bytes.saturating_sub(old.value().len() as u64);
            }
            self.first += 1;
        }
        Ok(())
    }
}

/// What the quarantine holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// Every refused item that is kept, oldest first, with its raw payload.
    pub kept: Vec<(Refused, Vec<u8>)>,
    /// How many were ever refused.
    pub total: u64,
}

/// Reads the quarantine.
///
/// # Errors
/// When the store failed.
pub fn quarantined(store: &Store) -> Result<Quarantined, StoreError> {
    store.read(|transaction: &ReadTransaction| {
        let table = transaction.open_table(QUARANTINE)?;
        let mut kept = Vec::new();
        for row in table.iter()? {
            let (number, row) = row?;
            let (refused, payload) = decode(number.value(), row.value())?;
            kept.push((refused, payload.to_vec()));
        }
        let total = crate::tables::read_meta(transaction, META_QUARANTINED)?;
        Ok(Quarantined { kept, total })
    })
}

/// How many items were ever refused, and the `limit` newest that are kept, newest first.
///
/// # Errors
/// When the store failed.
pub(crate) fn newest_refused(store: &Store, limit: usize) -> Result<(u64, Vec<Refused>), StoreError> {
    store.read(|transaction: &ReadTransaction| {
        let mut newest = Vec::new();
        for row in transaction.open_table(QUARANTINE)?.iter()?.rev().take(limit) {
            let (number, row) = row?;
            newest.push(decode(number.value(), row.value())?.0);
        }
        let total = crate::tables::read_meta(transaction, META_QUARANTINED)?;
        Ok((total, newest))
    })
}

fn decode(number: u64, row: &[u8]) -> Result<(Refused, &[u8]), StoreError> {
    let line = row.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let refused = serde_json::from_slice(line).map_err(|source| StoreError::Record {
        table: "quarantine",
        key: number.to_string(),
        source,
    })?;
    Ok((refused, row.get(line.len() + 1..).unwrap_or_default()))
}
