//! Every table, its key and what its rows are.
//!
//! Keys of several parts are big-endian bytes one after the other, so that they sort by part.

use crate::found::PLANS_TABLE;
use crate::rows::TableOf;
use crate::twice;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::units::Hour;

/// probe → what retention took out of its ledger: [`crate::ledger::RemovedHours`].
pub(crate) const REMOVED: TableOf<u64> = TableOf::new(twice::REMOVED.0);

/// Single numbers by name, each kept twice: see [`crate::numbers`].
pub(crate) const NUMBERS: [TableOf<&'static [u8]>; 2] =
    [TableOf::new("numbers"), TableOf::new("numbers again")];
/// running number → a row that was set aside, raw, behind what is known of it.
pub(crate) const ASIDE: TableOf<u64> = TableOf::new("set aside");
/// commit number → batch.
pub(crate) const LOG: TableOf<u64> = TableOf::new("log");
/// segment's number → which file it is, and what it holds: [`crate::segment::Segment`].
pub(crate) const SEGMENTS: TableOf<u64> = TableOf::new(twice::SEGMENTS.0);
/// first commit number → heads of batches whose measurements are in segments: [`crate::heads::Head`].
pub(crate) const SEALED: TableOf<u64> = TableOf::new(twice::SEALED.0);
/// segment's number → the file of a segment that others replaced, and since when.
pub(crate) const REPLACED: TableOf<u64> = TableOf::new("replaced segments");
/// day of slots → the number of its mark: its rollups do not count, and are to be made again.
pub(crate) const UNROLLED: TableOf<u32> = TableOf::new(twice::UNROLLED.0);
/// hour of a batch's last slot → the first commit number of such a batch: where a search by time begins.
pub(crate) const LOG_HOURS: TableOf<u32> = TableOf::new("log hours");
/// (probe, epoch, sequence) → what stands there, its commit number, its digest.
pub(crate) const STREAM: TableOf<&'static [u8; 32]> = TableOf::new("stream");
/// (probe, epoch) → [`super::EpochRow`].
pub(crate) const EPOCHS: TableOf<&'static [u8; 24]> = TableOf::new(twice::EPOCHS.0);
/// (probe, epoch, plan version) → which slots of each check were seen.
pub(crate) const SEEN: TableOf<&'static [u8; 36]> = TableOf::new("seen");
/// (probe, epoch, hour) → [`super::HourRow`].
pub(crate) const HOURS: TableOf<&'static [u8; 28]> = TableOf::new(twice::HOURS.0);
/// (probe, hour) → slots that all its epochs together counted as planned or pending, and the most that one of
/// their plans has in a whole hour: a probe's quota, however many epochs it opens.
pub(crate) const PROBE_HOURS: TableOf<&'static [u8; 12]> = TableOf::new("probe hours");
/// (probe, epoch, last sequence) → [`super::TombstoneRow`].
pub(crate) const TOMBSTONES: TableOf<&'static [u8; 32]> = TableOf::new("tombstones");
/// (probe, epoch, sequence, digest) → rows of a batch that did not fit its epoch.
pub(crate) const FORKS: TableOf<&'static [u8; 64]> = TableOf::new("forks");
/// running number → a refused batch, raw, with its reason.
pub(crate) const QUARANTINE: TableOf<u64> = TableOf::new("quarantine");
/// (probe, plan version) → signed plan.
pub(crate) const PLANS: TableOf<&'static [u8; 20]> = TableOf::new(PLANS_TABLE);

/// probe → when it was revoked: nothing is planned of it from there on.
pub(crate) const ENDS: TableOf<u64> = TableOf::new(twice::ENDS.0);

/// Each row of [`EPOCHS`] once more.
pub(crate) const EPOCHS_AGAIN: TableOf<&'static [u8; 24]> = TableOf::new(twice::EPOCHS.1);
/// Each row of [`HOURS`] once more.
pub(crate) const HOURS_AGAIN: TableOf<&'static [u8; 28]> = TableOf::new(twice::HOURS.1);
/// Each row of [`ENDS`] once more.
pub(crate) const ENDS_AGAIN: TableOf<u64> = TableOf::new(twice::ENDS.1);

/// Each row of [`SEGMENTS`] once more.
pub(crate) const SEGMENTS_AGAIN: TableOf<u64> = TableOf::new(twice::SEGMENTS.1);
/// Each row of [`UNROLLED`] once more.
pub(crate) const UNROLLED_AGAIN: TableOf<u32> = TableOf::new(twice::UNROLLED.1);
/// Each row of [`SEALED`] once more.
pub(crate) const SEALED_AGAIN: TableOf<u64> = TableOf::new(twice::SEALED.1);
/// Each row of [`REMOVED`] once more.
pub(crate) const REMOVED_AGAIN: TableOf<u64> = TableOf::new(twice::REMOVED.1);

pub(crate) const META_FORMAT: &str = "format";
pub(crate) const META_COMMIT: &str = "commit number";
pub(crate) const META_ORDINAL: &str = "epochs noted";
pub(crate) const META_PROMOTION: &str = "highest plan promotion";
pub(crate) const META_PLAN: &str = "highest plan number";
/// 1 where everything in this store is the demo's.
pub(crate) const META_DEMO: &str = "demo";
pub(crate) const META_QUARANTINED: &str = "quarantined batches";
pub(crate) const META_QUARANTINE_FIRST: &str = "first quarantined batch kept";
pub(crate) const META_QUARANTINE_BYTES: &str = "quarantined bytes kept";
/// Rows that were ever set aside.
pub(crate) const META_ASIDE: &str = "rows set aside";
/// Bytes kept of them.
pub(crate) const META_ASIDE_BYTES: &str = "bytes set aside";
/// The last of them that people were told of.
pub(crate) const META_ASIDE_TOLD: &str = "rows set aside told";
/// Segments that were ever numbered.
pub(crate) const META_SEGMENT: &str = "segments numbered";
/// Batches whose heads are gone: retention removed them, or damage of both copies did, when nothing else named them.
pub(crate) const META_REMOVED: &str = "batches removed";
/// The time that retention reached, in milliseconds.
pub(crate) const META_RETENTION: &str = "time of retention";
/// How many segments left the catalogue, for others or for good.
pub(crate) const META_REPLACED: &str = "segments replaced";
/// From when on nothing of measurements, of hours and of days was removed.
pub(crate) const META_RAW_FROM: &str = "measurements whole from";
pub(crate) const META_HOURS_FROM: &str = "hours whole from";
pub(crate) const META_DAYS_FROM: &str = "days whole from";
/// Measurements that retention removed before they were sent on, and when it last did.
pub(crate) const META_UNSENT: &str = "measurements removed unsent";
pub(crate) const META_UNSENT_AT: &str = "removed unsent last";
/// Every number there is.
pub(crate) const META_NAMES: [&str; 21] = [
    META_FORMAT,
    META_COMMIT,
    META_ORDINAL,
    META_PROMOTION,
    META_PLAN,
    META_DEMO,
    META_QUARANTINED,
    META_QUARANTINE_FIRST,
    META_QUARANTINE_BYTES,
    META_ASIDE,
    META_ASIDE_BYTES,
    META_ASIDE_TOLD,
    META_SEGMENT,
    META_REMOVED,
    META_RETENTION,
    META_REPLACED,
    META_RAW_FROM,
    META_HOURS_FROM,
    META_DAYS_FROM,
    META_UNSENT,
    META_UNSENT_AT,
];
/// The format this build reads and writes. 1: batches without the kind connect. 2: without sections. 3: rows without
/// checksums. 4: most tables kept once. 5: without segments. 6: segments of measurements only. 7: does not say
/// from when on a tier is whole.
pub(crate) const FORMAT: u64 = 8;
/// The oldest format that becomes [`FORMAT`] when it is opened: it lacks tables, and nothing else.
pub(crate) const FORMAT_OLDEST: u64 = 5;

pub(crate) fn epoch_key(probe: ProbeId, epoch: EpochId) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&probe.0.to_be_bytes());
    key[8..].copy_from_slice(&epoch.0);
    key
}

pub(crate) fn parse_epoch_key(key: &[u8; 24]) -> (ProbeId, EpochId) {
    let (mut probe, mut epoch) = ([0; 8], [0; 16]);
    probe.copy_from_slice(&key[..8]);
    epoch.copy_from_slice(&key[8..]);
    (ProbeId(u64::from_be_bytes(probe)), EpochId(epoch))
}

pub(crate) fn stream_key(probe: ProbeId, epoch: EpochId, sequence: Sequence) -> [u8; 32] {
    let mut key = [0; 32];
    key[..24].copy_from_slice(&epoch_key(probe, epoch));
    key[24..].copy_from_slice(&sequence.0.to_be_bytes());
    key
}

/// The sequence in a key of [`STREAM`].
pub(crate) fn sequence_of(key: &[u8; 32]) -> Sequence {
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&key[24..]);
    Sequence(u64::from_be_bytes(sequence))
}

pub(crate) fn hour_key(probe: ProbeId, epoch: EpochId, hour: Hour) -> [u8; 28] {
    let mut key = [0; 28];
    key[..24].copy_from_slice(&epoch_key(probe, epoch));
    key[24..].copy_from_slice(&hour.0.to_be_bytes());
    key
}

pub(crate) fn probe_hour_key(probe: ProbeId, hour: Hour) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&probe.0.to_be_bytes());
    key[8..].copy_from_slice(&hour.0.to_be_bytes());
    key
}

pub(crate) fn parse_hour_key(key: &[u8; 28]) -> (ProbeId, EpochId, Hour) {
    let (mut head, mut hour) = ([0; 24], [0; 4]);
    head.copy_from_slice(&key[..24]);
    hour.copy_from_slice(&key[24..]);
    let (probe, epoch) = parse_epoch_key(&head);
    (probe, epoch, Hour(u32::from_be_bytes(hour)))
}

pub(crate) fn seen_key(probe: ProbeId, epoch: EpochId, version: PlanVersion) -> [u8; 36] {
    let mut key = [0; 36];
    key[..24].copy_from_slice(&epoch_key(probe, epoch));
    key[24..28].copy_from_slice(&version.promotion.to_be_bytes());
    key[28..].copy_from_slice(&version.number.to_be_bytes());
    key
}

pub(crate) fn fork_key(probe: ProbeId, epoch: EpochId, sequence: Sequence, digest: Digest) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&stream_key(probe, epoch, sequence));
    key[32..].copy_from_slice(&digest.0);
    key
}

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

pub(crate) fn plan_key(probe: ProbeId, version: PlanVersion) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&probe.0.to_be_bytes());
    key[8..12].copy_from_slice(&version.promotion.to_be_bytes());
    key[12..].copy_from_slice(&version.number.to_be_bytes());
    key
}

/// Does the same with every table but those of numbers and records, whose keys are of many types.
macro_rules! with_each_table {
    ($table:ident => $work:expr) => {
        $crate::tables::with_each_table!(@ $table => $work;
            ASIDE LOG LOG_HOURS STREAM EPOCHS SEEN HOURS PROBE_HOURS TOMBSTONES FORKS QUARANTINE ENDS PLANS
            EPOCHS_AGAIN HOURS_AGAIN ENDS_AGAIN SEGMENTS SEGMENTS_AGAIN SEALED SEALED_AGAIN REPLACED
            UNROLLED UNROLLED_AGAIN REMOVED REMOVED_AGAIN)
    };
    (@ $table:ident => $work:expr; $($name:ident)*) => {
        $({
            let $table = $crate::tables::$name;
            $work;
        })*
    };
}
pub(crate) use with_each_table;
