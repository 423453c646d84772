//! The report of nodes, filled from the log batch by batch in any order.

use std::collections::BTreeMap;

use isochrone_base::kinds::{EndpointRun, counts_for};
use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Period, Rollup, Stored, Tier, Timing};
use isochrone_watch::clocks::Clocks;
use isochrone_watch::incident::Incident;
use isochrone_watch::judge::Observation;
use isochrone_watch::judge::availability::Account;
use isochrone_watch::replay::{Replayed, Stretch, Unknown};
use isochrone_watch::spans::Span;

use super::counts::{Counts, Part, day_report, slice, slice_ms, whole};
use super::outages::report;
use super::values::{AvailabilityReport, NodeReport, NodesReport};
use crate::imported::ImportedNodes;
use crate::log::{DAY_MS, Window, dated};
use crate::outages::{self, Outages, Scale};
use crate::tiers::Fill;
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
    clocks: Clocks,
}

impl Fill for NodesBuilder<'_> {
    const TIMINGS: &'static [Timing] = &[Timing::FirstByte];

    /// As of runs: those that are judged.
    fn wants(check: Check) -> bool {
        check.is_endpoint() && counts_for(check).is_judged()
    }

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
            self.witnesses.measured(stored.probe, slot);
            let run = EndpointRun::of(check.kind.check, &row.outcome);
            let said = Observation::of(check.kind, slot, &row.outcome);
            if let (Some(run), Some(said)) = (run, said) {
                self.add_run((target.id, stored.probe, check.kind), (&run, &said));
            }
        }
    }

    fn add_sums(&mut self, rollup: &Rollup, period: Period) {
        let Rollup {
            probe, target, start, ..
        } = *rollup;
        if self.roster.probe(probe).is_none() || self.roster.node(target).is_none() || rollup.sums.run == 0 {
            return;
        }
        self.witnesses.measured(probe, start);
        let last = UnixMillis(start.0 + period.millis() - 1).min(self.window.until);
        let (known, until) = self.measured.entry(target).or_insert((start, last));
        (*known, *until) = (start.max(self.window.from).min(*known), last.max(*until));
        if !self.is_counted(target, probe) {
            return;
        }
        for part in parts(start, self.slice_ms) {
            self.counts.entry((target, part)).or_default().add_sums(rollup);
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
            witnesses: Witnesses::default(),
            clocks,
        }
    }

    /// The coarsest that its days and charts can be read from.
    pub(super) const fn coarsest(&self) -> Tier {
        match self.slice_ms.is_multiple_of(DAY_MS) {
            true => Tier::Day,
            false => Tier::Hour,
        }
    }

    pub(super) const fn roster(&self) -> &'a Roster {
        self.roster
    }

    /// Whence the probes came.
    pub(super) fn with_witnesses(self, witnesses: Witnesses) -> Self {
        Self { witnesses, ..self }
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

    /// The report. `replayed`: what the engine says of the window; `kept`: the incidents of the store.
    pub(super) fn finish(mut self, replayed: &Replayed, kept: &[Incident]) -> NodesReport {
        let outages = outages::merge(replayed.incidents.clone(), kept, self.window);
        self.judge(replayed, &outages);
        self.narrow(replayed);
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
        let pages = replayed.messages.iter().filter(|message| message.pages);
        NodesReport {
            schema: "isochrone.nodes/1",
            source: "store",
            from: self.window.from,
            to: self.window.until,
            would_have_paged: pages.count() as u64,
            is_one_place: replayed.is_one_place,
            tiers: Vec::new(),
            before_kept: None,
            measured_from: self.measured.values().map(|(first, _)| *first).min(),
            nodes,
            imported: ImportedNodes::default(),
            borrowed: Vec::new(),
        }
    }

    /// Counts the failures, and takes back the answers of vantages that might not judge, now that all that was read says
    /// which those are.
    fn judge(&mut self, replayed: &Replayed, outages: &Outages) {
        for (cell, stretches) in replayed.failures.cells() {
            let scale = Scale::of(cell, self.roster, outages);
            for stretch in stretches {
                let word = stretch.word;
                if scale.is_even(word) {
                    let weight = scale.weigh(stretch.first, word);
                    self.each_part(cell.target, stretch, |counts, runs| {
                        counts.add_failures(weight, runs)
                    });
                    continue;
                }
                for slot in stretch.slots() {
                    let weight = scale.weigh(slot, word);
                    for part in parts(slot, self.slice_ms) {
                        let counts = self.counts.entry((cell.target, part)).or_default();
                        counts.add_failures(weight, 1);
                    }
                }
            }
        }
        for (cell, stretches) in replayed.unheard.cells() {
            if !self.is_counted(cell.target, cell.probe) {
                continue;
            }
            for stretch in stretches {
                let check = cell.kind.check;
                self.each_part(cell.target, stretch, |counts, runs| counts.take_back(check, runs));
            }
        }
    }

    /// Sums do not say when within them a node was measured first and last: where nobody measured it, it was not.
    fn narrow(&mut self, replayed: &Replayed) {
        for (target, (first, last)) in &mut self.measured {
            let unmeasured = replayed.unknown.get(target).map_or(&[][..], |of| &of.unmeasured);
            for &(from, until) in unmeasured {
                if (from..until).contains(first) && until <= *last {
                    *first = until;
                }
                if (from..until).contains(last) && from >= *first {
                    *last = from;
                }
            }
        }
    }

    /// Gives the counts of each part that runs of a stretch lie in, with how many of them do.
    fn each_part<W: Copy + Eq>(
        &mut self,
        target: TargetId,
        stretch: &Stretch<W>,
        take: impl Fn(&mut Counts, u64),
    ) {
        type OfNumber = fn(u64) -> Part;
        for (ms, part) in [(DAY_MS, Part::Day as OfNumber), (self.slice_ms, Part::Slice)] {
            for number in stretch.first.0 / ms..=stretch.last.0 / ms {
                let span = (UnixMillis(number * ms), UnixMillis((number + 1) * ms));
                if let Some(within) = stretch.within(span) {
                    let counts = self.counts.entry((target, part(number))).or_default();
                    take(counts, within.runs());
                }
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
