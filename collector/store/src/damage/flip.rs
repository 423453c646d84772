//! Flips bits of stored rows, past everything that guards them; for tests.

use redb::{Key, ReadableTable as _, WriteTransaction};

use super::visit::{Visit, with_table};
use crate::rows::TableOf;
use crate::tables::{
    ASIDE, ENDS, ENDS_AGAIN, EPOCHS, EPOCHS_AGAIN, FORKS, HOURS, HOURS_AGAIN, LOG, LOG_HOURS, NUMBERS, PLANS,
    PROBE_HOURS, QUARANTINE, REMOVED, REMOVED_AGAIN, REPLACED, SEALED, SEALED_AGAIN, SEEN, SEGMENTS,
    SEGMENTS_AGAIN, STREAM, TOMBSTONES, UNROLLED, UNROLLED_AGAIN,
};
use crate::twice::{RECORDS, kept_twice};
use crate::{Store, StoreError};

/// Which part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A bit of what the row is found by.
    Key,
    /// Its value, the checksum at its end included.
    Value,
}

impl Store {
    /// Bytes that the database's rows take, with what finds them: not the room in its pages and its file that is free.
    ///
    /// # Errors
    /// When the store failed.
    pub fn database_bytes(&self) -> Result<u64, StoreError> {
        self.write_tables_if(|transaction| {
            let stats = transaction.stats()?;
            Ok((stats.stored_bytes() + stats.metadata_bytes(), false))
        })
    }

    /// Every table that has rows, with how many.
    ///
    /// # Errors
    /// When the store failed.
    pub fn table_rows(&self) -> Result<Vec<(&'static str, usize)>, StoreError> {
        let mut all = Vec::new();
        for name in table_names() {
            let rows = self.write_tables_if(|transaction| Ok((count(transaction, name)?, false)))?;
            all.extend((rows > 0).then_some((name, rows)));
        }
        Ok(all)
    }

    /// Flips one bit of the row at `place` of a table, counted from its beginning; both modulo what there is.
    /// Nothing, if there is no row, or another one has the key that would come of it.
    ///
    /// # Errors
    /// When the store failed.
    pub fn flip_bit(&self, table: &str, place: usize, part: Part, bit: usize) -> Result<bool, StoreError> {
        let Some(table) = table_names().find(|name| *name == table) else {
            return Ok(false);
        };
        self.write_tables(|transaction| {
            with_table(
                table,
                Flip {
                    transaction,
                    place,
                    part,
                    bit,
                },
            )
        })
    }
}

impl Store {
    /// As [`Store::flip_bit`], in a table and in its copy.
    ///
    /// # Errors
    /// When the store failed.
    pub fn flip_both(&self, table: &str, place: usize, part: Part, bit: usize) -> Result<bool, StoreError> {
        let copy = kept_twice().find(|(name, _)| *name == table);
        let flipped = self.flip_bit(table, place, part, bit)?;
        Ok(match copy {
            Some((_, copy)) => self.flip_bit(copy, place, part, bit)? && flipped,
            None => flipped,
        })
    }
}

fn count(transaction: &WriteTransaction, name: &'static str) -> Result<usize, StoreError> {
    with_table(name, Count(transaction))
}

impl Store {
    /// The keys of a table, in its order, as the bytes that stand there.
    ///
    /// # Errors
    /// When the store failed.
    #[cfg(test)]
    pub(super) fn keys_of(&self, table: &'static str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.write_tables_if(|transaction| Ok((with_table(table, Keys(transaction))?, false)))
    }
}

#[cfg(test)]
struct Keys<'t>(&'t WriteTransaction);

#[cfg(test)]
impl Visit for Keys<'_> {
    type Out = Vec<Vec<u8>>;

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<Vec<Vec<u8>>, StoreError> {
        let open = self.0.open_table(table.definition())?;
        let rows = open.iter()?.map(|row| {
            let (key, _) = row?;
            Ok(K::as_bytes(&key.value()).as_ref().to_vec())
        });
        rows.collect()
    }
}

struct Count<'t>(&'t WriteTransaction);

impl Visit for Count<'_> {
    type Out = usize;

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<usize, StoreError> {
        let open = self.0.open_table(table.definition())?;
        Ok(open.iter()?.count())
    }
}

struct Flip<'t> {
    transaction: &'t WriteTransaction,
    place: usize,
    part: Part,
    bit: usize,
}

impl Visit for Flip<'_> {
    type Out = bool;

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<bool, StoreError> {
        let mut open = self.transaction.open_table(table.definition())?;
        let rows = open.iter()?.count();
        let row = match rows {
            0 => None,
            rows => open.iter()?.nth(self.place % rows).transpose()?,
        };
        let Some((key, value)) = row.map(|(key, value)| {
            let key = K::as_bytes(&key.value()).as_ref().to_vec();
            (key, value.value().to_vec())
        }) else {
            return Ok(false);
        };
        let (mut new_key, mut new_value) = (key.clone(), value);
        let flipped = match self.part {
            Part::Key => &mut new_key,
            Part::Value => &mut new_value,
        };
        let bits = flipped.len() * 8;
        if bits == 0 {
            return Ok(false);
        }
        let bit = self.bit % bits;
        flipped[bit / 8] ^= 1 << (bit % 8);
        if new_key != key && open.get(K::from_bytes(&new_key))?.is_some() {
            return Ok(false);
        }
        open.remove(K::from_bytes(&key))?;
        open.insert(K::from_bytes(&new_key), new_value.as_slice())?;
        Ok(true)
    }
}

/// Every table there may be.
fn table_names() -> impl Iterator<Item = &'static str> {
    let fixed = [
        LOG.name,
        LOG_HOURS.name,
        STREAM.name,
        EPOCHS.name,
        SEEN.name,
        HOURS.name,
        PROBE_HOURS.name,
        TOMBSTONES.name,
        FORKS.name,
        QUARANTINE.name,
        PLANS.name,
        ENDS.name,
        ASIDE.name,
        EPOCHS_AGAIN.name,
        HOURS_AGAIN.name,
        ENDS_AGAIN.name,
        SEGMENTS.name,
        SEGMENTS_AGAIN.name,
        SEALED.name,
        SEALED_AGAIN.name,
        REPLACED.name,
        REMOVED.name,
        REMOVED_AGAIN.name,
        UNROLLED.name,
        UNROLLED_AGAIN.name,
    ];
    let records = RECORDS.into_iter().flat_map(|(name, copy)| [name, copy]);
    let texts = NUMBERS.into_iter().map(|table| table.name).chain(records);
    fixed.into_iter().chain(texts)
}
