//! Keys of rows, as bytes and as people read them.

use isochrone_proto::ids::{PlanVersion, ProbeId};

use super::Damaged;
use crate::tables::{
    ASIDE, ENDS, EPOCHS, FORKS, HOURS, LOG, LOG_HOURS, PLANS, PROBE_HOURS, QUARANTINE, SEEN, STREAM,
    TOMBSTONES,
};

/// Whose plan a key names.
pub(crate) fn plan_of(key: &[u8]) -> Option<(ProbeId, PlanVersion)> {
    let (probe, rest) = key.split_first_chunk::<8>()?;
    let (promotion, number) = rest.split_first_chunk::<4>()?;
    let version = PlanVersion {
        promotion: u32::from_be_bytes(*promotion),
        number: u64::from_be_bytes(number.try_into().ok()?),
    };
    Some((ProbeId(u64::from_be_bytes(*probe)), version))
}

/// A key as people read it.
pub(super) fn words_of(row: &Damaged) -> String {
    let key = &row.key;
    let is_number = [LOG.name, QUARANTINE.name, ASIDE.name, LOG_HOURS.name, ENDS.name].contains(&row.table);
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
    if is_number {
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

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = |place: usize| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// A key of fixed length.
pub(super) fn fixed<const N: usize>(key: &[u8]) -> [u8; N] {
    key.try_into().unwrap_or([0; N])
}
