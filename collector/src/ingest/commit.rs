//! The committer: judges what waits, writes it in one transaction, and only then answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use isochrone_proto::batch::Batch;
use isochrone_proto::control::EpochMark;
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::ledger::{Event, Tombstone};
use redb::{ReadableTable, Table, WriteTransaction};
use tokio::sync::mpsc;

use super::judge::{RefuseReason, Tally, Window, place};
use super::stream::{EpochMemory, EpochTables, damaged};
use super::{Committed, EpochNote, Incoming, IngestOptions, Ingested, Item, Job, Unavailable};
use crate::store::tables::{self, epoch_key, fork_key, stream_key};
use crate::store::{EpochRow, HourRow, Store, StoreError, StoredBlob, StreamEntry, StreamKind, TombstoneRow};

/// Items that one transaction takes at most.
const GROUP_MAX: usize = 4_096;
/// Epochs kept in memory; above that all are read again as they are needed.
const EPOCHS_KEPT: usize = 16_384;
/// Batches of one epoch that are kept as forks; further ones are only counted.
const FORKS_MAX: u64 = 1_024;

/// The thread's loop. Ends when every handle is gone and everything is answered.
pub(super) fn run(
    mut committer: Committer,
    mut queue: mpsc::Receiver<Job>,
    live: &mpsc::Sender<Committed>,
    options: IngestOptions,
) {
    while let Some(first) = queue.blocking_recv() {
        if !options.gather.is_zero() {
            thread::sleep(options.gather); // one fsync then serves all that came meanwhile
        }
        let mut jobs = vec![first];
        while jobs.len() < GROUP_MAX
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        for committed in committer.process(jobs) {
            live.blocking_send(committed).ok(); // nobody watches: nothing to do
        }
    }
}

/// The one writer of the ingest log.
#[derive(Debug)]
pub(super) struct Committer {
    store: Store,
    /// `None`: read it from the store, at the start and after a commit that failed.
    memory: Option<Memory>,
}

struct Memory {
    commit: u64,
    ordinal: u64,
    quarantine: super::quarantine::Quarantine,
    epochs: HashMap<(ProbeId, EpochId), EpochMemory>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}

/// What a job is answered.
enum Answer {
    Item(Ingested),
    Note(Vec<EpochMark>),
}

impl Committer {
    pub(super) fn new(store: Store) -> Self {
        Self { store, memory: None }
    }

    /// Commits what can be committed of `jobs`, then answers each. Returns what was stored.
    pub(super) fn process(&mut self, jobs: Vec<Job>) -> Vec<Committed> {
        let shortage = self.store.reserve().shortage();
        let memory = &mut self.memory;
        let store = &self.store;
        let result = store.write_if(|transaction| {
            let memory = match memory.take() {
                Some(memory) => memory,
                None => Memory::load(transaction)?,
            };
            let mut round = Round::open(store, transaction, memory)?;
            let mut answers = Vec::with_capacity(jobs.len());
            for job in &jobs {
                answers.push(match job {
                    Job::Item { incoming, .. } => Answer::Item(match shortage {
                        Some(free_bytes) => Ingested::Unavailable(Unavailable::DiskReserve { free_bytes }),
                        None => round.item(incoming)?,
                    }),
                    Job::Note { note, .. } => Answer::Note(round.note(note)?),
                });
            }
            let (memory, committed, changed) = round.finish()?;
            Ok(((memory, answers, committed), changed))
        });
        match result {
            Ok((memory, answers, committed)) => {
                self.memory = Some(memory); // the commit is durable: now it is true
                for (job, answer) in jobs.into_iter().zip(answers) {
                    job.answer(answer);
                }
                committed
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), items = jobs.len(), "store refused a commit");
                self.memory = None;
                for job in jobs {
                    job.fail();
                }
                Vec::new()
            }
        }
    }
}

impl Job {
    /// A session that is gone needs no answer.
    fn answer(self, answer: Answer) {
        match (self, answer) {
            (Self::Item { reply, .. }, Answer::Item(ingested)) => drop(reply.send(ingested)),
            (Self::Note { reply, .. }, Answer::Note(marks)) => drop(reply.send(Ok(marks))),
            (job, _) => job.fail(),
        }
    }

    fn fail(self) {
        match self {
            Self::Item { reply, .. } => {
                drop(reply.send(Ingested::Unavailable(Unavailable::Storage)));
            }
            Self::Note { reply, .. } => drop(reply.send(Err(Unavailable::Storage))),
        }
    }
}

impl Memory {
    fn load(transaction: &WriteTransaction) -> Result<Self, StoreError> {
        let meta = transaction.open_table(tables::META)?;
        let read = |name| -> Result<u64, StoreError> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
        Ok(Self {
            commit: read(tables::META_COMMIT)?,
            ordinal: read(tables::META_ORDINAL)?,
            quarantine: super::quarantine::Quarantine::load(&meta)?,
            epochs: HashMap::new(),
        })
    }
}

/// One transaction's work.
struct Round<'t> {
    store: &'t Store,
    memory: Memory,
    epochs: EpochTables<'t>,
    log: Table<'t, u64, &'static [u8]>,
    stream: Table<'t, &'static [u8; 32], &'static [u8]>,
    transaction: &'t WriteTransaction,
    touched: Vec<(ProbeId, EpochId)>,
    committed: Vec<Committed>,
    blob: Vec<u8>,
    before: (u64, u64, u64),
}

impl<'t> Round<'t> {
    fn open(store: &'t Store, transaction: &'t WriteTransaction, memory: Memory) -> Result<Self, StoreError> {
        Ok(Self {
            before: memory.counters(),
            store,
            memory,
            epochs: EpochTables::open(transaction)?,
            log: transaction.open_table(tables::LOG)?,
            stream: transaction.open_table(tables::STREAM)?,
            transaction,
            touched: Vec::new(),
            committed: Vec::new(),
            blob: Vec::new(),
        })
    }

    /// Writes what the round changed in memory; says whether the transaction has anything to commit.
    fn finish(mut self) -> Result<(Memory, Vec<Committed>, bool), StoreError> {
        let mut changed = self.before != self.memory.counters();
        for key in self.touched.drain(..) {
            if let Some(epoch) = self.memory.epochs.get_mut(&key) {
                changed |= epoch.is_dirty();
                epoch.flush(&mut self.epochs)?;
            }
        }
        if self.before != self.memory.counters() {
            let mut meta = self.transaction.open_table(tables::META)?;
            meta.insert(tables::META_COMMIT, self.memory.commit)?;
            meta.insert(tables::META_ORDINAL, self.memory.ordinal)?;
            self.memory.quarantine.save(&mut meta)?;
        }
        if self.memory.epochs.len() > EPOCHS_KEPT {
            self.memory.epochs.clear();
        }
        Ok((self.memory, self.committed, changed))
    }

    /// The epoch in memory. Taken out, so that it and the tables can be changed together; put it back.
    fn take_epoch(&mut self, probe: ProbeId, epoch: EpochId) -> Result<EpochMemory, StoreError> {
        match self.memory.epochs.remove(&(probe, epoch)) {
            Some(memory) => Ok(memory),
            None => EpochMemory::load(&self.epochs, probe, epoch),
        }
    }

    fn put_epoch(&mut self, probe: ProbeId, epoch: EpochId, mut memory: EpochMemory) {
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

    fn item(&mut self, incoming: &Incoming) -> Result<Ingested, StoreError> {
        let (probe, id) = (incoming.probe, incoming.epoch());
        let mut epoch = self.take_epoch(probe, id)?;
        let ingested = match &incoming.item {
            Item::Batch(batch) => self.batch(&mut epoch, incoming, batch)?,
            Item::Tombstone(tombstone) => self.tombstone(&mut epoch, incoming, tombstone)?,
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
        let (sequence, mark) = (batch.header.sequence, epoch.row.mark);
        if sequence <= mark {
            let stands = self.stands_at(incoming, sequence)?;
            if stands == Some(incoming.digest) {
                return Ok(Ingested::Already { mark });
            }
            return self.fork(epoch, incoming, batch);
        }
        if sequence != mark.next() {
            let expected = mark.next();
            return Ok(Ingested::Gap { expected });
        }
        if batch.header.previous != epoch.row.digest {
            return self.fork(epoch, incoming, batch);
        }
        let lost = match self.missing_plans(incoming)? {
            Some(Ok(needed)) => return Ok(needed),
            Some(Err(lost)) => Some(lost),
            None => None,
        };
        let judged = match lost {
            Some(reason) => Err(reason),
            None => self.judge(epoch, incoming, batch)?,
        };
        let result = match judged {
            Ok((tally, place)) => {
                self.log(epoch, incoming, batch, &tally, place)?;
                Ingested::Stored { mark: sequence }
            }
            Err(reason) => {
                let slots = batch.slots().map(|(_, slot)| slot);
                let (tally, outside) = Tally::of_slots(slots, Window::around(incoming.received));
                for (hour, rows) in tally.hours {
                    epoch.hour_mut(&self.epochs, hour)?.refused += rows;
                }
                epoch.row_mut().refused_outside += outside;
                self.quarantine(epoch, incoming, reason)?
            }
        };
        let row = epoch.row_mut();
        (row.mark, row.digest) = (sequence, incoming.digest);
        Ok(result)
    }

    /// The digest of what stands at `sequence`, if anything is known to.
    fn stands_at(&self, incoming: &Incoming, sequence: Sequence) -> Result<Option<Digest>, StoreError> {
        let key = stream_key(incoming.probe, incoming.epoch(), sequence);
        let Some(entry) = self.stream.get(&key)? else {
            return Ok(None); // inside a tombstone's range
        };
        let entry = StreamEntry::decode(entry.value()).map_err(damaged("stream"))?;
        Ok(Some(entry.digest))
    }

    /// Plans that the item names and the store does not hold: ask for them, or refuse.
    fn missing_plans(
        &self,
        incoming: &Incoming,
    ) -> Result<Option<Result<Ingested, RefuseReason>>, StoreError> {
        let mut missing = Vec::new();
        for version in incoming.plans() {
            if self.store.plan(incoming.probe, version)?.is_none() {
                missing.push(version);
            }
        }
        Ok(match missing.first() {
            None => None,
            Some(&version) if incoming.plans_lost => Some(Err(RefuseReason::PlanLost { version })),
            Some(_) => Some(Ok(Ingested::NeedPlans(missing))),
        })
    }

    /// Checks account and rows. The account of a batch whose rows are refused still counts.
    fn judge(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Batch,
    ) -> Result<Result<(Tally, usize), RefuseReason>, StoreError> {
        let (header, window) = (&batch.header, Window::around(incoming.received));
        if let Err(reason) = window.check_cut(header.cut) {
            return Ok(Err(reason));
        }
        if let Err(reason) = epoch.adopt(&self.epochs, self.store, &header.adopted, window)? {
            return Ok(Err(reason));
        }
        if let Err(reason) = epoch.check_counts(&self.epochs, self.store, &header.hours, window)? {
            return Ok(Err(reason));
        }
        for count in &header.hours {
            epoch.hour_mut(&self.epochs, count.hour)?.told(count);
        }
        let row = epoch.row_mut();
        row.cut = row.cut.max(header.cut);
        row.closed |= header.events.contains(&Event::Closed);
        let version = header.plan;
        let Some(at) = epoch.adopted(&self.epochs, self.store, version)? else {
            return Ok(Err(RefuseReason::NotAdopted { version }));
        };
        Ok(place(epoch.plan_mut(at), batch, window).map(|tally| (tally, at)))
    }

    /// Appends a batch to the log, and counts it.
    fn log(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Arc<Batch>,
        tally: &Tally,
        place: usize,
    ) -> Result<(), StoreError> {
        for &(hour, rows) in &tally.hours {
            epoch.hour_mut(&self.epochs, hour)?.stored += rows;
        }
        epoch.count_skipped(&self.epochs, place, &batch.header.skipped)?;
        self.memory.commit += 1;
        let commit = self.memory.commit;
        self.blob.clear();
        StoredBlob {
            probe: incoming.probe,
            received: incoming.received,
            rows: batch.rows() as u16, // at most BATCH_ROWS_MAX
            slots: (tally.first, tally.last),
            payload: &incoming.payload,
        }
        .encode(&mut self.blob);
        self.log.insert(commit, self.blob.as_slice())?;
        self.stand(incoming, StreamKind::Batch { commit }, incoming.digest)?;
        self.committed.push(Committed {
            probe: incoming.probe,
            plan: Arc::clone(&epoch.plan_mut(place).plan),
            batch: Arc::clone(batch),
            received: incoming.received,
            commit,
        });
        Ok(())
    }

    fn stand(&mut self, incoming: &Incoming, kind: StreamKind, digest: Digest) -> Result<(), StoreError> {
        let key = stream_key(incoming.probe, incoming.epoch(), incoming.last_sequence());
        let entry = StreamEntry { kind, digest };
        self.stream.insert(&key, entry.encode().as_slice())?;
        Ok(())
    }

    /// Keeps a refused item raw. The caller moves the mark over it.
    fn quarantine(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        reason: RefuseReason,
    ) -> Result<Ingested, StoreError> {
        let digest = match &incoming.item {
            Item::Batch(_) => incoming.digest,
            Item::Tombstone(tombstone) => tombstone.last_digest,
        };
        self.stand(incoming, StreamKind::Refused, digest)?;
        self.memory.quarantine.keep(self.transaction, incoming, reason)?;
        epoch.row_mut().refused_batches += 1;
        let mark = incoming.last_sequence();
        Ok(Ingested::Refused { mark, reason })
    }

    /// Counts the rows of a batch that does not fit, once for each digest.
    fn fork(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        batch: &Batch,
    ) -> Result<Ingested, StoreError> {
        let sequence = batch.header.sequence;
        let forked = Ingested::Forked { sequence };
        let key = fork_key(incoming.probe, incoming.epoch(), sequence, incoming.digest);
        let mut forks = self.transaction.open_table(tables::FORKS)?;
        if forks.get(&key)?.is_some() {
            return Ok(forked);
        }
        if epoch.row.forked_batches >= FORKS_MAX {
            epoch.row_mut().forks_uncounted += 1;
            return Ok(forked);
        }
        forks.insert(&key, batch.rows() as u64)?;
        epoch.row_mut().forked_batches += 1;
        let slots = batch.slots().map(|(_, slot)| slot);
        let (tally, _) = Tally::of_slots(slots, Window::around(incoming.received));
        for (hour, rows) in tally.hours {
            epoch.hour_mut(&self.epochs, hour)?.forked += rows;
        }
        Ok(forked)
    }

    fn tombstone(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        tombstone: &Tombstone,
    ) -> Result<Ingested, StoreError> {
        let mark = epoch.row.mark;
        if tombstone.last <= mark {
            // Inside another tombstone's range no digest is known; it asks for nothing that is not done.
            let stands = self.stands_at(incoming, tombstone.last)?;
            return Ok(match stands {
                Some(digest) if digest != tombstone.last_digest => Ingested::Forked {
                    sequence: tombstone.last,
                },
                _ => Ingested::Already { mark },
            });
        }
        if tombstone.first > mark.next() {
            let expected = mark.next();
            return Ok(Ingested::Gap { expected });
        }
        let lost = match self.missing_plans(incoming)? {
            Some(Ok(needed)) => return Ok(needed),
            Some(Err(lost)) => Some(lost),
            None => None,
        };
        let judged = match lost {
            Some(reason) => Err(reason),
            None => self.bury(epoch, incoming, tombstone)?,
        };
        let result = match judged {
            Ok(()) => {
                self.stand(incoming, StreamKind::Tombstone, tombstone.last_digest)?;
                Ingested::Stored { mark: tombstone.last }
            }
            Err(reason) => self.quarantine(epoch, incoming, reason)?,
        };
        let row = epoch.row_mut();
        (row.mark, row.digest) = (tombstone.last, tombstone.last_digest);
        Ok(result)
    }

    /// Takes a tombstone's account over: what ran and is nowhere was dropped.
    fn bury(
        &mut self,
        epoch: &mut EpochMemory,
        incoming: &Incoming,
        tombstone: &Tombstone,
    ) -> Result<Result<(), RefuseReason>, StoreError> {
        let window = Window::around(incoming.received);
        if let Err(reason) = window.check_cut(tombstone.cut) {
            return Ok(Err(reason));
        }
        for adoption in &tombstone.adopted {
            let known = epoch.row.adoptions.contains(adoption); // told before, in a batch that was stored
            if !known && let Err(reason) = epoch.adopt(&self.epochs, self.store, adoption, window)? {
                return Ok(Err(reason));
            }
        }
        if let Err(reason) = epoch.check_counts(&self.epochs, self.store, &tombstone.hours, window)? {
            return Ok(Err(reason));
        }
        let mut dropped = 0;
        for count in &tombstone.hours {
            let hour: &mut HourRow = epoch.hour_mut(&self.epochs, count.hour)?;
            hour.told(count);
            let growth = count.run.saturating_sub(hour.placed());
            hour.dropped += growth;
            dropped += growth;
        }
        let row = epoch.row_mut();
        row.cut = row.cut.max(tombstone.cut);
        let key = stream_key(incoming.probe, tombstone.epoch, tombstone.last);
        let grave = TombstoneRow {
            first: tombstone.first,
            dropped,
            cause: tombstone.cause,
        };
        let mut tombstones = self.transaction.open_table(tables::TOMBSTONES)?;
        tombstones.insert(&key, grave.encode().as_slice())?;
        Ok(Ok(()))
    }

    /// Notes what a probe says of its epochs; returns their marks.
    fn note(&mut self, note: &EpochNote) -> Result<Vec<EpochMark>, StoreError> {
        let current = note.epochs.last().map(|state| state.epoch);
        let mut marks = Vec::with_capacity(note.epochs.len());
        for state in &note.epochs {
            let mut epoch = self.take_epoch(note.probe, state.epoch)?;
            let is_current = current == Some(state.epoch);
            if epoch.row.ordinal == 0 && (is_current || state.last > Sequence::NONE) {
                epoch.row_mut().told_first_slot = state.first_slot;
            }
            let told_last = (!is_current).then_some(state.last);
            let noted = epoch.is_dirty() || (note.complete && epoch.row.ordinal != 0);
            if noted && epoch.row.told_last != told_last {
                epoch.row_mut().told_last = told_last;
            }
            marks.push(EpochMark {
                epoch: state.epoch,
                stored: epoch.row.mark,
                digest: epoch.row.digest,
                safe: Sequence::NONE,
            });
            self.put_epoch(note.probe, state.epoch, epoch);
        }
        if note.complete {
            self.note_drained(note)?;
        }
        Ok(marks)
    }

    /// Epochs that the probe no longer names hold nothing more.
    fn note_drained(&mut self, note: &EpochNote) -> Result<(), StoreError> {
        let lowest = epoch_key(note.probe, EpochId([0; 16]));
        let highest = epoch_key(note.probe, EpochId([0xff; 16]));
        let mut silent = Vec::new();
        for row in self.epochs.epochs.range::<&[u8; 24]>(&lowest..=&highest)? {
            let (key, row) = row?;
            let (_, epoch) = tables::parse_epoch_key(key.value());
            let named = note.epochs.iter().any(|state| state.epoch == epoch);
            if !named
                && !EpochRow::decode(row.value())
                    .map_err(damaged("epochs"))?
                    .is_drained()
            {
                silent.push(epoch);
            }
        }
        for id in silent {
            let mut epoch = self.take_epoch(note.probe, id)?;
            if !epoch.row.is_drained() {
                let mark = epoch.row.mark;
                epoch.row_mut().told_last = Some(mark);
            }
            self.put_epoch(note.probe, id, epoch);
        }
        Ok(())
    }
}

impl Memory {
    fn counters(&self) -> (u64, u64, u64) {
        (self.commit, self.ordinal, self.quarantine.total())
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
