//! `report nodes`: per node and UTC day what was checked and how it went, and each outage.
//!
//! A node's own worker's probe is not counted. A failure counts only while the probe's own way out worked.
//! 404, 421, checks that never left the probe, and addresses its own rules forbid are no failures. Cached
//! assets, uncached assets and status answers are never mixed in one time to first byte.

mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isochrone_base::kinds::{CountsFor, Ended, EndpointRun, Seen, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster, count_networks};
use isochrone_base::words;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError, Stored};
use isochrone_watch::health::Rules;
use isochrone_watch::incident::IncidentCheck;
use isochrone_watch::live::cell::Pace;
use serde::Serialize;
pub(super) use text::cut;

use super::outages::{self, Outage, Period};
use super::timeline::Timeline;
use super::trust::{Trust, Way};
use super::{DAY_MS, Fill, Window, fill};

/// `isochrone.nodes/1`. Numbers are not rounded; what was not measured is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodesReport {
    /// `isochrone.nodes/1`.
    pub schema: &'static str,
    /// `store` or `demo`.
    pub source: &'static str,
    /// First instant, RFC 3339.
    pub from: String,
    /// First instant after it, RFC 3339.
    pub to: String,
    /// The nodes, by name.
    pub nodes: Vec<NodeReport>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// Whose it is.
    pub worker: Option<String>,
    /// Its place.
    pub place: String,
    /// It is not in `targets.toml` any more.
    pub removed: bool,
    /// Every UTC day of the window.
    pub days: Vec<DayReport>,
    /// By start.
    pub outages: Vec<OutageReport>,
}

/// One node on one UTC day. Shares are 0…1 of the judged checks that are counted beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DayReport {
    /// `2026-11-22`.
    pub day: String,
    /// Checks of all kinds that were run, by vantages that count.
    pub checks: u64,
    /// Share of status checks that succeeded.
    pub status_ok: Option<f64>,
    /// Share of asset checks that succeeded.
    pub asset_ok: Option<f64>,
    /// Share of plain HTTP checks that succeeded.
    pub http_ok: Option<f64>,
    /// Median time to first byte in milliseconds: cached assets; of a plain HTTP node its page.
    pub ttfb_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub ttfb_p90_ms: Option<f64>,
    /// Times behind both.
    pub ttfb_samples: u64,
    /// Median time to first byte of status answers in milliseconds.
    pub status_ttfb_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub status_ttfb_p90_ms: Option<f64>,
    /// Times behind both.
    pub status_ttfb_samples: u64,
    /// Status checks behind `status_ok`.
    pub status_checks: u64,
    /// Asset checks behind `asset_ok`.
    pub asset_checks: u64,
    /// HTTP checks behind `http_ok`.
    pub http_checks: u64,
    /// Answers 404 and 421: about the object, not about the node; in no share.
    pub absent: u64,
    /// Checks that say nothing: they never left the probe, or it had no way out; in no share.
    pub unjudged: u64,
    /// Vantages that checked it.
    pub vantages: u64,
}

/// One outage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutageReport {
    /// Slot of the first failure, RFC 3339.
    pub start: String,
    /// First answer after it, RFC 3339; `null`: the data ends while it goes on.
    pub end: Option<String>,
    /// `node`: nobody got through; `path`: some did.
    pub cause: &'static str,
    /// Names of the probes that saw it.
    pub vantages: Vec<String>,
    /// `status`, `asset` or `http`.
    pub check: IncidentCheck,
    /// Its length in seconds, up to the end of the window where it has no end.
    pub duration_s: f64,
    /// Networks of the vantages; unknown ones count as one.
    pub networks: usize,
    /// The failure seen most often, such as `connect: timeout`.
    pub failure: Option<String>,
}

/// Reads the log and makes the report. `rules` say what is a failure and what is an end. `progress` gets the count of batches read so far.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: Window,
    rules: &Rules,
    progress: &mut dyn FnMut(u64),
) -> Result<NodesReport, StoreError> {
    let mut tally = Tally::new(roster, window, *rules);
    fill(store, window, &mut tally, progress)?;
    Ok(NodesReport {
        source: store.source(),
        ..tally.finish()
    })
}

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    roster: &'a Roster,
    window: Window,
    rules: Rules,
    cells: HashMap<(TargetId, ProbeId, Kind), Cell>,
    days: BTreeMap<(TargetId, u64), Day>,
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

#[derive(Debug, Default)]
struct Day {
    checks: u64,
    good: BTreeMap<IncidentCheck, u64>,
    absent: u64,
    unjudged: u64,
    vantages: BTreeSet<ProbeId>,
    ttfb: LogHistogram,
    status_ttfb: LogHistogram,
}

impl Fill for Tally<'_> {
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

impl<'a> Tally<'a> {
    pub(super) fn new(roster: &'a Roster, window: Window, rules: Rules) -> Self {
        Self {
            roster,
            window,
            rules,
            cells: HashMap::new(),
            days: BTreeMap::new(),
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
        let day = self.days.entry((node, slot.0 / DAY_MS)).or_default();
        day.checks += 1;
        day.vantages.insert(probe);
        match (run.ended, seen) {
            (Ended::Ok { ttfb_us, .. }, _) => {
                *day.good.entry(check).or_default() += 1;
                let of = match check {
                    IncidentCheck::Status => &mut day.status_ttfb,
                    _ => &mut day.ttfb,
                };
                if let Some(us) = ttfb_us {
                    let _is_a_time = of.record_us(us as f64);
                }
            }
            (Ended::Failed { phase, cause, .. }, Seen::Bad) => {
                cell.failures.push(Failure { slot, phase, cause });
            }
            (_, Seen::Absent) => day.absent += 1,
            _ => day.unjudged += 1,
        }
    }

    /// The report.
    pub(super) fn finish(self) -> NodesReport {
        let is_told = |node: &&NodeEntry| !node.removed || self.cells.keys().any(|(of, ..)| *of == node.id);
        let told = self.roster.nodes().filter(is_told);
        let mut nodes: Vec<_> = told.map(|node| self.node(node)).collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        NodesReport {
            schema: "isochrone.nodes/1",
            source: "store",
            from: words::rfc3339(self.window.from),
            to: words::rfc3339(self.window.until),
            nodes,
        }
    }

    fn node(&self, node: &NodeEntry) -> NodeReport {
        let mut failed: BTreeMap<(u64, IncidentCheck), u64> = BTreeMap::new();
        let mut unjudged: BTreeMap<u64, u64> = BTreeMap::new();
        let cells: Vec<_> = self.cells.iter().filter(|((of, ..), _)| *of == node.id).collect();
        for ((_, probe, kind), cell) in &cells {
            let Some(check) = IncidentCheck::of(kind.check) else {
                continue;
            };
            for failure in &cell.failures {
                let day = failure.slot.0 / DAY_MS;
                if self.trust.may_judge(Way::of(*probe, *kind), node, failure.slot) {
                    *failed.entry((day, check)).or_default() += 1;
                } else {
                    *unjudged.entry(day).or_default() += 1;
                }
            }
        }
        let last = self.window.until.0.saturating_sub(1).max(self.window.from.0) / DAY_MS;
        let days = (self.window.from.0 / DAY_MS..=last).map(|number| {
            let failed = |check| failed.get(&(number, check)).copied().unwrap_or(0);
            let unjudged = unjudged.get(&number).copied().unwrap_or(0);
            day_report(number, self.days.get(&(node.id, number)), failed, unjudged)
        });
        NodeReport {
            node: node.name.clone(),
            worker: node.worker.clone(),
            place: node.place.clone(),
            removed: node.removed,
            days: days.collect(),
            outages: self.outages(node, &cells),
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
            start: words::rfc3339(outage.start),
            end: (!outage.is_open).then(|| words::rfc3339(outage.end)),
            cause: if gets_through { "path" } else { "node" },
            vantages,
            check,
            duration_s: end.since(outage.start).as_secs_f64(),
            networks: count_networks(probes().map(|probe| probe.network)),
            failure: most.map(|((phase, cause), _)| format!("{phase}: {cause}")),
        }
    }
}

fn day_report(
    number: u64,
    day: Option<&Day>,
    failed: impl Fn(IncidentCheck) -> u64,
    unjudged: u64,
) -> DayReport {
    let name = words::date(UnixMillis(number * DAY_MS));
    let Some(day) = day else {
        return DayReport {
            day: name,
            ..DayReport::default()
        };
    };
    let share = |check| {
        let good = day.good.get(&check).copied().unwrap_or(0);
        let checks = good + failed(check);
        ((checks > 0).then(|| good as f64 / checks as f64), checks)
    };
    let ms = |histogram: &LogHistogram, q| histogram.quantile_us(q).map(|us| us / 1_000.0);
    let (status_ok, status_checks) = share(IncidentCheck::Status);
    let (asset_ok, asset_checks) = share(IncidentCheck::Asset);
    let (http_ok, http_checks) = share(IncidentCheck::Http);
    DayReport {
        day: name,
        checks: day.checks,
        status_ok,
        asset_ok,
        http_ok,
        ttfb_p50_ms: ms(&day.ttfb, 0.5),
        ttfb_p90_ms: ms(&day.ttfb, 0.9),
        ttfb_samples: day.ttfb.count(),
        status_ttfb_p50_ms: ms(&day.status_ttfb, 0.5),
        status_ttfb_p90_ms: ms(&day.status_ttfb, 0.9),
        status_ttfb_samples: day.status_ttfb.count(),
        status_checks,
        asset_checks,
        http_checks,
        absent: day.absent,
        unjudged: day.unjudged + unjudged,
        vantages: day.vantages.len() as u64,
    }
}

#[cfg(test)]
mod tests;
