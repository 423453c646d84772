//! The report of nodes, filled from the log batch by batch in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isochrone_base::kinds::{CountsFor, Ended, EndpointRun, Seen, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster, count_networks};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;
use isochrone_watch::health::Rules;
use isochrone_watch::incident::IncidentCheck;
use isochrone_watch::live::cell::Pace;

use super::counts::{Counts, Part, day_report, slice, slice_ms, whole};
use super::outages::{self, Outage, Period};
use super::timeline::Timeline;
use super::trust::{Trust, Way};
use super::values::{NodeReport, NodesReport, OutageReport};
use crate::log::{DAY_MS, Fill, Window};

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct NodesBuilder<'a> {
    roster: &'a Roster,
    window: Window,
    rules: Rules,
    cells: HashMap<(TargetId, ProbeId, Kind), Cell>,
    counts: BTreeMap<(TargetId, Part), Counts>,
    slice_ms: u64,
    /// Each probe's first and last slot in the window.
    measured: HashMap<ProbeId, (UnixMillis, UnixMillis)>,
    trust: Trust,
}

/// A probe that may judge a node, from and until when.
#[derive(Clone, Copy, Debug)]
struct Judge {
    network: Option<u32>,
    from: UnixMillis,
    until: UnixMillis,
}

#[derive(Debug, Default)]
struct Cell {
    timeline: Timeline,
    failures: Vec<Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    slot: UnixMillis,
    phase: Phase,
    cause: FailureCause,
}

impl Fill for NodesBuilder<'_> {
    fn add(&mut self, stored: &Stored) {
        let Some(probe) = self.roster.probe(stored.probe) else {
            return;
        };
        for row in stored.batch.echoes() {
            let is_answered = match row.outcome {
                EchoOutcome::Replied { .. } => true,
                EchoOutcome::TimedOut => false,
                EchoOutcome::Unsent(_) => continue,
            };
            if let Some((check, target)) = stored
                .plan
                .target_of(row.check)
                .filter(|_| self.window.holds(row.slot))
            {
                let way = Way::of(probe.id, check.kind);
                self.trust.add(way, target.id, row.slot, is_answered);
            }
        }
        for row in stored.batch.endpoints() {
            let Some((check, target)) = stored.plan.target_of(row.check) else {
                continue;
            };
            let Some(run) = EndpointRun::of(check.kind.check, &row.outcome)
                .filter(|_| counts_for(check.kind.check) != CountsFor::Nothing)
            else {
                continue;
            };
            if !self.window.holds(row.slot) {
                continue;
            }
            let (first, last) = self.measured.entry(probe.id).or_insert((row.slot, row.slot));
            (*first, *last) = (row.slot.min(*first), row.slot.max(*last));
            self.add_trust(Way::of(probe.id, check.kind), target.id, row.slot, &run);
            let node = self.roster.node(target.id);
            if let Some(node) = node.filter(|node| !node.is_own(probe)) {
                self.add_run(
                    (node.id, probe.id, check.kind),
                    Pace::of(check.schedule),
                    row.slot,
                    &run,
                );
            }
        }
    }
}

impl<'a> NodesBuilder<'a> {
    pub(super) fn new(roster: &'a Roster, window: Window, rules: Rules) -> Self {
        Self {
            roster,
            window,
            rules,
            cells: HashMap::new(),
            counts: BTreeMap::new(),
            slice_ms: slice_ms(window),
            measured: HashMap::new(),
            trust: Trust::new(roster),
        }
    }

    fn add_trust(&mut self, way: Way, target: TargetId, slot: UnixMillis, run: &EndpointRun<'_>) {
        match run.seen() {
            Seen::Nothing => {}
            Seen::Good | Seen::Absent => self.trust.add(way, target, slot, true),
            Seen::Bad => self.trust.add(way, target, slot, run.answered),
        }
    }

    fn add_run(
        &mut self,
        key: (TargetId, ProbeId, Kind),
        pace: Pace,
        slot: UnixMillis,
        run: &EndpointRun<'_>,
    ) {
        let (node, probe, kind) = key;
        let Some(check) = IncidentCheck::of(kind.check) else {
            return;
        };
        let seen = run.seen();
        let cell = self.cells.entry(key).or_default();
        cell.timeline.add(slot, pace, seen);
        if let (Ended::Failed { phase, cause, .. }, Seen::Bad) = (run.ended, seen) {
            cell.failures.push(Failure { slot, phase, cause });
        }
        for part in parts(slot, self.slice_ms) {
            let counts = self.counts.entry((node, part)).or_default();
            counts.add(probe, check, run);
        }
    }

    /// Counts the failures, now that all that was read says which of them are judged.
    fn judge(&mut self) {
        for ((target, probe, kind), cell) in &self.cells {
            let (Some(check), Some(node)) = (IncidentCheck::of(kind.check), self.roster.node(*target)) else {
                continue;
            };
            for failure in &cell.failures {
                let is_judged = self.trust.may_judge(Way::of(*probe, *kind), node, failure.slot);
                for part in parts(failure.slot, self.slice_ms) {
                    let counts = self.counts.entry((*target, part)).or_default();
                    counts.add_failure(check, is_judged);
                }
            }
        }
    }

    /// The report.
    pub(super) fn finish(mut self) -> NodesReport {
        self.judge();
        let is_told = |node: &&NodeEntry| !node.removed || self.cells.keys().any(|(of, ..)| *of == node.id);
        let told = self.roster.nodes().filter(is_told);
        let mut nodes: Vec<_> = told.map(|node| self.node(node)).collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        NodesReport {
            schema: "isochrone.nodes/1",
            source: "store",
            from: self.window.from,
            to: self.window.until,
            nodes,
        }
    }

    fn node(&self, node: &NodeEntry) -> NodeReport {
        let cells: Vec<_> = self.cells.iter().filter(|((of, ..), _)| *of == node.id).collect();
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
            outages: self.outages(node, &cells),
            slices: numbers(ms)
                .map(|number| slice(number, ms, self.window, counts(Part::Slice(number))))
                .collect(),
            whole: whole(days().filter_map(|(_, counts)| counts)),
        }
    }

    fn outages(&self, node: &NodeEntry, cells: &[(&(TargetId, ProbeId, Kind), &Cell)]) -> Vec<OutageReport> {
        let judges = self.judges(node);
        let mesh_networks = |at| {
            let there = judges
                .iter()
                .filter(|judge| judge.from <= at && at <= judge.until);
            count_networks(there.map(|judge| judge.network))
        };
        let kinds: BTreeSet<Kind> = cells.iter().map(|((_, _, kind), _)| *kind).collect();
        let mut by_check: BTreeMap<IncidentCheck, Vec<Outage>> = BTreeMap::new();
        for kind in kinds {
            let Some(check) = IncidentCheck::of(kind.check) else {
                continue;
            };
            let of_kind = cells.iter().filter(|((_, _, of), _)| *of == kind);
            let mut periods = Vec::new();
            for ((_, probe, _), cell) in of_kind {
                periods.extend(self.periods(node, Way::of(*probe, kind), &cell.timeline));
            }
            let outages = outages::sweep(&periods, mesh_networks);
            by_check.entry(check).or_default().extend(outages);
        }
        let mut reports = Vec::new();
        for (check, outages) in by_check {
            for outage in outages::join(outages) {
                reports.push((outage.start, self.outage(cells, check, &outage)));
            }
        }
        reports.sort_by_key(|(start, report)| (*start, report.check));
        reports.into_iter().map(|(_, report)| report).collect()
    }

    /// Who could judge `node`, and when: since it joined, and a revoked one until its last measurement.
    fn judges(&self, node: &NodeEntry) -> Vec<Judge> {
        let others = self.roster.probes().filter(|probe| !node.is_own(probe));
        let judge = |probe: &ProbeEntry| {
            let measured = self.measured.get(&probe.id);
            Judge {
                network: probe.network,
                from: measured.map_or(probe.joined, |(first, _)| probe.joined.min(*first)),
                until: match (probe.active, measured) {
                    (true, _) => UnixMillis(u64::MAX),
                    (false, Some((_, last))) => *last,
                    (false, None) => UnixMillis(0),
                },
            }
        };
        others.map(judge).collect()
    }

    fn periods(&self, node: &NodeEntry, way: Way, timeline: &Timeline) -> Vec<Period> {
        let probe = way.probe;
        let network = self.roster.probe(probe).and_then(|probe| probe.network);
        let mut periods = Vec::new();
        for failing in timeline.failing(&self.rules, self.window.until) {
            let parts = self.trust.judged(way, node, (failing.from, failing.until));
            periods.extend(parts.into_iter().map(|(from, until)| Period {
                probe,
                network,
                from,
                until,
                is_open: failing.is_open && until == failing.until,
                fresh_ms: failing.fresh_ms,
            }));
        }
        periods
    }

    fn outage(
        &self,
        cells: &[(&(TargetId, ProbeId, Kind), &Cell)],
        check: IncidentCheck,
        outage: &Outage,
    ) -> OutageReport {
        let of_check = || {
            cells
                .iter()
                .filter(move |((_, _, kind), _)| IncidentCheck::of(kind.check) == Some(check))
        };
        let gets_through = of_check().any(|((_, probe, _), cell)| {
            !outage.vantages.contains(probe)
                && cell.timeline.spans().iter().any(|span| {
                    span.seen == Seen::Good && span.first < outage.end && outage.start <= span.last
                })
        });
        let mut causes: BTreeMap<(Phase, FailureCause), u64> = BTreeMap::new();
        for (_, cell) in of_check().filter(|((_, probe, _), _)| outage.vantages.contains(probe)) {
            for failure in &cell.failures {
                if outage.start <= failure.slot && failure.slot < outage.end {
                    *causes.entry((failure.phase, failure.cause)).or_default() += 1;
                }
            }
        }
        let most = causes.into_iter().max_by_key(|(_, count)| *count);
        let probes = || {
            outage
                .vantages
                .iter()
                .filter_map(|probe| self.roster.probe(*probe))
        };
        let end = if outage.is_open {
            self.window.until
        } else {
            outage.end
        };
        let mut vantages: Vec<_> = probes().map(|probe| probe.name.clone()).collect();
        vantages.sort();
        OutageReport {
            start: outage.start,
            end: (!outage.is_open).then_some(outage.end),
            cause: if gets_through { "path" } else { "node" },
            vantages,
            check,
            duration_s: end.since(outage.start).as_secs_f64(),
            networks: count_networks(probes().map(|probe| probe.network)),
            failure: most.map(|((phase, cause), _)| format!("{phase}: {cause}")),
        }
    }
}

/// The parts of the window that a slot lies in.
fn parts(slot: UnixMillis, slice_ms: u64) -> [Part; 2] {
    [Part::Day(slot.0 / DAY_MS), Part::Slice(slot.0 / slice_ms)]
}
