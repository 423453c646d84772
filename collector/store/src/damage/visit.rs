//! The same work with any table, whatever the type of its keys.

use redb::Key;

use crate::StoreError;
use crate::rows::TableOf;
use crate::tables::{
    ASIDE, ENDS, ENDS_AGAIN, EPOCHS, EPOCHS_AGAIN, FORKS, HOURS, HOURS_AGAIN, LOG, LOG_HOURS, PLANS,
    PROBE_HOURS, QUARANTINE, REPLACED, SEALED, SEALED_AGAIN, SEEN, SEGMENTS, SEGMENTS_AGAIN, STREAM,
    TOMBSTONES, UNROLLED, UNROLLED_AGAIN,
};

/// Work with a table.
pub(super) trait Visit {
    /// What comes of it.
    type Out;
    fn visit<K: Key + 'static>(self, table: TableOf<K>) -> Result<Self::Out, StoreError>;
}

pub(super) fn with_table<V: Visit>(name: &'static str, visit: V) -> Result<V::Out, StoreError> {
    match name {
        "log" => visit.visit(LOG),
        "log hours" => visit.visit(LOG_HOURS),
        "stream" => visit.visit(STREAM),
        "epochs" => visit.visit(EPOCHS),
        "seen" => visit.visit(SEEN),
        "hours" => visit.visit(HOURS),
        "probe hours" => visit.visit(PROBE_HOURS),
        "tombstones" => visit.visit(TOMBSTONES),
        "forks" => visit.visit(FORKS),
        "quarantine" => visit.visit(QUARANTINE),
        "plans" => visit.visit(PLANS),
        "ends" => visit.visit(ENDS),
        "segments" => visit.visit(SEGMENTS),
        "segments again" => visit.visit(SEGMENTS_AGAIN),
        "sealed batches" => visit.visit(SEALED),
        "sealed batches again" => visit.visit(SEALED_AGAIN),
        "days without rollups" => visit.visit(UNROLLED),
        "days without rollups again" => visit.visit(UNROLLED_AGAIN),
        "replaced segments" => visit.visit(REPLACED),
        "set aside" => visit.visit(ASIDE),
        "epochs again" => visit.visit(EPOCHS_AGAIN),
        "hours again" => visit.visit(HOURS_AGAIN),
        "ends again" => visit.visit(ENDS_AGAIN),
        text => visit.visit(TableOf::<&'static [u8]>::new(text)),
    }
}
