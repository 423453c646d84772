//! Probes that went silent, and nodes that nobody measures any more.

use std::collections::BTreeMap;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use super::ended::by_hand;
use super::{Health, Scene, Transition};
use crate::incident::{Cause, Ending, Incident, IncidentCheck, Subject};
use crate::roster::{NodeEntry, ProbeEntry};

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
            .filter(|cell| cell.planned)
            .map(|cell| cell.pace().fresh_ms)
            .min()?;
        let patience = self
            .rules
            .silent_after
            .max(std::time::Duration::from_millis(shortest_ms));
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
        let mut caveats = Vec::new();
        if silence == Silence::Mute {
            caveats.push("It is connected, but sends no measurements: look at its log.".to_owned());
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
            id: Incident::id_of(&probe.name, IncidentCheck::Probe, since),
            subject: Subject::Probe(probe.id),
            target: probe.name.clone(),
            check: IncidentCheck::Probe,
            cause: Cause::Probe,
            start: since,
            noticed: scene.now,
            end: None,
            ending: None,
            caveat: join(caveats),
            evidence: Vec::new(),
            acknowledged: None,
        }
    }

    /// Opens or ends the incident that says nobody measures `node`. Where most probes are silent, their own
    /// incidents say so already; and where nobody else may judge it, nothing was ever promised.
    pub(super) fn judge_data(
        &self,
        scene: &Scene<'_>,
        node: &NodeEntry,
        has_data: bool,
        silences: &Silences,
    ) -> Option<Transition> {
        if let Some(open) = self.open.get(&(Subject::Node(node.id), IncidentCheck::Data)) {
            let ending = if node.paused {
                Ending::Paused
            } else {
                Ending::Recovered
            };
            return (node.paused || has_data).then(|| by_hand(open, ending, scene.now));
        }
        let judges: Vec<_> = scene.roster.judges(node).map(|probe| probe.id).collect();
        let silent = judges.iter().filter(|probe| silences.contains_key(probe)).count();
        if node.paused || has_data || judges.is_empty() || silent * 2 > judges.len() {
            return None;
        }
        let since = self.last_data(scene, node, &judges);
        if scene.now.since(since) <= self.rules.no_data_after {
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
            acknowledged: None,
        }))
    }

    /// When something was last known; not before this collector watched it.
    fn last_data(&self, scene: &Scene<'_>, node: &NodeEntry, judges: &[ProbeId]) -> UnixMillis {
        let watched = self.watched_since.get(&node.id).copied().unwrap_or(scene.now);
        let slots = judges
            .iter()
            .filter_map(|probe| scene.live.vantage(*probe))
            .flat_map(|vantage| vantage.cells())
            .filter(|cell| cell.target == node.id)
            .filter_map(|cell| cell.runs().newest())
            .map(|run| run.slot);
        slots.max().unwrap_or(watched).max(watched).max(self.started)
    }
}

fn join(caveats: Vec<String>) -> Option<String> {
    (!caveats.is_empty()).then(|| caveats.join(" "))
}
