//! What happened to one node, filled from the log batch by batch in any order; judged with all others, whose answers
//! prove the lines.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::kinds::{Ended, EndpointRun, Finding, address_of, counts_for, is_own_rule};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_base::words;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::Outcome;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Period, Rollup, Stored, Timing};
use isochrone_watch::clocks::Clocks;
use isochrone_watch::incident::{Incident, Subject};
use isochrone_watch::judge::Cadence;
use isochrone_watch::replay::Replayed;

use super::said::Answers;
use super::sums::Summed;
use super::values::{FailureRun, IncidentLine, SeenBy, ShowReport, Slots};
use crate::log::{Window, dated};
use crate::outages::{self, Outages, Scale, Weight};
use crate::tiers::{Fill, finding};

/// One slot of a probe's check of the node.
type CellSlot = (ProbeId, Kind, UnixMillis);

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct ShowBuilder<'a> {
    pub(super) roster: &'a Roster,
    node: &'a NodeEntry,
    window: Window,
    cells: BTreeMap<(ProbeId, Kind), Cell>,
    said: Answers,
    clocks: Clocks,
}

#[derive(Debug)]
struct Cell {
    gap_ms: u64,
    ok: u64,
    last_ok: Option<UnixMillis>,
    answers: Vec<UnixMillis>,
    failures: Vec<Failure>,
    /// Of hours and days of which no single run is read.
    sums: Vec<Summed>,
}

#[derive(Clone, Debug)]
struct Failure {
    slot: UnixMillis,
    seen: Finding,
    check: Check,
    outcome: Outcome,
}

/// Equal failures in a row of one vantage and kind.
struct Run {
    first: UnixMillis,
    last: Failure,
    count: u64,
    counted: u64,
    gap_ms: u64,
    /// The first answer after it.
    answered: Option<UnixMillis>,
}

impl Fill for ShowBuilder<'_> {
    const TIMINGS: &'static [Timing] = &[];

    fn add(&mut self, stored: &Stored, slots: Window) {
        if self.roster.probe(stored.probe).is_none() {
            return;
        }
        for row in stored.batch.endpoints().filter(|row| slots.holds(row.slot)) {
            let slot = dated(&self.clocks, stored, row.slot);
            let planned = stored.plan.target_of(row.check);
            let Some((check, target)) = planned.filter(|_| self.window.holds(slot)) else {
                continue;
            };
            if target.id == self.node.id {
                let cadence = Cadence::of(check.schedule);
                let cell = self
                    .cells
                    .entry((stored.probe, check.kind))
                    .or_insert_with(|| Cell::new(cadence.apart_ms()));
                self.said.add(slot, &row.outcome);
                cell.add(slot, check.kind.check, row.outcome);
            }
        }
    }

    fn add_sums(&mut self, rollup: &Rollup, period: Period) {
        let Rollup {
            probe,
            target,
            kind,
            start,
            ref sums,
            ..
        } = *rollup;
        if target != self.node.id || self.roster.probe(probe).is_none() || sums.run == 0 {
            return;
        }
        let cell = self.cells.entry((probe, kind));
        let cell = cell.or_insert_with(|| Cell::new(period.millis()));
        cell.ok += sums.ok;
        if sums.ok > 0 {
            cell.last_ok = cell.last_ok.max(Some(start));
        }
        for (&loss, &count) in &sums.losses {
            cell.sums.push(Summed {
                first: start,
                last: UnixMillis(start.0 + period.millis() - 1).min(self.window.until),
                loss,
                count,
            });
        }
    }
}

impl Cell {
    fn new(gap_ms: u64) -> Self {
        Self {
            gap_ms,
            ok: 0,
            last_ok: None,
            answers: Vec::new(),
            failures: Vec::new(),
            sums: Vec::new(),
        }
    }

    fn add(&mut self, slot: UnixMillis, check: Check, outcome: Outcome) {
        let Some(seen) = EndpointRun::of(check, &outcome).map(|run| run.finding()) else {
            return;
        };
        match seen {
            Finding::Good => {
                self.ok += 1;
                self.last_ok = self.last_ok.max(Some(slot));
                self.answers.push(slot);
            }
            Finding::Bad | Finding::Absent | Finding::Nothing => self.failures.push(Failure {
                slot,
                seen,
                check,
                outcome,
            }),
        }
    }

    fn count(&self, of: Finding) -> u64 {
        let runs = self.failures.iter().filter(|failure| failure.seen == of).count() as u64;
        let sums = self.sums.iter().filter(|summed| finding(summed.loss) == of);
        runs + sums.map(|summed| summed.count).sum::<u64>()
    }

    /// Equal failures with no success between them.
    /// `counts`: whether the failure of a slot counts against the node.
    fn runs(&mut self, counts: impl Fn(UnixMillis) -> bool) -> Vec<Run> {
        self.answers.sort_unstable();
        self.failures.sort_by_key(|failure| failure.slot);
        let mut runs: Vec<Run> = Vec::new();
        for failure in &self.failures {
            match runs.last_mut() {
                Some(run)
                    if is_same(&run.last, failure)
                        && failure.slot.0 - run.last.slot.0 <= self.gap_ms
                        && !self.has_answer_between(run.last.slot, failure.slot) =>
                {
                    run.count += 1;
                    run.counted += u64::from(counts(failure.slot));
                    run.last.slot = failure.slot;
                }
                _ => runs.push(Run {
                    first: failure.slot,
                    last: failure.clone(),
                    count: 1,
                    counted: u64::from(counts(failure.slot)),
                    gap_ms: self.gap_ms,
                    answered: None,
                }),
            }
        }
        for run in &mut runs {
            run.answered = self.next_answer(run.last.slot);
        }
        runs
    }

    /// The first answer after an instant.
    fn next_answer(&self, after: UnixMillis) -> Option<UnixMillis> {
        let next = self.answers.partition_point(|answer| *answer <= after);
        self.answers.get(next).copied()
    }

    fn has_answer_between(&self, from: UnixMillis, until: UnixMillis) -> bool {
        self.next_answer(from).is_some_and(|answer| answer < until)
    }
}

impl Failure {
    fn run(&self) -> Option<EndpointRun<'_>> {
        EndpointRun::of(self.check, &self.outcome)
    }
}

fn is_same(one: &Failure, other: &Failure) -> bool {
    let says = |failure| Failure::run(failure).map(|run| (run.ended, run.http_status));
    says(one) == says(other) && address_of(&one.outcome) == address_of(&other.outcome)
}

impl<'a> ShowBuilder<'a> {
    pub(super) fn new(roster: &'a Roster, node: &'a NodeEntry, window: Window, clocks: Clocks) -> Self {
        Self {
            roster,
            node,
            window,
            cells: BTreeMap::new(),
            said: Answers::default(),
            clocks,
        }
    }

    /// The slots of failures that count against the node.
    fn counted(&self, replayed: &Replayed, outages: &Outages) -> BTreeSet<CellSlot> {
        let mut counted = BTreeSet::new();
        let about = replayed.failures.cells();
        for (cell, stretches) in about.filter(|(cell, _)| cell.target == self.node.id) {
            let scale = Scale::of(cell, self.roster, outages);
            for stretch in stretches {
                let weighs =
                    |slot: &UnixMillis| matches!(scale.weigh(*slot, stretch.word), Weight::Counts(_));
                let slots = stretch.slots().filter(weighs);
                counted.extend(slots.map(|slot| (cell.probe, cell.kind, slot)));
            }
        }
        counted
    }

    /// The report. `replayed`: what the engine says of the window; `kept`: the incidents of the store.
    pub(super) fn finish(mut self, replayed: &Replayed, kept: &[Incident]) -> ShowReport {
        let outages = outages::merge(replayed.incidents.clone(), kept, self.window);
        let counted = self.counted(replayed, &outages);
        let (mut failures, mut seen) = (Vec::new(), Vec::new());
        for ((probe, kind), cell) in &mut self.cells {
            let (id, check) = (*probe, *kind);
            let Some(probe) = self.roster.probe(id) else {
                continue;
            };
            let own = self.node.is_own(probe);
            let runs = cell.runs(|slot| counted.contains(&(id, check, slot)));
            failures.extend(runs.iter().map(|run| run.told(probe, *kind, own)));
            let counted = counted.iter().filter(|(of, on, _)| (*of, *on) == (id, check));
            let mut counted: Vec<UnixMillis> = counted.map(|(.., slot)| *slot).collect();
            let sums = cell.sums.iter();
            failures.extend(sums.map(|summed| summed.told((probe, own), check, &mut counted)));
            seen.push(SeenBy {
                vantage: probe.name.clone(),
                place: probe.site.clone(),
                network: probe.network,
                own,
                kind: kind.to_string(),
                ok: cell.ok,
                failed: cell.count(Finding::Bad),
                absent: cell.count(Finding::Absent),
                unsent: cell.count(Finding::Nothing),
                last_ok: cell.last_ok.map(words::rfc3339),
            });
        }
        failures.sort_by(|one, other| (one.order(), &one.vantage).cmp(&(other.order(), &other.vantage)));
        seen.sort_by(|one, other| (&one.vantage, &one.kind).cmp(&(&other.vantage, &other.kind)));
        let no_verdict = kept.iter().filter(|incident| {
            let is_about = incident.subject == Subject::Node(self.node.id);
            is_about && !incident.check.is_outage() && outages::touches(incident, self.window)
        });
        let of_node = outages.get(&self.node.id).map_or(&[][..], Vec::as_slice);
        let mut about: Vec<&Incident> = of_node.iter().chain(no_verdict).collect();
        about.sort_by_key(|incident| incident.start);
        ShowReport {
            schema: "isochrone.show/1",
            source: "store",
            node: self.node.name.clone(),
            url: self.node.url.clone(),
            worker: self.node.worker.clone(),
            place: self.node.place.clone(),
            network: self.node.network,
            from: words::rfc3339(self.window.from),
            to: words::rfc3339(self.window.until),
            said: self.said.finish(self.window.from),
            incidents: about.into_iter().map(incident_line).collect(),
            failures,
            seen,
            hours: Vec::new(),
            tiers: Vec::new(),
            before_kept: None,
        }
    }
}

impl Run {
    /// In words, as one vantage saw it.
    fn told(&self, probe: &ProbeEntry, kind: Kind, own: bool) -> FailureRun {
        let (last, run) = (&self.last, self.last.run());
        let (phase, cause, error) = match run.as_ref().map(|run| run.ended) {
            Some(Ended::Failed { cause, text, .. }) if is_own_rule(cause) => {
                (None, "unsent".to_owned(), format!("{cause}: {text}"))
            }
            Some(Ended::Failed { phase, cause, text }) => {
                (Some(phase.word()), cause.to_string(), text.to_owned())
            }
            Some(Ended::Unsent(cause)) => (None, "unsent".to_owned(), cause.to_string()),
            Some(Ended::Ok { .. }) | None => (None, String::new(), String::new()),
        };
        FailureRun {
            vantage: probe.name.clone(),
            place: probe.site.clone(),
            network: probe.network,
            own,
            kind: kind.to_string(),
            first: words::rfc3339(self.first),
            last: words::rfc3339(last.slot),
            count: self.count,
            counted: self.counted,
            phase,
            cause,
            error,
            http_status: run.and_then(|run| run.http_status),
            address: address_of(&last.outcome)
                .map(|address| address.to_string())
                .unwrap_or_default(),
            down: last.seen == Finding::Bad && counts_for(kind.check).is_judged(),
            summed: false,
            slots: Slots {
                first: self.first,
                last: last.slot,
                gap_ms: self.gap_ms,
                answered: self.answered,
            },
        }
    }
}

fn checks(incident: &Incident) -> Vec<&'static str> {
    let mut checks: Vec<_> = incident.checks.iter().map(|span| span.check).collect();
    checks.sort_unstable();
    checks.dedup();
    checks.into_iter().map(|check| check.word()).collect()
}

fn incident_line(incident: &Incident) -> IncidentLine {
    IncidentLine {
        id: incident.id.clone(),
        check: incident.check.word(),
        checks: checks(incident),
        flapping: incident.falls(),
        up_since: incident.up_since().map(words::rfc3339),
        late: incident.late,
        start: words::rfc3339(incident.start),
        end: incident.end.map(words::rfc3339),
        cause: incident.cause.word(),
        caveat: incident.caveat.clone(),
        vantages: incident.vantages(),
    }
}
