//! The one way in which rows are read and written: sealed, and what is damaged is noted and passed over.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::RangeBounds;

use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use crate::StoreError;
use crate::found::{Fault, Found};
use crate::row::Malformed;
use crate::seal::{SEAL_BYTES, seal, unseal};

/// A table by its name and the type of its keys.
#[derive(Debug)]
pub(crate) struct TableOf<K: Key + 'static> {
    pub(crate) name: &'static str,
    key: PhantomData<fn() -> K>,
}

impl<K: Key + 'static> Clone for TableOf<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Key + 'static> Copy for TableOf<K> {}

/// A table open to a reader.
pub(crate) type ReadRows<'t, K> = Rows<'t, K, ReadOnlyTable<K, &'static [u8]>>;
/// A table open to a writer.
pub(crate) type WriteRows<'t, K> = Rows<'t, K, Table<'t, K, &'static [u8]>>;

impl<K: Key + 'static> TableOf<K> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            key: PhantomData,
        }
    }

    pub(crate) fn definition(self) -> TableDefinition<'static, K, &'static [u8]> {
        TableDefinition::new(self.name)
    }

    /// Opens it to a writer; it is made if it is not there.
    pub(crate) fn open<'t>(
        self,
        transaction: &'t WriteTransaction,
        found: &'t Found,
    ) -> Result<WriteRows<'t, K>, StoreError> {
        Ok(Rows {
            of: self,
            table: transaction.open_table(self.definition())?,
            found,
        })
    }

    /// Opens it to a reader; `None`: it was never made.
    pub(crate) fn try_read<'t>(
        self,
        transaction: &ReadTransaction,
        found: &'t Found,
    ) -> Result<Option<ReadRows<'t, K>>, StoreError> {
        let table = match transaction.open_table(self.definition()) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        Ok(Some(Rows {
            of: self,
            table,
            found,
        }))
    }

    /// Opens a table to a reader that every store has.
    pub(crate) fn read<'t>(
        self,
        transaction: &ReadTransaction,
        found: &'t Found,
    ) -> Result<ReadRows<'t, K>, StoreError> {
        Ok(Rows {
            of: self,
            table: transaction.open_table(self.definition())?,
            found,
        })
    }
}

/// An open table.
pub(crate) struct Rows<'t, K: Key + 'static, T> {
    of: TableOf<K>,
    table: T,
    found: &'t Found,
}

/// A row that is what was written.
pub(crate) struct Whole<'a>(AccessGuard<'a, &'static [u8]>);

impl Whole<'_> {
    /// The value, without the checksum.
    pub(crate) fn value(&self) -> &[u8] {
        let row = self.0.value();
        &row[..row.len() - SEAL_BYTES]
    }

    /// The value of a table of numbers.
    pub(crate) fn number(&self) -> u64 {
        number(self.value())
    }
}

pub(crate) fn number(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = value.len().min(8);
    bytes[..length].copy_from_slice(&value[..length]);
    u64::from_le_bytes(bytes)
}

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup<V> {
    /// Nothing.
    Absent,
    /// A row that is not what was written; it is noted.
    Damaged,
    Is(V),
}

impl<V> Lookup<V> {
    pub(crate) fn whole(self) -> Option<V> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Damaged => None,
        }
    }
}

impl<K: Key + 'static, T: ReadableTable<K, &'static [u8]>> Rows<'_, K, T> {
    /// What stands under `key`.
    pub(crate) fn lookup<'k>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Lookup<Whole<'_>>, StoreError> {
        let key = key.borrow();
        let Some(row) = self.table.get(key)? else {
            return Ok(Lookup::Absent);
        };
        let key = K::as_bytes(key);
        Ok(match self.check(key.as_ref(), row) {
            Some(whole) => Lookup::Is(whole),
            None => Lookup::Damaged,
        })
    }

    /// The whole row under `key`; a damaged one is noted, and is as none.
    pub(crate) fn get<'k>(&self, key: impl Borrow<K::SelfType<'k>>) -> Result<Option<Whole<'_>>, StoreError> {
        self.lookup(key).map(Lookup::whole)
    }

    /// The decoded row under `key`.
    pub(crate) fn lookup_as<'k, V>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
        decode: impl FnOnce(&[u8]) -> Result<V, Malformed>,
    ) -> Result<Lookup<V>, StoreError> {
        let key = key.borrow();
        Ok(match self.lookup(key)? {
            Lookup::Absent => Lookup::Absent,
            Lookup::Damaged => Lookup::Damaged,
            Lookup::Is(whole) => match decode(whole.value()) {
                Ok(value) => Lookup::Is(value),
                Err(malformed) => {
                    self.note(K::as_bytes(key).as_ref(), Fault::Form(malformed.to_string()));
                    Lookup::Damaged
                }
            },
        })
    }

    /// The decoded row under `key`; a damaged one is noted, and is as none.
    pub(crate) fn get_as<'k, V>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
        decode: impl FnOnce(&[u8]) -> Result<V, Malformed>,
    ) -> Result<Option<V>, StoreError> {
        self.lookup_as(key, decode).map(Lookup::whole)
    }

    /// The whole rows of a range by key; damaged ones are noted and passed over.
    pub(crate) fn range<'a, B: Borrow<K::SelfType<'a>> + 'a>(
        &self,
        range: impl RangeBounds<B> + 'a,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(AccessGuard<'_, K>, Whole<'_>), StoreError>>,
        StoreError,
    > {
        Ok(self.table.range(range)?.filter_map(|row| match row {
            Ok((key, row)) => {
                let whole = self.check(K::as_bytes(&key.value()).as_ref(), row)?;
                Some(Ok((key, whole)))
            }
            Err(error) => Some(Err(StoreError::from(error))),
        }))
    }

    /// All whole rows by key.
    pub(crate) fn iter(
        &self,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(AccessGuard<'_, K>, Whole<'_>), StoreError>>,
        StoreError,
    > {
        Ok(self.table.iter()?.filter_map(|row| match row {
            Ok((key, row)) => {
                let whole = self.check(K::as_bytes(&key.value()).as_ref(), row)?;
                Some(Ok((key, whole)))
            }
            Err(error) => Some(Err(StoreError::from(error))),
        }))
    }

    /// Decodes a row that was read; one that has not the right form is noted.
    pub(crate) fn decode<'k, 'r, V>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
        row: &'r Whole<'_>,
        decode: impl FnOnce(&'r [u8]) -> Result<V, Malformed>,
    ) -> Option<V> {
        match decode(row.value()) {
            Ok(value) => Some(value),
            Err(malformed) => {
                self.note(
                    K::as_bytes(key.borrow()).as_ref(),
                    Fault::Form(malformed.to_string()),
                );
                None
            }
        }
    }

    /// Rows, damaged ones included.
    pub(crate) fn len(&self) -> Result<u64, StoreError> {
        Ok(self.table.len()?)
    }

    /// Notes that the row under `key` is damaged.
    pub(crate) fn note(&self, key: &[u8], fault: Fault) {
        self.found.note(self.of.name, key, fault);
    }

    fn check<'a>(&self, key: &[u8], row: AccessGuard<'a, &'static [u8]>) -> Option<Whole<'a>> {
        if unseal(self.of.name, key, row.value()).is_some() {
            return Some(Whole(row));
        }
        self.note(key, Fault::Seal);
        None
    }
}

impl<K: Key + 'static> WriteRows<'_, K> {
    /// Writes a row.
    pub(crate) fn insert<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        value: &[u8],
    ) -> Result<(), StoreError> {
        let key = key.borrow();
        let mut row = Vec::with_capacity(value.len() + SEAL_BYTES);
        row.extend_from_slice(value);
        seal(self.of.name, K::as_bytes(key).as_ref(), &mut row);
        self.table.insert(key, row.as_slice())?;
        Ok(())
    }

    /// Writes a number.
    pub(crate) fn insert_number<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        number: u64,
    ) -> Result<(), StoreError> {
        self.insert(key, &number.to_le_bytes())
    }

    /// Removes a row, whole or not; how many bytes its value had.
    pub(crate) fn remove<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<usize>, StoreError> {
        let removed = self.table.remove(key)?;
        Ok(removed.map(|row| row.value().len().saturating_sub(SEAL_BYTES)))
    }
}
