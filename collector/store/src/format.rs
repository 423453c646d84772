//! The format of the file: its number, and every table.

use redb::{TableDefinition, TableError, TableHandle as _, WriteTransaction};

use crate::StoreError;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::segment::{Broken, mark_all, mark_broken};
use crate::tables::*;
use crate::whole;

/// Where formats 1 to 3 kept their number.
const OLD_META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// What makes of a store of a format one of the next: in the transaction that opens it, with every table there. Together
/// they happen, or nothing does: a crash finds the old format or the new one.
type Step = fn(&WriteTransaction, &Found) -> Result<(), StoreError>;

/// The formats that this build makes its own, the oldest first, each with the step to the next one.
const LADDER: [(u64, Step); 3] = [
    (5, |_, _| Ok(())), // it lacks tables, and nothing else
    (6, mark_all),      // it has no rollups
    (7, whole::find),   // it does not say from when on a tier is whole
];

const _: () = assert!(LADDER[0].0 == FORMAT_OLDEST && LADDER[LADDER.len() - 1].0 + 1 == FORMAT);

/// Makes every table, so that readers find them; checks the format, and climbs from an older one.
pub(crate) fn prepare(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    if let Some(old) = old_format(transaction)? {
        return Err(StoreError::Format {
            found: old,
            expected: FORMAT,
        });
    }
    let before = Numbers::open(transaction, found)?.get(META_FORMAT)?;
    match before {
        0 | FORMAT_OLDEST..=FORMAT => {} // 0: new; or damaged twice, and each row says its form by itself
        other => {
            return Err(StoreError::Format {
                found: other,
                expected: FORMAT,
            });
        }
    }
    with_each_table!(table => table.open(transaction, found)?);
    if before == FORMAT {
        return Ok(());
    }
    if before == 0 {
        let broken = Broken {
            any: true, // whether there were rollups is not known then
            ..Broken::default()
        };
        mark_broken(transaction, found, &broken)?;
        whole::find(transaction, found)?;
    } else {
        let steps = LADDER.iter().filter(|(from, _)| *from >= before);
        steps
            .into_iter()
            .try_for_each(|(_, step)| step(transaction, found))?;
    }
    Numbers::open(transaction, found)?.set(META_FORMAT, FORMAT)
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
