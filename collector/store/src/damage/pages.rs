//! Tables of which pages cannot be read: written anew from what can, and kept as they are beside that.
//!
//! The database walks a table from both ends; what lies between the first page from either end that it cannot read is
//! lost with that page, as far as no copy and no other table has it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
    WriteTransaction,
};

use super::visit::{Visit, with_table};
use crate::found::Fault;
use crate::rows::{TableOf, guarded};
use crate::{Store, StoreError};

impl Store {
    /// Writes the tables anew of which readers could not read a page.
    pub(super) fn rebuild_tables(&self) -> Result<(), StoreError> {
        for table in self.found().take_pages() {
            let rebuilt = self.rebuild_table(table);
            if rebuilt.is_err() {
                self.found().note_pages(table); // the disk may take it later
            }
            rebuilt?;
        }
        Ok(())
    }

    fn rebuild_table(&self, table: &'static str) -> Result<(), StoreError> {
        let database = self.open_database()?;
        let view = database.begin_read()?;
        if with_table(
            table,
            Walk {
                view: &view,
                each: &mut |_, _| Ok(()),
            },
        )? {
            return Ok(()); // it can be read: it was another that looked like it
        }
        tracing::error!(table, "pages of a table cannot be read; it is written anew");
        self.write_quietly(|transaction| {
            let kept = guarded(self.found(), table, || aside_name(transaction, table))?;
            let view = &view;
            let rebuild = Rebuild {
                view,
                transaction,
                kept: &kept,
            };
            guarded(self.found(), table, || with_table(table, rebuild))
        })?;
        self.found().note(table, &[], Fault::Pages);
        Ok(())
    }
}

/// A name for a table that is kept as it is.
fn aside_name(transaction: &WriteTransaction, table: &str) -> Result<String, StoreError> {
    use redb::TableHandle as _;
    let taken: Vec<String> = transaction
        .list_tables()?
        .map(|it| it.name().to_owned())
        .collect();
    let mut number = 1;
    loop {
        let name = format!("{table} (unreadable {number})");
        if !taken.contains(&name) {
            return Ok(name);
        }
        number += 1;
    }
}

/// What is done with a row, by the bytes of its key and its value.
type EachRow<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError>;

/// A row's key and value; `None`: there is no further one.
type Step = Result<Option<(Vec<u8>, Vec<u8>)>, redb::StorageError>;

/// Does something with each row that can be read, as the bytes that stand there; says whether that was all of them.
struct Walk<'v> {
    view: &'v ReadTransaction,
    each: EachRow<'v>,
}

impl Visit for Walk<'_> {
    type Out = bool;

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<bool, StoreError> {
        let forward = walk_from(self.view, table, End::First, self.each)?;
        match forward {
            Walked::All => Ok(true),
            Walked::Some => {
                walk_from(self.view, table, End::Last, self.each)?;
                Ok(false)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// How far a walk came.
enum Walked {
    All,
    /// Not to the end.
    Some,
}

fn walk_from<K: Key + 'static>(
    view: &ReadTransaction,
    table: TableOf<K>,
    end: End,
    each: EachRow<'_>,
) -> Result<Walked, StoreError> {
    let guarded = |step: &mut dyn FnMut() -> Step| match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(row)) => Ok(row),
        Ok(Err(_)) | Err(_) => Err(()),
    };
    let open = match catch_unwind(AssertUnwindSafe(|| view.open_table(table.definition()))) {
        Ok(Err(TableError::TableDoesNotExist(_))) => return Ok(Walked::All),
        Ok(Ok(open)) => open,
        Ok(Err(_)) | Err(_) => return Ok(Walked::Some),
    };
    let Ok(Ok(mut rows)) = catch_unwind(AssertUnwindSafe(|| open.iter())) else {
        return Ok(Walked::Some);
    };
    loop {
        let row = guarded(&mut || {
            let row = match end {
                End::First => rows.next(),
                End::Last => rows.next_back(),
            };
            let Some((key, row)) = row.transpose()? else {
                return Ok(None);
            };
            Ok(Some((
                K::as_bytes(&key.value()).as_ref().to_vec(),
                row.value().to_vec(),
            )))
        });
        match row {
            Ok(Some((key, row))) => each(&key, &row)?,
            Ok(None) => return Ok(Walked::All),
            Err(()) => return Ok(Walked::Some),
        }
    }
}

struct Rebuild<'t> {
    view: &'t ReadTransaction,
    transaction: &'t WriteTransaction,
    kept: &'t str,
}

impl Visit for Rebuild<'_> {
    type Out = ();

    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<(), StoreError> {
        let kept: TableDefinition<'_, K, &'static [u8]> = TableDefinition::new(self.kept);
        self.transaction.rename_table(table.definition(), kept)?;
        let mut fresh = self.transaction.open_table(table.definition())?;
        let mut insert = |key: &[u8], row: &[u8]| {
            fresh.insert(K::from_bytes(key), row)?;
            Ok(())
        };
        let walk = Walk {
            view: self.view,
            each: &mut insert,
        };
        walk.visit(table)?;
        Ok(())
    }
}
