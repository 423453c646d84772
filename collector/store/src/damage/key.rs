//! Keys of rows, as bytes and as people read them.

use crate::aside::hex;
use crate::found::Damaged;
use crate::tables::{
    ASIDE, ENDS, EPOCHS, FORKS, HOURS, LOG, LOG_HOURS, PLANS, PROBE_HOURS, QUARANTINE, REPLACED, SEALED,
    SEALED_AGAIN, SEEN, SEGMENTS, SEGMENTS_AGAIN, STREAM, TOMBSTONES, UNROLLED, UNROLLED_AGAIN,
};

/// A key as people read it.
pub(super) fn words_of(row: &Damaged) -> String {
    let key = &row.key;
    let numbered = [
        LOG.name,
        QUARANTINE.name,
        ASIDE.name,
        LOG_HOURS.name,
        ENDS.name,
        SEGMENTS.name,
        SEGMENTS_AGAIN.name,
        SEALED.name,
        SEALED_AGAIN.name,
        REPLACED.name,
        UNROLLED.name,
        UNROLLED_AGAIN.name,
    ];
    let binary = [
        STREAM.name,
        TOMBSTONES.name,
        EPOCHS.name,
        SEEN.name,
        HOURS.name,
        PROBE_HOURS.name,
        FORKS.name,
        PLANS.name,
    ];
    if numbered.contains(&row.table) {
        let mut bytes = [0; 8];
        let length = key.len().min(8);
        bytes[..length].copy_from_slice(&key[..length]);
        return u64::from_le_bytes(bytes).to_string();
    }
    match std::str::from_utf8(key) {
        Ok(text) if !binary.contains(&row.table) => text.to_owned(),
        _ => hex(key),
    }
}
