//! Counts log and segments again, trusting nothing that was counted on the way in.

mod rollups;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use isochrone_base::words;
use isochrone_proto::batch::BatchHeader;
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::{ReadOnlyTable, ReadTransaction};

use super::planned::{KnownEpoch, read_epochs};
use super::slots::Slots;

use crate::aside;
use crate::numbers::read_number;
use crate::rows::ReadRows;
use crate::segment::{SealedLog, Span, Tally};
use crate::tables::{
    ASIDE, EPOCHS, HOURS, LOG, META_COMMIT, META_REMOVED, STREAM, TOMBSTONES, parse_epoch_key,
    parse_hour_key, stream_key,
};
use crate::{
    EpochRow, HourRow, Malformed, Store, StoreError, StoredBlob, StreamEntry, StreamKind, TombstoneRow,
};

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
    /// Rows that are damaged, that nothing made good, and that nobody accepted.
    pub damaged: u64,
    /// Rows that are damaged for good, and were accepted: [`Store::accept_damage_in`].
    pub accepted: u64,
    /// Sums of a day that are not those of its measurements, by kind, probe and target, in hours or in days.
    pub wrong_sums: u64,
    /// Each fault in words; at most `Audit::FINDINGS_MAX`.
    pub findings: Vec<String>,
}

impl Audit {
    /// Most faults that are told one by one.
    pub(crate) const FINDINGS_MAX: usize = 100;

    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.damaged == 0 && self.findings.is_empty()
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < Self::FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// So often everything is counted: again where something was found missing on the way.
const COUNTS_MAX: usize = 3;

type MeasurementGroup = (ProbeId, EpochId, Kind, TargetId);
type HourOf = (ProbeId, EpochId, Hour);

#[derive(Default)]
struct Count {
    audit: Audit,
    slots: HashMap<MeasurementGroup, Slots>,
    hours: BTreeMap<HourOf, u64>,
    /// The lowest sequence of each epoch of which anything is known.
    first_known: HashMap<(ProbeId, EpochId), Sequence>,
    /// Sealed batches below that.
    trimmed: u64,
    tally: Tally,
}

/// Reads every row of every table and every file of segments again, and sets aside what is damaged; then compares: digests,
/// sequences without a gap, measurement ids without a double, the ledger's stored counts, and what hours and days add up
/// to. Goes on after each fault.
///
/// # Errors
/// When the store failed.
pub fn verify(store: &Store) -> Result<Audit, StoreError> {
    verify_with(store, &mut |_, _| ())
}

/// As [`verify`]; tells after each batch, and each file of rollups, how many of all were read.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, StoreError> {
    store.read_every_row()?;
    store.0.segments.check_again();
    let mut audit = Audit::default();
    for _ in 0..COUNTS_MAX {
        let healed = store.healed();
        audit = store.read(|transaction| {
            let mut count = Count {
                tally: Tally::read(store, transaction)?,
                ..Count::default()
            };
            count.epochs(store, transaction)?;
            count.log(store, transaction, progress)?;
            count.rollups(store, transaction, progress)?;
            count.doubles();
            count.hours(store, transaction)?;
            count.sequences(store, transaction)?;
            Ok(count.audit)
        })?;
        if store.healed() == healed {
            break; // else what was missing is put right by now, and the account is another one
        }
    }
    let damage = store.damage()?;
    (audit.damaged, audit.accepted) = (damage.open(), damage.accepted);
    for row in damage.set_aside.iter().filter(|row| row.is_open()) {
        audit.find(format!("{}: {}; {}", row.subject(), row.reason, row.consequence));
    }
    Ok(audit)
}

impl Count {
    /// How much there is to read: batches, and files of rollups.
    fn total(
        &self,
        log: &ReadRows<'_, u64>,
        sealed: &SealedLog<'_, ReadOnlyTable<u64, &'static [u8]>>,
    ) -> Result<u64, StoreError> {
        let sealed = sealed.commits()?.into_iter().map(Span::width).sum::<u64>();
        Ok(log.len()? + sealed + self.tally.files())
    }

    fn log(
        &mut self,
        store: &Store,
        transaction: &ReadTransaction,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let stream = STREAM.read(transaction, store.found())?;
        let log = LOG.read(transaction, store.found())?;
        let sealed = SealedLog::read(transaction, store.found(), &store.0.segments)?;
        let total = self.total(&log, &sealed)?;
        self.sealed(store, &sealed, &stream, &mut |done| progress(done, total))?;
        for entry in log.iter()? {
            progress(self.audit.batches, total);
            let (commit, row) = entry?;
            let commit = commit.value();
            let decoded = log.decode(commit, &row, |row| {
                let blob = StoredBlob::decode(row)?;
                let batch = codec::decode_batch(blob.payload);
                batch.map_err(|_| Malformed::Content { what: "batch" })
            });
            let (Some(batch), Ok(blob)) = (decoded, StoredBlob::decode(row.value())) else {
                continue;
            };
            let (probe, epoch, sequence) = (blob.probe, batch.header.epoch, batch.header.sequence);
            let stands = stream.get_as(&stream_key(probe, epoch, sequence), StreamEntry::decode)?;
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
            let plan = store.plan(probe, version)?;
            if plan.is_none() {
                store.note_missing_plan(probe, version);
            }
            self.rows(&batch.header, (probe, commit), batch.slots(), plan.as_deref());
        }
        let commits = read_number(transaction, store.found(), META_COMMIT)?;
        let gone = aside::batches(&ASIDE.read(transaction, store.found())?)?;
        let removed = read_number(transaction, store.found(), META_REMOVED)?;
        if commits != self.audit.batches + gone + removed {
            let batches = self.audit.batches;
            self.audit.find(format!(
                "the log holds {batches} batches, {commits} were committed"
            ));
        }
        Ok(())
    }

    fn epochs(&mut self, store: &Store, transaction: &ReadTransaction) -> Result<(), StoreError> {
        for (probe, epochs) in read_epochs(transaction, store.found())? {
            let of = |epoch: KnownEpoch| ((probe, epoch.id), epoch.row.stream_from);
            self.first_known.extend(epochs.into_iter().map(of));
        }
        Ok(())
    }

    /// What is in segments: there the checksum of the file stands for the digests of batches.
    fn sealed(
        &mut self,
        store: &Store,
        sealed: &SealedLog<'_, ReadOnlyTable<u64, &'static [u8]>>,
        stream: &ReadRows<'_, &'static [u8; 32]>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let known = self.first_known.clone();
        sealed.walk(0, &|_| true, &mut |head, runs| {
            progress(self.audit.batches);
            let (probe, epoch, sequence) = (head.probe, head.header.epoch, head.header.sequence);
            let commit = head.commit;
            let stands = stream.get_as(&stream_key(probe, epoch, sequence), StreamEntry::decode)?;
            // of an epoch that is gone, only batches without measurements are left
            let from = known.get(&(probe, epoch)).copied();
            let is_trimmed = from.map_or(head.rows == 0, |from| sequence < from);
            self.trimmed += u64::from(is_trimmed);
            if !is_trimmed && stands.is_none_or(|stands| stands.kind != (StreamKind::Batch { commit })) {
                self.audit.find(format!(
                    "sealed batch {commit} of probe {probe} (epoch {epoch}, sequence {sequence}) is not what its sequence names"
                ));
            }
            self.audit.batches += 1;
            let plan = store.plan(probe, head.header.plan)?;
            if plan.is_none() {
                store.note_missing_plan(probe, head.header.plan);
            }
            for run in &runs {
                match plan.as_ref().map(|plan| plan.target_of(run.check)) {
                    Some(Some((check, target))) => self.tally.add(check.kind, (probe, target.id), run.slot),
                    Some(None) => {} // told below
                    None => self.tally.lacks_plan(probe),
                }
            }
            let slots = runs.iter().map(|run| (run.check, run.slot));
            self.rows(&head.header, (probe, commit), slots, plan.as_deref());
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Counts the rows of one batch by hour, and by what was measured.
    fn rows(
        &mut self,
        header: &BatchHeader,
        (probe, commit): (ProbeId, u64),
        slots: impl Iterator<Item = (u16, UnixMillis)>,
        plan: Option<&Plan>,
    ) {
        let (epoch, version) = (header.epoch, header.plan);
        for (check, slot) in slots {
            self.audit.measurements += 1;
            *self.hours.entry((probe, epoch, slot.hour())).or_default() += 1;
            let Some(plan) = plan else { continue };
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

    fn hours(&mut self, store: &Store, transaction: &ReadTransaction) -> Result<(), StoreError> {
        let table = HOURS.read(transaction, store.found())?;
        for entry in table.iter()? {
            let (key, row) = entry?;
            let Some(row) = table.decode(key.value(), &row, HourRow::decode) else {
                continue;
            };
            let (probe, epoch, hour) = parse_hour_key(key.value());
            let found = self.hours.remove(&(probe, epoch, hour)).unwrap_or(0);
            self.compare(
                (probe, epoch, hour),
                row.stored - row.removed.min(row.stored),
                found,
            );
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
    fn sequences(&mut self, store: &Store, transaction: &ReadTransaction) -> Result<(), StoreError> {
        let found = store.found();
        let stream = STREAM.read(transaction, found)?;
        let tombstones = TOMBSTONES.read(transaction, found)?;
        let epochs = EPOCHS.read(transaction, found)?;
        let mut batches = 0;
        for entry in epochs.iter()? {
            let (key, row) = entry?;
            let (probe, epoch) = parse_epoch_key(key.value());
            let Some(row) = epochs.decode(key.value(), &row, EpochRow::decode) else {
                continue;
            };
            let mut expected = row.stream_from.0;
            let lowest = stream_key(probe, epoch, Sequence(0));
            let highest = stream_key(probe, epoch, Sequence(u64::MAX));
            for entry in stream.range::<&[u8; 32]>(&lowest..=&highest)? {
                let (key, entry) = entry?;
                let Some(entry) = stream.decode(key.value(), &entry, StreamEntry::decode) else {
                    continue;
                };
                let mut sequence = [0; 8];
                sequence.copy_from_slice(&key.value()[24..]);
                let sequence = u64::from_be_bytes(sequence);
                let first = match entry.kind {
                    StreamKind::Batch { .. } => {
                        batches += 1;
                        sequence
                    }
                    StreamKind::Refused | StreamKind::Removed => sequence,
                    StreamKind::Tombstone | StreamKind::Lost | StreamKind::Gone => {
                        let range = tombstones.get_as(key.value(), TombstoneRow::decode)?;
                        range.map_or(sequence, |range| range.first.0)
                    }
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
        let sealed = SealedLog::read(transaction, found, &store.0.segments)?.commits()?;
        let kept = LOG.read(transaction, found)?.len()? + sealed.into_iter().map(Span::width).sum::<u64>();
        let named = batches + self.trimmed;
        if named != self.audit.batches || kept != named {
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
