//! Who is down: the one engine, for live rows and for the past alike. Pure: no I/O, no clock; time is an argument.
//!
//! It is fed with runs in about the order in which they ended, and with facts (who is who, which sessions stand),
//! and asked to [`Engine::advance`] about once a second. What it decides comes out as [`Output`]s: incidents to
//! keep, and messages to tell. The rule stands in design.md, "Knowing who is down"; each sentence of it is a test
//! in `tests`.
//!
//! - `observation`: what a run says. `cell`: one vantage's runs of one check. `line`: what proves that a
//!   failure is not the vantage's own. `plan`: who is asked.
//! - `sight`: who may judge a node now. `tally`: how each vantage fares elsewhere. `quorum`: whether they are
//!   enough. `grid`: its services, over all vantages. `outage`, `flapping`: what begins and ends. `tell`, `fleet`, `group`, `gather`: what of it is said, and when.
//! - `collector_line`, `silence`: when nobody may judge, and when nobody speaks. `moved`: the collector's clock was
//!   set. [`availability`]: what people are paid by.
//!
//! Nothing here grows with history: a run costs the same whether it is the first or the millionth.

mod anew;
pub mod availability;
mod cell;
mod collector_line;
mod evidence;
mod feed;
mod flapping;
mod fleet;
mod gather;
mod grid;
mod group;
mod line;
mod moved;
mod node;
mod observation;
mod one_place;
mod outage;
mod plan;
mod quorum;
mod reading;
mod revived;
mod services;
mod sight;
mod silence;
mod state;
mod tally;
mod tell;
mod vantage;
mod what;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use isochrone_base::roster::{ProbeEntry, Roster};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use self::cell::{Cell, Colour};
use self::collector_line::CollectorLine;
pub(crate) use self::line::is_near;
use self::node::Node;
pub use self::observation::{Cadence, Observation, Word};
pub use self::one_place::ONE_PLACE;
use self::outage::by_hand;
pub(crate) use self::reading::same_way;
use self::sight::{Matter, Sight};
use self::silence::Silences;
pub(crate) use self::silence::{FORBIDDEN, OWN_NETWORK};
pub use self::state::{NodeStanding, Said, Standing, State, Verdict};
use self::tally::Tally;
pub use self::tell::Telling;
pub(crate) use self::vantage::FAMILIES;
use self::vantage::{Vantage, of};
pub use self::what::What;
use crate::incident::{Ending, Incident, IncidentCheck, Subject};

/// A step of the clock between two calls that is longer than this counts as a restart, and so does one back.
const GAP_MS: u64 = 5_000;
/// A node that stands well is looked at again after this long, whatever comes.
const CALM_MS: u64 = 5_000;

/// How long silence is borne: `[health]` of collector.toml. What makes an outage is no setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// A probe is silent after so long without a word. Default 3 min.
    #[serde(with = "humantime_serde")]
    pub(crate) silent_after: Duration,
    /// A node of which nothing is known for so long is an incident of its own. Default 3 min.
    #[serde(with = "humantime_serde")]
    pub(crate) no_data_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silent_after: Duration::from_secs(180),
            no_data_after: Duration::from_secs(180),
        }
    }
}

/// What the engine decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An incident as it is now: to be kept before anything is told of it.
    Kept(Incident),
    /// One message.
    Told(Telling),
    /// In this time no quorum was possible for a node.
    Unknown {
        /// The node.
        target: TargetId,
        /// Since when.
        from: UnixMillis,
        /// Until when.
        until: UnixMillis,
    },
}

/// Handle of one (vantage, target, check, family): see [`Engine::cell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId(usize);

/// Handle of one vantage: see [`Engine::vantage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VantageId(usize);

/// The rule's memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine {
    #[serde(skip)]
    patience: Patience,
    started: UnixMillis,
    now: UnixMillis,
    vantages: Vec<Vantage>,
    #[serde(skip)]
    by_probe: HashMap<ProbeId, usize>,
    nodes: Vec<Node>,
    #[serde(skip)]
    by_target: HashMap<TargetId, usize>,
    cells: Vec<Cell>,
    #[serde(skip)]
    by_key: HashMap<(usize, usize, Kind), usize>,
    workers: HashMap<String, usize>,
    /// All addresses known stand on one machine or in one prefix, as in the demo: nearness then means nothing.
    is_one_place: bool,
    first_addresses: [Option<IpAddr>; 2],
    collector_line: CollectorLine,
    /// The collector stores nothing now: what it does not get says nothing about anybody.
    is_store_full: bool,
    silences: Silences,
    groups: Vec<group::Group>,
    gathered: gather::Gathered,
    #[serde(skip)]
    output: Vec<Output>,
    #[serde(skip)]
    scratch: [Sight; 2],
    /// How each vantage fares on all nodes, worked out once a step, if it is asked for.
    #[serde(skip)]
    tallies: Option<Vec<[Tally; 2]>>,
}

impl Engine {
    /// Knows nobody yet. `started`: no silence is older.
    #[must_use]
    pub fn new(patience: Patience, started: UnixMillis) -> Self {
        Self {
            patience,
            started,
            now: started,
            vantages: Vec::new(),
            by_probe: HashMap::new(),
            nodes: Vec::new(),
            by_target: HashMap::new(),
            cells: Vec::new(),
            by_key: HashMap::new(),
            workers: HashMap::new(),
            is_one_place: true,
            first_addresses: [None; 2],
            collector_line: CollectorLine::default(),
            is_store_full: false,
            silences: Silences::default(),
            groups: Vec::new(),
            gathered: gather::Gathered::default(),
            output: Vec::new(),
            scratch: [Sight::default(), Sight::default()],
            tallies: None,
        }
    }

    /// Takes up an incident that was kept: an open one goes on as if nothing had happened.
    pub(crate) fn resume(&mut self, incident: Incident) {
        if !incident.check.is_outage() {
            self.resume_gathered(&incident);
        }
        match incident.subject {
            Subject::Node(target) => {
                let place = self.node_place(target);
                let is_data = incident.check == IncidentCheck::Data;
                self.resume_group(place, &incident);
                let node = &mut self.nodes[place];
                match incident.end {
                    None if is_data => node.blindness = Some(incident),
                    None => {
                        let changed = incident.changed();
                        node.memory.changed = changed;
                        node.memory.quiet_since = (!incident.is_failing()).then_some(changed);
                        node.outage = Some(incident);
                    }
                    Some(end) if !is_data => node.memory.went_down(incident.last_fall(), end),
                    Some(_) => {}
                }
            }
            Subject::Probe(_) => self.silences.resume(incident),
        }
    }

    /// Takes up an outage that the past shows and that goes on: live rows cannot find it where all that proves them is
    /// from before. It is told like any that began. False where the node has one, or nobody watches it.
    pub(crate) fn take_up(&mut self, incident: &Incident) -> bool {
        let Subject::Node(target) = incident.subject else {
            return false;
        };
        let place = self.node_place(target);
        let node = &self.nodes[place];
        if node.outage.is_some() || !node.is_watched(self.now) {
            return false;
        }
        self.resume(incident.clone());
        let node = &mut self.nodes[place];
        (node.is_dirty, node.memory.is_taken_up) = (true, true);
        true
    }

    /// Takes over what late rows showed of an outage under way.
    pub(crate) fn amend(&mut self, incident: &Incident) {
        let Subject::Node(target) = incident.subject else {
            return;
        };
        let place = self.node_place(target);
        let node = &mut self.nodes[place];
        if let Some(outage) = node.outage.as_mut().filter(|outage| outage.id == incident.id) {
            outage.clone_from(incident);
        }
    }

    /// Who is who from now on.
    pub fn set_roster(&mut self, roster: &Roster) {
        let were_active: Vec<bool> = self.vantages.iter().map(Vantage::is_active).collect();
        for vantage in &mut self.vantages {
            vantage.entry = None;
        }
        for entry in roster.probes() {
            let worker = self.worker(&entry.worker);
            let place = self.vantage_place(entry.id);
            let vantage = &mut self.vantages[place];
            let joined = entry.joined.min(self.now); // later only by a clock that was wrong
            let entry = ProbeEntry {
                joined,
                ..entry.clone()
            };
            (vantage.entry, vantage.worker) = (Some(entry), Some(worker));
        }
        for (place, _) in were_active
            .into_iter()
            .enumerate()
            .filter(|(_, was_active)| *was_active)
        {
            if !self.vantages[place].is_active() {
                let grids = self.nodes.iter_mut().flat_map(|node| &mut node.grids);
                grids.for_each(|grid| grid.forget(place)); // it judges nobody any more
            }
        }
        for node in &mut self.nodes {
            (node.entry, node.is_dirty) = (None, true);
        }
        for entry in roster.nodes().filter(|node| !node.removed) {
            let worker = entry.worker.as_deref().map(|worker| self.worker(worker));
            let place = self.node_place(entry.id);
            let node = &mut self.nodes[place];
            (node.entry, node.worker) = (Some(entry.clone()), worker);
        }
    }

    /// The windows in which a node is worked on, those of the past that may still matter included.
    pub fn set_maintenance(&mut self, target: TargetId, windows: Vec<(UnixMillis, UnixMillis)>) {
        let place = self.node_place(target);
        self.nodes[place].maintenance = windows;
        self.nodes[place].is_dirty = true;
    }

    /// Judges everything at `now`, a second or so after the last call. A longer step is a gap in the collector's
    /// own ticks, or its clock that jumped: a restart in all but name. A shorter one back is waited for.
    pub fn advance(&mut self, now: UnixMillis) -> Vec<Output> {
        if now.0 + GAP_MS < self.now.0 {
            self.clock_stepped(-(self.now.since(now).as_millis() as i64));
        }
        let now = now.max(self.now);
        if now.0 - self.now.0 > GAP_MS {
            self.started = now;
            self.collector_line.restart(now);
        }
        self.now = now;
        self.tallies = None;
        self.judge_collector_line();
        self.judge_silence();
        for node in 0..self.nodes.len() {
            let of = &self.nodes[node];
            if of.is_dirty || now >= of.wake {
                self.judge_node(node);
            }
        }
        self.tell();
        std::mem::take(&mut self.output)
    }

    /// How a node stood when last judged, with what each vantage says of it now; `None` for one that the roster
    /// does not know.
    #[must_use]
    pub fn standing(&self, target: TargetId) -> Option<NodeStanding> {
        let place = *self.by_target.get(&target)?;
        let node = &self.nodes[place];
        node.entry.as_ref()?;
        let mut standing = node.standing();
        let ways = node.ways.iter().flatten().map(|&cell| &self.cells[cell]);
        standing.vantages.extend(ways.map(|cell| {
            Said {
                probe: self.vantages[cell.vantage].probe,
                family: cell.kind.family,
                verdict: self.verdict(place, cell, Matter::Way),
                gets_through: cell
                    .fresh(&cell.way, self.now)
                    .map(|colour| colour == Colour::Green),
            }
        }));
        Some(standing)
    }

    /// Every node of the roster as it stood when last judged.
    pub(crate) fn standings(&self) -> impl Iterator<Item = NodeStanding> {
        let known = self.nodes.iter().filter(|node| node.entry.is_some());
        known.map(Node::standing)
    }

    /// Incidents under way, probes' included.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        let nodes = self.nodes.iter();
        nodes
            .flat_map(|node| node.outage.iter().chain(&node.blindness))
            .chain(self.silences.open())
    }

    /// Whether a probe's silence is an incident.
    #[must_use]
    pub fn is_silent(&self, probe: ProbeId) -> bool {
        self.silence_of(probe).is_some()
    }

    /// The incident that a probe's silence is, while it lasts.
    #[must_use]
    pub fn silence_of(&self, probe: ProbeId) -> Option<&Incident> {
        self.silences.open_of(probe)
    }

    /// Nodes that some judges fail to reach for five minutes and more, and since when: advice, never a page.
    pub fn partial(&self) -> impl Iterator<Item = (TargetId, UnixMillis)> {
        let partial = self.nodes.iter().filter(|node| node.memory.is_partial(self.now));
        partial.filter_map(|node| Some((node.id, node.memory.partial_since?)))
    }

    /// No quorum is possible for a node since then.
    #[must_use]
    pub(crate) fn unknown_since(&self, target: TargetId) -> Option<UnixMillis> {
        let place = *self.by_target.get(&target)?;
        self.nodes[place].memory.unknown_since
    }

    /// The collector's own line is the suspect since then: it judges nobody.
    #[must_use]
    pub fn own_line_suspect_since(&self) -> Option<UnixMillis> {
        self.collector_line.suspect_since()
    }

    fn judge_node(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].is_dirty = false;
        if self.nodes[node].is_paused() {
            self.set_aside(node);
            return;
        }
        let mut sights = std::mem::take(&mut self.scratch);
        for family in FAMILIES {
            self.look(node, family, Matter::Way, &mut sights[of(family)]);
        }
        self.judge_way(node, &sights);
        self.judge_name(node);
        self.judge_services(node);
        self.settle(node, &sights);
        self.judge_blindness(node, &sights);
        let is_calm = self.stand(node, &sights);
        self.scratch = sights;
        self.nodes[node].wake = now.plus(Duration::from_millis(if is_calm { CALM_MS } else { 0 }));
    }

    /// A node that is paused, or that left the roster: what was under way ends.
    fn set_aside(&mut self, place: usize) {
        let now = self.now;
        let node = &mut self.nodes[place];
        let ending = if node.entry.is_some() {
            Ending::Paused
        } else {
            Ending::Removed
        };
        for incident in [node.outage.take(), node.blindness.take()].into_iter().flatten() {
            let ended = by_hand(incident, ending, now);
            self.gathered.forget(&ended.id);
            self.output.push(Output::Kept(ended));
        }
        node.memory = node::Memory {
            last: node.memory.last,
            ..node::Memory::default()
        };
        let paused = Standing::of(State::Paused);
        node.connect = paused.after(Some(&node.connect), now);
        node.services = node
            .services
            .map(|before| before.map(|before| paused.after(Some(&before), now)));
        node.wake = UnixMillis(u64::MAX);
    }

    fn worker(&mut self, name: &str) -> usize {
        let next = self.workers.len();
        *self.workers.entry(name.to_lowercase()).or_insert(next)
    }

    fn vantage_place(&mut self, probe: ProbeId) -> usize {
        let vantages = &mut self.vantages;
        *self.by_probe.entry(probe).or_insert_with(|| {
            vantages.push(Vantage::new(probe));
            vantages.len() - 1
        })
    }

    fn node_place(&mut self, target: TargetId) -> usize {
        let nodes = &mut self.nodes;
        *self.by_target.entry(target).or_insert_with(|| {
            nodes.push(Node::new(target));
            nodes.len() - 1
        })
    }
}

#[cfg(test)]
mod tests;
