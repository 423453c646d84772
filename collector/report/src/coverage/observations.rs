//! What the coverage report is computed from, from the log: connect times per vantage, node and day, and the echoes
//! between vantages.

use std::collections::{BTreeMap, HashMap};

use isochrone_base::kinds::{CountsFor, Ended, EndpointRun, Finding, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_base::servers::Servers;
use isochrone_base::words;
use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_coverage::note::{Gone, Note};
use isochrone_coverage::observations::{
    Basis, Day, DayReading, Echo, Network, Node, Observations, OwnTime, Readings, Samples, Source, TtfbKind,
    Vantage, Window as Span,
};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{EchoOutcome, EndpointResult, FailureCause, Outcome, Phase};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Loss, Period, Rollup, Stored, Timing};
use isochrone_watch::clocks::Clocks;
use isochrone_watch::judge::Cadence;

use crate::log::{DAY_MS, Window, dated};
use crate::tiers::{Fill, HOUR_MS, is_comparable};
use crate::vantages::Witnesses;

/// What the log holds so far.
#[derive(Debug)]
pub(super) struct ObservationsBuilder<'a> {
    roster: &'a Roster,
    window: Window,
    /// By probe, node and day.
    days: HashMap<(ProbeId, TargetId, u64), Reading>,
    /// By probe and candidate: the times to connect.
    candidates: HashMap<(ProbeId, TargetId), LogHistogram>,
    /// By two probes and day: what the one measured of the other.
    echoes: HashMap<(ProbeId, ProbeId, u64), LogHistogram>,
    /// Which of them are one server.
    witnesses: Witnesses,
    /// Until when each node was measured: its newest slot, and how long that stays fresh.
    until: HashMap<TargetId, UnixMillis>,
    clocks: Clocks,
}

#[derive(Debug, Default)]
struct Reading {
    connect: Samples,
    ttfb: Samples,
    throughput: Samples,
}

impl Fill for ObservationsBuilder<'_> {
    const TIMINGS: &'static [Timing] = &[Timing::Rtt, Timing::Connect, Timing::FirstByte, Timing::Range];

    fn wants(check: Check) -> bool {
        check == Check::Echo || check.is_endpoint()
    }

    fn add(&mut self, stored: &Stored, slots: Window) {
        for row in stored.batch.echoes().filter(|row| slots.holds(row.slot)) {
            let slot = dated(&self.clocks, stored, row.slot);
            let target = stored.plan.target_of(row.check).map(|(_, target)| target.id);
            let peer = target.and_then(|target| self.peer(stored.probe, target));
            if let (EchoOutcome::Replied { rtt, .. }, Some(peer), true) =
                (row.outcome, peer, self.window.holds(slot))
            {
                self.witnesses.measured(stored.probe, slot);
                let times = self.echoes.entry((stored.probe, peer, slot.0 / DAY_MS));
                let _is_a_time = times.or_default().record_us(f64::from(rtt.get()));
            }
        }
        for row in stored.batch.endpoints().filter(|row| slots.holds(row.slot)) {
            let Some((check, target)) = stored.plan.target_of(row.check) else {
                continue;
            };
            let counts_for = counts_for(check.kind.check);
            let Some(run) =
                EndpointRun::of(check.kind.check, &row.outcome).filter(|_| counts_for != CountsFor::Nothing)
            else {
                continue;
            };
            let slot = dated(&self.clocks, stored, row.slot);
            if !self.window.holds(slot) {
                continue;
            }
            if self.roster.node(target.id).is_none() {
                if let (Ended::Ok { connect, .. }, true) = (run.ended, self.is_candidate(target.id)) {
                    let times = self.candidates.entry((stored.probe, target.id)).or_default();
                    let _is_a_time = times.record_us(f64::from(connect.get()));
                }
                continue;
            }
            let key = (stored.probe, target.id, slot.0 / DAY_MS);
            if counts_for == CountsFor::Throughput {
                self.days.entry(key).or_default().add_throughput(&row.outcome);
                continue; // four times a day does not say who is there
            }
            let fresh_ms = Cadence::of(check.schedule).apart_ms().max(HOUR_MS);
            let until = self.until.entry(target.id).or_default();
            *until = UnixMillis(slot.0 + fresh_ms).max(*until);
            self.witnesses.measured(stored.probe, slot);
            self.days.entry(key).or_default().add(counts_for, &run);
        }
    }

    fn add_sums(&mut self, rollup: &Rollup, period: Period) {
        if rollup.kind.check == Check::Echo {
            self.add_echoes(rollup);
            return;
        }
        let counts_for = counts_for(rollup.kind.check);
        let Rollup {
            probe,
            target,
            start,
            sums,
            ..
        } = rollup;
        if counts_for == CountsFor::Nothing || sums.run == 0 {
            return;
        }
        if self.roster.node(*target).is_none() {
            let times = sums.times(Timing::Connect);
            if self.is_candidate(*target) && !times.is_empty() {
                self.candidates.entry((*probe, *target)).or_default().merge(times);
            }
            return;
        }
        let key = (*probe, *target, start.0 / DAY_MS);
        if counts_for == CountsFor::Throughput {
            self.days.entry(key).or_default().add_ranges(rollup);
            return;
        }
        // when the last one was is not known nearer; who was there at the window's end is read from measurements
        let until = self.until.entry(*target).or_default();
        *until = UnixMillis(start.0 + period.millis()).max(*until);
        self.witnesses.measured(*probe, *start);
        self.days.entry(key).or_default().add_sums(counts_for, rollup);
    }
}

impl Reading {
    fn add(&mut self, counts_for: CountsFor, run: &EndpointRun<'_>) {
        match run.ended {
            Ended::Ok { connect, ttfb_us } => {
                let _is_a_time = self.connect.times.record_us(f64::from(connect.get()));
                // a status is the node's own and says nothing about what it serves
                if let Some(ttfb_us) = ttfb_us.filter(|_| counts_for != CountsFor::Status) {
                    let _is_a_time = self.ttfb.times.record_us(ttfb_us as f64);
                }
            }
            Ended::Failed { phase, .. } => {
                if run.finding() == Finding::Bad && phase == Phase::Connect {
                    self.connect.lost += 1;
                }
            }
            Ended::Unsent(_) => {}
        }
    }

    fn add_sums(&mut self, counts_for: CountsFor, rollup: &Rollup) {
        let sums = &rollup.sums;
        self.connect.times.merge(sums.times(Timing::Connect));
        if counts_for != CountsFor::Status && is_comparable(rollup) {
            self.ttfb.times.merge(sums.times(Timing::FirstByte));
        }
        let lost = sums.losses.iter().filter(|(loss, _)| match loss {
            Loss::Failed(phase, cause) => *phase == Phase::Connect && cause.is_down(),
            Loss::TimedOut | Loss::Unsent(_) => false,
        });
        self.connect.lost += lost.map(|(_, count)| count).sum::<u64>();
    }

    fn add_throughput(&mut self, outcome: &Outcome) {
        let Outcome::Endpoint(outcome) = outcome else {
            return;
        };
        if let Some(us) = outcome.throughput_us(Check::Throughput) {
            let _is_a_time = self.throughput.times.record_us(f64::from(us));
        }
        if let EndpointResult::Failed { phase, cause, .. } = outcome.result
            && is_cut_short(Loss::Failed(phase, cause))
        {
            self.throughput.lost += 1;
        }
    }

    fn add_ranges(&mut self, rollup: &Rollup) {
        self.throughput.times.merge(rollup.sums.times(Timing::Range));
        let losses = rollup.sums.losses.iter();
        let lost = losses.filter(|(loss, _)| is_cut_short(**loss));
        self.throughput.lost += lost.map(|(_, count)| count).sum::<u64>();
    }

    fn merge(&mut self, other: &Self) {
        self.connect.merge(&other.connect);
        self.ttfb.merge(&other.ttfb);
        self.throughput.merge(&other.throughput);
    }
}

impl<'a> ObservationsBuilder<'a> {
    pub(super) fn new(roster: &'a Roster, window: Window) -> Self {
        Self {
            roster,
            window,
            days: HashMap::new(),
            candidates: HashMap::new(),
            echoes: HashMap::new(),
            witnesses: Witnesses::default(),
            until: HashMap::new(),
            clocks: Clocks::default(),
        }
    }

    /// How far the probes' clocks were off, and whence they came.
    pub(super) fn with(self, clocks: Clocks, witnesses: Witnesses) -> Self {
        Self {
            clocks,
            witnesses,
            ..self
        }
    }

    /// The probe that is a target, if a probe's times to it say something: nobody is a witness of their own sites.
    fn peer(&self, probe: ProbeId, target: TargetId) -> Option<ProbeId> {
        let (probe, peer) = (self.roster.probe(probe)?, self.roster.peer(target)?);
        (probe.worker != peer.worker).then_some(peer.id)
    }

    /// A server that stands for a place that might get a node. Whoever measures it is no witness by that alone.
    fn is_candidate(&self, target: TargetId) -> bool {
        self.roster
            .candidates()
            .iter()
            .any(|candidate| candidate.id == target)
    }

    /// What each vantage measured of each candidate, by the candidate's name: the server's probes together.
    pub(super) fn of_candidates(&self) -> HashMap<String, Vec<OwnTime>> {
        let servers = self.witnesses.servers(self.roster, self.window.until);
        let mut together: BTreeMap<(TargetId, ProbeId), LogHistogram> = BTreeMap::new();
        for (&(probe, target), times) in &self.candidates {
            let key = (target, servers.of(probe));
            together.entry(key).or_default().merge(times);
        }
        let mut found: HashMap<String, Vec<OwnTime>> = HashMap::new();
        for ((target, probe), times) in together {
            let mut candidates = self.roster.candidates().iter();
            let candidate = candidates.find(|candidate| candidate.id == target);
            let (candidate, probe) = (candidate, self.roster.probe(probe));
            if let (Some(candidate), Some(probe), Some(us)) = (candidate, probe, times.quantile_us(0.5)) {
                found.entry(candidate.name.clone()).or_default().push(OwnTime {
                    vantage: probe.name.clone(),
                    rtt_ms: us / 1_000.0,
                    answers: times.count(),
                });
            }
        }
        found
    }

    fn add_echoes(&mut self, rollup: &Rollup) {
        let times = rollup.sums.times(Timing::Rtt);
        if let (Some(peer), false) = (self.peer(rollup.probe, rollup.target), times.is_empty()) {
            self.witnesses.measured(rollup.probe, rollup.start);
            let key = (rollup.probe, peer, rollup.start.0 / DAY_MS);
            self.echoes.entry(key).or_default().merge(times);
        }
    }

    /// What probes measured among each other, each under the one that stands for its server.
    fn echoes(&self, servers: &Servers, places: &BTreeMap<ProbeId, usize>) -> Vec<Echo> {
        let mut pairs: BTreeMap<(usize, usize, u64), LogHistogram> = BTreeMap::new();
        for (&(probe, peer, day), times) in &self.echoes {
            let ends = (places.get(&servers.of(probe)), places.get(&servers.of(peer)));
            if let (Some(&a), Some(&b)) = ends
                && a != b
            {
                pairs.entry((a.min(b), a.max(b), day)).or_default().merge(times);
            }
        }
        let echo = |((a, b, day), times)| Echo {
            a,
            b,
            day: number(day),
            times,
        };
        pairs.into_iter().map(echo).collect()
    }

    /// What was read of each server, under the probe that stands for it.
    fn join_days(&mut self, servers: &Servers) {
        let of_probes = std::mem::take(&mut self.days);
        for ((probe, node, day), reading) in of_probes {
            let key = (servers.of(probe), node, day);
            self.days.entry(key).or_default().merge(&reading);
        }
    }

    /// The nodes that count, and a note on each that does not: paused and removed ones count as long as they were
    /// measured until the window's end, so that a window of the past shows what was there.
    fn nodes(&self) -> (Vec<&'a NodeEntry>, Vec<Note>) {
        let (mut nodes, mut left_out) = (Vec::new(), Vec::new());
        for node in self.roster.nodes() {
            let until = self.until.get(&node.id);
            let is_listed = !node.paused && !node.removed;
            if is_listed || until.is_some_and(|until| *until >= self.window.until) {
                nodes.push(node);
            } else if until.is_some() {
                let now = if node.removed { Gone::Removed } else { Gone::Paused };
                let node = node.name.clone();
                left_out.push(Note::NodeGone { node, now });
            }
        }
        (nodes, left_out)
    }

    /// The servers with a probe that was measured with, or is active and was there, and the place of each among them.
    fn vantages(&self, servers: &Servers, notes: &mut Vec<Note>) -> (Vec<Vantage>, BTreeMap<ProbeId, usize>) {
        let mut vantages = Vec::new();
        let mut places: BTreeMap<ProbeId, usize> = BTreeMap::new();
        for probe in self.roster.probes() {
            let measured = self.days.keys().any(|(of, ..)| *of == probe.id);
            let is_another = servers.of(probe.id) != probe.id;
            let was_there = probe.active && probe.joined < self.window.until;
            if is_another || !was_there && !measured {
                continue;
            }
            match vantage(probe) {
                Some(vantage) => {
                    places.insert(probe.id, vantages.len());
                    vantages.push(vantage);
                }
                None => notes.push(Note::ProbeUnplaced {
                    probe: probe.name.clone(),
                }),
            }
        }
        (vantages, places)
    }

    pub(super) fn finish(mut self, source: Source) -> Observations {
        let (nodes, mut notes) = self.nodes();
        let servers = self.witnesses.servers(self.roster, self.window.until);
        self.join_days(&servers);
        let (vantages, places) = self.vantages(&servers, &mut notes);
        let indices: BTreeMap<TargetId, usize> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (node.id, index))
            .collect();
        let echoes = self.echoes(&servers, &places);
        let mut readings: Vec<DayReading> = Vec::new();
        for ((probe, node, day), reading) in self.days {
            if let (Some(&vantage), Some(&node)) = (places.get(&probe), indices.get(&node)) {
                let ttfb = !reading.ttfb.times.is_empty();
                readings.push(DayReading {
                    vantage,
                    node,
                    day: number(day),
                    rtt: reading.connect,
                    ttfb: ttfb.then_some((TtfbKind::Cached, reading.ttfb)),
                    throughput: reading.throughput,
                });
            }
        }
        readings.sort_by_key(|reading| (reading.vantage, reading.node, reading.day));
        Observations {
            source,
            basis: Basis::Connect,
            window: Some(Span {
                from: words::timestamp(self.window.from),
                to: words::timestamp(self.window.until),
            }),
            nodes: nodes.into_iter().map(node).collect(),
            vantages,
            readings: Readings::Days(readings),
            echoes,
            eyes: Vec::new(),
            notes,
        }
    }
}

fn number(day: u64) -> Day {
    Day(i32::try_from(day).unwrap_or(i32::MAX))
}

/// Whether an object was on its way, and too slowly: any other failure says nothing of the pace.
fn is_cut_short(loss: Loss) -> bool {
    matches!(loss, Loss::Failed(Phase::Transfer, FailureCause::Timeout))
}

fn vantage(probe: &ProbeEntry) -> Option<Vantage> {
    Some(Vantage {
        name: probe.name.clone(),
        site: probe.site.clone(),
        position: Position::new(probe.latitude?, probe.longitude?)?,
        country: probe.country.as_deref().and_then(Country::code),
        network: probe.network.map(Network),
        access: probe.access,
        worker: Some(probe.worker.clone()),
        own_node: None,
    })
}

pub(crate) fn node(node: &NodeEntry) -> Node {
    let position = node.latitude.zip(node.longitude);
    Node {
        name: node.name.clone(),
        site: if node.place.is_empty() {
            node.name.clone()
        } else {
            node.place.clone()
        },
        position: position.and_then(|(latitude, longitude)| Position::new(latitude, longitude)),
        country: node.country.as_deref().and_then(Country::code),
        worker: node.worker.clone(),
    }
}

#[cfg(test)]
mod tests;
