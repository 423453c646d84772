//! Self-describing records: tables of JSON under text keys.

use std::marker::PhantomData;
use std::ops::Bound;

use redb::{ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError, Transaction};

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

    fn definition(&self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(self.table)
    }
}

impl<V: Serialize + DeserializeOwned> Records<V> {
    /// One record.
    ///
    /// # Errors
    /// When the store failed or the record is no JSON of this type.
    pub fn get(&self, key: &str) -> Result<Option<V>, StoreError> {
        self.store.read(|transaction| {
            let table = match transaction.open_table(self.definition()) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                table => table?,
            };
            let record = table.get(key)?;
            record.map(|json| self.decode(key, json.value())).transpose()
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
        self.store.read(|transaction| {
            let table = match transaction.open_table(self.definition()) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let records = table.range::<&str>((from, until))?;
            records
                .map(|record| {
                    let (key, json) = record?;
                    let value = self.decode(key.value(), json.value())?;
                    Ok((key.value().to_owned(), value))
                })
                .collect()
        })
    }

    /// As [`Records::get`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn get_in(&self, transaction: &Transaction, key: &str) -> Result<Option<V>, StoreError> {
        let table = transaction.tables().open_table(self.definition())?;
        let record = table.get(key)?;
        record.map(|json| self.decode(key, json.value())).transpose()
    }

    /// As [`Records::list`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn list_in(&self, transaction: &Transaction) -> Result<Vec<(String, V)>, StoreError> {
        let table = transaction.tables().open_table(self.definition())?;
        table
            .iter()?
            .map(|record| {
                let (key, json) = record?;
                let value = self.decode(key.value(), json.value())?;
                Ok((key.value().to_owned(), value))
            })
            .collect()
    }

    /// As [`Records::put`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// When the store failed.
    pub fn put_in(&self, transaction: &Transaction, key: &str, value: &V) -> Result<(), StoreError> {
        let json = serde_json::to_vec(value).map_err(|source| self.broken(key, source))?;
        let mut table = transaction.tables().open_table(self.definition())?;
        table.insert(key, json.as_slice())?;
        Ok(())
    }

    /// As [`Records::remove`], in a transaction that changes several tables.
    ///
    /// # Errors
    /// When the store failed.
    pub fn remove_in(&self, transaction: &Transaction, key: &str) -> Result<bool, StoreError> {
        let mut table = transaction.tables().open_table(self.definition())?;
        let removed = table.remove(key)?.is_some();
        Ok(removed)
    }

    fn decode(&self, key: &str, json: &[u8]) -> Result<V, StoreError> {
        serde_json::from_slice(json).map_err(|source| self.broken(key, source))
    }

    fn broken(&self, key: &str, source: serde_json::Error) -> StoreError {
        StoreError::Record {
            table: self.table,
            key: key.to_owned(),
            source,
        }
    }
}
