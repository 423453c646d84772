//! The report of nodes, filled from the log batch by batch in any order.

use std::collections::BTreeMap;

use isochrone_base::kinds::EndpointRun;
use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;
use isochrone_watch::facts::Facts;
use isochrone_watch::incident::Incident;
use isochrone_watch::judge::Observation;
use isochrone_watch::judge::availability::Account;
use isochrone_watch::replay::{Replay, Replayed, Unknown};
use isochrone_watch::spans::Span;

use super::counts::{Counts, Part, day_report, slice, slice_ms, whole};
use super::outages::report;
use super::values::{AvailabilityReport, NodeReport, NodesReport};
use crate::log::{DAY_MS, Fill, Window, dated};
use crate::outages::{self, Outages};
use crate::vantages::Witnesses;

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct NodesBuilder<'a> {
    roster: &'a Roster,
    window: Window,
    counts: BTreeMap<(TargetId, Part), Counts>,
    slice_ms: u64,
    /// First and last check of each node, whoever's.
    measured: BTreeMap<TargetId, (UnixMillis, UnixMillis)>,
    /// Which of the probes are one server.
    witnesses: Witnesses,
    replay: Replay,
}

impl Fill for NodesBuilder<'_> {
    fn add(&mut self, stored: &Stored) {
        if self.roster.probe(stored.probe).is_none() {
            return;
        }
        self.replay.add(stored);
        for row in stored.batch.endpoints() {
            let slot = dated(&self.replay.facts().clocks, stored, row.slot);
            let planned = stored.plan.target_of(row.check);
            let Some((check, target)) = planned.filter(|_| self.window.holds(slot)) else {
                continue;
            };
            self.witnesses.measured(stored.probe, slot);
            let run = EndpointRun::of(check.kind.check, &row.outcome);
            let said = Observation::of(check.kind, slot, &row.outcome);
            if let (Some(run), Some(said)) = (run, said) {
                self.add_run((target.id, stored.probe, check.kind), (&run, &said));
            }
        }
    }
}

impl<'a> NodesBuilder<'a> {
    pub(super) fn new(roster: &'a Roster, window: Window, facts: Facts) -> Self {
        Self {
            roster,
            window,
            counts: BTreeMap::new(),
            slice_ms: slice_ms(window),
            measured: BTreeMap::new(),
            witnesses: Witnesses::default(),
            replay: Replay::new(roster, (window.from, window.until)).with_facts(facts),
        }
    }

    /// Whence the probes came.
    pub(super) fn with_witnesses(self, witnesses: Witnesses) -> Self {
        Self { witnesses, ..self }
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
        if self.roster.node(target).is_none() {
            return;
        }
        let (first, last) = self.measured.entry(target).or_insert((said.began, said.began));
        (*first, *last) = (said.began.min(*first), said.began.max(*last));
        if !self.is_counted(target, probe) {
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
        let outages = outages::merge(replayed.incidents.clone(), kept, self.window);
        self.judge(&replayed, &outages);
        let servers = self.witnesses.servers(self.roster, self.window.until);
        self.counts.values_mut().for_each(|counts| counts.join(&servers));
        let is_told = |node: &&NodeEntry| !node.removed || self.measured.contains_key(&node.id);
        let told = self.roster.nodes().filter(is_told);
        let of = |node: &NodeEntry| outages.get(&node.id).map_or(&[][..], Vec::as_slice);
        let unknown = |node: &NodeEntry| replayed.unknown.get(&node.id).cloned().unwrap_or_default();
        let mut nodes: Vec<_> = told
            .map(|node| self.node(node, of(node), &unknown(node)))
            .collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        let pages = replayed.messages.iter().filter(|telling| telling.pages());
        NodesReport {
            schema: "isochrone.nodes/1",
            source: "store",
            from: self.window.from,
            to: self.window.until,
            would_have_paged: pages.count() as u64,
            is_one_place: replayed.is_one_place,
            measured_from: self.measured.values().map(|(first, _)| *first).min(),
            nodes,
        }
    }

    /// Counts the failures, and takes back the answers of vantages that might not judge, now that all that was read says
    /// which those are.
    fn judge(&mut self, replayed: &Replayed, outages: &Outages) {
        for failure in replayed.failures.iter() {
            let weight = outages::weigh(&failure, self.roster, outages);
            for part in parts(failure.slot, self.slice_ms) {
                let counts = self.counts.entry((failure.cell.target, part)).or_default();
                counts.add_failure(weight);
            }
        }
        for (&(cell, hour), &answers) in &replayed.unheard {
            if !self.is_counted(cell.target, cell.probe) {
                continue;
            }
            for part in parts(hour.start(), self.slice_ms) {
                let counts = self.counts.entry((cell.target, part)).or_default();
                counts.take_back(cell.kind.check, answers);
            }
        }
    }

    /// No node's own worker's probe is counted.
    fn is_counted(&self, node: TargetId, probe: ProbeId) -> bool {
        let (node, probe) = (self.roster.node(node), self.roster.probe(probe));
        node.zip(probe).is_some_and(|(node, probe)| !node.is_own(probe))
    }

    /// How much of these stretches lies between the first and the last check of a node.
    fn unknown_s(&self, node: TargetId, stretches: &[Span]) -> f64 {
        let Some(&(first, last)) = self.measured.get(&node) else {
            return 0.0;
        };
        let within = |&(from, until): &Span| until.min(last).0.saturating_sub(from.max(first).0);
        stretches.iter().map(within).sum::<u64>() as f64 / 1_000.0
    }

    fn node(&self, node: &NodeEntry, outages: &[Incident], unknown: &Unknown) -> NodeReport {
        let counts = |part| self.counts.get(&(node.id, part));
        let numbers = |ms| {
            let last = self.window.until.0.saturating_sub(1).max(self.window.from.0);
            self.window.from.0 / ms..=last / ms
        };
        let days = || numbers(DAY_MS).map(|day| (day, counts(Part::Day(day))));
        let ms = self.slice_ms;
        NodeReport {
            node: node.name.clone(),
            worker: node.worker.clone(),
            place: node.place.clone(),
            removed: node.removed,
            days: days().map(|(day, counts)| day_report(day, counts)).collect(),
            outages: outages
                .iter()
                .map(|outage| report(outage, self.window.until))
                .collect(),
            nobody_may_judge_s: self.unknown_s(node.id, &unknown.unjudged),
            nobody_measured_s: self.unknown_s(node.id, &unknown.unmeasured),
            availability: availability(self.window, outages, unknown),
            slices: numbers(ms)
                .map(|number| slice(number, ms, self.window, counts(Part::Slice(number))))
                .collect(),
            whole: whole(days().filter_map(|(_, counts)| counts)),
        }
    }
}

/// Of a node over the window, with the bounds that the grid leaves.
fn availability(window: Window, outages: &[Incident], unknown: &Unknown) -> Option<AvailabilityReport> {
    let mut account = Account::new((window.from, window.until));
    for &span in unknown.unjudged.iter().chain(&unknown.unmeasured) {
        account.unknown(span);
    }
    outages
        .iter()
        .for_each(|outage| account.outage(outage, window.until));
    let seconds = account.close();
    let (low, high) = seconds.bounds()?;
    Some(AvailabilityReport {
        share: seconds.share(),
        low,
        high,
        known: seconds.known()?,
        window_s: seconds.term_s,
        excluded_s: seconds.excluded_s,
        unknown_s: seconds.unknown_s,
        down_s: seconds.down_s,
    })
}

/// The parts of the window that a slot lies in.
fn parts(slot: UnixMillis, slice_ms: u64) -> [Part; 2] {
    [Part::Day(slot.0 / DAY_MS), Part::Slice(slot.0 / slice_ms)]
}
