//! The committer: judges what waits, writes it in one transaction, and only then answers.

use std::sync::atomic::Ordering;
use std::thread;

use isochrone_base::error_chain::chain;
use isochrone_proto::control::EpochMark;
use isochrone_proto::ids::Sequence;
use redb::WriteTransaction;
use tokio::sync::mpsc;

use super::memory::Memory;
use super::round::Round;
use super::{Committed, IngestOptions, Ingested, Job, Unavailable};
use crate::{Store, StoreError};

/// Items that one transaction takes at most.
const GROUP_MAX: usize = 4_096;

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
    #[cfg(any(test, feature = "testing"))]
    pub(super) planted: Option<super::PlantedBug>,
    /// `None`: read it from the store, at the start and after a commit that failed.
    memory: Option<Memory>,
}

/// The memory to go on with, an answer for each job, and what was stored.
type Judged = (Memory, Vec<Answer>, Vec<Committed>);

/// What a job is answered.
enum Answer {
    Item(Ingested),
    Note(Vec<EpochMark>),
}

impl Committer {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            #[cfg(any(test, feature = "testing"))]
            planted: None,
            memory: None,
        }
    }

    #[cfg(not(any(test, feature = "testing")))]
    fn write<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        self.store.write_tables_if(body)
    }

    #[cfg(any(test, feature = "testing"))]
    fn write<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        if self.planted == Some(super::PlantedBug::AckBeforeCommit) {
            self.store.write_tables_later(body)
        } else {
            self.store.write_tables_if(body)
        }
    }

    /// Commits what can be committed of `jobs`, then answers each. Returns what was stored.
    pub(super) fn process(&mut self, jobs: Vec<Job>) -> Vec<Committed> {
        let shortage = self.store.reserve().shortage();
        let known = self.memory.take();
        let mut result = self.judge(&jobs, known, shortage);
        if result.as_ref().is_err_and(StoreError::is_settled) {
            result = self.judge(&jobs, None, shortage); // it was put right when the first try ended
        }
        match result {
            Ok((mut memory, answers, committed)) => {
                self.store
                    .account_changes()
                    .note(std::mem::take(&mut memory.changes));
                if std::mem::take(&mut memory.is_mended) {
                    self.store.damage_changed();
                    self.store.account_changes().everything();
                }
                self.memory = Some(memory); // the commit is durable: now it is true
                for (job, answer) in jobs.into_iter().zip(answers) {
                    job.answer(answer);
                }
                committed
            }
            Err(error) if error.is_settled() && jobs.len() > 1 => {
                // something is damaged that cannot be put right now: what is not about it is taken
                self.memory = None;
                jobs.into_iter().flat_map(|job| self.process(vec![job])).collect()
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), items = jobs.len(), "store refused a commit");
                self.store.account_changes().everything(); // it may have become durable
                self.memory = None;
                for job in jobs {
                    job.fail();
                }
                Vec::new()
            }
        }
    }

    fn judge(
        &self,
        jobs: &[Job],
        known: Option<Memory>,
        shortage: Option<u64>,
    ) -> Result<Judged, StoreError> {
        let store = &self.store;
        self.write(|transaction| {
            let recounts = store.0.recounts.load(Ordering::Relaxed); // changes only in a transaction of its own
            let memory = match known {
                Some(memory) if memory.recounts == recounts => memory,
                _ => Memory::load(transaction, store.found(), recounts)?,
            };
            let mut round = Round::open(store, transaction, memory)?;
            #[cfg(any(test, feature = "testing"))]
            {
                round.leaps_gaps = self.planted == Some(super::PlantedBug::MarkOverGap);
            }
            let mut answers = Vec::with_capacity(jobs.len());
            for job in jobs {
                answers.push(match job {
                    Job::Item { incoming, .. } => Answer::Item(match shortage {
                        // the planted bug needs a gap: what there is no room for is passed over
                        Some(_) if round.leaps_gaps => Ingested::Already { mark: Sequence::NONE },
                        Some(free_bytes) => Ingested::Unavailable(Unavailable::DiskReserve { free_bytes }),
                        None => round.item(incoming)?,
                    }),
                    Job::Note { note, .. } => Answer::Note(round.note(note)?),
                });
            }
            let (memory, committed, changed) = round.finish()?;
            Ok(((memory, answers, committed), changed))
        })
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
