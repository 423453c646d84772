//! What the past turned out to be: values only.

use std::collections::BTreeMap;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Hour, UnixMillis};

use crate::incident::{Incident, IncidentCheck};
use crate::judge::Telling;
use crate::spans::Span;

/// Whose run it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellKey {
    /// The probe.
    pub probe: ProbeId,
    /// The target.
    pub target: TargetId,
    /// The check.
    pub kind: Kind,
}

/// One failure, and whether it speaks against the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedFailure {
    /// Whose.
    pub cell: CellKey,
    /// Its slot.
    pub slot: UnixMillis,
    /// The vantage's own line was proven, or it reached the node: the failure counts.
    pub counts: bool,
    /// Its vantage might judge the node at the time: it was neither on its server, nor sick, nor its worker's.
    pub is_heard: bool,
    /// What it says of the node, if its vantage may judge it: while such an outage stands, no proof is asked for.
    pub against: Option<IncidentCheck>,
}

/// Failures, kept as stretches of a grid: a node that is dead for a month takes a few.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    cells: BTreeMap<CellKey, Vec<Stretch>>,
}

/// Failures of one check that say the same, one step apart.
#[derive(Clone, Debug)]
struct Stretch {
    first: JudgedFailure,
    last: UnixMillis,
    step_ms: u64,
}

impl Failures {
    /// Takes one in. The next that says the same is expected `step_ms` later.
    pub(super) fn add(&mut self, failure: JudgedFailure, step_ms: u64) {
        let step_ms = step_ms.max(1);
        let stretches = self.cells.entry(failure.cell).or_default();
        match stretches.last_mut() {
            Some(stretch) if stretch.goes_on_with(failure, step_ms) => stretch.last = failure.slot,
            _ => stretches.push(Stretch {
                first: failure,
                last: failure.slot,
                step_ms,
            }),
        }
    }

    /// Each, by check.
    pub fn iter(&self) -> impl Iterator<Item = JudgedFailure> + '_ {
        self.cells.values().flatten().flat_map(Stretch::failures)
    }

    /// How much is kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.cells.values().map(Vec::len).sum()
    }
}

impl Stretch {
    fn goes_on_with(&self, failure: JudgedFailure, step_ms: u64) -> bool {
        let slot = self.first.slot;
        self.first == (JudgedFailure { slot, ..failure })
            && self.step_ms == step_ms
            && failure.slot.0 == self.last.0 + step_ms
    }

    fn failures(&self) -> impl Iterator<Item = JudgedFailure> + '_ {
        let slots =
            (self.first.slot.0..=self.last.0).step_by(usize::try_from(self.step_ms).unwrap_or(usize::MAX));
        slots.map(|slot| JudgedFailure {
            slot: UnixMillis(slot),
            ..self.first
        })
    }
}

/// What the engine says of a window.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Outages of nodes that touch the window, by start.
    pub incidents: Vec<Incident>,
    /// What would have been told in the window, had all been known in time.
    pub messages: Vec<Telling>,
    /// When no quorum was possible.
    pub unknown: BTreeMap<TargetId, Unknown>,
    /// Every failure in the window.
    pub failures: Failures,
    /// How many answers in an hour came from vantages that might not judge their node at the time: on its server, sick,
    /// or its worker's.
    pub unheard: BTreeMap<(CellKey, Hour), u64>,
    /// All addresses known stand on one machine or in one prefix: no vantage was taken to stand beside a node.
    pub is_one_place: bool,
}

/// When no quorum was possible for a node, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Unknown {
    /// Somebody measured it, and too few might judge.
    pub unjudged: Vec<Span>,
    /// Nobody measured it.
    pub unmeasured: Vec<Span>,
}
