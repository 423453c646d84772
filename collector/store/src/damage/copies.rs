//! Tables that are kept twice: what one copy lost is taken from the other.

use redb::{Key, ReadableTable as _, WriteTransaction};

use crate::StoreError;
use crate::aside::SetAside;
use crate::found::{Damaged, Fault, Found};
use crate::rows::{TableOf, guarded};
use crate::seal::{SEAL_BYTES, seal, unseal};
use crate::tables::{ENDS, EPOCHS, HOURS, SEALED, SEGMENTS, UNROLLED};
use crate::twice::kept_twice;

/// Of so many rows of a table the true keys are looked for, where theirs were damaged; each is tried on every row.
const STRANGE_KEYS_MAX: usize = 64;

/// Puts both copies of each table right of which rows were set aside, and says of these what was made good. `damaged`
/// and `rows` are of one length: what was found, and what is said and kept of it.
pub(super) fn heal_copies(
    transaction: &WriteTransaction,
    found: &Found,
    damaged: &[Damaged],
    rows: &mut [(SetAside, Vec<u8>)],
) -> Result<(), StoreError> {
    let mut damaged: Vec<_> = damaged.iter().zip(rows).collect();
    for (name, copy) in kept_twice() {
        if !damaged
            .iter()
            .any(|(row, _)| row.table == name || row.table == copy)
        {
            continue;
        }
        if name == EPOCHS.name {
            heal(transaction, found, (EPOCHS, &mut damaged))?;
        } else if name == HOURS.name {
            heal(transaction, found, (HOURS, &mut damaged))?;
        } else if name == ENDS.name {
            heal(transaction, found, (ENDS, &mut damaged))?;
        } else if name == SEGMENTS.name {
            heal(transaction, found, (SEGMENTS, &mut damaged))?;
        } else if name == UNROLLED.name {
            heal(transaction, found, (UNROLLED, &mut damaged))?;
        } else if name == SEALED.name {
            heal(transaction, found, (SEALED, &mut damaged))?;
        } else {
            let table = TableOf::<&'static [u8]>::new(name);
            heal(transaction, found, (table, &mut damaged))?;
        }
    }
    Ok(())
}

/// A damaged row, what is said of it, and its bytes.
type Told<'r> = (&'r Damaged, &'r mut (SetAside, Vec<u8>));

fn heal<K: Key + 'static>(
    transaction: &WriteTransaction,
    found: &Found,
    (table, damaged): (TableOf<K>, &mut [Told<'_>]),
) -> Result<(), StoreError> {
    let Some(copy) = table.copy() else {
        return Ok(());
    };
    guarded(found, copy.name, || fill(transaction, copy, table))?;
    guarded(found, table.name, || fill(transaction, table, copy))?;
    for (of, other) in [(table, copy), (copy, table)] {
        let is_lost = |row: &Damaged| row.table == other.name && row.what != Fault::Missing;
        let is_other_whole = !damaged.iter().any(|(row, _)| is_lost(row));
        let (mut rows, mut pages) = (Vec::new(), Vec::new());
        let is_open = |(row, said): &&mut Told<'_>| row.table == of.name && !said.0.written_anew();
        for told in damaged.iter_mut().filter(is_open) {
            match told.0.what {
                Fault::Pages => pages.push(told),
                _ => rows.push(told),
            }
        }
        for (_, said) in pages.into_iter().filter(|_| is_other_whole) {
            said.0.taken_from_the_copy();
        }
        guarded(found, of.name, || say_what_is_whole(transaction, of, &mut rows))?;
    }
    Ok(())
}

/// Of each damaged row that stands whole in its table again: nothing is lost. Where the key was damaged, the checksum of
/// the row fits its true key.
fn say_what_is_whole<K: Key + 'static>(
    transaction: &WriteTransaction,
    table: TableOf<K>,
    damaged: &mut [&mut Told<'_>],
) -> Result<(), StoreError> {
    let open = transaction.open_table(table.definition())?;
    let mut strange = Vec::new();
    for told in damaged {
        let (row, (aside, bytes)) = (told.0, &mut *told.1);
        let is_key = K::fixed_width().is_none_or(|width| width == row.key.len());
        let there = match is_key {
            true => open.get(K::from_bytes(&row.key))?,
            false => None,
        };
        if there.is_some_and(|there| unseal(table.name, &row.key, there.value()).is_some()) {
            aside.taken_from_the_copy();
        } else if strange.len() < STRANGE_KEYS_MAX && !bytes.is_empty() {
            strange.push((aside, bytes));
        }
    }
    if strange.is_empty() {
        return Ok(());
    }
    for row in open.iter()? {
        let (key, _) = row?;
        let key = K::as_bytes(&key.value()).as_ref().to_vec();
        for (aside, bytes) in &mut strange {
            if unseal(table.name, &key, bytes).is_some() {
                aside.taken_from_the_copy();
            }
        }
    }
    Ok(())
}

/// Takes over what `from` has whole and `into` has not.
fn fill<K: Key + 'static>(
    transaction: &WriteTransaction,
    from: TableOf<K>,
    into: TableOf<K>,
) -> Result<(), StoreError> {
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
    for (key, mut value) in missing {
        seal(into.name, &key, &mut value);
        filled.insert(K::from_bytes(&key), value.as_slice())?;
    }
    Ok(())
}
