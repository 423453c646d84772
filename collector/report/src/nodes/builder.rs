//! The report of nodes, filled from the log batch by batch in any order.

use std::collections::BTreeMap;

use isochrone_base::kinds::EndpointRun;
use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;
use isochrone_watch::clocks::Clocks;
use isochrone_watch::incident::{Incident, IncidentCheck};
use isochrone_watch::judge::Observation;
use isochrone_watch::replay::{JudgedFailure, Replay};

use super::counts::{Counts, Part, day_report, slice, slice_ms, whole};
use super::outages;
use super::values::{NodeReport, NodesReport};
use crate::log::{DAY_MS, Fill, Window, dated};

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct NodesBuilder<'a> {
    roster: &'a Roster,
    window: Window,
    counts: BTreeMap<(TargetId, Part), Counts>,
    slice_ms: u64,
    /// First and last check of each node, whoever's.
    measured: BTreeMap<TargetId, (UnixMillis, UnixMillis)>,
    replay: Replay,
    clocks: Clocks,
}

impl Fill for NodesBuilder<'_> {
    fn add(&mut self, stored: &Stored) {
        if self.roster.probe(stored.probe).is_none() {
            return;
        }
        self.replay.add(stored);
        for row in stored.batch.endpoints() {
            let slot = dated(&self.clocks, stored, row.slot);
            let planned = stored.plan.target_of(row.check);
            let Some((check, target)) = planned.filter(|_| self.window.holds(slot)) else {
                continue;
            };
            let run = EndpointRun::of(check.kind.check, &row.outcome);
            let said = Observation::of(check.kind, slot, &row.outcome);
            if let (Some(run), Some(said)) = (run, said) {
                self.add_run((target.id, stored.probe, check.kind), (&run, &said));
            }
        }
    }
}

impl<'a> NodesBuilder<'a> {
    pub(super) fn new(roster: &'a Roster, window: Window, clocks: Clocks) -> Self {
        Self {
            roster,
            window,
            counts: BTreeMap::new(),
            slice_ms: slice_ms(window),
            measured: BTreeMap::new(),
            replay: Replay::new(roster, (window.from, window.until)).with_clocks(clocks.clone()),
            clocks,
        }
    }

    /// What is to be read from the log: a while before the window, too.
    pub(super) fn reads(&self) -> Window {
        Window {
            from: self.replay.reads_from(),
            until: self.window.until,
        }
    }

    fn add_run(
        &mut self,
        (target, probe, kind): (TargetId, ProbeId, Kind),
        (run, said): (&EndpointRun<'_>, &Observation<'_>),
    ) {
        let Some(node) = self.roster.node(target) else {
            return;
        };
        let (first, last) = self.measured.entry(target).or_insert((said.began, said.began));
        (*first, *last) = (said.began.min(*first), said.began.max(*last));
        let entry = self.roster.probe(probe);
        if entry.is_none_or(|probe| node.is_own(probe)) {
            return;
        }
        for part in parts(said.began, self.slice_ms) {
            let counts = self.counts.entry((target, part)).or_default();
            counts.add(probe, kind.check, (run, said.word));
        }
    }

    /// The report. `kept`: the incidents of the store.
    pub(super) fn finish(mut self, kept: &[Incident]) -> NodesReport {
        let empty = Replay::new(&Roster::default(), (self.window.from, self.window.from));
        let replayed = std::mem::replace(&mut self.replay, empty).finish();
        let outages = outages::merge(replayed.incidents, kept, self.window);
        self.count_failures(&replayed.failures, &outages);
        let is_told = |node: &&NodeEntry| !node.removed || self.measured.contains_key(&node.id);
        let told = self.roster.nodes().filter(is_told);
        let of = |node: &NodeEntry| outages.get(&node.id).map_or(&[][..], Vec::as_slice);
        let unknown = |node: &NodeEntry| replayed.unknown.get(&node.id).map_or(&[][..], Vec::as_slice);
        let mut nodes: Vec<_> = told
            .map(|node| self.node(node, of(node), unknown(node)))
            .collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        let pages = replayed.messages.iter().filter(|telling| telling.pages());
        NodesReport {
            schema: "isochrone.nodes/1",
            source: "store",
            from: self.window.from,
            to: self.window.until,
            would_have_paged: pages.count() as u64,
            measured_from: self.measured.values().map(|(first, _)| *first).min(),
            nodes,
        }
    }

    /// Counts the failures, now that all that was read says which of them speak against their nodes. Within an outage
    /// that stands they do: that nothing else answers any more is part of an outage of all nodes.
    fn count_failures(&mut self, failures: &[JudgedFailure], outages: &BTreeMap<TargetId, Vec<Incident>>) {
        for failure in failures {
            let cell = failure.cell;
            let node = self.roster.node(cell.target);
            let probe = self.roster.probe(cell.probe);
            let is_own = node.zip(probe).is_none_or(|(node, probe)| node.is_own(probe));
            let Some(check) = IncidentCheck::of(cell.kind.check).filter(|_| !is_own) else {
                continue;
            };
            let of_node = outages.get(&cell.target).map_or(&[][..], Vec::as_slice);
            let is_judged = failure.counts || stands(of_node, failure);
            for part in parts(failure.slot, self.slice_ms) {
                let counts = self.counts.entry((cell.target, part)).or_default();
                counts.add_failure(check, is_judged);
            }
        }
    }

    /// How much of these stretches lies between the first and the last check of a node.
    fn unknown_ms(&self, node: TargetId, stretches: &[(UnixMillis, UnixMillis)]) -> u64 {
        let Some(&(first, last)) = self.measured.get(&node) else {
            return 0;
        };
        let within =
            |&(from, until): &(UnixMillis, UnixMillis)| until.min(last).0.saturating_sub(from.max(first).0);
        stretches.iter().map(within).sum()
    }

    fn node(
        &self,
        node: &NodeEntry,
        outages: &[Incident],
        unknown: &[(UnixMillis, UnixMillis)],
    ) -> NodeReport {
        let counts = |part| self.counts.get(&(node.id, part));
        let numbers = |ms| {
            let last = self.window.until.0.saturating_sub(1).max(self.window.from.0);
            self.window.from.0 / ms..=last / ms
        };
        let days = || numbers(DAY_MS).map(|day| (day, counts(Part::Day(day))));
        let ms = self.slice_ms;
        let outages = outages.iter();
        NodeReport {
            node: node.name.clone(),
            worker: node.worker.clone(),
            place: node.place.clone(),
            removed: node.removed,
            days: days().map(|(day, counts)| day_report(day, counts)).collect(),
            outages: outages
                .map(|outage| outages::report(outage, self.window.until))
                .collect(),
            nobody_may_judge_s: self.unknown_ms(node.id, unknown) as f64 / 1_000.0,
            slices: numbers(ms)
                .map(|number| slice(number, ms, self.window, counts(Part::Slice(number))))
                .collect(),
            whole: whole(days().filter_map(|(_, counts)| counts)),
        }
    }
}

/// Whether a failure lies in an outage of what it speaks against.
fn stands(outages: &[Incident], failure: &JudgedFailure) -> bool {
    let mut spans = outages.iter().flat_map(|outage| &outage.checks);
    spans.any(|span| {
        let holds = span.start <= failure.slot && span.end.is_none_or(|end| failure.slot < end);
        holds && failure.against == Some(span.check)
    })
}

/// The parts of the window that a slot lies in.
fn parts(slot: UnixMillis, slice_ms: u64) -> [Part; 2] {
    [Part::Day(slot.0 / DAY_MS), Part::Slice(slot.0 / slice_ms)]
}
