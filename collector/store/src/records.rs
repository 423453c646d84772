//! Self-describing records: tables of JSON under text keys. A damaged one is set aside, and is as none.

use std::marker::PhantomData;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError, Transaction};
use crate::found::Fault;
use crate::rows::{Rows, TableOf, Whole};
use crate::seal::SEAL_BYTES;

/// A table of records of one type.
#[derive(Debug)]
pub struct Records<V> {
    store: Store,
    table: &'static str,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for Records<V> {
    fn clone(&self) -> Self {
        Self::new(self.store.clone(), self.table)
    }
}

impl<V> Records<V> {
    /// The records in `table`, which is made with its first record.
    #[must_use]
    pub fn new(store: Store, table: &'static str) -> Self {
        Self {
            store,
            table,
            value: PhantomData,
        }
    }

    /// The store that holds them.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn table(&self) -> TableOf<&'static [u8]> {
        TableOf::new(self.table)
    }
}

impl<V: Serialize + DeserializeOwned> Records<V> {
    /// One record.
    ///
    /// # Errors
    /// When the store failed.
    pub fn get(&self, key: &str) -> Result<Option<V>, StoreError> {
        self.store.read(|transaction| {
            let Some(table) = self.table().try_read(transaction, self.store.found())? else {
                return Ok(None);
            };
            let record = table.get(key.as_bytes())?;
            Ok(record.and_then(|record| decode(&table, key.as_bytes(), &record)))
        })
    }

    /// Writes one record, durably.
    ///
    /// # Errors
    /// When the store failed.
    pub fn put(&self, key: &str, value: &V) -> Result<(), StoreError> {
        self.store
            .write(|transaction| self.put_in(transaction, key, value))
    }

    /// Removes one record, durably; says whether there was one.
    ///
    /// # Errors
    /// When the store failed.
    pub fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.store.write(|transaction| self.remove_in(transaction, key))
    }

    /// Every record, by key.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn list(&self) -> Result<Vec<(String, V)>, StoreError> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// The records between two keys, by key.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn range(&self, from: Bound<&str>, until: Bound<&str>) -> Result<Vec<(String, V)>, StoreError> {
        let before = self.store.healed();
        let records = self.range_once(from, until)?;
        match self.store.healed() == before {
            true => Ok(records),
            false => self.range_once(from, until), // damage was found on the way, and put right
        }
    }

    fn range_once(&self, from: Bound<&str>, until: Bound<&str>) -> Result<Vec<(String, V)>, StoreError> {
        self.store.read(|transaction| {
            let Some(table) = self.table().try_read(transaction, self.store.found())? else {
                return Ok(Vec::new());
            };
            let (from, until) = (from.map(str::as_bytes), until.map(str::as_bytes));
            let mut records = Vec::new();
            for record in table.range::<&[u8]>((from, until))? {
                let (key, record) = record?;
                records.extend(keyed(&table, key.value(), &record));
            }
            Ok(records)
        })
    }

    /// As [`Records::get`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn get_in(&self, transaction: &Transaction, key: &str) -> Result<Option<V>, StoreError> {
        let table = self.table().open(transaction.tables(), self.store.found())?;
        let record = table.get(key.as_bytes())?;
        Ok(record.and_then(|record| decode(&table, key.as_bytes(), &record)))
    }

    /// As [`Records::list`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn list_in(&self, transaction: &Transaction) -> Result<Vec<(String, V)>, StoreError> {
        let table = self.table().open(transaction.tables(), self.store.found())?;
        let mut records = Vec::new();
        for record in table.iter()? {
            let (key, record) = record?;
            records.extend(keyed(&table, key.value(), &record));
        }
        Ok(records)
    }

    /// Every key, in a transaction that changes several tables; no record is read.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn keys_in(&self, transaction: &Transaction) -> Result<Vec<String>, StoreError> {
        let table = self.table().open(transaction.tables(), self.store.found())?;
        let mut keys = Vec::new();
        for record in table.iter()? {
            let (key, _) = record?;
            keys.push(String::from_utf8_lossy(key.value()).into_owned());
        }
        Ok(keys)
    }

    /// As [`Records::put`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// When the store failed.
    pub fn put_in(&self, transaction: &Transaction, key: &str, value: &V) -> Result<(), StoreError> {
        let json = serde_json::to_vec(value).map_err(|source| StoreError::Record {
            table: self.table,
            key: key.to_owned(),
            source,
        })?;
        let mut table = self.table().open(transaction.tables(), self.store.found())?;
        table.insert(key.as_bytes(), &json)
    }

    /// As [`Records::remove`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// When the store failed.
    pub fn remove_in(&self, transaction: &Transaction, key: &str) -> Result<bool, StoreError> {
        let mut table = self.table().open(transaction.tables(), self.store.found())?;
        Ok(table.remove(key.as_bytes())?.is_some())
    }

    /// The records that were set aside and that no copy made good, each with its key and its value as it stood, as far as they are kept.
    ///
    /// # Errors
    /// When the store failed.
    pub fn set_aside(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let all = self.store.set_aside_of(self.table)?.into_iter();
        Ok(all
            .filter(|(row, _)| !row.mended)
            .map(|(row, mut bytes)| {
                bytes.truncate(bytes.len().saturating_sub(SEAL_BYTES));
                (row.key, bytes)
            })
            .collect())
    }
}

fn decode<V: DeserializeOwned, T: redb::ReadableTable<&'static [u8], &'static [u8]>>(
    table: &Rows<'_, &'static [u8], T>,
    key: &[u8],
    record: &Whole<'_>,
) -> Option<V> {
    match serde_json::from_slice(record.value()) {
        Ok(value) => Some(value),
        Err(error) => {
            table.note(key, Fault::Form(error.to_string()));
            None
        }
    }
}

fn keyed<V: DeserializeOwned, T: redb::ReadableTable<&'static [u8], &'static [u8]>>(
    table: &Rows<'_, &'static [u8], T>,
    key: &[u8],
    record: &Whole<'_>,
) -> Option<(String, V)> {
    let value = decode(table, key, record)?;
    Some((String::from_utf8_lossy(key).into_owned(), value))
}
