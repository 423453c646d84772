//! The candidates' part of every plan: each probe connects to each of them now and then. Nothing else is asked of a
//! candidate, whose server is somebody else's, and nobody judges it.

use std::cmp::Reverse;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

use super::affinity::Mark;
use super::grid::stretched;
use super::input::PlanInput;
use crate::targets::Candidate;

/// Between two connections of one probe to a candidate: 288 a day tell how far away it is.
const INTERVAL_MS: u32 = 5 * 60_000;
/// Between two connections of the whole fleet to one candidate.
const FLEET_MS: u32 = 5_000;
/// How often the interval is doubled at most: 21.3 hours then.
const DOUBLINGS_MAX: u32 = 8;

/// Between two connections of one of `probes` to a candidate, in milliseconds: doubled until the fleet's are far
/// enough from each other, so that a probe that joins seldom changes what the others do.
fn interval_ms(probes: usize) -> u32 {
    let needed = probes.saturating_mul(FLEET_MS as usize);
    let mut intervals = (0..DOUBLINGS_MAX).map(|doublings| INTERVAL_MS << doublings);
    let enough = intervals.find(|interval| *interval as usize >= needed);
    enough.unwrap_or(INTERVAL_MS << DOUBLINGS_MAX)
}

/// How many probes measure a candidate at most.
const VANTAGES_MAX: usize = ((INTERVAL_MS << DOUBLINGS_MAX) / FLEET_MS) as usize;

/// Connections a second that `probes` make to one candidate, before any stretch.
pub(super) fn rate(probes: usize) -> f64 {
    probes.min(VANTAGES_MAX) as f64 * 1_000.0 / f64::from(interval_ms(probes))
}

/// How a candidate is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateLoad {
    /// How many probes connect to it.
    pub vantages: usize,
    /// Between two connections of one of them, in milliseconds.
    pub interval_ms: u32,
}

impl CandidateLoad {
    /// Of a candidate that `probes` measure at intervals multiplied by `factor`.
    pub(super) fn new(probes: usize, factor: f64) -> Self {
        Self {
            vantages: probes.min(VANTAGES_MAX),
            interval_ms: stretched(interval_ms(probes), factor),
        }
    }
}

/// A candidate that is measured.
pub(super) struct Measured {
    target: Target,
    mark: Mark,
    interval_ms: u32,
    /// Who measures it, in order; `None`: everybody.
    chosen: Option<Vec<ProbeId>>,
}

impl Measured {
    /// How `candidate` is measured by the probes of `input`, at intervals multiplied by `factor`.
    pub(super) fn new(candidate: &Candidate, input: &PlanInput, factor: f64) -> Self {
        let mark = Mark::of_name(&candidate.name);
        let chosen = (input.probes.len() > VANTAGES_MAX).then(|| {
            let mut ids: Vec<ProbeId> = input.probes.iter().map(|probe| probe.id).collect();
            ids.sort_unstable_by_key(|id| Reverse(mark.affinity(Mark::of_id(id.0))));
            ids.truncate(VANTAGES_MAX);
            ids.sort_unstable();
            ids
        });
        Self {
            target: Target {
                id: TargetId::of_candidate(&candidate.name),
                name: candidate.name.clone(),
                address: TargetAddress::Endpoint {
                    url: candidate.url.to_string(),
                    asset: None,
                },
            },
            mark,
            interval_ms: CandidateLoad::new(input.probes.len(), factor).interval_ms,
            chosen,
        }
    }

    /// Which target it is.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// How much it and the probe of `mark` belong together: where a plan has no room for all, the least is left out.
    pub(super) fn affinity(&self, mark: Mark) -> u64 {
        self.mark.affinity(mark)
    }

    /// What the probe of this number and mark checks of it, over a family that it has.
    pub(super) fn check(&self, probe: ProbeId, mark: Mark, family: Family) -> Option<(Kind, Schedule)> {
        let is_chosen = |chosen: &Vec<ProbeId>| chosen.binary_search(&probe).is_ok();
        if !self.chosen.as_ref().is_none_or(is_chosen) {
            return None;
        }
        let offset_ms = Mark::of_id(self.affinity(mark)).number(0, self.interval_ms);
        let schedule = Schedule::new(self.interval_ms, offset_ms, Check::Connect.timeout_ms())
            .expect("the interval is within the bounds of any schedule");
        Some((Kind::new(Check::Connect, family), schedule))
    }
}
