//! Names of segment files: all that must be known of an epoch even if its records are damaged.

use isochrone_proto::ids::{EpochId, Sequence};
use isochrone_proto::units::UnixMillis;

/// Folder of the segments.
pub(super) const FOLDER: &str = "spool/";
const ENDING: &str = ".seg";

/// `spool/ORDINAL-FIRSTSLOT-EPOCH-FIRST.seg`: sorts oldest first, whatever the clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentName {
    /// Counts the epochs of this spool.
    pub(super) ordinal: u64,
    /// First slot of the epoch.
    pub(super) first_slot: UnixMillis,
    pub(super) epoch: EpochId,
    /// Sequence that the segment starts with.
    pub(super) first: Sequence,
}

impl SegmentName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let body = name.strip_prefix(FOLDER)?.strip_suffix(ENDING)?;
        let mut parts = body.split('-');
        let mut hex = || u64::from_str_radix(parts.next()?, 16).ok();
        let (ordinal, first_slot) = (hex()?, UnixMillis(hex()?));
        let epoch = parts.next()?.parse().ok()?;
        let first = Sequence(u64::from_str_radix(parts.next()?, 16).ok()?);
        (parts.next().is_none() && first != Sequence::NONE).then_some(Self {
            ordinal,
            first_slot,
            epoch,
            first,
        })
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            ordinal,
            first_slot,
            epoch,
            first,
        } = self;
        write!(
            f,
            "{FOLDER}{ordinal:016x}-{:012x}-{epoch}-{:016x}{ENDING}",
            first_slot.0, first.0
        )
    }
}
