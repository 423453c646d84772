//! Whether a probe's own way out worked, minute by minute: what it says of others counts only then.

use std::collections::{BTreeMap, HashMap};

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;

use super::Window;
use crate::health::UPLINK_BAD_PERCENT;
use crate::roster::{NodeEntry, Roster};

const MINUTE_MS: u64 = 60_000;

/// Runs and unanswered runs of each probe, minute, and worker whose targets they went to.
#[derive(Debug)]
pub(super) struct Trust {
    window: Window,
    workers: BTreeMap<String, usize>,
    of_target: HashMap<TargetId, usize>,
    minutes: HashMap<(ProbeId, usize), Vec<Minute>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    runs: u16,
    unanswered: u16,
}

impl Trust {
    pub(super) fn new(window: Window, roster: &Roster) -> Self {
        let mut trust = Self {
            window,
            workers: BTreeMap::new(),
            of_target: HashMap::new(),
            minutes: HashMap::new(),
        };
        for node in roster.nodes() {
            let worker = worker_of(node);
            trust.place(node.id, &worker);
        }
        for probe in roster.probes() {
            trust.place(TargetId::of_peer(probe.id), &probe.worker);
        }
        trust
    }

    fn place(&mut self, target: TargetId, worker: &str) {
        let next = self.workers.len();
        let group = *self.workers.entry(worker.to_owned()).or_insert(next);
        self.of_target.insert(target, group);
    }

    /// Counts a run of `probe` that went out; unanswered means without any sign of the target.
    pub(super) fn add(&mut self, probe: ProbeId, target: TargetId, slot: UnixMillis, answered: bool) {
        let (Some(&group), Some(minute)) = (self.of_target.get(&target), self.minute(slot)) else {
            return;
        };
        let minutes = self.minutes.entry((probe, group)).or_default();
        if minutes.len() <= minute {
            minutes.resize(minute + 1, Minute::default());
        }
        let minute = &mut minutes[minute];
        minute.runs = minute.runs.saturating_add(1);
        minute.unanswered = minute.unanswered.saturating_add(u16::from(!answered));
    }

    /// Whether `probe` may judge `node` in the minute of `slot`: at most 30 % of its runs towards other
    /// workers' targets stayed unanswered, or all that did went to one of several workers.
    pub(super) fn may_judge(&self, probe: ProbeId, node: &NodeEntry, slot: UnixMillis) -> bool {
        let Some(minute) = self.minute(slot) else {
            return false;
        };
        let own = self.workers.get(&worker_of(node)).copied();
        let (mut runs, mut unanswered) = (0, 0);
        let (mut groups, mut bad_groups) = (0, 0);
        for group in (0..self.workers.len()).filter(|group| Some(*group) != own) {
            let counts = self.minutes.get(&(probe, group));
            if let Some(counts) = counts.and_then(|minutes| minutes.get(minute)) {
                runs += usize::from(counts.runs);
                unanswered += usize::from(counts.unanswered);
                groups += usize::from(counts.runs > 0);
                bad_groups += usize::from(counts.unanswered > counts.runs / 2);
            }
        }
        let is_pattern = bad_groups > 1 || bad_groups == groups;
        unanswered * 100 <= runs * UPLINK_BAD_PERCENT || !is_pattern
    }

    /// The parts of `[from, until)` in which `probe` may judge `node`.
    pub(super) fn judged(
        &self,
        probe: ProbeId,
        node: &NodeEntry,
        (from, until): (UnixMillis, UnixMillis),
    ) -> Vec<(UnixMillis, UnixMillis)> {
        let mut parts: Vec<(UnixMillis, UnixMillis)> = Vec::new();
        let mut at = from;
        while at < until {
            let next = UnixMillis((at.0 / MINUTE_MS + 1) * MINUTE_MS).min(until);
            if self.may_judge(probe, node, at) {
                match parts.last_mut().filter(|part| part.1 == at) {
                    Some(part) => part.1 = next,
                    None => parts.push((at, next)),
                }
            }
            at = next;
        }
        parts
    }

    fn minute(&self, slot: UnixMillis) -> Option<usize> {
        let first = self.window.from.0 / MINUTE_MS;
        usize::try_from((slot.0 / MINUTE_MS).checked_sub(first)?).ok()
    }
}

/// A node without a worker is a group of its own.
fn worker_of(node: &NodeEntry) -> String {
    node.worker
        .clone()
        .unwrap_or_else(|| format!("\u{0}{}", node.name))
}
