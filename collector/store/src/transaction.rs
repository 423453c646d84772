//! A write transaction as other crates hold it: they pass it on, only this crate opens tables in it.

use redb::WriteTransaction;

/// One durable change: everything that is written in it happens, or nothing.
pub struct Transaction(WriteTransaction);

impl Transaction {
    pub(crate) fn new(transaction: WriteTransaction) -> Self {
        Self(transaction)
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &WriteTransaction {
        &self.0
    }

    pub(crate) fn into_tables(self) -> WriteTransaction {
        self.0
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction")
    }
}
