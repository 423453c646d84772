//! Who is down: the rule that turns live state into verdicts and incidents. Pure.
//!
//! A node's check (status, asset and http apart) is down when it fails three runs in a row from vantages of
//! two networks; two vantages of one network do if the mesh has no second, and the incident says so.
//! Its own worker's probe, a silent probe, and a probe that gets no answer from more than 30 % of other
//! targets judge nobody. Rows that arrived late change history and never page. 404 and 421 are not down.
//!
//! [`Health::judge`] decides, the caller stores, and only then [`Health::adopt`] makes it the truth: a
//! failed write is decided again a second later.

mod ended;
mod opened;
mod rules;
mod silence;
mod uplink;
mod witness;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;
pub use rules::{NETWORKS, Rules, UPLINK_BAD_PERCENT, VANTAGES};
use uplink::Uplink;
use witness::Witness;

use crate::incident::{Ending, Incident, IncidentCheck, IncidentKey, Subject};
use crate::live::{Live, Seen};

/// Ended incidents kept in memory for the page.
const RECENT: usize = 100;
/// The verdicts a node can have.
const NODE_CHECKS: [IncidentCheck; 3] = [IncidentCheck::Status, IncidentCheck::Asset, IncidentCheck::Http];

/// All that a verdict is made from.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What the vantages see.
    pub live: &'a Live,
    /// Who they are.
    pub roster: &'a Roster,
    /// The probes whose connection is open.
    pub connected: &'a BTreeSet<ProbeId>,
    /// The instant.
    pub now: UnixMillis,
}

/// A verdict's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Every vantage with fresh results gets what it should.
    Up,
    /// Some newest results are not right, none for long.
    Degraded,
    /// Some vantages fail in a row, not enough of them for an incident.
    Partial,
    /// An incident is open.
    Down,
    /// Nothing fresh is known. Never shown as up.
    NoData,
    /// The lead paused it.
    Paused,
}

/// What the mesh says of one check of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The word.
    pub state: State,
    /// Since when; `None` if it never was anything else since the collector started.
    pub since: Option<UnixMillis>,
    /// Vantages that judge and see it right.
    pub vantages_ok: u32,
    /// Vantages that judge.
    pub vantages_total: u32,
    /// Their networks; unknown ones count as one.
    pub networks: u32,
}

/// A change that is to be stored, and, except for updates, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A new incident.
    Opened(Incident),
    /// More evidence for an open one; nobody is told again.
    Updated(Incident),
    /// An incident is over.
    Ended(Incident),
}

impl Transition {
    /// The incident as it is after the change.
    #[must_use]
    pub fn incident(&self) -> &Incident {
        match self {
            Self::Opened(incident) | Self::Updated(incident) | Self::Ended(incident) => incident,
        }
    }
}

/// What [`Health::judge`] decided.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// When.
    pub at: UnixMillis,
    /// What changes.
    pub transitions: Vec<Transition>,
    /// How each check of each node stands.
    pub standings: BTreeMap<(TargetId, IncidentCheck), Standing>,
    watched: BTreeSet<TargetId>,
    /// The watched nodes that ought to have data.
    awaited: BTreeSet<TargetId>,
}

/// The rule's memory.
#[derive(Clone, Debug)]
pub struct Health {
    rules: Rules,
    started: UnixMillis,
    open: BTreeMap<IncidentKey, Incident>,
    recent: VecDeque<Incident>,
    /// When the last incident of each key ended: a later one never shares its start, and so its id.
    last_ends: BTreeMap<IncidentKey, UnixMillis>,
    standings: BTreeMap<(TargetId, IncidentCheck), Standing>,
    /// Since when each node ought to have data, without a break.
    awaited_since: BTreeMap<TargetId, UnixMillis>,
}

impl Health {
    /// Starts with the incidents that the store holds: open ones go on, as if nothing had happened.
    #[must_use]
    pub fn new(rules: Rules, started: UnixMillis, stored: impl IntoIterator<Item = Incident>) -> Self {
        let mut health = Self {
            rules,
            started,
            open: BTreeMap::new(),
            recent: VecDeque::new(),
            last_ends: BTreeMap::new(),
            standings: BTreeMap::new(),
            awaited_since: BTreeMap::new(),
        };
        for incident in stored {
            if incident.end.is_none() {
                health.open.insert(incident.key(), incident);
            } else {
                health.remember(incident);
            }
        }
        health
    }

    /// Open incidents.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// The newest ended incidents, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Incident> {
        self.recent.iter()
    }

    /// How a check of a node stood when last judged.
    #[must_use]
    pub fn standing(&self, node: TargetId, check: IncidentCheck) -> Option<Standing> {
        self.standings.get(&(node, check)).copied()
    }

    /// Whether a probe's silence is an incident.
    #[must_use]
    pub fn is_silent(&self, probe: ProbeId) -> bool {
        self.open
            .contains_key(&(Subject::Probe(probe), IncidentCheck::Probe))
    }

    /// Decides what changes. Changes nothing itself: see [`Health::adopt`].
    #[must_use]
    pub fn judge(&self, scene: &Scene<'_>) -> Judgement {
        let silences = self.silences(scene);
        let mut judgement = Judgement {
            at: scene.now,
            transitions: self.judge_silence(scene, &silences),
            standings: BTreeMap::new(),
            watched: scene.roster.nodes().map(|node| node.id).collect(),
            awaited: BTreeSet::new(),
        };
        self.end_removed(scene, &mut judgement.transitions);
        let uplinks: BTreeMap<ProbeId, Uplink<'_>> = scene
            .live
            .vantages()
            .filter(|(probe, _)| !silences.contains_key(probe))
            .map(|(probe, vantage)| (probe, Uplink::of(vantage, scene.roster, scene.now)))
            .collect();
        for node in scene.roster.nodes() {
            for check in NODE_CHECKS {
                self.judge_node(scene, &uplinks, (node, check), &mut judgement);
            }
            let has_data = NODE_CHECKS.iter().any(|check| {
                let standing = judgement.standings.get(&(node.id, *check));
                standing.is_some_and(|standing| standing.vantages_total > 0)
            });
            let awaited = silence::awaits_data(scene, node, &silences);
            if awaited {
                judgement.awaited.insert(node.id);
            }
            let transition = self.judge_data(scene, node, (awaited, has_data));
            judgement.transitions.extend(transition);
        }
        judgement
    }

    /// Makes a judgement the truth, once its transitions are stored.
    pub fn adopt(&mut self, judgement: Judgement) {
        for transition in judgement.transitions {
            match transition {
                Transition::Opened(incident) | Transition::Updated(incident) => {
                    self.open.insert(incident.key(), incident);
                }
                Transition::Ended(incident) => {
                    self.open.remove(&incident.key());
                    self.remember(incident);
                }
            }
        }
        for (key, mut standing) in judgement.standings {
            let before = self.standings.get(&key);
            standing.since = match (before, standing.state) {
                (Some(before), state) if before.state == state => before.since,
                (_, State::Down) => self
                    .open
                    .get(&(Subject::Node(key.0), key.1))
                    .map(|incident| incident.start),
                (None, _) => None,
                (Some(_), _) => Some(judgement.at),
            };
            self.standings.insert(key, standing);
        }
        self.standings
            .retain(|(node, _), _| judgement.watched.contains(node));
        self.awaited_since
            .retain(|node, _| judgement.awaited.contains(node));
        for node in judgement.awaited {
            self.awaited_since.entry(node).or_insert(judgement.at);
        }
    }

    fn remember(&mut self, incident: Incident) {
        let end = incident.end.unwrap_or(incident.start);
        let last = self.last_ends.entry(incident.key()).or_insert(end);
        *last = end.max(*last);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(incident);
    }

    fn judge_node(
        &self,
        scene: &Scene<'_>,
        uplinks: &BTreeMap<ProbeId, Uplink<'_>>,
        (node, check): (&NodeEntry, IncidentCheck),
        judgement: &mut Judgement,
    ) {
        let key = (Subject::Node(node.id), check);
        let open = self.open.get(&key);
        if node.paused {
            judgement
                .standings
                .insert((node.id, check), Standing::of(State::Paused, &[]));
            if let Some(open) = open {
                judgement
                    .transitions
                    .push(ended::by_hand(open, Ending::Paused, scene.now));
            }
            return;
        }
        let witnesses = witness::of_node(scene, uplinks, node, check);
        let networks =
            isochrone_base::roster::count_networks(scene.roster.judges(node).map(|probe| probe.network));
        let case = witness::Case {
            node,
            check,
            witnesses: &witnesses,
            mesh_networks: networks,
            rules: &self.rules,
            now: scene.now,
        };
        let transition = match open {
            None => opened::open(&case, self.last_end(key)).map(Transition::Opened),
            Some(open) => ended::end(&case, open, scene.roster)
                .map(Transition::Ended)
                .or_else(|| opened::update(&case, open).map(Transition::Updated)),
        };
        let is_down = match &transition {
            Some(Transition::Ended(_)) => false,
            Some(_) => true,
            None => open.is_some(),
        };
        let is_failing = witnesses
            .iter()
            .any(|witness| witness.is_failing(&self.rules, scene.now));
        let state = Standing::word(&witnesses, is_down, is_failing);
        judgement
            .standings
            .insert((node.id, check), Standing::of(state, &witnesses));
        judgement.transitions.extend(transition);
    }

    fn last_end(&self, key: IncidentKey) -> Option<UnixMillis> {
        self.last_ends.get(&key).copied()
    }

    fn end_removed(&self, scene: &Scene<'_>, transitions: &mut Vec<Transition>) {
        for incident in self.open.values() {
            let is_gone = match incident.subject {
                Subject::Node(node) => scene.roster.node(node).is_none(),
                Subject::Probe(probe) => scene.roster.probe(probe).is_none_or(|probe| !probe.active),
            };
            if is_gone {
                transitions.push(ended::by_hand(incident, Ending::Removed, scene.now));
            }
        }
    }
}

impl Standing {
    fn of(state: State, witnesses: &[Witness<'_>]) -> Self {
        let mut vantages: BTreeMap<ProbeId, (Option<u32>, bool)> = BTreeMap::new();
        for witness in witnesses {
            let entry = vantages
                .entry(witness.probe.id)
                .or_insert((witness.probe.network, true));
            entry.1 &= witness.word == Seen::Good;
        }
        Self {
            state,
            since: None,
            vantages_ok: vantages.values().filter(|(_, is_ok)| *is_ok).count() as u32,
            vantages_total: vantages.len() as u32,
            networks: isochrone_base::roster::count_networks(vantages.values().map(|(network, _)| *network))
                as u32,
        }
    }

    fn word(witnesses: &[Witness<'_>], is_down: bool, is_failing: bool) -> State {
        if witnesses.is_empty() {
            State::NoData
        } else if is_down {
            State::Down
        } else if is_failing {
            State::Partial
        } else if witnesses.iter().any(|witness| witness.word != Seen::Good) {
            State::Degraded
        } else {
            State::Up
        }
    }
}

#[cfg(test)]
mod tests;
