//! What is still in the log.

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::ProbeId;
use redb::ReadTransaction;

use super::Runs;
use super::gather::{Gather, Place};
use super::said::Said;
use super::window::{Asked, Stretch};
use crate::found::Fault;
use crate::row::Malformed;
use crate::rows::ReadRows;
use crate::tables::LOG;
use crate::{ScanRange, Store, StoreError, StoredBlob};

/// Batches that are handed to a thread at once.
const AT_ONCE: usize = 64;

/// The log, open to a reader.
pub(super) struct Logged<'t> {
    log: ReadRows<'t, u64>,
    /// Where that which is asked for begins.
    first: u64,
    /// The slots of what can be asked for, and how many rows it has.
    stretch: Option<Stretch>,
}

/// A batch as it lies there.
pub(super) struct Blob {
    commit: u64,
    probe: ProbeId,
    payload: Vec<u8>,
}

impl<'t> Logged<'t> {
    pub(super) fn new(
        store: &'t Store,
        transaction: &ReadTransaction,
        runs: &Runs,
    ) -> Result<Self, StoreError> {
        let range = ScanRange::slots(runs.from, runs.until);
        let first = range.first_commit(transaction, store.found())?;
        let mut logged = Self {
            log: LOG.read(transaction, store.found())?,
            first: first.unwrap_or(u64::MAX),
            stretch: None,
        };
        let mut stretch = None;
        logged.each_blob(runs, &mut |_, blob| {
            let (first, last) = blob.slots;
            let rows = u64::from(blob.rows);
            let so_far = stretch.get_or_insert(Stretch {
                slots: (first, last),
                rows: 0,
            });
            so_far.slots = (so_far.slots.0.min(first), so_far.slots.1.max(last));
            so_far.rows += rows;
            true
        })?;
        logged.stretch = stretch;
        Ok(logged)
    }

    /// Between which slots it holds how many rows, if it has any.
    pub(super) fn stretch(&self) -> Option<Stretch> {
        self.stretch
    }

    /// Gives batches that can hold what is asked for to `each`, some at once, until it has enough.
    pub(super) fn each(
        &self,
        runs: &Runs,
        each: &mut dyn FnMut(Vec<Blob>) -> bool,
    ) -> Result<(), StoreError> {
        let mut some = Vec::with_capacity(AT_ONCE);
        let mut goes_on = true;
        self.each_blob(runs, &mut |commit, blob| {
            some.push(Blob {
                commit,
                probe: blob.probe,
                payload: blob.payload.to_vec(),
            });
            if some.len() == AT_ONCE {
                goes_on = each(std::mem::take(&mut some));
            }
            goes_on
        })?;
        if goes_on && !some.is_empty() {
            each(some);
        }
        Ok(())
    }

    fn each_blob(
        &self,
        runs: &Runs,
        each: &mut dyn FnMut(u64, &StoredBlob<'_>) -> bool,
    ) -> Result<(), StoreError> {
        for row in self.log.range(self.first..)? {
            let (commit, row) = row?;
            let commit = commit.value();
            let goes_on = self.log.decode(commit, &row, |row| {
                let blob = StoredBlob::decode(row)?;
                let is_wanted = runs.has_probe(blob.probe) && blob.rows > 0 && runs.touches(blob.slots);
                Ok::<bool, Malformed>(!is_wanted || each(commit, &blob))
            });
            if goes_on == Some(false) {
                break;
            }
        }
        Ok(())
    }
}

impl Blob {
    /// Gives what is asked for to `gather`. What is damaged, or cannot be told what it measured, is noted as in a scan.
    pub(super) fn read<G: Gather>(
        &self,
        store: &Store,
        asked: &Asked,
        gather: &mut G,
    ) -> Result<(), StoreError> {
        let Ok(batch) = codec::decode_batch(&self.payload) else {
            let what = Malformed::Content { what: "batch" }.to_string();
            store
                .found()
                .note(LOG.name, &self.commit.to_le_bytes(), Fault::Form(what));
            return Ok(());
        };
        self.runs(&batch, store, asked, gather)
    }

    fn runs<G: Gather>(
        &self,
        batch: &Batch,
        store: &Store,
        asked: &Asked,
        gather: &mut G,
    ) -> Result<(), StoreError> {
        let version = batch.header.plan;
        let Some(plan) = store.plan(self.probe, version)? else {
            store.note_missing_plan(self.probe, version);
            return Ok(());
        };
        for run in batch.measurements() {
            let Some((check, target)) = plan.target_of(run.check) else {
                continue;
            };
            let is_asked = asked.runs.has_kind(check.kind)
                && asked.runs.holds(run.slot)
                && asked.has(self.probe, target.id);
            if is_asked {
                let place = Place {
                    probe: self.probe,
                    target: target.id,
                    kind: check.kind,
                };
                gather.run(place, run.slot, Said::of(&run.outcome));
            }
        }
        Ok(())
    }
}
