//! One transaction's work: each item is judged against its epoch, and what follows from that is written.

use std::ops::Bound;
use std::sync::Arc;

use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::ledger::Event;
use isochrone_proto::units::Hour;
use redb::WriteTransaction;

use super::judge::{RefuseReason, RowCounts, Window, place};
use super::memory::Memory;
use super::not_stored::NotStored;
use super::piece::Piece;
use super::stream::{EpochMemory, EpochTables};
use super::{Committed, Incoming, Ingested, Item};
use crate::numbers::Numbers;
use crate::rows::{Lookup, WriteRows};
use crate::tables::{self, stream_key};
use crate::{Store, StoreError, StoredBlob, StreamEntry, StreamKind};

/// Epochs kept in memory; above that all are read again as they are needed.
const EPOCHS_KEPT: usize = 16_384;

/// What stands at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Something with this digest.
    This(Digest),
    /// It lies in a tombstone's range: no digest is known.
    Dropped,
    /// What stood there was damaged: nobody can tell it from what comes now.
    Unknown,
}

/// One transaction's work.
pub(super) struct Round<'t> {
    pub(super) store: &'t Store,
    pub(super) memory: Memory,
    pub(super) epochs: EpochTables<'t>,
    log: WriteRows<'t, u64>,
    log_hours: WriteRows<'t, u32>,
    /// The hour that was looked up last: batches come in the order of their slots.
    log_hour: Option<Hour>,
    pub(super) transaction: &'t WriteTransaction,
    touched: Vec<(ProbeId, EpochId)>,
    committed: Vec<Committed>,
    blob: Vec<u8>,
    before: (u64, u64, u64),
    /// A planted bug; never true in a release.
    pub(super) leaps_gaps: bool,
}

impl<'t> Round<'t> {
    pub(super) fn open(
        store: &'t Store,
        transaction: &'t WriteTransaction,
        memory: Memory,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            before: memory.counters(),
            store,
            memory,
            epochs: EpochTables::open(transaction, store.found())?,
            log: tables::LOG.open(transaction, store.found())?,
            log_hours: tables::LOG_HOURS.open(transaction, store.found())?,
            log_hour: None,
            transaction,
            touched: Vec::new(),
            committed: Vec::new(),
            blob: Vec::new(),
            leaps_gaps: false,
        })
    }

    /// Writes what the round changed in memory; says whether the transaction has anything to commit.
    pub(super) fn finish(mut self) -> Result<(Memory, Vec<Committed>, bool), StoreError> {
        let mut changed = self.memory.is_mended || self.before != self.memory.counters();
        for key in self.touched.drain(..) {
            if let Some(epoch) = self.memory.epochs.get_mut(&key) {
                if epoch.is_dirty() {
                    changed = true;
                    self.memory.changes.push((key, epoch.first_changed_hour()));
                }
                epoch.flush(&mut self.epochs)?;
            }
        }
        if self.before != self.memory.counters() {
            let mut numbers = Numbers::open(self.transaction, self.store.found())?;
            numbers.set(tables::META_COMMIT, self.memory.commit)?;
            numbers.set(tables::META_ORDINAL, self.memory.ordinal)?;
            self.memory.quarantine.save(&mut numbers)?;
        }
        if self.memory.epochs.len() > EPOCHS_KEPT {
            self.memory.epochs.clear();
        }
        Ok((self.memory, self.committed, changed))
    }

    /// The epoch in memory. Taken out, so that it and the tables can be changed together; put it back.
    pub(super) fn take_epoch(&mut self, probe: ProbeId, epoch: EpochId) -> Result<EpochMemory, StoreError> {
        match self.memory.epochs.remove(&(probe, epoch)) {
            Some(memory) => Ok(memory),
            None => EpochMemory::load(&self.epochs, probe, epoch),
        }
    }

    pub(super) fn put_epoch(&mut self, probe: ProbeId, epoch: EpochId, mut memory: EpochMemory) {
        if memory.is_dirty() {
            if memory.row.ordinal == 0 {
                self.memory.ordinal += 1;
                memory.row_mut().ordinal = self.memory.ordinal;
            }
            if self.touched.last() != Some(&(probe, epoch)) {
                self.touched.push((probe, epoch));
            }
        }
        self.memory.epochs.insert((probe, epoch), memory);
    }

    pub(super) fn item(&mut self, incoming: &Incoming) -> Result<Ingested, StoreError> {
        let (probe, id) = (incoming.probe, incoming.epoch());
        let mut epoch = self.take_epoch(probe, id)?;
        let ingested = match &incoming.item {
            Item::Batch(batch) => self.batch(&mut epoch, incoming, batch)?,
            Item::Tombstone(tombstone) => self.tombstone(&mut epoch, incoming, tombstone)?,
            Item::Unread(unread) => self.unread(&mut epoch, incoming, unread)?,
        };
        self.put_epoch(probe, id, epoch);
        Ok(ingested)
    }

    fn batch(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Arc<Batch>,
    ) -> Result<Ingested, StoreError> {
        let sequence = batch.header.sequence;
        if let Some(answer) = self.out_of_turn(epoch, incoming, &Piece::of(batch))? {
            return Ok(answer);
        }
        let judged = self
            .require_plans(incoming)
            .and_then(|()| self.judge(epoch, incoming, batch));
        let result = match judged {
            Ok((counts, place)) => {
                self.log(epoch, incoming, batch, &counts, place)?;
                Ingested::Stored { mark: sequence }
            }
            Err(NotStored::NeedsPlans(missing)) => return Ok(Ingested::NeedPlans(missing)),
            Err(NotStored::Failed(error)) => return Err(error),
            Err(NotStored::Refused(reason)) => {
                let slots = batch.slots().map(|(_, slot)| slot);
                let counts =
                    RowCounts::of_refused(slots, Window::around(incoming.received, self.store.retention()));
                for (hour, rows) in counts.hours {
                    epoch.hour_mut(&self.epochs, hour)?.refused += rows;
                }
                self.quarantine(epoch, incoming, reason, batch.rows() as u64)?
            }
        };
        let row = epoch.row_mut();
        (row.mark, row.digest) = (sequence, incoming.digest);
        Ok(result)
    }

    /// What stands at `sequence`, at or below the mark.
    pub(super) fn stands_at(&self, incoming: &Incoming, sequence: Sequence) -> Result<Standing, StoreError> {
        let key = |sequence| stream_key(incoming.probe, incoming.epoch(), sequence);
        let stream = &self.epochs.stream;
        match stream.lookup_as(&key(sequence), StreamEntry::decode)? {
            Lookup::Is(entry) if entry.digest == Digest::ZERO => return Ok(Standing::Unknown),
            Lookup::Is(entry) => return Ok(Standing::This(entry.digest)),
            Lookup::Damaged => return Ok(Standing::Unknown),
            Lookup::Absent => {}
        }
        let after = (
            Bound::Excluded(key(sequence)),
            Bound::Included(key(Sequence(u64::MAX))),
        );
        let next = stream
            .range::<&[u8; 32]>((after.0.as_ref(), after.1.as_ref()))?
            .next();
        let Some((next, row)) = next.transpose()? else {
            return Ok(Standing::Unknown);
        };
        let entry = stream.decode(next.value(), &row, StreamEntry::decode);
        Ok(match entry.map(|entry| entry.kind) {
            Some(StreamKind::Tombstone) => Standing::Dropped, // inside its range: there is nothing else up to it
            _ => Standing::Unknown,
        })
    }

    /// Asks for the plans that the item names and the store does not hold; refuses it where they are lost.
    pub(super) fn require_plans(&self, incoming: &Incoming) -> Result<(), NotStored> {
        let mut missing = Vec::new();
        for version in incoming.plans() {
            if self.store.plan(incoming.probe, version)?.is_none() {
                missing.push(version);
            }
        }
        match missing.first() {
            None => Ok(()),
            Some(&version) if incoming.plans_lost => Err(RefuseReason::PlanLost { version }.into()),
            Some(_) => Err(NotStored::NeedsPlans(missing)),
        }
    }

    /// Checks account and rows. The account of a batch whose rows are refused still counts.
    fn judge(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Batch,
    ) -> Result<(RowCounts, usize), NotStored> {
        let (header, window) = (
            &batch.header,
            Window::around(incoming.received, self.store.retention()),
        );
        self.check_revoked(incoming.probe, batch)?;
        self.take_account(epoch, header, window)?;
        window.check_reached(header.cut)?;
        let version = header.plan;
        let Some(at) = epoch.adopted(&self.epochs, self.store, version)? else {
            return Err(RefuseReason::NotAdopted { version }.into());
        };
        Ok((place(epoch.plan_mut(at), batch, window)?, at))
    }

    /// Takes over what a batch says of all slots up to its cut.
    pub(super) fn take_account(
        &mut self,
        epoch: &mut EpochMemory,
        header: &BatchHeader,
        window: Window,
    ) -> Result<(), NotStored> {
        window.check_cut(header.cut)?;
        epoch.adopt(&self.epochs, self.store, &header.adopted, window)?;
        epoch.check_counts(&self.epochs, self.store, &header.hours, window)?;
        for count in &header.hours {
            epoch.hour_mut(&self.epochs, count.hour)?.told(count);
        }
        let row = epoch.row_mut();
        row.cut = row.cut.max(header.cut);
        row.closed |= header.events.contains(&Event::Closed);
        Ok(())
    }

    /// Nothing that was measured after the probe's revocation is taken.
    fn check_revoked(&self, probe: ProbeId, batch: &Batch) -> Result<(), NotStored> {
        let Some(at) = self.epochs.ended(probe)? else {
            return Ok(());
        };
        let is_later = batch.slots().any(|(_, slot)| slot >= at) || batch.header.cut > at;
        if is_later {
            Err(RefuseReason::Revoked { at }.into())
        } else {
            Ok(())
        }
    }

    /// Appends a batch to the log, and counts it.
    fn log(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Arc<Batch>,
        counts: &RowCounts,
        place: usize,
    ) -> Result<(), StoreError> {
        for &(hour, rows) in &counts.hours {
            epoch.hour_mut(&self.epochs, hour)?.stored += rows;
        }
        epoch.count_skipped(&self.epochs, place, &batch.header.skipped)?;
        let commit = self.append(incoming, batch, counts)?;
        self.committed.push(Committed {
            probe: incoming.probe,
            plan: Arc::clone(&epoch.plan_mut(place).plan),
            batch: Arc::clone(batch),
            received: incoming.received,
            commit,
        });
        Ok(())
    }

    /// Appends a batch to the log under its sequence; returns its place.
    pub(super) fn append(
        &mut self,
        incoming: &Incoming,
        batch: &Batch,
        counts: &RowCounts,
    ) -> Result<u64, StoreError> {
        self.memory.commit += 1;
        let commit = self.memory.commit;
        self.blob.clear();
        StoredBlob {
            probe: incoming.probe,
            received: incoming.received,
            rows: batch.rows() as u16, // at most BATCH_ROWS_MAX
            slots: (counts.first, counts.last),
            payload: &incoming.payload,
        }
        .encode(&mut self.blob);
        self.log.insert(commit, &self.blob)?;
        if batch.rows() > 0 {
            self.index_by_hour(counts.last.hour(), commit)?;
        }
        self.stand(incoming, StreamKind::Batch { commit }, incoming.digest)?;
        Ok(commit)
    }

    /// Commit numbers only rise: what stands there is the first.
    fn index_by_hour(&mut self, hour: Hour, commit: u64) -> Result<(), StoreError> {
        if self.log_hour != Some(hour) {
            self.log_hour = Some(hour);
            if self.log_hours.get(hour.0)?.is_none() {
                self.log_hours.insert_number(hour.0, commit)?;
            }
        }
        Ok(())
    }

    pub(super) fn stand(
        &mut self,
        incoming: &Incoming,
        kind: StreamKind,
        digest: Digest,
    ) -> Result<(), StoreError> {
        let key = stream_key(incoming.probe, incoming.epoch(), incoming.last_sequence());
        let entry = StreamEntry { kind, digest };
        self.epochs.stream.insert(&key, &entry.encode())
    }

    /// Keeps a refused item raw. The caller moves the mark over it.
    pub(super) fn quarantine(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        reason: RefuseReason,
        rows: u64,
    ) -> Result<Ingested, StoreError> {
        let digest = match &incoming.item {
            Item::Batch(_) | Item::Unread(_) => incoming.digest,
            Item::Tombstone(tombstone) => tombstone.last_digest,
        };
        self.stand(incoming, StreamKind::Refused, digest)?;
        let tables = (self.transaction, self.store.found());
        self.memory.quarantine.keep(tables, incoming, &reason)?;
        let row = epoch.row_mut();
        row.refused_batches += 1;
        row.refused_rows += rows;
        row.refused_for_time += if reason.is_for_time() { rows } else { 0 };
        let so_far = row.refused();
        let mark = incoming.last_sequence();
        Ok(Ingested::Refused { mark, reason, so_far })
    }
}
