//! What really happened, kept beside the mesh and by none of its code: every run a simulated prober ended,
//! every batch a probe made durable, every acknowledgement a probe got. The store is judged by it.

mod judge;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{ConnectResult, EchoOutcome, EndpointResult, Outcome};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;

pub use self::judge::Faults;
use self::judge::Shelf;
use self::look::Reading;

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
    /// How far each machine's spool was read.
    readings: BTreeMap<(IpAddr, EpochId), Reading>,
    /// The collector was restored from an older copy.
    restored: bool,
    /// Probes that had no room.
    may_drop: BTreeSet<ProbeId>,
    /// Probes of which an epoch may have gone on in two places.
    may_fork: BTreeSet<ProbeId>,
    /// Probes whose clock was so far off that the collector may refuse what they measured.
    may_refuse: BTreeSet<ProbeId>,
    /// Targets that refuse every connection.
    dead: BTreeSet<TargetId>,
    /// Nothing fails but what is dead.
    is_calm: bool,
}

/// What machines made durable of an epoch, and what they were told of it.
#[derive(Default)]
struct EpochRecord {
    /// Two machines that were one may have different batches under one number.
    batches: BTreeMap<(Sequence, Digest), BatchRecord>,
    /// First and last batch of each tombstone that was acknowledged.
    tombstones: BTreeSet<(Sequence, Sequence)>,
    /// Machines that were told that it went on elsewhere.
    forked: BTreeSet<IpAddr>,
}

/// A batch that was durable on some machine.
struct BatchRecord {
    rows: Vec<Measured>,
    /// A machine that held it was told that it is stored, on the disk that the collector has now.
    acknowledged: bool,
    /// Machines that hold it, or did until the collector had it.
    held: BTreeSet<IpAddr>,
}

impl EpochRecord {
    fn is_tombstoned(&self, sequence: Sequence) -> bool {
        let mut tombstones = self.tombstones.iter();
        tombstones.any(|(first, last)| (*first..=*last).contains(&sequence))
    }

    fn is_forked(&self, batch: &BatchRecord) -> bool {
        !batch.held.is_disjoint(&self.forked)
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

    /// From now on a target refuses every connection, or no longer.
    pub fn set_dead(&self, target: TargetId, is_dead: bool) {
        let dead = &mut self.lock().dead;
        if is_dead {
            dead.insert(target);
        } else {
            dead.remove(&target);
        }
    }

    /// From now on nothing fails but what is dead.
    pub fn set_calm(&self) {
        self.lock().is_calm = true;
    }

    /// Whether nothing does.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.lock().is_calm
    }

    /// Whether it does.
    #[must_use]
    pub fn is_dead(&self, target: TargetId) -> bool {
        self.lock().dead.contains(&target)
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

    /// A probe's disk or spool is full: it drops what it has no room for, and says so.
    pub fn may_drop(&self, probe: ProbeId) {
        self.lock().may_drop.insert(probe);
    }

    /// A probe's machine was cloned, or set back, memory and all: an epoch may go on in two places.
    pub fn may_fork(&self, probe: ProbeId) {
        self.lock().may_fork.insert(probe);
    }

    /// A probe's clock is far off: what it measures may be refused.
    pub fn may_refuse(&self, probe: ProbeId) {
        self.lock().may_refuse.insert(probe);
    }

    /// A machine's disk was set back to an older copy: what only it held, and was never acknowledged, is gone for
    /// good, and other batches may take these places. What the copy holds is read again.
    pub fn set_back(&self, host: IpAddr, probe: ProbeId) {
        let mut inner = self.lock();
        inner.readings.retain(|(owner, _), _| *owner != host);
        let own = inner.epochs.iter_mut().filter(|((owner, _), _)| *owner == probe);
        for (_, epoch) in own {
            epoch.batches.retain(|_, batch| {
                batch.held.remove(&host);
                batch.acknowledged || !batch.held.is_empty()
            });
        }
    }

    /// The collector's disk was set back to an older copy, and is `store` now: what that lacks is not acknowledged
    /// until the probes have brought it again, and what no probe holds any more, because a disk was set back too or
    /// because it was counted as forked, is gone for good.
    pub fn collector_set_back(&self, store: &Store) {
        let shelf = Shelf::read(store);
        let mut inner = self.lock();
        inner.restored = true;
        for epoch in inner.epochs.values_mut() {
            let forked = &epoch.forked;
            epoch.batches.retain(|_, batch| {
                let is_there = batch.rows.iter().all(|row| shelf.has(row));
                batch.acknowledged &= is_there;
                // a machine that was told of a fork drops what was counted, on a disk that is gone now
                is_there || !batch.held.is_subset(forked)
            });
        }
        for reading in inner.readings.values_mut() {
            reading.distrust();
        }
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
            Outcome::Connect(outcome) => match &outcome.result {
                ConnectResult::Connected(phases) => Self::Number(phases.connect.get()),
                ConnectResult::Failed { .. } => Self::Failed,
                ConnectResult::Unsent(_) => Self::Unsent,
            },
        }
    }
}
