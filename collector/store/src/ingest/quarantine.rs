//! Refused items, raw, with their reason: as many as there is room for, the newest; all of them counted.

use std::collections::BTreeMap;

use isochrone_proto::codec;
use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::{Hour, UnixMillis};
use redb::{ReadTransaction, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::judge::Window;
use super::{Incoming, Item, RefuseReason};
use crate::found::Found;
use crate::numbers::{Numbers, read_number};
use crate::row::Malformed;
use crate::tables::{META_QUARANTINE_BYTES, META_QUARANTINE_FIRST, META_QUARANTINED, QUARANTINE};
use crate::{Retention, Store, StoreError};

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
    pub(super) fn load(numbers: &Numbers<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            total: numbers.get(META_QUARANTINED)?,
            first: numbers.get(META_QUARANTINE_FIRST)?.max(1),
            bytes: numbers.get(META_QUARANTINE_BYTES)?,
        })
    }

    pub(super) fn save(&self, numbers: &mut Numbers<'_>) -> Result<(), StoreError> {
        numbers.set(META_QUARANTINED, self.total)?;
        numbers.set(META_QUARANTINE_FIRST, self.first)?;
        numbers.set(META_QUARANTINE_BYTES, self.bytes)
    }

    /// How many were ever refused.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn keep(
        &mut self,
        (transaction, found): (&WriteTransaction, &Found),
        incoming: &Incoming,
        reason: &RefuseReason,
    ) -> Result<(), StoreError> {
        let mut table = QUARANTINE.open(transaction, found)?;
        self.total += 1;
        let refused = Refused {
            number: self.total,
            probe: incoming.probe.to_string(),
            epoch: incoming.epoch().to_string(),
            sequence: incoming.last_sequence().0,
            item: match &incoming.item {
                Item::Batch(_) | Item::Unread(_) => "batch".to_owned(),
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
        table.insert(self.total, &row)?;
        while self.bytes > BYTES_MAX && self.first < self.total {
            if let Some(old) = table.remove(self.first)? {
                self.bytes = self.bytes.saturating_sub(old as u64);
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
        let table = QUARANTINE.read(transaction, store.found())?;
        let mut kept = Vec::new();
        for row in table.iter()? {
            let (number, row) = row?;
            kept.extend(table.decode(number.value(), &row, |row| {
                decode(row).map(|(refused, payload)| (refused, payload.to_vec()))
            }));
        }
        let total = read_number(transaction, store.found(), META_QUARANTINED)?;
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
        let table = QUARANTINE.read(transaction, store.found())?;
        for row in table.iter()?.rev() {
            let (number, row) = row?;
            newest.extend(table.decode(number.value(), &row, |row| {
                decode(row).map(|(refused, _)| refused)
            }));
            if newest.len() == limit {
                break;
            }
        }
        let total = read_number(transaction, store.found(), META_QUARANTINED)?;
        Ok((total, newest))
    })
}

/// Measurements of an epoch's refused batches that are kept, by hour.
pub(crate) fn refused_of(
    transaction: &WriteTransaction,
    (found, retention): (&Found, &Retention),
    (probe, epoch): (ProbeId, EpochId),
) -> Result<BTreeMap<Hour, u64>, StoreError> {
    let (probe, epoch) = (probe.to_string(), epoch.to_string());
    let mut hours = BTreeMap::new();
    let table = QUARANTINE.open(transaction, found)?;
    for row in table.iter()? {
        let (number, row) = row?;
        let decoded = table.decode(number.value(), &row, decode);
        let Some((refused, payload)) = decoded.filter(|(it, _)| it.probe == probe && it.epoch == epoch)
        else {
            continue;
        };
        if refused.item == "batch"
            && let Ok(batch) = codec::decode_batch(payload)
        {
            let window = Window::around(UnixMillis(refused.received_ms), retention);
            for (_, slot) in batch.slots() {
                *hours.entry(window.hour_of_refused(slot)).or_default() += 1;
            }
        }
    }
    Ok(hours)
}

fn decode(row: &[u8]) -> Result<(Refused, &[u8]), Malformed> {
    let line = row.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let refused = serde_json::from_slice(line).map_err(|_| Malformed::Text)?;
    Ok((refused, row.get(line.len() + 1..).unwrap_or_default()))
}
