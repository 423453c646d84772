//! A write transaction as other crates hold it: they pass it on, only this crate opens tables in it.

use std::cell::Cell;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use crate::StoreError;
use crate::found::Found;
use crate::tables::ENDS;

/// One durable change: everything that is written in it happens, or nothing.
pub struct Transaction {
    tables: WriteTransaction,
    ends_plans: Cell<bool>,
}

impl Transaction {
    pub(crate) fn new(tables: WriteTransaction) -> Self {
        Self {
            tables,
            ends_plans: Cell::new(false),
        }
    }

    /// Ends what is planned of a revoked probe: measurements of `at` and later are refused from now on.
    ///
    /// # Errors
    /// When the store failed.
    pub fn end_plans(&self, probe: ProbeId, at: UnixMillis) -> Result<(), StoreError> {
        let found = Found::default(); // nothing is read here
        self.ends_plans.set(true);
        ENDS.open(&self.tables, &found)?.insert_number(probe.0, at.0)?;
        Ok(())
    }

    /// Whether a probe's plans end with it.
    pub(crate) fn ends_plans(&self) -> bool {
        self.ends_plans.get()
    }

    pub(crate) fn tables(&self) -> &WriteTransaction {
        &self.tables
    }

    pub(crate) fn into_tables(self) -> WriteTransaction {
        self.tables
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction")
    }
}
