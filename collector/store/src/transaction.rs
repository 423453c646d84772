//! A write transaction as other crates hold it: they pass it on, only this crate opens tables in it.

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use crate::StoreError;
use crate::found::Found;
use crate::tables::ENDS;

/// One durable change: everything that is written in it happens, or nothing.
pub struct Transaction(WriteTransaction);

impl Transaction {
    pub(crate) fn new(transaction: WriteTransaction) -> Self {
        Self(transaction)
    }

    /// Ends what is planned of a revoked probe: measurements of `at` and later are refused from now on.
    ///
    /// # Errors
    /// When the store failed.
    pub fn end_plans(&self, probe: ProbeId, at: UnixMillis) -> Result<(), StoreError> {
        let found = Found::default(); // nothing is read here
        ENDS.open(&self.0, &found)?.insert_number(probe.0, at.0)?;
        Ok(())
    }

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
