//! One row of columns: what every kind's rows have in common, and why columns that hold them are refused.

use super::ColumnError;
use crate::units::{Micros, UnixMillis};

/// One run: which check, which slot, how late it started, what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<Outcome> {
    /// Index in the plan's checks.
    pub check: u16,
    /// Planned start, on the grid.
    pub slot: UnixMillis,
    /// Actual start minus planned start (slot + jitter).
    pub lateness: Micros,
    /// The result.
    pub outcome: Outcome,
}

impl<Outcome> Row<Outcome> {
    /// The same run with another word for its outcome.
    pub(crate) fn with<Other>(&self, outcome: Other) -> Row<Other> {
        Row {
            check: self.check,
            slot: self.slot,
            lateness: self.lateness,
            outcome,
        }
    }

    pub(crate) fn map<Other>(self, word: impl FnOnce(Outcome) -> Other) -> Row<Other> {
        Row {
            check: self.check,
            slot: self.slot,
            lateness: self.lateness,
            outcome: word(self.outcome),
        }
    }
}

/// Why the columns of a batch are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Too many or too long texts.
    #[error("more than 4096 texts, or one of more than 512 bytes")]
    Texts,
    /// More addresses than rows a batch may have.
    #[error("more than 1000 addresses")]
    Addresses,
    /// A number that stands for nothing.
    #[error("{column} holds a code without a meaning: {code}")]
    Code {
        /// Its name, in words.
        column: &'static str,
        /// The number.
        code: u64,
    },
    /// A column's form is wrong.
    #[error("column {column} is malformed")]
    Column {
        /// Its name, in words.
        column: &'static str,
        #[source]
        source: ColumnError,
    },
}

pub(crate) fn column(name: &'static str) -> impl FnOnce(ColumnError) -> RowsError {
    move |source| RowsError::Column { column: name, source }
}

/// A number that a column's check found to be at most 100 s.
pub(crate) fn micros(us: u64) -> Micros {
    Micros::new(us).unwrap_or_default()
}
