//! The grids that are under way: the current epoch's plan, and those before it until their last runs end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isochrone_proto::ids::PlanVersion;
use isochrone_proto::kind::Kind;
use isochrone_proto::ledger::{SkipCause, SkippedRange};
use isochrone_proto::plan::{Plan, PlannedCheck, Target, TargetAddress};
use isochrone_proto::units::UnixMillis;

use crate::epoch::Generation;
use crate::grid::{Due, Grid};

/// One plan in one epoch.
#[derive(Debug)]
pub(super) struct Lane {
    generation: Generation,
    grid: Grid,
    targets: Vec<Arc<Target>>,
}

impl Lane {
    pub(super) fn new(generation: Generation, plan: Arc<Plan>, first_slot: UnixMillis) -> Self {
        Self {
            generation,
            targets: plan.targets.iter().cloned().map(Arc::new).collect(),
            grid: Grid::new(plan, first_slot),
        }
    }

    fn version(&self) -> PlanVersion {
        self.grid.plan().version
    }
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<u64, Lane>,
    added: u64,
    /// Epochs that were not reported as finished.
    open: BTreeSet<Generation>,
}

impl Lanes {
    pub(super) fn add(&mut self, lane: Lane) {
        self.added += 1;
        self.lanes.insert(self.added, lane);
    }

    /// No slot of `generation` at or after `end` is run.
    pub(super) fn end_at(&mut self, generation: Generation, end: UnixMillis) {
        for lane in self
            .lanes
            .values_mut()
            .filter(|lane| lane.generation == generation)
        {
            lane.grid.end_at(end);
        }
    }

    pub(super) fn next_due_us(&self) -> Option<u64> {
        self.lanes
            .values()
            .filter_map(|lane| lane.grid.next_due_us())
            .min()
    }

    /// What is due now, in any lane.
    pub(super) fn pop(&mut self, now_us: u64) -> Option<(u64, Due)> {
        self.lanes
            .iter_mut()
            .find_map(|(number, lane)| lane.grid.pop(now_us).map(|due| (*number, due)))
    }

    /// Whether a check can be asked at all: an echo needs the peer's key.
    pub(super) fn has_key(&self, lane: u64, check: u16) -> bool {
        let target = self
            .lanes
            .get(&lane)
            .and_then(|lane| lane.grid.plan().target_of(check));
        !target.is_some_and(|(_, target)| matches!(target.address, TargetAddress::Peer { key: None, .. }))
    }

    /// A run begins.
    pub(super) fn begin(&mut self, lane: u64, check: u16) -> Option<(PlannedCheck, Arc<Target>)> {
        let lane = self.lanes.get_mut(&lane)?;
        let planned = *lane.grid.plan().checks.get(usize::from(check))?;
        lane.grid.started(check);
        let target = Arc::clone(lane.targets.get(usize::from(planned.target))?);
        Some((planned, target))
    }

    /// A run has ended: whose it was.
    pub(super) fn end(&mut self, lane: u64, check: u16) -> Option<(Generation, PlanVersion, Kind)> {
        let lane = self.lanes.get_mut(&lane)?;
        lane.grid.ended(check);
        let kind = lane.grid.plan().checks.get(usize::from(check))?.kind;
        Some((lane.generation, lane.version(), kind))
    }

    pub(super) fn whose(&self, lane: u64) -> Option<(Generation, PlanVersion)> {
        self.lanes
            .get(&lane)
            .map(|lane| (lane.generation, lane.version()))
    }

    /// Everything that was not handed out and lies before `end` is skipped.
    pub(super) fn skip_all(
        &mut self,
        end: UnixMillis,
        cause: SkipCause,
    ) -> Vec<(Generation, PlanVersion, SkippedRange)> {
        let mut skipped = Vec::new();
        for lane in self.lanes.values_mut() {
            let (generation, version) = (lane.generation, lane.version());
            let ranges = lane.grid.skip_until(end, cause);
            skipped.extend(ranges.into_iter().map(|range| (generation, version, range)));
        }
        skipped
    }

    /// An epoch begins.
    pub(super) fn open(&mut self, generation: Generation) {
        self.open.insert(generation);
    }

    /// Forgets lanes of which nothing is left, and tells the epochs before `current` that have none left.
    pub(super) fn take_finished(&mut self, current: Generation) -> Vec<Generation> {
        self.lanes
            .retain(|_, lane| !lane.grid.is_over() || lane.grid.in_flight() > 0);
        let lanes = &self.lanes;
        let is_finished = |generation: &Generation| {
            *generation < current && lanes.values().all(|lane| lane.generation != *generation)
        };
        let finished: Vec<Generation> = self.open.iter().copied().filter(is_finished).collect();
        for generation in &finished {
            self.open.remove(generation);
        }
        finished
    }

    /// The epochs that were not reported as finished; the current one is the last.
    pub(super) fn unfinished(&self) -> Vec<Generation> {
        self.open.iter().copied().collect()
    }
}
