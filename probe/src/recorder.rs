//! Takes what happened to slots, makes batches of it, and makes these durable in the spool.

mod changes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isochrone_proto::control::{EpochState, SpoolState};
use isochrone_proto::ids::{EpochId, Sequence};
use isochrone_proto::ledger::Event;
use isochrone_proto::units::UnixMillis;
use tokio::sync::{mpsc, watch};

use self::changes::Changed;
pub use self::changes::Changes;
use crate::batcher::{Batcher, Sealed};
use crate::disk::blocking;
use crate::epoch::{Entry, Generation, Record};
use crate::spool::Spool;

/// The spool, shared by the recorder, which adds, and the uplink, which sends and trims.
#[derive(Clone)]
pub struct SharedSpool {
    spool: Arc<Mutex<Spool>>,
    changed: Arc<Changed>,
}

impl SharedSpool {
    /// Shares a spool.
    #[must_use]
    pub fn new(spool: Spool) -> Self {
        Self {
            spool: Arc::new(Mutex::new(spool)),
            changed: Arc::default(),
        }
    }

    /// Works on the spool; may wait for the disk.
    pub fn with<T>(&self, work: impl FnOnce(&mut Spool) -> T) -> T {
        blocking(|| work(&mut self.lock()))
    }

    /// Works on the spool and tells those who wait for a change.
    pub fn change<T>(&self, work: impl FnOnce(&mut Spool) -> T) -> T {
        let done = self.with(work);
        self.changed.tell();
        done
    }

    /// Changes from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changed.follow()
    }

    /// How full it is.
    #[must_use]
    pub fn state(&self) -> SpoolState {
        self.with(|spool| spool.state())
    }

    /// What a greeting says of the epoch that is being written; none before the first record.
    #[must_use]
    pub fn current(&self) -> Option<EpochState> {
        self.with(|spool| spool.current().and_then(|epoch| spool.epoch_state(epoch)))
    }

    fn lock(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this process has recorded so far: the probe's end of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Slots that became a measurement.
    pub run: u64,
    /// Slots that did not.
    pub skipped: u64,
    /// Measurements that the disk did not take.
    pub dropped: u64,
    /// Batches made.
    pub batches: u64,
}

pub(crate) struct Recorder {
    spool: SharedSpool,
    source_ports: Vec<u16>,
    writers: BTreeMap<Generation, Writer>,
    recorded: watch::Sender<Recorded>,
}

/// One epoch's batches.
struct Writer {
    batcher: Batcher,
    cut: UnixMillis,
    end: Option<UnixMillis>,
    /// The clock was stepped since: its times end where it ended.
    frozen: bool,
}

impl Recorder {
    /// A recorder into `spool`; each epoch's first batch tells `source_ports`.
    #[must_use]
    pub(crate) fn new(spool: SharedSpool, source_ports: Vec<u16>, recorded: watch::Sender<Recorded>) -> Self {
        Self {
            spool,
            source_ports,
            writers: BTreeMap::new(),
            recorded,
        }
    }

    /// Records until the runner has ended, then closes what is open.
    pub(crate) async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        while let Some(entry) = entries.recv().await {
            self.take(entry);
        }
        for generation in self.writers.keys().copied().collect::<Vec<_>>() {
            self.finish(generation);
        }
        self.spool.change(|spool| {
            spool.flush_pending();
            spool.save_marks();
        });
    }

    fn take(&mut self, Entry { at, record }: Entry) {
        match record {
            Record::Opened {
                generation,
                epoch,
                first_slot,
                event,
                done,
            } => {
                let state = self.open(generation, epoch, first_slot, event);
                if let Some(done) = done {
                    done.send(state).ok(); // who asked may have left
                }
            }
            Record::Adopted {
                generation,
                plan,
                first_slot,
            } => {
                self.close_if(generation, at, Batcher::has_untold_adoption);
                self.batcher(generation, |batcher| batcher.adopt(&plan, first_slot));
            }
            Record::Ran {
                generation,
                plan,
                measurement,
            } => self.batcher(generation, |batcher| batcher.ran(plan, measurement, at)),
            Record::Skipped {
                generation,
                plan,
                range,
            } => self.batcher(generation, |batcher| batcher.skipped(plan, range, at)),
            Record::Event(event) => {
                if let Some(mut newest) = self.writers.last_entry() {
                    newest.get_mut().batcher.event(event);
                }
            }
            Record::Ended {
                generation,
                end,
                stepped,
            } => self.end(generation, end, stepped),
            Record::Finished { generation } => {
                self.advance(at);
                self.finish(generation);
            }
            Record::BatchDue => {} // looked at below
            Record::Tick => self.tick(),
        }
        self.close_due(at);
    }

    fn open(
        &mut self,
        generation: Generation,
        epoch: EpochId,
        first_slot: UnixMillis,
        event: Option<Event>,
    ) -> EpochState {
        let mut batcher = Batcher::new(epoch, self.source_ports.clone());
        if let Some(event) = event {
            batcher.event(event);
        }
        let writer = Writer {
            batcher,
            cut: UnixMillis(0),
            end: None,
            frozen: false,
        };
        self.writers.insert(generation, writer);
        tracing::info!(%epoch, "epoch opened");
        let state = self.spool.change(|spool| {
            spool.open_epoch(epoch, first_slot);
            spool.epoch_state(epoch)
        });
        state.unwrap_or(EpochState {
            epoch,
            first_slot,
            first_held: Sequence::NONE,
            last: Sequence::NONE,
            last_digest: isochrone_proto::ids::Digest::ZERO,
            closed: false,
        })
    }

    fn end(&mut self, generation: Generation, end: UnixMillis, stepped: bool) {
        if let Some(writer) = self.writers.get_mut(&generation) {
            writer.end = Some(end);
            writer.batcher.end_at(end);
        }
        if stepped {
            for writer in self.writers.values_mut() {
                writer.frozen = true;
            }
        }
    }

    /// Once a second: damage that the spool found is told, tombstones that the disk refused are tried again.
    fn tick(&mut self) {
        let corrupt = self.spool.with(|spool| {
            spool.flush_pending();
            spool.take_corrupt()
        });
        if corrupt > 0
            && let Some(mut newest) = self.writers.last_entry()
        {
            newest
                .get_mut()
                .batcher
                .event(Event::CorruptRecords { count: corrupt });
        }
    }

    fn batcher(&mut self, generation: Generation, work: impl FnOnce(&mut Batcher)) {
        match self.writers.get_mut(&generation) {
            Some(writer) => work(&mut writer.batcher),
            None => tracing::error!(?generation, "a result of an epoch that was closed is lost"),
        }
    }

    fn advance(&mut self, at: UnixMillis) {
        for writer in self.writers.values_mut() {
            writer.advance(at);
        }
    }

    fn close_if(
        &mut self,
        generation: Generation,
        at: UnixMillis,
        due: impl Fn(&Batcher, UnixMillis) -> bool,
    ) {
        let Some(writer) = self.writers.get_mut(&generation) else {
            return;
        };
        writer.advance(at);
        if due(&writer.batcher, writer.cut) {
            let sealed = writer.batcher.close(writer.cut);
            self.keep(&sealed);
        }
    }

    fn close_due(&mut self, at: UnixMillis) {
        for generation in self.writers.keys().copied().collect::<Vec<_>>() {
            self.close_if(generation, at, Batcher::is_due);
        }
    }

    fn finish(&mut self, generation: Generation) {
        let Some(mut writer) = self.writers.remove(&generation) else {
            return;
        };
        let sealed = writer.batcher.finish(writer.cut);
        self.keep(&sealed);
        let epoch = writer.batcher.epoch();
        tracing::info!(%epoch, "epoch closed");
        self.spool.change(|spool| spool.close_epoch(epoch));
    }

    fn keep(&mut self, batches: &[Sealed]) {
        for Sealed { batch, payload } in batches {
            let appended = self.spool.change(|spool| spool.append(batch, payload));
            let rows = batch.rows() as u64;
            let skipped: u64 = batch
                .header
                .skipped
                .iter()
                .map(|range| u64::from(range.count))
                .sum();
            tracing::debug!(
                sequence = batch.header.sequence.0,
                rows,
                skipped,
                ?appended,
                "batch spooled"
            );
            self.recorded.send_modify(|recorded| {
                recorded.run += rows;
                recorded.skipped += skipped;
                recorded.batches += 1;
                if appended == crate::spool::Appended::Dropped {
                    recorded.dropped += rows;
                }
            });
        }
    }
}

impl Writer {
    /// Every slot that was begun up to `at` lies before the next millisecond.
    fn advance(&mut self, at: UnixMillis) {
        let end = self.end.unwrap_or(UnixMillis(u64::MAX));
        let cut = if self.frozen {
            end
        } else {
            UnixMillis(at.0 + 1).min(end)
        };
        self.cut = self.cut.max(cut);
    }
}
