//! What really happened, kept beside the mesh and by none of its code: every run a simulated prober ended,
//! every batch a probe made durable, every acknowledgement a probe got. The store is judged by it.

mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isochrone_probe::recorder::SharedSpool;
use isochrone_probe::spool::ItemKind;
use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::{EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, EndpointResult, Outcome};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

pub use self::judge::{Allowed, Faults};

/// A run, as far as a prober knows it: it knows no epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Who ran it.
    pub probe: ProbeId,
    /// What.
    pub kind: Kind,
    /// Against what.
    pub target: TargetId,
    /// Which slot.
    pub slot: UnixMillis,
}

/// What tells the outcome of one run from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stamp {
    /// It succeeded: the latency is a number that no other run of the world has.
    Number(u32),
    /// It failed.
    Failed,
    /// It never left the machine.
    Unsent,
}

/// A measurement by its id, with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measured {
    /// In which epoch.
    pub epoch: EpochId,
    /// The run.
    pub run: Run,
    /// What came of it.
    pub stamp: Stamp,
}

/// The record. Clones share it.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// The last number given to a success.
    numbers: u32,
    /// How often each run ended so; above 1 where two machines live with one key.
    ended: BTreeMap<(Run, Stamp), u32>,
    plans: BTreeMap<(ProbeId, PlanVersion), Plan>,
    epochs: BTreeMap<(ProbeId, EpochId), EpochRecord>,
    /// The collector was restored from an older copy.
    restored: bool,
    /// Probes that had no room.
    may_drop: BTreeSet<ProbeId>,
}

/// What a probe made durable of an epoch, and what it was told of it.
#[derive(Default)]
struct EpochRecord {
    /// By sequence.
    batches: BTreeMap<Sequence, Vec<Measured>>,
    /// Looked at up to here.
    seen: Sequence,
    /// The highest acknowledgement ever got.
    acknowledged: Sequence,
    /// The collector said that the epoch went on elsewhere.
    forked: bool,
    /// Some of it was dropped by the probe, which put a tombstone in its place.
    tombstoned: bool,
    /// The disk that it was on was set back to an older copy.
    set_back: bool,
}

impl EpochRecord {
    /// Asks for nothing that lies beyond `sequence` any more.
    fn forget_beyond(&mut self, sequence: Sequence) {
        self.batches.retain(|known, _| *known <= sequence);
        self.seen = self.seen.min(sequence);
        self.acknowledged = self.acknowledged.min(sequence);
    }
}

impl Record {
    /// A number that no run had before, as a latency in microseconds.
    #[must_use]
    pub fn number(&self) -> u32 {
        let mut inner = self.lock();
        inner.numbers += 1;
        inner.numbers
    }

    /// A run ended.
    pub fn ended(&self, run: Run, stamp: Stamp) {
        *self.lock().ended.entry((run, stamp)).or_default() += 1;
    }

    /// A probe follows a plan: what its batches name is read with it.
    pub fn plan(&self, plan: &Plan) {
        let mut inner = self.lock();
        inner
            .plans
            .entry((plan.probe, plan.version))
            .or_insert_with(|| plan.clone());
    }

    /// How many runs ended so far.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.lock().ended.values().map(|count| u64::from(*count)).sum()
    }

    /// The last slot that a probe ran.
    #[must_use]
    pub fn last_slot(&self, probe: ProbeId) -> Option<UnixMillis> {
        let inner = self.lock();
        inner
            .ended
            .keys()
            .filter(|(run, _)| run.probe == probe)
            .map(|(run, _)| run.slot)
            .max()
    }

    /// How many measurements a probe made durable, in all its epochs.
    #[must_use]
    pub fn spooled(&self, probe: ProbeId) -> u64 {
        let inner = self.lock();
        let epochs = inner.epochs.iter().filter(|((owner, _), _)| *owner == probe);
        epochs
            .flat_map(|(_, epoch)| epoch.batches.values())
            .map(|rows| rows.len() as u64)
            .sum()
    }

    /// Reads what a spool holds that was not seen before, and how far it is acknowledged.
    pub fn look(&self, probe: ProbeId, spool: &SharedSpool) {
        spool.with(|spool| {
            for state in spool.states() {
                let mut inner = self.lock();
                let epoch = inner.epochs.entry((probe, state.epoch)).or_default();
                epoch.forked |= spool.is_forked(state.epoch);
                if !epoch.forked {
                    epoch.acknowledged = epoch.acknowledged.max(spool.stored(state.epoch));
                }
                let mut seen = epoch.seen;
                drop(inner);
                while let Ok(Some(item)) = spool.next_after(state.epoch, seen) {
                    seen = item.last;
                    match item.kind {
                        ItemKind::Batch => self.batch(probe, &item.payload),
                        ItemKind::Tombstone => self.lock().epoch(probe, state.epoch).tombstoned = true,
                    }
                }
                self.lock().epoch(probe, state.epoch).seen = seen;
            }
        });
    }

    /// A probe's disk or spool is full: it drops what it has no room for, and says so.
    pub fn may_drop(&self, probe: ProbeId) {
        self.lock().may_drop.insert(probe);
    }

    /// A probe's disk was set back to an older copy: what only it held, and was never acknowledged, is gone for
    /// good, and other batches may take these places.
    pub fn set_back(&self, probe: ProbeId) {
        let mut inner = self.lock();
        let restored = inner.restored;
        for (_, epoch) in inner.epochs.iter_mut().filter(|((owner, _), _)| *owner == probe) {
            epoch.set_back = true;
            epoch.forget_beyond(if restored {
                Sequence::NONE
            } else {
                epoch.acknowledged
            });
        }
    }

    /// The collector's disk was set back to an older copy: what only it held, because a probe's disk was set back
    /// too, is gone for good.
    pub fn collector_set_back(&self) {
        let mut inner = self.lock();
        inner.restored = true;
        for epoch in inner.epochs.values_mut().filter(|epoch| epoch.set_back) {
            epoch.forget_beyond(Sequence::NONE);
        }
    }

    fn batch(&self, probe: ProbeId, payload: &[u8]) {
        let batch = codec::decode_batch(payload).expect("a probe spools only what it can read");
        let mut inner = self.lock();
        let plan = &inner.plans[&(probe, batch.header.plan)];
        let rows = rows_of(probe, &batch, plan);
        let (epoch, sequence) = (batch.header.epoch, batch.header.sequence);
        inner.epoch(probe, epoch).batches.insert(sequence, rows);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn epoch(&mut self, probe: ProbeId, epoch: EpochId) -> &mut EpochRecord {
        self.epochs.entry((probe, epoch)).or_default()
    }
}

/// Every measurement of a batch, by its id.
///
/// # Panics
/// When the batch names a check that its plan does not have.
#[must_use]
pub fn rows_of(probe: ProbeId, batch: &Batch, plan: &Plan) -> Vec<Measured> {
    let row = |measurement: isochrone_proto::measurement::Measurement| {
        let (check, target) = plan
            .target_of(measurement.check)
            .expect("a batch names checks of its plan");
        Measured {
            epoch: batch.header.epoch,
            run: Run {
                probe,
                kind: check.kind,
                target: target.id,
                slot: measurement.slot,
            },
            stamp: Stamp::of(&measurement.outcome),
        }
    };
    batch.measurements().map(row).collect()
}

impl Stamp {
    /// The stamp in an outcome.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Echo(EchoOutcome::Replied { rtt, .. }) => Self::Number(rtt.get()),
            Outcome::Echo(EchoOutcome::TimedOut) => Self::Failed,
            Outcome::Echo(EchoOutcome::Unsent(_)) => Self::Unsent,
            Outcome::Endpoint(outcome) => match &outcome.result {
                EndpointResult::Ok { phases, .. } => Self::Number(phases.connect.get()),
                EndpointResult::Failed { .. } => Self::Failed,
                EndpointResult::Unsent(_) => Self::Unsent,
            },
        }
    }
}
