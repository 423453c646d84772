//! Live state: what each vantage knows now of each target, in memory.
//!
//! Fed with every durably stored batch, and rebuilt from the store at start. Nothing here reads a clock.
//! Silence is no data: a cell without a slot for three intervals is not fresh. Verdicts are not made here.

pub mod cell;
mod newest;
pub mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use isochrone_base::kinds::EndpointRun;
pub use isochrone_base::kinds::Finding;
use isochrone_proto::ids::{EpochId, PlanVersion, ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;

pub use cell::{Cell, EndpointCell, Failure};

use crate::dated::Dated;

/// Plans of one vantage whose places are remembered; older batches resolve theirs again.
const PLANS_KEPT: usize = 4;
/// The place of a check that names no target: never written to.
const NOWHERE: u32 = u32::MAX;

/// All vantages.
#[derive(Clone, Debug, Default)]
pub struct Live {
    vantages: BTreeMap<ProbeId, Vantage>,
    rows: u64,
}

/// What one probe saw.
#[derive(Clone, Debug)]
pub struct Vantage {
    cells: Vec<Cell>,
    by_key: HashMap<(TargetId, Kind), u32>,
    plans: Vec<(PlanVersion, Arc<[u32]>)>,
    /// The newest plan that a batch of it named.
    pub plan: PlanVersion,
    /// The epoch of the batch that arrived last.
    pub epoch: EpochId,
    /// When its last batch arrived.
    pub(crate) heard: UnixMillis,
    /// The newest slot it measured, by the collector's clock.
    pub last_slot: Option<UnixMillis>,
}

impl Live {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a stored batch of `epoch`. `plan` is the one that its header names: checks are looked up there once a
    /// plan, then each row finds its cell by index.
    pub(crate) fn apply(
        &mut self,
        (probe, plan, epoch): (ProbeId, &Plan, EpochId),
        dated: &Dated,
        received: UnixMillis,
    ) {
        let vantage = self.vantages.entry(probe).or_insert_with(|| Vantage::new(epoch));
        vantage.heard = vantage.heard.max(received);
        vantage.epoch = epoch;
        let places = vantage.places(plan);
        let cells = &mut vantage.cells;
        let mut newest = vantage.last_slot.unwrap_or_default();
        for row in &dated.echoes {
            if let Some(cell) = cell_at(cells, &places, row.check) {
                cell.echo(row);
                newest = newest.max(row.slot);
            }
        }
        for row in &dated.endpoints {
            let Some(cell) = cell_at(cells, &places, row.check) else {
                continue;
            };
            if let Some(run) = EndpointRun::of(cell.kind.check, &row.outcome) {
                cell.endpoint_run(row.slot, &run);
                newest = newest.max(row.slot);
            }
        }
        vantage.last_slot = Some(newest).filter(|slot| slot.0 > 0);
        self.rows += dated.rows;
    }

    /// A probe's clock was set: its cells start anew.
    pub(crate) fn start_anew(&mut self, probe: ProbeId) {
        if let Some(vantage) = self.vantages.get_mut(&probe) {
            vantage.start_anew();
        }
    }

    /// The collector's clock was set: the cells start anew.
    pub(crate) fn clock_stepped(&mut self, by_ms: i64) {
        for vantage in self.vantages.values_mut() {
            vantage.heard = UnixMillis(vantage.heard.0.saturating_add_signed(by_ms));
            vantage.start_anew();
        }
    }

    /// Every probe that was ever heard.
    pub fn vantages(&self) -> impl Iterator<Item = (ProbeId, &Vantage)> {
        self.vantages.iter().map(|(&probe, vantage)| (probe, vantage))
    }

    /// One probe.
    #[must_use]
    pub fn vantage(&self, probe: ProbeId) -> Option<&Vantage> {
        self.vantages.get(&probe)
    }

    /// Rows taken in since this was made.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Vantage {
    fn new(epoch: EpochId) -> Self {
        Self {
            cells: Vec::new(),
            by_key: HashMap::new(),
            plans: Vec::new(),
            plan: PlanVersion::default(),
            epoch,
            heard: UnixMillis(0),
            last_slot: None,
        }
    }

    fn start_anew(&mut self) {
        self.last_slot = None;
        self.cells.iter_mut().for_each(Cell::start_anew);
    }

    /// Everything it measures or measured.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter()
    }

    /// One cell.
    #[must_use]
    pub fn cell(&self, target: TargetId, kind: Kind) -> Option<&Cell> {
        let place = *self.by_key.get(&(target, kind))?;
        self.cells.get(place as usize)
    }

    /// Where the rows of each check of `plan` go.
    fn places(&mut self, plan: &Plan) -> Arc<[u32]> {
        if let Some((_, places)) = self
            .plans
            .iter()
            .rev()
            .find(|(version, _)| *version == plan.version)
        {
            return Arc::clone(places);
        }
        let is_newest = plan.version >= self.plan;
        if is_newest {
            self.plan = plan.version;
            for cell in &mut self.cells {
                cell.planned = false;
            }
        }
        let places: Arc<[u32]> = (0..plan.checks.len())
            .map(|index| self.place(plan, index as u16, is_newest))
            .collect();
        if self.plans.len() == PLANS_KEPT {
            self.plans.remove(0);
        }
        self.plans.push((plan.version, Arc::clone(&places)));
        places
    }

    fn place(&mut self, plan: &Plan, index: u16, is_newest: bool) -> u32 {
        let Some((check, target)) = plan.target_of(index) else {
            return NOWHERE;
        };
        let cells = &mut self.cells;
        let place = *self.by_key.entry((target.id, check.kind)).or_insert_with(|| {
            let mut cell = Cell::new(target.id, check.kind, check.schedule);
            cell.planned = is_newest;
            cells.push(cell);
            (cells.len() - 1) as u32
        });
        if is_newest && let Some(cell) = cells.get_mut(place as usize) {
            cell.replan(check.schedule);
        }
        place
    }
}

fn cell_at<'a>(cells: &'a mut [Cell], places: &[u32], check: u16) -> Option<&'a mut Cell> {
    let place = *places.get(usize::from(check))?;
    cells.get_mut(place as usize)
}

#[cfg(test)]
mod tests;
