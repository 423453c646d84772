//! The format of the file: its number, and every table.

use redb::{TableDefinition, TableError, TableHandle as _, WriteTransaction};

use crate::StoreError;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::segment::{Broken, mark_all, mark_broken};
use crate::tables::*;

/// Where formats 1 to 3 kept their number.
const OLD_META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Makes every table, so that readers find them; checks the format.
pub(crate) fn prepare(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    if let Some(old) = old_format(transaction)? {
        return Err(StoreError::Format {
            found: old,
            expected: FORMAT,
        });
    }
    let mut numbers = Numbers::open(transaction, found)?;
    let before = numbers.get(META_FORMAT)?;
    match before {
        FORMAT => {}
        0 | FORMAT_OLDEST..FORMAT => numbers.set(META_FORMAT, FORMAT)?, // 0: new; or damaged twice, and each row says its form by itself
        other => {
            return Err(StoreError::Format {
                found: other,
                expected: FORMAT,
            });
        }
    }
    with_each_table!(table => table.open(transaction, found)?);
    match before {
        0 => {
            let broken = Broken {
                any: true, // whether there were rollups is not known then
                ..Broken::default()
            };
            mark_broken(transaction, found, &broken)
        }
        FORMAT_OLDEST..FORMAT => mark_all(transaction, found), // it has no rollups
        _ => Ok(()),
    }
}

/// The number of an older format, whose tables this build cannot open.
fn old_format(transaction: &WriteTransaction) -> Result<Option<u64>, StoreError> {
    if !transaction
        .list_tables()?
        .any(|table| table.name() == OLD_META.name())
    {
        return Ok(None);
    }
    let found = match transaction.open_table(OLD_META) {
        Err(TableError::TableTypeMismatch { .. }) => None,
        meta => redb::ReadableTable::get(&meta?, META_FORMAT)?.map(|format| format.value()),
    };
    Ok(Some(found.unwrap_or(0)))
}
