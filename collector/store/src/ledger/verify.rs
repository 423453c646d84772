//! Counts the log again, trusting nothing that was counted on the way in.

use std::collections::{BTreeMap, HashMap};

use isochrone_base::words;
use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::Hour;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::planned::damaged;
use super::slots::Slots;
use crate::tables::{
    EPOCHS, HOURS, LOG, META_COMMIT, STREAM, TOMBSTONES, parse_epoch_key, parse_hour_key, read_meta,
    stream_key,
};
use crate::{EpochRow, HourRow, Store, StoreError, StoredBlob, StreamEntry, StreamKind, TombstoneRow};

/// What counting the log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Batches in the log.
    pub batches: u64,
    /// Measurements in them.
    pub measurements: u64,
    /// Measurements that the ledger calls stored and the log does not hold, and batches below a mark that
    /// are nowhere.
    pub lost: u64,
    /// Measurements whose id another one has, or that the ledger does not know of.
    pub twice: u64,
    /// Each fault in words; at most [`Audit::FINDINGS_MAX`].
    pub findings: Vec<String>,
}

impl Audit {
    /// Most faults that are told one by one.
    pub(crate) const FINDINGS_MAX: usize = 100;

    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.findings.is_empty()
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < Self::FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

type MeasurementGroup = (ProbeId, EpochId, Kind, TargetId);
type HourOf = (ProbeId, EpochId, Hour);

#[derive(Default)]
struct Count {
    audit: Audit,
    slots: HashMap<MeasurementGroup, Slots>,
    hours: BTreeMap<HourOf, u64>,
}

/// Reads every stored batch again and compares: digests, sequences without a gap, measurement ids without a
/// double, and the ledger's stored counts.
///
/// # Errors
/// When the store failed or a stored batch cannot be decoded.
pub fn verify(store: &Store) -> Result<Audit, StoreError> {
    verify_with(store, &mut |_, _| ())
}

/// As [`verify`]; tells after each batch how many of all were read.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, StoreError> {
    store.read(|transaction| {
        let mut count = Count::default();
        count.log(store, transaction, progress)?;
        count.doubles();
        count.hours(transaction)?;
        count.sequences(transaction)?;
        Ok(count.audit)
    })
}

impl Count {
    fn log(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let stream = transaction.open_table(STREAM)?;
        let log = transaction.open_table(LOG)?;
        let total = log.len()?;
        for entry in log.iter()? {
            progress(self.audit.batches, total);
            let (commit, bytes) = entry?;
            let commit = commit.value();
            let blob = StoredBlob::decode(bytes.value()).map_err(damaged("log"))?;
            let batch = codec::decode_batch(blob.payload).map_err(|source| StoreError::Content {
                what: format!("stored batch {commit}"),
                source,
            })?;
            let (probe, epoch, sequence) = (blob.probe, batch.header.epoch, batch.header.sequence);
            let stands = stream.get(&stream_key(probe, epoch, sequence))?;
            let stands = stands
                .map(|entry| StreamEntry::decode(entry.value()).map_err(damaged("stream")))
                .transpose()?;
            let expected = StreamEntry {
                kind: StreamKind::Batch { commit },
                digest: Digest::of(blob.payload),
            };
            if stands != Some(expected) {
                self.audit.find(format!(
                    "batch {commit} of probe {probe} (epoch {epoch}, sequence {sequence}) is not what its sequence names"
                ));
            }
            self.audit.batches += 1;
            let version = batch.header.plan;
            let plan = store
                .plan(probe, version)?
                .ok_or(StoreError::NoPlan { probe, version })?;
            self.rows((probe, commit), &batch, &plan);
        }
        let commits = read_meta(transaction, META_COMMIT)?;
        if commits != self.audit.batches {
            let batches = self.audit.batches;
            self.audit.find(format!(
                "the log holds {batches} batches, {commits} were committed"
            ));
        }
        Ok(())
    }

    /// Counts the rows of one batch by hour, and by what was measured.
    fn rows(&mut self, (probe, commit): (ProbeId, u64), batch: &Batch, plan: &Plan) {
        let (epoch, version) = (batch.header.epoch, batch.header.plan);
        for (check, slot) in batch.slots() {
            self.audit.measurements += 1;
            *self.hours.entry((probe, epoch, slot.hour())).or_default() += 1;
            match plan.target_of(check) {
                Some((check, target)) => {
                    let group = (probe, epoch, check.kind, target.id);
                    self.slots.entry(group).or_default().add(slot.0);
                }
                None => self.audit.find(format!(
                    "batch {commit} of probe {probe} names check {check}, which plan {version} does not have"
                )),
            }
        }
    }

    fn doubles(&mut self) {
        for ((probe, epoch, kind, target), slots) in self.slots.drain() {
            let doubles = slots.doubles();
            if doubles > 0 {
                self.audit.twice += doubles;
                self.audit.find(format!(
                    "{doubles} measurements {kind} of target {target} by probe {probe} (epoch {epoch}) are stored twice"
                ));
            }
        }
    }

    fn hours(&mut self, transaction: &ReadTransaction) -> Result<(), StoreError> {
        for entry in transaction.open_table(HOURS)?.iter()? {
            let (key, row) = entry?;
            let row = HourRow::decode(row.value()).map_err(damaged("hours"))?;
            let (probe, epoch, hour) = parse_hour_key(key.value());
            let found = self.hours.remove(&(probe, epoch, hour)).unwrap_or(0);
            self.compare((probe, epoch, hour), row.stored, found);
        }
        for (hour, found) in std::mem::take(&mut self.hours) {
            self.compare(hour, 0, found);
        }
        Ok(())
    }

    fn compare(&mut self, (probe, epoch, hour): HourOf, ledger: u64, log: u64) {
        if ledger == log {
            return;
        }
        self.audit.lost += ledger.saturating_sub(log);
        self.audit.twice += log.saturating_sub(ledger);
        let hour = words::rfc3339(hour.start());
        self.audit.find(format!(
            "hour {hour} of probe {probe} (epoch {epoch}): the ledger says {ledger} stored, the log holds {log}"
        ));
    }

    /// Every sequence up to an epoch's mark holds a batch, a refused one, or lies in a tombstone's range.
    fn sequences(&mut self, transaction: &ReadTransaction) -> Result<(), StoreError> {
        let stream = transaction.open_table(STREAM)?;
        let tombstones = transaction.open_table(TOMBSTONES)?;
        let mut batches = 0;
        for entry in transaction.open_table(EPOCHS)?.iter()? {
            let (key, row) = entry?;
            let (probe, epoch) = parse_epoch_key(key.value());
            let row = EpochRow::decode(row.value()).map_err(damaged("epochs"))?;
            let mut expected = 1;
            let lowest = stream_key(probe, epoch, Sequence(0));
            let highest = stream_key(probe, epoch, Sequence(u64::MAX));
            for entry in stream.range::<&[u8; 32]>(&lowest..=&highest)? {
                let (key, entry) = entry?;
                let entry = StreamEntry::decode(entry.value()).map_err(damaged("stream"))?;
                let mut sequence = [0; 8];
                sequence.copy_from_slice(&key.value()[24..]);
                let sequence = u64::from_be_bytes(sequence);
                let first = match entry.kind {
                    StreamKind::Batch { .. } => {
                        batches += 1;
                        sequence
                    }
                    StreamKind::Refused => sequence,
                    StreamKind::Tombstone => match tombstones.get(key.value())? {
                        Some(tombstone) => {
                            TombstoneRow::decode(tombstone.value())
                                .map_err(damaged("tombstones"))?
                                .first
                                .0
                        }
                        None => sequence,
                    },
                };
                if first > expected {
                    self.gap(probe, epoch, expected, first - 1);
                }
                expected = sequence + 1;
            }
            if expected != row.mark.0 + 1 {
                self.gap(probe, epoch, expected, row.mark.0);
            }
        }
        if batches != self.audit.batches || transaction.open_table(LOG)?.len()? != batches {
            self.audit.find(format!(
                "{batches} sequences name a batch, the log holds {}",
                self.audit.batches
            ));
        }
        Ok(())
    }

    fn gap(&mut self, probe: ProbeId, epoch: EpochId, first: u64, last: u64) {
        self.audit.lost += 1;
        self.audit.find(format!(
            "probe {probe} (epoch {epoch}): nothing stands at sequences {first} to {last}, below the mark"
        ));
    }
}
