//! What the committer knows without asking the store.

use std::collections::HashMap;

use isochrone_proto::ids::{EpochId, ProbeId};
use redb::{ReadableTable, WriteTransaction};

use super::quarantine::Quarantine;
use super::stream::EpochMemory;
use crate::{StoreError, tables};

/// What the committer knows without asking the store.
pub(super) struct Memory {
    pub(super) commit: u64,
    pub(super) ordinal: u64,
    pub(super) quarantine: Quarantine,
    pub(super) epochs: HashMap<(ProbeId, EpochId), EpochMemory>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn load(transaction: &WriteTransaction) -> Result<Self, StoreError> {
        let meta = transaction.open_table(tables::META)?;
        let read = |name| -> Result<u64, StoreError> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
        Ok(Self {
            commit: read(tables::META_COMMIT)?,
            ordinal: read(tables::META_ORDINAL)?,
            quarantine: Quarantine::load(&meta)?,
            epochs: HashMap::new(),
        })
    }

    /// What says whether the table of single numbers changes.
    pub(super) fn counters(&self) -> (u64, u64, u64) {
        (self.commit, self.ordinal, self.quarantine.total())
    }
}
