//! The spool: every batch is durable here before it is sent, and stays until the collector has it and the
//! room is needed.
//!
//! Segment files of one epoch each, appended to, never changed in place. A segment leaves whole: first what
//! is safe elsewhere, then what the collector stored, then the oldest of the rest. A tombstone in its place
//! says what was in it: of what was stored too, so that a collector that is restored from an older copy can
//! name what it lacks.

mod evict;
mod fork;
mod load;
mod log;
mod marks;
mod name;
mod record;
mod refused;
#[cfg(test)]
mod tests;
mod tombstone;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::control::{EpochMark, EpochState, SpoolState};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, Sequence};
use isochrone_proto::ledger::{DropCause, Tombstone};
use isochrone_proto::limits::HELLO_EPOCHS_MAX;
use isochrone_proto::units::UnixMillis;

use self::log::{EpochLog, Item, Record, Segment};
pub use self::record::ItemKind;
use self::record::RecordHeader;
use self::refused::RefusedCounts;
use crate::disk::Disk;

/// How large a spool may grow.
#[derive(Clone, Copy, Debug)]
pub struct SpoolOptions {
    /// Bound of all segment files, in bytes.
    pub bytes_max: u64,
}

impl SpoolOptions {
    /// Smallest bound that makes sense: some full batches.
    pub const BYTES_MIN: u64 = 1 << 20;

    /// A segment is full from here on: room is made in steps of this size.
    fn segment_bytes(self) -> u64 {
        (self.bytes_max / 64).clamp(16 << 10, 4 << 20)
    }
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self { bytes_max: 256 << 20 }
    }
}

/// The spool of one probe.
pub struct Spool {
    disk: Arc<dyn Disk>,
    options: SpoolOptions,
    /// By age.
    logs: BTreeMap<u64, EpochLog>,
    bytes: u64,
    dropped: u64,
    own: OwnRows,
    corrupt: u64,
    corrupt_untold: u32,
    marks_changed: bool,
    refused: RefusedCounts,
}

/// Measurements of the epochs that this process opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnRows {
    /// All.
    pub run: u64,
    /// Held, and not acknowledged yet.
    pub spooled: u64,
    /// Dropped without an acknowledgement.
    pub dropped: u64,
    /// Refused by the collector.
    pub refused: u64,
}

/// What is sent: a record of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Batch or tombstone.
    pub kind: ItemKind,
    /// First sequence it covers.
    pub first: Sequence,
    /// Last sequence it covers.
    pub last: Sequence,
    /// The encoded batch or tombstone, as spooled.
    pub payload: Vec<u8>,
}

/// What became of a batch that was to be spooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable.
    Kept,
    /// The disk did not take it, and a tombstone will stand in its place; or its epoch was given up as forked.
    Dropped,
}

/// What a Welcome's mark says about an epoch here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkFit {
    /// Go on from the mark.
    Fits,
    /// The collector has other batches under these numbers: this machine was cloned or restored.
    Forked,
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder or a file in it cannot be read or written.
    #[error("cannot {action} the spool file {file}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Relative to the state folder.
        file: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Written by a build with another format.
    #[error(
        "the spool file {file} has format {found}, this build reads format {reads}, and nothing leads from one to the other: remove the folder spool in the probe's state folder (what it holds is lost), or use the build that wrote it",
        reads = record::FORMAT
    )]
    Format {
        /// Relative to the state folder.
        file: String,
        /// Its format.
        found: u8,
    },
    /// A record was damaged since the spool was opened; it was set aside.
    #[error("a record of epoch {epoch} is damaged; it was taken out and is counted")]
    Damaged {
        /// Whose records cannot be read on from there.
        epoch: EpochId,
    },
}

impl Spool {
    /// Starts an epoch. Nothing is written until its first batch. Earlier epochs get no more batches once
    /// theirs are closed.
    pub fn open_epoch(&mut self, epoch: EpochId, first_slot: UnixMillis) {
        let ordinal = self.logs.last_key_value().map_or(1, |(last, _)| last + 1);
        self.logs.retain(|_, log| log.has_records() || log.may_grow());
        self.logs
            .insert(ordinal, EpochLog::new(ordinal, epoch, first_slot));
        self.forget_oldest_epochs(first_slot);
    }

    /// No more batches of `epoch` will come.
    pub fn close_epoch(&mut self, epoch: EpochId) {
        let current = self.current();
        if let Some(log) = self.log_mut(epoch) {
            log.closed = true;
            log.forget_records();
            let (ordinal, is_empty) = (log.ordinal, !log.has_records());
            if is_empty && Some(epoch) != current {
                self.logs.remove(&ordinal);
            }
        }
    }

    /// Writes a batch durably, making room for it. `payload` is the encoded `batch`.
    pub fn append(&mut self, batch: &Batch, payload: &[u8]) -> Appended {
        let closes = batch
            .header
            .events
            .contains(&isochrone_proto::ledger::Event::Closed);
        let header = RecordHeader {
            kind: ItemKind::Batch,
            closes,
            rows: batch.rows() as u16, // at most BATCH_ROWS_MAX
            first: batch.header.sequence,
            last: batch.header.sequence,
            adopted: batch.header.adopted.version,
            length: payload.len() as u32, // at most BATCH_BYTES_MAX
        };
        let epoch = batch.header.epoch;
        let digest = Digest::of(payload);
        self.own.run += u64::from(header.rows);
        if self.log(epoch).is_some() {
            self.make_room(header.record_bytes() as u64);
        }
        let record = Record {
            header,
            payload,
            digest,
        };
        let Some(mut written) = self.write(epoch, record) else {
            tracing::error!(%epoch, rows = header.rows, "a batch of an epoch that was given up is dropped");
            self.count_dropped(u64::from(header.rows), true);
            return Appended::Dropped;
        };
        if let Err(error) = &written {
            tracing::warn!(error = %error, %epoch, "the disk refused a batch; making room");
            if self.evict_one().is_some()
                && let Some(again) = self.write(epoch, record)
            {
                written = again;
            }
        }
        let Err(error) = written else {
            return Appended::Kept;
        };
        tracing::error!(error = %error, %epoch, rows = header.rows, "a batch could not be spooled and is dropped");
        self.count_dropped(u64::from(header.rows), true);
        if let Some(log) = self.log_mut(epoch) {
            let tombstone = tombstone::of_batch(batch, digest, DropCause::Full);
            log.pending = Some(tombstone::join(log.pending.take(), tombstone));
            log.pending_closes |= closes;
        }
        Appended::Dropped
    }

    /// Writes the tombstones of batches that the disk refused, if it takes them now.
    pub fn flush_pending(&mut self) {
        let (segment_bytes, disk) = (self.options.segment_bytes(), Arc::clone(&self.disk));
        for log in self.logs.values_mut() {
            match log.write_pending(&*disk, segment_bytes) {
                Ok(bytes) => self.bytes += bytes,
                Err(error) => {
                    tracing::debug!(error = %error, epoch = %log.epoch, "the disk still refuses the spool");
                }
            }
        }
    }

    /// The epochs that hold something, oldest first, and the current one last: what Hello announces. Of very
    /// many, the newest ones wait for a later Hello.
    #[must_use]
    pub fn states(&self) -> Vec<EpochState> {
        let mut states: Vec<EpochState> = self.logs.values().map(EpochLog::state).collect();
        if states.len() > HELLO_EPOCHS_MAX {
            let current = states.pop();
            states.truncate(HELLO_EPOCHS_MAX - 1);
            states.extend(current);
        }
        states
    }

    /// One epoch's state.
    #[must_use]
    pub fn epoch_state(&self, epoch: EpochId) -> Option<EpochState> {
        self.log(epoch).map(EpochLog::state)
    }

    /// The epoch that was opened last.
    #[must_use]
    pub fn current(&self) -> Option<EpochId> {
        self.logs.last_key_value().map(|(_, log)| log.epoch)
    }

    /// How full it is.
    #[must_use]
    pub fn state(&self) -> SpoolState {
        SpoolState {
            bytes: self.bytes,
            bytes_max: self.options.bytes_max,
            unstored: self.logs.values().map(EpochLog::unstored_rows).sum(),
            dropped: self.dropped,
            corrupt_records: self.corrupt,
        }
    }

    /// Measurements of this process.
    #[must_use]
    pub fn own_rows(&self) -> OwnRows {
        let own = self.logs.values().filter(|log| log.is_own());
        OwnRows {
            spooled: own.map(EpochLog::unstored_rows).sum(),
            refused: self.refused_own(),
            ..self.own
        }
    }

    /// Damaged records found since the last call: each batch says it of the time before it.
    pub fn take_corrupt(&mut self) -> u32 {
        std::mem::take(&mut self.corrupt_untold)
    }

    /// Versions of the plans that held batches name: they are kept.
    #[must_use]
    pub fn plans(&self) -> BTreeSet<PlanVersion> {
        self.logs.values().flat_map(EpochLog::plans).collect()
    }

    /// The oldest epoch, other than the current one, of which something is still to be sent.
    #[must_use]
    pub fn oldest_to_drain(&self, announced: &dyn Fn(EpochId) -> bool) -> Option<EpochId> {
        let current = self.current();
        let mut waiting = self
            .logs
            .values()
            .filter(|log| Some(log.epoch) != current && log.has_unsent());
        waiting.find(|log| announced(log.epoch)).map(|log| log.epoch)
    }

    /// Whether nothing more will be added to an epoch, nor is anything of it left to send after `sent`.
    #[must_use]
    pub fn is_finished(&self, epoch: EpochId, sent: Sequence) -> bool {
        self.log(epoch)
            .is_none_or(|log| !log.may_grow() && log.last_held() <= sent && log.pending.is_none())
    }

    /// What is to be sent after `sent`: the next record; a tombstone, cut or stretched so that it begins
    /// right after `sent`; or, where records are missing (damaged, or gone without a tombstone), a tombstone
    /// made from the batch that follows them.
    ///
    /// # Errors
    /// When the file cannot be read, or the record is damaged; then it is left out, and the next call finds
    /// what stands in its place.
    pub fn next_after(&mut self, epoch: EpochId, sent: Sequence) -> Result<Option<Outgoing>, SpoolError> {
        let Some((name, item)) = self.item_after(epoch, sent)? else {
            return Ok(None);
        };
        let bytes = self.disk.read_at(&name, item.offset, item.record_bytes());
        let bytes = bytes.map_err(|source| SpoolError::Disk {
            action: "read",
            file: name,
            source,
        })?;
        let first = sent.next();
        let outgoing = record::open(&bytes).and_then(|(header, payload)| outgoing(&header, payload, first));
        if outgoing.is_none() {
            self.count_corrupt(1);
            if let Some(log) = self.log_mut(epoch) {
                log.leave_out(&item);
            }
            return Err(SpoolError::Damaged { epoch });
        }
        Ok(outgoing)
    }

    /// The collector has everything of `epoch` up to `stored`, and up to `safe` elsewhere too. Marks only
    /// rise here; a Welcome can lower them ([`Spool::welcome`]).
    pub fn acknowledge(&mut self, epoch: EpochId, stored: Sequence, safe: Sequence) {
        let disk = Arc::clone(&self.disk);
        let Some(log) = self.log_mut(epoch) else {
            return;
        };
        let stored = if log.forked {
            stored.min(log.asking)
        } else {
            stored
        };
        let marks = (log.stored.max(stored), log.safe.max(safe.min(stored)));
        if marks != (log.stored, log.safe) {
            (log.stored, log.safe) = marks;
            log.settle(&*disk);
            self.marks_changed = true;
        }
    }

    /// Takes over the mark that a Welcome tells: a collector that was restored gets again what it lacks. A mark
    /// above all that was written here makes a fork of any epoch; then each record is asked about by itself, and
    /// one that the collector has is acknowledged as ever.
    pub fn welcome(&mut self, mark: &EpochMark) -> MarkFit {
        let disk = Arc::clone(&self.disk);
        let digest = self.digest_at(mark.epoch, mark.stored);
        self.refused(mark.epoch, mark.refused);
        let Some(log) = self.log_mut(mark.epoch) else {
            return MarkFit::Fits;
        };
        // A twin of this machine may have gone on where this one stopped: what is held may be there, or not.
        let beyond = mark.stored > log.written_or_pending();
        let differs = digest.is_some_and(|own| own != mark.digest);
        if log.forked || beyond || differs {
            return MarkFit::Forked;
        }
        (log.stored, log.safe) = (mark.stored, mark.safe.min(mark.stored));
        log.settle(&*disk);
        self.marks_changed = true;
        MarkFit::Fits
    }

    /// Up to where an epoch is stored, as far as is known here.
    #[must_use]
    pub fn stored(&self, epoch: EpochId) -> Sequence {
        self.log(epoch).map_or(Sequence::NONE, |log| log.stored)
    }

    fn count_dropped(&mut self, rows: u64, is_own: bool) {
        self.dropped += rows;
        self.own.dropped += if is_own { rows } else { 0 };
    }

    fn log(&self, epoch: EpochId) -> Option<&EpochLog> {
        self.logs.values().rev().find(|log| log.epoch == epoch)
    }

    fn log_mut(&mut self, epoch: EpochId) -> Option<&mut EpochLog> {
        self.logs.values_mut().rev().find(|log| log.epoch == epoch)
    }

    /// The first record that covers anything after `sent`, and its file.
    fn item_after(&mut self, epoch: EpochId, sent: Sequence) -> Result<Option<(String, Item)>, SpoolError> {
        let disk = Arc::clone(&self.disk);
        let Some(log) = self.log_mut(epoch) else {
            return Ok(None);
        };
        let found = log
            .item_after(&*disk, sent)
            .map_err(|(file, source)| SpoolError::Disk {
                action: "read",
                file,
                source,
            })?;
        let lost = log.take_lost();
        self.count_corrupt(lost);
        Ok(found)
    }

    fn count_corrupt(&mut self, records: u32) {
        self.corrupt += u64::from(records);
        self.corrupt_untold += records;
    }

    /// Digest of the last batch that a record ending at `sequence` covers, if such a record is held.
    fn digest_at(&mut self, epoch: EpochId, sequence: Sequence) -> Option<Digest> {
        let before = Sequence(sequence.0.checked_sub(1)?);
        let log = self.log(epoch).filter(|log| log.has_records())?;
        if sequence == log.last {
            return Some(log.last_digest);
        }
        let found = self.item_after(epoch, before).ok()?;
        let (name, item) = found.filter(|(_, item)| item.last == sequence)?;
        let bytes = self.disk.read_at(&name, item.offset, item.record_bytes()).ok()?;
        let (header, payload) = record::open(&bytes)?;
        match header.kind {
            ItemKind::Batch => Some(Digest::of(payload)),
            ItemKind::Tombstone => {
                let tombstone = codec::decode_tombstone(payload).ok();
                tombstone.map(|tombstone| tombstone.last_digest)
            }
        }
    }

    /// Writes a record to the end of its epoch's log, after what the disk refused before; `None` if the epoch was
    /// given up: there is no log to write to.
    fn write(&mut self, epoch: EpochId, record: Record<'_>) -> Option<Result<(), SpoolError>> {
        let (segment_bytes, disk) = (self.options.segment_bytes(), Arc::clone(&self.disk));
        let log = self.log_mut(epoch)?;
        let pending = log.write_pending(&*disk, segment_bytes);
        let written = match &pending {
            Ok(_) => log.write_record(&*disk, segment_bytes, record),
            Err(_) => Ok(0),
        };
        self.bytes += pending.as_ref().map_or(0, |bytes| *bytes) + written.as_ref().map_or(0, |bytes| *bytes);
        Some(pending.and(written).map(drop))
    }

    fn remove_segment(&mut self, segment: &Segment) {
        self.bytes = self.bytes.saturating_sub(segment.bytes);
        if let Err(error) = self.disk.remove(&segment.name)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = segment.name, "a spool file could not be removed; it is ignored");
        }
    }
}

/// A record as it goes out when everything before `first` was sent; `None` if its payload is damaged.
fn outgoing(header: &RecordHeader, payload: &[u8], first: Sequence) -> Option<Outgoing> {
    let tombstone = match header.kind {
        ItemKind::Batch if header.first == first => {
            return Some(Outgoing {
                kind: ItemKind::Batch,
                first,
                last: header.last,
                payload: payload.to_vec(),
            });
        }
        ItemKind::Batch => tombstone::before_batch(first, &codec::decode_batch(payload).ok()?),
        ItemKind::Tombstone => Tombstone {
            first,
            ..codec::decode_tombstone(payload).ok()?
        },
    };
    Some(Outgoing {
        kind: ItemKind::Tombstone,
        first,
        last: tombstone.last,
        payload: codec::encode_tombstone(&tombstone),
    })
}
