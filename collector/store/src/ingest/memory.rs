//! What the committer knows without asking the store.

use std::collections::HashMap;

use isochrone_proto::ids::{EpochId, ProbeId};
use redb::WriteTransaction;

use super::quarantine::Quarantine;
use super::stream::EpochMemory;
use crate::changes::Change;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::{StoreError, tables};

/// What the committer knows without asking the store.
pub(super) struct Memory {
    pub(super) commit: u64,
    pub(super) ordinal: u64,
    pub(super) quarantine: Quarantine,
    pub(super) epochs: HashMap<(ProbeId, EpochId), EpochMemory>,
    /// Rows that were ever set aside.
    pub(super) set_aside: u64,
    /// Something that was damaged came back, in this transaction.
    pub(super) is_mended: bool,
    /// What this transaction changes in the account.
    pub(super) changes: Vec<Change>,
    /// The accounts were put right so often when this was read.
    pub(super) recounts: u64,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn load(
        transaction: &WriteTransaction,
        found: &Found,
        recounts: u64,
    ) -> Result<Self, StoreError> {
        let numbers = Numbers::open(transaction, found)?;
        Ok(Self {
            commit: numbers.get(tables::META_COMMIT)?,
            ordinal: numbers.get(tables::META_ORDINAL)?,
            quarantine: Quarantine::load(&numbers)?,
            epochs: HashMap::new(),
            set_aside: numbers.get(tables::META_ASIDE)?,
            is_mended: false,
            changes: Vec::new(),
            recounts,
        })
    }

    /// What says whether the table of single numbers changes.
    pub(super) fn counters(&self) -> (u64, u64, u64) {
        (self.commit, self.ordinal, self.quarantine.total())
    }
}
