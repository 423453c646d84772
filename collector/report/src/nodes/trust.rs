//! Whether a probe's own way out worked, minute by minute: what it says of others counts only then.

use std::collections::{BTreeMap, HashMap};

use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Family, Kind};
use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_watch::health::UPLINK_BAD_PERCENT;

const MINUTE_MS: u64 = 60_000;

/// Runs and unanswered runs of each probe, family, minute, and worker whose targets they went to. Families
/// stand apart: a dead IPv6 says nothing about IPv4.
#[derive(Debug, Default)]
pub(super) struct Trust {
    workers: BTreeMap<String, usize>,
    of_target: HashMap<TargetId, usize>,
    hours: HashMap<(Way, usize, Hour), [Minute; 60]>,
}

/// A probe's way out over one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) probe: ProbeId,
    pub(super) family: Family,
}

impl Way {
    pub(super) fn of(probe: ProbeId, kind: Kind) -> Self {
        let family = kind.family;
        Self { probe, family }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    runs: u16,
    unanswered: u16,
}

impl Trust {
    pub(super) fn new(roster: &Roster) -> Self {
        let mut trust = Self::default();
        for node in roster.nodes() {
            let worker = worker_of(node);
            trust.place(node.id, &worker);
        }
        for probe in roster.probes() {
            trust.place(TargetId::of_peer(probe.id), &probe.worker.to_lowercase());
        }
        trust
    }

    fn place(&mut self, target: TargetId, worker: &str) {
        let next = self.workers.len();
        let group = *self.workers.entry(worker.to_owned()).or_insert(next);
        self.of_target.insert(target, group);
    }

    /// Counts a run that went out; unanswered means without any sign of the target.
    pub(super) fn add(&mut self, way: Way, target: TargetId, slot: UnixMillis, answered: bool) {
        let Some(&group) = self.of_target.get(&target) else {
            return;
        };
        let hour = self
            .hours
            .entry((way, group, slot.hour()))
            .or_insert([Minute::default(); 60]);
        let minute = &mut hour[minute(slot)];
        minute.runs = minute.runs.saturating_add(1);
        minute.unanswered = minute.unanswered.saturating_add(u16::from(!answered));
    }

    /// Whether what came this way may judge `node` in the minute of `slot`: at most 30 % of the runs towards
    /// other workers' targets stayed unanswered, or all that did went to one of several workers.
    pub(super) fn may_judge(&self, way: Way, node: &NodeEntry, slot: UnixMillis) -> bool {
        let own = self.workers.get(&worker_of(node)).copied();
        let (mut runs, mut unanswered) = (0, 0);
        let (mut groups, mut bad_groups) = (0, 0);
        for group in (0..self.workers.len()).filter(|group| Some(*group) != own) {
            if let Some(hour) = self.hours.get(&(way, group, slot.hour())) {
                let counts = hour[minute(slot)];
                runs += usize::from(counts.runs);
                unanswered += usize::from(counts.unanswered);
                groups += usize::from(counts.runs > 0);
                bad_groups += usize::from(counts.unanswered > counts.runs / 2);
            }
        }
        let is_pattern = bad_groups > 1 || bad_groups == groups;
        unanswered * 100 <= runs * UPLINK_BAD_PERCENT || !is_pattern
    }

    /// The parts of `[from, until)` in which what came this way may judge `node`.
    pub(super) fn judged(
        &self,
        way: Way,
        node: &NodeEntry,
        (from, until): (UnixMillis, UnixMillis),
    ) -> Vec<(UnixMillis, UnixMillis)> {
        let mut parts: Vec<(UnixMillis, UnixMillis)> = Vec::new();
        let mut at = from;
        while at < until {
            let next = UnixMillis((at.0 / MINUTE_MS + 1) * MINUTE_MS).min(until);
            if self.may_judge(way, node, at) {
                match parts.last_mut().filter(|part| part.1 == at) {
                    Some(part) => part.1 = next,
                    None => parts.push((at, next)),
                }
            }
            at = next;
        }
        parts
    }
}

/// Which minute of its hour.
fn minute(slot: UnixMillis) -> usize {
    (slot.0 / MINUTE_MS % 60) as usize
}

/// A node without a worker is a group of its own.
fn worker_of(node: &NodeEntry) -> String {
    node.worker
        .as_deref()
        .map(str::to_lowercase) // as `is_one_worker` compares
        .unwrap_or_else(|| format!("\u{0}{}", node.name))
}
