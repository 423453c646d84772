//! Every table, its key and what its rows are.
//!
//! Keys of several parts are big-endian bytes one after the other, so that they sort by part.

use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::units::Hour;
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::StoreError;

/// Single numbers by name.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// commit number → batch.
pub(crate) const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// hour of a batch's last slot → the first commit number of such a batch: where a search by time begins.
pub(crate) const LOG_HOURS: TableDefinition<u32, u64> = TableDefinition::new("log hours");
/// (probe, epoch, sequence) → what stands there, its commit number, its digest.
pub(crate) const STREAM: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("stream");
/// (probe, epoch) → [`super::EpochRow`].
pub(crate) const EPOCHS: TableDefinition<&[u8; 24], &[u8]> = TableDefinition::new("epochs");
/// (probe, epoch, plan version) → which slots of each check were seen.
pub(crate) const SEEN: TableDefinition<&[u8; 36], &[u8]> = TableDefinition::new("seen");
/// (probe, epoch, hour) → [`super::HourRow`].
pub(crate) const HOURS: TableDefinition<&[u8; 28], &[u8]> = TableDefinition::new("hours");
/// (probe, hour) → slots that all its epochs together counted as planned or pending, and the most that one of
/// their plans has in a whole hour: a probe's quota, however many epochs it opens.
pub(crate) const PROBE_HOURS: TableDefinition<&[u8; 12], (u64, u64)> = TableDefinition::new("probe hours");
/// (probe, epoch, last sequence) → [`super::TombstoneRow`].
pub(crate) const TOMBSTONES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("tombstones");
/// (probe, epoch, sequence, digest) → rows of a batch that did not fit its epoch.
pub(crate) const FORKS: TableDefinition<&[u8; 64], u64> = TableDefinition::new("forks");
/// running number → a refused batch, raw, with its reason.
pub(crate) const QUARANTINE: TableDefinition<u64, &[u8]> = TableDefinition::new("quarantine");
/// (probe, plan version) → signed plan.
pub(crate) const PLANS: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("plans");

/// probe → when it was revoked: nothing is planned of it from there on.
pub(crate) const ENDS: TableDefinition<u64, u64> = TableDefinition::new("ends");

const META_FORMAT: &str = "format";
pub(crate) const META_COMMIT: &str = "commit number";
pub(crate) const META_ORDINAL: &str = "epochs noted";
pub(crate) const META_PROMOTION: &str = "highest plan promotion";
pub(crate) const META_PLAN: &str = "highest plan number";
/// 1 where everything in this store is the demo's.
pub(crate) const META_DEMO: &str = "demo";
pub(crate) const META_QUARANTINED: &str = "quarantined batches";
pub(crate) const META_QUARANTINE_FIRST: &str = "first quarantined batch kept";
pub(crate) const META_QUARANTINE_BYTES: &str = "quarantined bytes kept";
/// The format this build reads and writes. 1: batches without the kind connect. 2: without sections.
pub(crate) const FORMAT: u64 = 3;

/// Makes every table, so that readers find them; checks the format.
pub(crate) fn prepare(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META)?;
    let found = meta.get(META_FORMAT)?.map(|format| format.value());
    match found {
        Some(FORMAT) => {}
        Some(found) => {
            return Err(StoreError::Format {
                found,
                expected: FORMAT,
            });
        }
        None => {
            meta.insert(META_FORMAT, FORMAT)?;
        }
    }
    transaction.open_table(LOG)?;
    transaction.open_table(LOG_HOURS)?;
    transaction.open_table(STREAM)?;
    transaction.open_table(EPOCHS)?;
    transaction.open_table(SEEN)?;
    transaction.open_table(HOURS)?;
    transaction.open_table(PROBE_HOURS)?;
    transaction.open_table(TOMBSTONES)?;
    transaction.open_table(FORKS)?;
    transaction.open_table(QUARANTINE)?;
    transaction.open_table(ENDS)?;
    transaction.open_table(PLANS)?;
    Ok(())
}

/// A number of the meta table; 0 if it was never written.
pub(crate) fn read_meta(transaction: &ReadTransaction, name: &str) -> Result<u64, StoreError> {
    let meta = match transaction.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(0),
        meta => meta?,
    };
    Ok(meta.get(name)?.map_or(0, |value| value.value()))
}

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

pub(crate) fn plan_key(probe: ProbeId, version: PlanVersion) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&probe.0.to_be_bytes());
    key[8..12].copy_from_slice(&version.promotion.to_be_bytes());
    key[12..].copy_from_slice(&version.number.to_be_bytes());
    key
}
