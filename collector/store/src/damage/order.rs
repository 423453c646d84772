//! Takes damaged rows out of their tables, wherever they stand.
//!
//! A bit that flips in a key leaves its row where it was: out of order. A search then passes it by, and others with it.
//! So what a search does not find is walked for, and a table that is out of order is written anew, in order.

use redb::{Key, ReadableTable as _, TableDefinition, WriteTransaction};

use super::visit::{Visit, with_table};
use crate::StoreError;
use crate::found::{Damaged, Fault};
use crate::rows::TableOf;
use crate::seal::unseal;

/// What became of a damaged row.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Its bytes; `None`: there is none, or it is whole by now.
    pub(super) bytes: Option<Vec<u8>>,
    /// The table was out of order: searches may have passed by other rows of it.
    pub(super) was_out_of_order: bool,
}

/// Removes a row as it stands.
pub(super) fn take(transaction: &WriteTransaction, row: &Damaged) -> Result<Taken, StoreError> {
    match row.what {
        Fault::Pages => Ok(Taken {
            bytes: Some(Vec::new()),
            was_out_of_order: true,
        }),
        Fault::Seal | Fault::Form(_) | Fault::File { .. } | Fault::Missing => {
            with_table(row.table, Take { transaction, row })
        }
    }
}

/// Whether a walk finds a row that a search does not; then the table is put in order.
pub(super) fn is_hidden<K: Key + 'static>(
    transaction: &WriteTransaction,
    table: TableOf<K>,
    keys: &[Vec<u8>],
) -> Result<bool, StoreError> {
    let hidden = {
        let open = transaction.open_table(table.definition())?;
        let mut hidden = false;
        for row in open.iter()? {
            let (key, row) = row?;
            let key = K::as_bytes(&key.value()).as_ref().to_vec();
            hidden |= keys.contains(&key) && unseal(table.name, &key, row.value()).is_some();
        }
        hidden
    };
    if hidden {
        put_in_order(transaction, table, None)?;
    }
    Ok(hidden)
}

struct Take<'t> {
    transaction: &'t WriteTransaction,
    row: &'t Damaged,
}

impl Visit for Take<'_> {
    type Out = Taken;

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<Taken, StoreError> {
        let Self { transaction, row } = self;
        let is_missing = row.what == Fault::Missing;
        if row.key.is_empty() || K::fixed_width().is_some_and(|width| width != row.key.len()) {
            return Ok(Taken::default());
        }
        let searched = {
            let open = transaction.open_table(table.definition())?;
            let found = open.get(K::from_bytes(&row.key))?;
            found.map(|found| found.value().to_vec())
        };
        let walked = match &searched {
            Some(_) => None,
            None => walk(transaction, table, &row.key)?,
        };
        let was_out_of_order = walked.is_some();
        let Some(bytes) = searched.or(walked) else {
            return Ok(Taken {
                bytes: is_missing.then(Vec::new),
                was_out_of_order,
            });
        };
        let is_whole = unseal(table.name, &row.key, &bytes).is_some();
        let is_taken = !(is_missing || is_whole && row.what == Fault::Seal);
        match (was_out_of_order, is_taken) {
            (true, true) => put_in_order(transaction, table, Some(&row.key))?,
            (true, false) => put_in_order(transaction, table, None)?,
            (false, true) => {
                let mut open = transaction.open_table(table.definition())?;
                open.remove(K::from_bytes(&row.key))?;
            }
            (false, false) => {}
        }
        if let (Fault::Form(_) | Fault::File { .. }, Some(copy)) = (&row.what, table.copy()) {
            let mut copy = transaction.open_table(copy.definition())?;
            copy.remove(K::from_bytes(&row.key))?; // it was written like that into both, or both name that file
        }
        Ok(Taken {
            bytes: is_taken.then_some(bytes),
            was_out_of_order,
        })
    }
}

fn walk<K: Key + 'static>(
    transaction: &WriteTransaction,
    table: TableOf<K>,
    wanted: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let open = transaction.open_table(table.definition())?;
    for row in open.iter()? {
        let (key, row) = row?;
        if K::as_bytes(&key.value()).as_ref() == wanted {
            return Ok(Some(row.value().to_vec()));
        }
    }
    Ok(None)
}

/// Writes a table anew, in order, without the damaged row under that key. Of two rows under one key the whole one stays;
/// where both are, the one that the copy has.
fn put_in_order<K: Key + 'static>(
    transaction: &WriteTransaction,
    table: TableOf<K>,
    without: Option<&[u8]>,
) -> Result<(), StoreError> {
    let ordered: TableDefinition<'_, K, &'static [u8]> = TableDefinition::new("in order");
    {
        let old = transaction.open_table(table.definition())?;
        let mut new = transaction.open_table(ordered)?;
        let copy = match table.copy() {
            Some(copy) => Some((copy.name, transaction.open_table(copy.definition())?)),
            None => None,
        };
        for row in old.iter()? {
            let (key, row) = row?;
            let bytes = K::as_bytes(&key.value()).as_ref().to_vec();
            let is_whole = unseal(table.name, &bytes, row.value()).is_some();
            if !is_whole && without == Some(bytes.as_slice()) {
                continue;
            }
            let stands = new.get(key.value())?;
            let stands = stands.map(|stands| unseal(table.name, &bytes, stands.value()).is_some());
            let is_better = match stands {
                None => true,
                Some(false) => is_whole,
                Some(true) => match (&copy, unseal(table.name, &bytes, row.value())) {
                    (Some((name, copy)), Some(value)) => {
                        let copied = copy.get(key.value())?;
                        copied.is_some_and(|copied| unseal(name, &bytes, copied.value()) == Some(value))
                    }
                    _ => false,
                },
            };
            if is_better {
                new.insert(key.value(), row.value())?;
            }
        }
    }
    transaction.delete_table(table.definition())?;
    transaction.rename_table(ordered, table.definition())?;
    Ok(())
}
