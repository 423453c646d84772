//! Probes that went silent, and nodes that nobody measures any more.

use std::collections::BTreeMap;
use std::time::Duration;

use isochrone_base::roster::{NodeEntry, ProbeEntry};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use super::ended::by_hand;
use super::{Health, Scene, Transition};
use crate::incident::{Cause, Ending, Incident, IncidentCheck, Subject};
use crate::live::Cell;

/// Why a probe counts as silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// No connection.
    Away,
    /// Connected, but no batch comes although checks are planned.
    Mute,
}

/// The silent probes: how, and since when. They judge nobody.
pub(super) type Silences = BTreeMap<ProbeId, (Silence, UnixMillis)>;

impl Health {
    /// Every active probe that is silent now.
    pub(super) fn silences(&self, scene: &Scene<'_>) -> Silences {
        let active = scene.roster.probes().filter(|probe| probe.active);
        active
            .filter_map(|probe| self.silence(scene, probe).map(|silence| (probe.id, silence)))
            .collect()
    }

    pub(super) fn judge_silence(&self, scene: &Scene<'_>, silences: &Silences) -> Vec<Transition> {
        let active: Vec<_> = scene.roster.probes().filter(|probe| probe.active).collect();
        let together = (silences.len(), active.len());
        let mut transitions = Vec::new();
        for probe in &active {
            let open = self.open.get(&(Subject::Probe(probe.id), IncidentCheck::Probe));
            match (open, silences.get(&probe.id)) {
                (None, Some(&silence)) => {
                    let incident = self.silent_probe(scene, probe, silence, together);
                    transitions.push(Transition::Opened(incident));
                }
                (Some(open), None) if self.is_back(scene, probe, open) => {
                    let heard = scene.live.vantage(probe.id).map(|vantage| vantage.heard);
                    let mut ended = open.clone();
                    ended.end = Some(heard.filter(|heard| *heard > open.start).unwrap_or(scene.now));
                    ended.ending = Some(Ending::Recovered);
                    transitions.push(Transition::Ended(ended));
                }
                _ => {}
            }
        }
        transitions
    }

    /// How and since when `probe` is silent, once that is long enough. The collector's own absence is not
    /// the probe's silence: nothing counts before it started.
    fn silence(&self, scene: &Scene<'_>, probe: &ProbeEntry) -> Option<(Silence, UnixMillis)> {
        let vantage = scene.live.vantage(probe.id);
        let heard = vantage.map_or(UnixMillis(0), |vantage| vantage.heard);
        let since = heard.max(probe.joined).max(self.started);
        let quiet = scene.now.since(since);
        if !scene.connected.contains(&probe.id) {
            return (quiet > self.rules.silent_after).then_some((Silence::Away, since));
        }
        let shortest_ms = vantage?
            .cells()
            .filter(|cell| cell.planned && cell.counts())
            .map(|cell| cell.pace().fresh_ms)
            .min()?;
        let patience = self.rules.silent_after.max(Duration::from_millis(shortest_ms));
        (quiet > patience).then_some((Silence::Mute, since))
    }

    /// A silence that was open before this start ends only when the probe is really heard again.
    fn is_back(&self, scene: &Scene<'_>, probe: &ProbeEntry, open: &Incident) -> bool {
        let heard = scene.live.vantage(probe.id).map(|vantage| vantage.heard);
        scene.connected.contains(&probe.id) || heard.is_some_and(|heard| heard > open.noticed)
    }

    fn silent_probe(
        &self,
        scene: &Scene<'_>,
        probe: &ProbeEntry,
        (silence, since): (Silence, UnixMillis),
        (silent, active): (usize, usize),
    ) -> Incident {
        let last_end = self.last_end((Subject::Probe(probe.id), IncidentCheck::Probe));
        let start = last_end.map_or(since, |end| since.max(end));
        let mut caveats = Vec::new();
        if silence == Silence::Mute {
            caveats.push(
                "When this was noticed, its connection still stood, but it sent no measurements: the network in \
                 between was cut, or the probe was stuck (its log says which)."
                    .to_owned(),
            );
        }
        if silent > 1 && silent * 2 > active {
            caveats.push(format!(
                "{silent} of {active} probes are silent at once: check the collector's own network first."
            ));
        }
        if since == self.started {
            caveats.push("The collector was away before this; the silence may be older.".to_owned());
        }
        Incident {
            id: Incident::id_of(&probe.name, IncidentCheck::Probe, start),
            subject: Subject::Probe(probe.id),
            target: probe.name.clone(),
            check: IncidentCheck::Probe,
            cause: Cause::Probe,
            start,
            noticed: scene.now,
            end: None,
            ending: None,
            caveat: join(caveats),
            evidence: Vec::new(),
        }
    }

    /// Opens or ends the incident that says nobody measures `node`.
    pub(super) fn judge_data(
        &self,
        scene: &Scene<'_>,
        node: &NodeEntry,
        (awaited, has_data): (bool, bool),
    ) -> Option<Transition> {
        let key = (Subject::Node(node.id), IncidentCheck::Data);
        if let Some(open) = self.open.get(&key) {
            let ending = if node.paused {
                Ending::Paused
            } else {
                Ending::Recovered
            };
            return (node.paused || has_data).then(|| by_hand(open, ending, scene.now));
        }
        if !awaited || has_data {
            return None;
        }
        let cells: Vec<_> = cells_of_judges(scene, node).collect();
        let newest = cells.iter().filter_map(|cell| cell.runs().newest());
        let newest = newest.map(|run| run.slot).max();
        // only since it ought to have data: not since it was listed, paused, or its last judge left
        let awaited_since = self.awaited_since.get(&node.id).copied()?;
        let since = newest.max(Some(awaited_since)).max(self.last_end(key))?;
        let since = since.max(self.started);
        if scene.now.since(since) <= self.patience(node, &cells) {
            return None;
        }
        let caveat = "No probe that may judge it sends fresh results: this says nothing about the node itself. \
                      See the probes' states and the plan.";
        Some(Transition::Opened(Incident {
            id: Incident::id_of(&node.name, IncidentCheck::Data, since),
            subject: Subject::Node(node.id),
            target: node.name.clone(),
            check: IncidentCheck::Data,
            cause: Cause::Unknown,
            start: since,
            noticed: scene.now,
            end: None,
            ending: None,
            caveat: Some(caveat.to_owned()),
            evidence: Vec::new(),
        }))
    }

    /// How long a node may be without data: longer where it is checked rarely.
    fn patience(&self, node: &NodeEntry, cells: &[&Cell]) -> Duration {
        let planned = cells.iter().filter(|cell| cell.planned);
        let fresh_ms = planned.map(|cell| cell.pace().fresh_ms).min();
        let fresh = fresh_ms.map(Duration::from_millis);
        let asked = node.interval.map(|interval| interval * 3); // until a row shows the schedule
        let longest = fresh.max(asked).unwrap_or_default();
        self.rules.no_data_after.max(longest)
    }
}

/// Whether `node` ought to have data now. Where most probes are silent, their own incidents say so already;
/// and where nobody else may judge it, nothing was ever promised.
pub(super) fn awaits_data(scene: &Scene<'_>, node: &NodeEntry, silences: &Silences) -> bool {
    let (mut judges, mut silent) = (0, 0);
    for probe in scene.roster.judges(node) {
        judges += 1;
        silent += usize::from(silences.contains_key(&probe.id));
    }
    !node.paused && judges > 0 && silent * 2 <= judges
}

fn cells_of_judges<'a>(scene: &Scene<'a>, node: &'a NodeEntry) -> impl Iterator<Item = &'a Cell> {
    let judges = scene.roster.judges(node);
    judges
        .filter_map(|probe| scene.live.vantage(probe.id))
        .flat_map(|vantage| vantage.cells())
        .filter(|cell| cell.target == node.id && cell.counts())
}

fn join(caveats: Vec<String>) -> Option<String> {
    (!caveats.is_empty()).then(|| caveats.join(" "))
}
