//! Walks through tables, and every call of the database that may meet a damaged page.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{AccessGuard, Key, ReadableTable};

use super::{Rows, Whole};
use crate::StoreError;
use crate::found::Found;

/// A walk through the whole rows of a table. It ends where the database cannot read on.
pub(crate) struct Walk<'a, 't, K: Key + 'static, T> {
    rows: &'a Rows<'t, K, T>,
    range: redb::Range<'a, K, &'static [u8]>,
    is_over: bool,
}

impl<'a, 't, K: Key + 'static, T: ReadableTable<K, &'static [u8]>> Walk<'a, 't, K, T> {
    pub(super) fn new(rows: &'a Rows<'t, K, T>, range: redb::Range<'a, K, &'static [u8]>) -> Self {
        Self {
            rows,
            range,
            is_over: false,
        }
    }

    fn step(&mut self, from: End) -> Option<Result<(AccessGuard<'a, K>, Whole<'a>), StoreError>> {
        while !self.is_over {
            let range = &mut self.range;
            let row = self.rows.guarded(|| {
                match from {
                    End::First => range.next(),
                    End::Last => range.next_back(),
                }
                .transpose()
                .inspect(|row| {
                    if let Some((key, value)) = row {
                        K::as_bytes(&key.value());
                        value.value();
                    }
                })
            });
            match row {
                Ok(Some(row)) => {
                    let passed = self.rows.pass(row);
                    if passed.is_some() {
                        return passed;
                    }
                }
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl<'a, K: Key + 'static, T: ReadableTable<K, &'static [u8]>> Iterator for Walk<'a, '_, K, T> {
    type Item = Result<(AccessGuard<'a, K>, Whole<'a>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(End::First)
    }
}

impl<K: Key + 'static, T: ReadableTable<K, &'static [u8]>> DoubleEndedIterator for Walk<'_, '_, K, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(End::Last)
    }
}

/// From where a walk takes its next row.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

/// Calls the database. It may panic over a page that is not what it wrote: that is damage like any other.
pub(crate) fn guarded<V, E: Into<StoreError>>(
    found: &Found,
    table: &'static str,
    call: impl FnOnce() -> Result<V, E>,
) -> Result<V, StoreError> {
    let error = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.into().of_table(table),
        Err(panic) => StoreError::Pages {
            table,
            words: words_of(&*panic),
        },
    };
    if matches!(error, StoreError::Pages { .. }) {
        found.note_pages(table);
    }
    Err(error)
}

/// Looks at a row where a panic is caught: where it ends is told by its page.
pub(super) fn touch(row: &Option<AccessGuard<'_, &'static [u8]>>) {
    if let Some(row) = row {
        row.value();
    }
}

/// What a panic says.
pub(crate) fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the database ended in the middle").to_owned()
}
