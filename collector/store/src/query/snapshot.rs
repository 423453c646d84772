//! The store as of one instant, asked by several threads.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use redb::ReadTransaction;

use super::Runs;
use super::gather::Gather;
use super::logged::{Blob, Logged};
use super::part::Part;
use super::window::{Asked, Piece, ROWS_MAX, Stretch, pieces};
use crate::found::Fault;
use crate::segment::{SealedLog, Withheld};
use crate::tables::SEGMENTS;
use crate::{Store, StoreError};

/// What can hold runs that are asked for.
pub(super) struct Snapshot<'t> {
    store: &'t Store,
    runs: Runs,
    parts: Vec<Part>,
    logged: Logged<'t>,
}

/// What a thread does next.
enum Work {
    Segment(Part),
    Batches(Vec<Blob>),
}

/// How many threads answer: as many as run at once.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Store {
    /// Gives every piece of what is asked for to `each`, the oldest first. Where damage ends the reading, it begins again
    /// behind the last piece that was given.
    pub(super) fn each_piece(
        &self,
        asked: &Runs,
        mut each: impl FnMut(&Snapshot<'_>, &Piece) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut next = asked.from;
        self.read(|transaction| {
            let asked = Runs {
                from: next,
                ..asked.clone()
            };
            let snapshot = Snapshot::new(self, transaction, &asked)?;
            for piece in snapshot.pieces() {
                each(&snapshot, &piece)?;
                next = piece.until;
            }
            Ok(())
        })
    }
}

impl<'t> Snapshot<'t> {
    fn new(store: &'t Store, transaction: &'t ReadTransaction, runs: &Runs) -> Result<Self, StoreError> {
        let damaged = store.damage_changes();
        let sealed = SealedLog::read(transaction, store.found(), &store.0.segments)?;
        let known = &store.0.known_commits;
        let mut parts = Vec::new();
        for group in sealed.groups() {
            let wanted = group.segments.iter();
            let mut wanted = wanted
                .filter(|segment| runs.has_kind(segment.kind) && runs.touches(segment.slots))
                .peekable();
            if wanted.peek().is_some() {
                let commits = known.of(group, &sealed, damaged)?;
                parts.extend(wanted.map(|segment| Part {
                    segment: segment.clone(),
                    commits: commits.clone(),
                }));
            }
        }
        known.keep(sealed.groups());
        Ok(Self {
            store,
            runs: runs.clone(),
            parts,
            logged: Logged::new(store, transaction, runs)?,
        })
    }

    /// The pieces in which it is read.
    fn pieces(&self) -> Vec<Piece> {
        let segments = self.parts.iter().map(|part| Stretch {
            slots: part.segment.slots,
            rows: part.segment.rows,
        });
        let stretches: Vec<Stretch> = segments.chain(self.logged.stretch()).collect();
        pieces(&self.runs, &stretches, ROWS_MAX)
    }

    /// Has threads gather what is asked for.
    pub(super) fn gather<G: Gather>(
        &self,
        asked: &Asked,
        make: impl Fn() -> G + Sync,
    ) -> Result<Vec<G>, StoreError> {
        let parts = self.parts.iter();
        let parts: Vec<&Part> = parts
            .filter(|part| asked.runs.touches(part.segment.slots))
            .collect();
        let has_log = self
            .logged
            .stretch()
            .is_some_and(|stretch| asked.runs.touches(stretch.slots));
        let threads = threads().min(parts.len() + if has_log { threads() } else { 0 });
        let (sender, receiver) = sync_channel(threads);
        let receiver = Mutex::new(receiver);
        let store = self.store;
        thread::scope(|scope| {
            let work = || work(store, &receiver, asked, make());
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let fed = self.feed(sender, parts, has_log.then_some(&asked.runs));
            let gathered = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let gathered: Result<Vec<G>, StoreError> = gathered.collect();
            fed.and(gathered)
        })
    }

    /// Hands out what there is to read, until nobody takes any more.
    fn feed(
        &self,
        sender: SyncSender<Work>,
        parts: Vec<&Part>,
        of_log: Option<&Runs>,
    ) -> Result<(), StoreError> {
        for part in parts {
            if sender.send(Work::Segment(part.clone())).is_err() {
                return Ok(()); // they failed, and say why
            }
        }
        let Some(runs) = of_log else {
            return Ok(());
        };
        self.logged
            .each(runs, &mut |blobs| sender.send(Work::Batches(blobs)).is_ok())
    }
}

fn work<G: Gather>(
    store: &Store,
    receiver: &Mutex<Receiver<Work>>,
    asked: &Asked,
    mut gather: G,
) -> Result<G, StoreError> {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(Work::Segment(part)) => match part.read(&store.0.segments, asked, &mut gather) {
                Ok(()) => {}
                Err(Withheld::Damaged(what)) => {
                    let name = part.segment.name();
                    let key = part.segment.number.to_le_bytes();
                    store
                        .found()
                        .note(SEGMENTS.name, &key, Fault::File { name, what });
                }
                Err(Withheld::Unread(error)) => return Err(error),
            },
            Ok(Work::Batches(blobs)) => {
                for blob in blobs {
                    blob.read(store, asked, &mut gather)?;
                }
                gather.keep();
            }
            Err(_) => return Ok(gather),
        }
    }
}
