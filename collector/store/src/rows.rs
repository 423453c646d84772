//! The one way in which rows are read and written: sealed, and what is damaged is noted and passed over. Of a table
//! that is kept twice, every row is written into both, and a damaged one is read from the copy.

mod walk;

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::RangeBounds;

use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use self::walk::{Walk, touch};
pub(crate) use self::walk::{guarded, words_of};
use crate::StoreError;
use crate::found::{Fault, Found};
use crate::row::Malformed;
use crate::seal::{SEAL_BYTES, seal, unseal};
use crate::twice::kept_twice;

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
        let opened = |table: Self| guarded(found, table.name, || transaction.open_table(table.definition()));
        Ok(Rows {
            of: self,
            table: opened(self)?,
            copy: match self.copy() {
                Some(copy) => Some((copy.name, opened(copy)?)),
                None => None,
            },
            found,
        })
    }

    /// The table that holds its rows once more, if there is one.
    pub(crate) fn copy(self) -> Option<Self> {
        let copy = kept_twice().find(|(name, _)| *name == self.name);
        copy.map(|(_, copy)| Self::new(copy))
    }

    /// Opens it to a reader; `None`: it was never made.
    pub(crate) fn try_read<'t>(
        self,
        transaction: &ReadTransaction,
        found: &'t Found,
    ) -> Result<Option<ReadRows<'t, K>>, StoreError> {
        let Some(table) = self.try_table(transaction, found)? else {
            return Ok(None);
        };
        let copy = match self.copy() {
            Some(copy) => copy
                .try_table(transaction, found)?
                .map(|table| (copy.name, table)),
            None => None,
        };
        Ok(Some(Rows {
            of: self,
            table,
            copy,
            found,
        }))
    }

    fn try_table(
        self,
        transaction: &ReadTransaction,
        found: &Found,
    ) -> Result<Option<ReadOnlyTable<K, &'static [u8]>>, StoreError> {
        guarded(found, self.name, || {
            match transaction.open_table(self.definition()) {
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                table => table.map(Some),
            }
        })
    }

    /// Opens a table to a reader that every store has.
    pub(crate) fn read<'t>(
        self,
        transaction: &ReadTransaction,
        found: &'t Found,
    ) -> Result<ReadRows<'t, K>, StoreError> {
        let rows = self.try_read(transaction, found)?;
        rows.ok_or_else(|| TableError::TableDoesNotExist(self.name.to_owned()).into())
    }
}

/// An open table.
pub(crate) struct Rows<'t, K: Key + 'static, T> {
    of: TableOf<K>,
    table: T,
    /// Its rows once more, and the name of that table.
    copy: Option<(&'static str, T)>,
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

/// A row as the database gives it.
type KeyAndRow<'a, K> = (AccessGuard<'a, K>, AccessGuard<'a, &'static [u8]>);

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
    /// What stands under `key`; where that is damaged or gone, what stands in the copy.
    pub(crate) fn lookup<'k>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Lookup<Whole<'_>>, StoreError> {
        let key = key.borrow();
        let bytes = K::as_bytes(key);
        let bytes = bytes.as_ref();
        if let Some(row) = self.guarded(|| self.table.get(key).inspect(touch))? {
            return Ok(match self.check(bytes, row) {
                Some(whole) => Lookup::Is(whole),
                None => match self.copied(key)? {
                    Some(whole) => Lookup::Is(whole),
                    None => Lookup::Damaged,
                },
            });
        }
        let copied = self.copied(key)?;
        if copied.is_some() {
            self.note(bytes, Fault::Missing);
        }
        Ok(copied.map_or(Lookup::Absent, Lookup::Is))
    }

    /// What stands in the copy, if that is whole.
    fn copied<'k>(&self, key: &K::SelfType<'k>) -> Result<Option<Whole<'_>>, StoreError> {
        let Some((name, copy)) = &self.copy else {
            return Ok(None);
        };
        let row = guarded(self.found, name, || copy.get(key).inspect(touch))?;
        let key = K::as_bytes(key);
        Ok(row
            .filter(|row| unseal(name, key.as_ref(), row.value()).is_some())
            .map(Whole))
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
        let range = self.guarded(|| self.table.range(range))?;
        Ok(Walk::new(self, range))
    }

    /// All whole rows by key.
    pub(crate) fn iter(
        &self,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(AccessGuard<'_, K>, Whole<'_>), StoreError>>,
        StoreError,
    > {
        let range = self.guarded(|| self.table.iter())?;
        Ok(Walk::new(self, range))
    }

    /// What the database gives; where it cannot read a page, the table is noted.
    fn guarded<V, E: Into<StoreError>>(&self, call: impl FnOnce() -> Result<V, E>) -> Result<V, StoreError> {
        guarded(self.found, self.of.name, call)
    }

    /// A row of a walk, if it is whole here or in the copy.
    fn pass<'a>(
        &'a self,
        (key, row): KeyAndRow<'a, K>,
    ) -> Option<Result<(AccessGuard<'a, K>, Whole<'a>), StoreError>> {
        let whole = match self.check(K::as_bytes(&key.value()).as_ref(), row) {
            Some(whole) => Ok(Some(whole)),
            None => self.copied(&key.value()),
        };
        match whole {
            Ok(whole) => whole.map(|whole| Ok((key, whole))),
            Err(error) => Some(Err(error)),
        }
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

    /// Looks whether each row of the copy is in the table, and the other way round: one that is not is noted.
    pub(crate) fn compare_copies(&self) -> Result<(), StoreError> {
        let Some((name, copy)) = &self.copy else {
            return Ok(());
        };
        let main = self.of.name;
        for (from, (name, table), other) in [
            (*name, (main, &self.table), copy),
            (main, (*name, copy), &self.table),
        ] {
            // `from` may be the one that cannot be read, or `name`: then the other direction says so, too
            guarded(self.found, from, || {
                for row in other.iter()? {
                    let (key, row) = row?;
                    let bytes = K::as_bytes(&key.value()).as_ref().to_vec();
                    let is_whole = unseal(from, &bytes, row.value()).is_some();
                    if is_whole && table.get(key.value())?.is_none() {
                        self.found.note(name, &bytes, Fault::Missing);
                    }
                }
                Ok::<(), StoreError>(())
            })?;
        }
        Ok(())
    }

    /// Looks whether each row of the copy in that range is in the table: one that is not is noted.
    pub(crate) fn compare_range<'a, B: Borrow<K::SelfType<'a>> + 'a>(
        &self,
        range: impl RangeBounds<B> + 'a,
    ) -> Result<(), StoreError> {
        let Some((name, copy)) = &self.copy else {
            return Ok(());
        };
        guarded(self.found, name, || {
            for row in copy.range(range)? {
                let (key, row) = row?;
                let bytes = K::as_bytes(&key.value()).as_ref().to_vec();
                if unseal(name, &bytes, row.value()).is_some() && self.table.get(key.value())?.is_none() {
                    self.note(&bytes, Fault::Missing);
                }
            }
            Ok::<(), StoreError>(())
        })
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
        self.found.count_row();
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
        let (found, table) = (self.found, &mut self.table);
        guarded(found, self.of.name, || {
            table.insert(key, row.as_slice()).map(drop)
        })?;
        if let Some((name, copy)) = &mut self.copy {
            row.truncate(value.len());
            seal(name, K::as_bytes(key).as_ref(), &mut row);
            guarded(found, name, || copy.insert(key, row.as_slice()).map(drop))?;
        }
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
        let key = key.borrow();
        if let Some((name, copy)) = &mut self.copy {
            guarded(self.found, name, || copy.remove(key).map(drop))?;
        }
        let table = &mut self.table;
        let removed = guarded(self.found, self.of.name, || table.remove(key))?;
        Ok(removed.map(|row| row.value().len().saturating_sub(SEAL_BYTES)))
    }
}
