//! Tables that are kept twice: what one copy lost is taken from the other.

use redb::{Key, ReadableTable as _, WriteTransaction};

use crate::StoreError;
use crate::aside::SetAside;
use crate::found::{Fault, Found};
use crate::rows::{TableOf, guarded};
use crate::seal::{SEAL_BYTES, seal, unseal};
use crate::tables::{ENDS, EPOCHS, HOURS, SEALED, SEGMENTS};
use crate::twice::kept_twice;

/// Puts both copies of each table right of which rows were set aside, and says of these what was made good.
pub(super) fn heal_copies(
    transaction: &WriteTransaction,
    found: &Found,
    rows: &mut [(SetAside, Vec<u8>)],
) -> Result<(), StoreError> {
    for (name, copy) in kept_twice() {
        let is_of = |row: &SetAside| row.table == name || row.table == copy;
        if !rows.iter().any(|(row, _)| is_of(row)) {
            continue;
        }
        let healed = if name == EPOCHS.name {
            heal(transaction, found, EPOCHS)?
        } else if name == HOURS.name {
            heal(transaction, found, HOURS)?
        } else if name == ENDS.name {
            heal(transaction, found, ENDS)?
        } else if name == SEGMENTS.name {
            heal(transaction, found, SEGMENTS)?
        } else if name == SEALED.name {
            heal(transaction, found, SEALED)?
        } else {
            heal(transaction, found, TableOf::<&'static [u8]>::new(name))?
        };
        let missing = Fault::Missing.to_string();
        let mut seals = healed;
        for (row, _) in rows.iter_mut() {
            // a key that was flipped is two rows: one that is damaged, and one that is missing
            let is_healed = match row.reason == missing {
                true => healed > 0,
                false => seals > 0,
            };
            if !is_of(row) || row.written_anew() || !is_healed {
                continue;
            }
            seals -= usize::from(row.reason != missing);
            "taken from the other copy: nothing is lost".clone_into(&mut row.consequence);
            row.mended = true;
        }
    }
    Ok(())
}

/// Returns how many rows were taken over, either way.
fn heal<K: Key + 'static>(
    transaction: &WriteTransaction,
    found: &Found,
    table: TableOf<K>,
) -> Result<usize, StoreError> {
    let Some(copy) = table.copy() else {
        return Ok(0);
    };
    let filled = guarded(found, copy.name, || fill(transaction, copy, table))?;
    Ok(filled + guarded(found, table.name, || fill(transaction, table, copy))?)
}

/// Takes over what `from` has whole and `into` has not.
fn fill<K: Key + 'static>(
    transaction: &WriteTransaction,
    from: TableOf<K>,
    into: TableOf<K>,
) -> Result<usize, StoreError> {
    let mut filled = transaction.open_table(into.definition())?;
    let source = transaction.open_table(from.definition())?;
    let mut missing = Vec::new();
    for row in source.iter()? {
        let (key, row) = row?;
        let bytes = K::as_bytes(&key.value()).as_ref().to_vec();
        if unseal(from.name, &bytes, row.value()).is_none() {
            continue;
        }
        let there = filled.get(key.value())?;
        if there.is_none_or(|there| unseal(into.name, &bytes, there.value()).is_none()) {
            let value = row.value();
            missing.push((bytes, value[..value.len() - SEAL_BYTES].to_vec()));
        }
    }
    let count = missing.len();
    for (key, mut value) in missing {
        seal(into.name, &key, &mut value);
        filled.insert(K::from_bytes(&key), value.as_slice())?;
    }
    Ok(count)
}
