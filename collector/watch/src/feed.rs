//! From stored batches to the engine: each row finds its cell by index, looked up once a plan.

use std::collections::HashMap;
use std::sync::Arc;

use isochrone_base::kinds::counts_for;
use isochrone_base::roster::Roster;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::kind::{Family, Kind};
use isochrone_proto::measurement::EchoOutcome;
use isochrone_proto::plan::{Plan, TargetAddress};
use isochrone_proto::units::UnixMillis;

use crate::dated::Dated;
use crate::judge::{Cadence, CellId, Engine, Observation, VantageId, Word};
use crate::late::Late;

/// Plans of one vantage whose places are remembered; older batches resolve theirs again.
const PLANS_KEPT: usize = 4;

/// Where the rows of each check of a plan go.
#[derive(Clone, Copy, Debug)]
enum Destination {
    /// An endpoint's check.
    Cell(CellId, Kind, Cadence),
    /// An echo to another probe.
    Peer(VantageId, Family),
    /// It names no target, or no verdict looks at its kind, or at a candidate.
    Nowhere,
}

impl Destination {
    const fn cell(&self) -> Option<CellId> {
        match self {
            Self::Cell(cell, ..) => Some(*cell),
            Self::Peer(..) | Self::Nowhere => None,
        }
    }
}

/// The plans' places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    plans: HashMap<ProbeId, Vec<PlanDestinations>>,
    /// The newest plan of each, with its checks.
    newest: HashMap<ProbeId, (PlanVersion, Vec<CellId>)>,
}

/// The places of one plan's checks.
type PlanDestinations = (PlanVersion, Arc<[Destination]>);

impl Feed {
    /// Gives the rows of a stored batch to `engine`. A failure that is older than any word could be comes out as late.
    pub(crate) fn apply(
        &mut self,
        engine: &mut Engine,
        (probe, plan): (ProbeId, &Plan),
        dated: &Dated,
        received: UnixMillis,
    ) -> Late {
        let places = self.places(engine, probe, plan);
        let place = |check: u16| places.get(usize::from(check)).copied();
        let from = engine.vantage(probe);
        let mut late = Late::default();
        for row in &dated.echoes {
            if let (EchoOutcome::Replied { rtt, .. }, Some(Destination::Peer(peer, family))) =
                (row.outcome, place(row.check))
            {
                let at = UnixMillis(row.slot.0 + u64::from(rtt.get()) / 1_000);
                engine.echoed(from, peer, family, at);
            }
        }
        for row in &dated.endpoints {
            let Some(Destination::Cell(cell, kind, cadence)) = place(row.check) else {
                continue;
            };
            let slot = row.slot;
            let Some(run) = Observation::of(kind, slot, &row.outcome) else {
                continue;
            };
            engine.observe(cell, &run);
            let is_late = received.0 > slot.0 + cadence.red_ms();
            if is_late
                && !matches!(
                    run.word,
                    Word::Green | Word::Forbidden | Word::Nothing | Word::Absent
                )
            {
                late.add(slot);
            }
        }
        late
    }

    fn places(&mut self, engine: &mut Engine, probe: ProbeId, plan: &Plan) -> Arc<[Destination]> {
        let of_probe = self.plans.entry(probe).or_default();
        if let Some((_, places)) = of_probe
            .iter()
            .rev()
            .find(|(version, _)| *version == plan.version)
        {
            return Arc::clone(places);
        }
        let places: Arc<[Destination]> = (0..plan.checks.len())
            .map(|index| place(engine, probe, plan, index as u16))
            .collect();
        if of_probe.len() == PLANS_KEPT {
            of_probe.remove(0);
        }
        of_probe.push((plan.version, Arc::clone(&places)));
        let newest = self.newest.entry(probe).or_default();
        if plan.version >= newest.0 {
            *newest = (
                plan.version,
                places.iter().filter_map(Destination::cell).collect(),
            );
        }
        engine.set_planned(probe, &newest.1); // an older plan's cells may be new here
        places
    }
}

fn place(engine: &mut Engine, probe: ProbeId, plan: &Plan, index: u16) -> Destination {
    let Some((check, target)) = plan.target_of(index) else {
        return Destination::Nowhere;
    };
    if let TargetAddress::Peer { probe: peer, .. } = target.address {
        return Destination::Peer(engine.vantage(peer), check.kind.family);
    }
    if !counts_for(check.kind.check).is_judged() {
        return Destination::Nowhere;
    }
    let cadence = Cadence::of(check.schedule);
    if target.is_candidate() {
        engine.paced(probe, cadence); // a stranger's server: whether it answers says nothing of the probe's line
        return Destination::Nowhere;
    }
    Destination::Cell(
        engine.cell(probe, target.id, check.kind, cadence),
        check.kind,
        cadence,
    )
}

/// The roster as it was for the past: who is revoked, paused or removed now was not then.
pub(crate) fn for_the_past(roster: &Roster) -> Roster {
    let probes = roster.probes().cloned().map(|mut probe| {
        probe.active = true;
        probe
    });
    let nodes = roster.nodes().cloned().map(|mut node| {
        (node.paused, node.removed) = (false, false);
        node
    });
    Roster::new(probes.collect::<Vec<_>>(), nodes.collect::<Vec<_>>())
}
