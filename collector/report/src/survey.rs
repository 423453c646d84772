//! What places are judged by: the shortest raw times between probes, and from probes to nodes, from the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use isochrone_base::kinds::{CountsFor, Ended, EndpointRun, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_base::servers::Servers;
use isochrone_base::words::timestamp;
use isochrone_coverage::geo::Position;
use isochrone_coverage::locate::{Site, SiteKind, Survey};
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::{Eye, Network, Node, Source, Statistic, Window as Span};
use isochrone_coverage::predict::{Measured, Place};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome};
use isochrone_store::{Period, Rollup, Scan, Store, StoreError, Stored, Timing};
use isochrone_watch::addresses::Addresses;
use isochrone_watch::clocks::Clocks;

use crate::days::{self, DaysRead};
use crate::elsewhere::Elsewhere;
use crate::eyes::eyes;
use crate::kept::Within;
use crate::log::{Window, dated};
use crate::tiers::Fill;
use crate::vantages::Witnesses;

/// Claimed places and the times between them, and the addresses that sites were seen under.
#[derive(Clone, Debug)]
pub struct FromStore {
    /// What was measured.
    pub survey: Survey,
    /// By site: its addresses, as probes dialled them in runs that were read by themselves, or came from them.
    pub addresses: Vec<BTreeSet<IpAddr>>,
    /// Borrowed eyes that measured a node: they are no sites, and say nothing of any. Their times are of [`Self::eyed`].
    pub eyes: Vec<Eye>,
    /// The nodes of the survey, in its order.
    pub eyed: Vec<Node>,
}

/// Reads the log. Between probes the raw round-trip time of echoes counts, with nothing subtracted that the other
/// side claims; to a node that of the TCP handshake. Both at their shortest. A worker's probes say nothing of the
/// worker's other sites.
///
/// # Errors
/// When the store failed.
pub fn from_store(
    store: &Store,
    roster: &Roster,
    window: impl Into<Within>,
    source: Source,
    progress: &mut dyn FnMut(u64),
) -> Result<FromStore, StoreError> {
    let addresses = Addresses::read(store)?;
    let read = days::read(store, window, begun(roster, &addresses), progress)?;
    finished(read, (store, roster), source)
}

/// The same of measurements that lie elsewhere.
///
/// # Errors
/// When these, or the store, cannot be read.
pub fn from_elsewhere<S: Scan>(
    elsewhere: Elsewhere<'_, S>,
    roster: &Roster,
    within: Within,
    source: Source,
) -> Result<FromStore, S::Error> {
    let addresses = Addresses::read(elsewhere.store)?;
    let store = elsewhere.store;
    let read = days::read_elsewhere(elsewhere, within, begun(roster, &addresses))?;
    Ok(finished(read, (store, roster), source)?)
}

/// With what the collector knows beside measurements.
fn begun<'a>(
    roster: &'a Roster,
    addresses: &Addresses,
) -> impl FnOnce(Window, &Clocks, &Witnesses) -> SurveyBuilder<'a> {
    move |window, clocks, witnesses| {
        let builder = SurveyBuilder::new(roster, window);
        let mut builder = builder.with(clocks.clone(), witnesses.clone());
        for (probe, address) in addresses.all() {
            builder.seen(Key::Probe(probe), address);
        }
        builder
    }
}

fn finished(
    read: DaysRead<SurveyBuilder<'_>>,
    (store, roster): (&Store, &Roster),
    source: Source,
) -> Result<FromStore, StoreError> {
    let mut found = read.filled.finish(source);
    found.survey.notes.extend(read.notes);
    let nodes = found
        .survey
        .sites
        .iter()
        .filter(|site| site.kind == SiteKind::Node);
    found.eyed = nodes.map(node_of).collect();
    found.eyes = eyes(store, (roster, &found.eyed), read.window.until)?.eyes;
    Ok(found)
}

/// A node as eyes measure it.
fn node_of(site: &Site) -> Node {
    Node {
        name: site.name.clone(),
        site: site.site.clone(),
        position: Some(site.place.position),
        country: None,
        worker: None,
    }
}

/// A site, before it has its place in the survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Probe(ProbeId),
    Node(TargetId),
}

/// What the log holds so far.
#[derive(Debug)]
pub(crate) struct SurveyBuilder<'a> {
    roster: &'a Roster,
    window: Window,
    /// By who measured and what: the shortest time in microseconds.
    shortest: HashMap<(ProbeId, Key), u32>,
    addresses: BTreeMap<Key, BTreeSet<IpAddr>>,
    witnesses: Witnesses,
    clocks: Clocks,
}

impl Fill for SurveyBuilder<'_> {
    const TIMINGS: &'static [Timing] = &[Timing::Rtt, Timing::Connect];

    fn wants(_: Check) -> bool {
        true
    }

    fn add(&mut self, stored: &Stored, slots: Window) {
        for row in stored.batch.echoes().filter(|row| slots.holds(row.slot)) {
            let slot = dated(&self.clocks, stored, row.slot);
            let target = stored.plan.target_of(row.check).map(|(_, target)| target.id);
            if let (EchoOutcome::Replied { rtt, .. }, Some(target), true) =
                (row.outcome, target, self.window.holds(slot))
                && let Some(peer) = self.roster.peer(target)
            {
                self.witnesses.measured(stored.probe, slot);
                self.took(stored.probe, Key::Probe(peer.id), rtt.get());
            }
        }
        for row in stored.batch.endpoints().filter(|row| slots.holds(row.slot)) {
            self.add_endpoint(stored, &row);
        }
    }

    fn add_sums(&mut self, rollup: &Rollup, _: Period) {
        let (timing, target) = match rollup.kind.check {
            Check::Echo => {
                let peer = self.roster.peer(rollup.target);
                (Timing::Rtt, peer.map(|peer| Key::Probe(peer.id)))
            }
            check => {
                let is_node = counts_for(check) != CountsFor::Nothing;
                let node = self.roster.node(rollup.target).filter(|_| is_node);
                (Timing::Connect, node.map(|node| Key::Node(node.id)))
            }
        };
        if let (Some(us), Some(target)) = (rollup.sums.times(timing).min_us(), target) {
            self.witnesses.measured(rollup.probe, rollup.start);
            self.took(rollup.probe, target, us.round() as u32);
        }
    }
}

impl<'a> SurveyBuilder<'a> {
    pub(crate) fn new(roster: &'a Roster, window: Window) -> Self {
        Self {
            roster,
            window,
            shortest: HashMap::new(),
            addresses: BTreeMap::new(),
            witnesses: Witnesses::default(),
            clocks: Clocks::default(),
        }
    }

    /// How far the probes' clocks were off, and whence they came.
    pub(crate) fn with(self, clocks: Clocks, witnesses: Witnesses) -> Self {
        Self {
            clocks,
            witnesses,
            ..self
        }
    }

    fn add_endpoint(&mut self, stored: &Stored, row: &Measurement) {
        let Some((check, target)) = stored.plan.target_of(row.check) else {
            return;
        };
        let slot = dated(&self.clocks, stored, row.slot);
        if counts_for(check.kind.check) == CountsFor::Nothing
            || !self.window.holds(slot)
            || self.roster.node(target.id).is_none()
        {
            return;
        }
        let run = EndpointRun::of(check.kind.check, &row.outcome);
        let Some(Ended::Ok { connect, .. }) = run.map(|run| run.ended) else {
            return;
        };
        self.witnesses.measured(stored.probe, slot);
        self.took(stored.probe, Key::Node(target.id), connect.get());
        if let Some(address) = address(&row.outcome) {
            self.seen(Key::Node(target.id), address);
        }
    }

    fn took(&mut self, probe: ProbeId, what: Key, us: u32) {
        let known = self.shortest.entry((probe, what)).or_insert(us);
        *known = us.min(*known);
    }

    fn seen(&mut self, site: Key, address: IpAddr) {
        self.addresses.entry(site).or_default().insert(address);
    }

    pub(crate) fn finish(self, source: Source) -> FromStore {
        let servers = self.witnesses.servers(self.roster, self.window.until);
        let (sites, notes) = self.sites(&servers);
        let index: BTreeMap<Key, usize> = sites
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (*key, at))
            .collect();
        let mut shortest: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (&(probe, what), &us) in &self.shortest {
            let ends = (
                index.get(&Key::Probe(servers.of(probe))),
                index.get(&self.server(what, &servers)),
            );
            let (Some(&a), Some(&b)) = ends else { continue };
            if a == b || self.one_worker(probe, what) {
                continue;
            }
            let known = shortest.entry((a.min(b), a.max(b))).or_insert(us);
            *known = us.min(*known);
        }
        let pairs = shortest.into_iter().map(|((a, b), us)| Measured {
            a,
            b,
            rtt_ms: f64::from(us) / 1_000.0,
        });
        let mut addresses = vec![BTreeSet::new(); sites.len()];
        for (key, seen) in &self.addresses {
            if let Some(&at) = index.get(&self.server(*key, &servers)) {
                addresses[at].extend(seen.iter().copied());
            }
        }
        let survey = Survey {
            source,
            window: Some(Span {
                from: timestamp(self.window.from),
                to: timestamp(self.window.until),
            }),
            statistic: Statistic::Min,
            pairs: pairs.collect(),
            sites: sites.into_iter().map(|(_, site)| site).collect(),
            notes,
        };
        FromStore {
            survey,
            addresses,
            eyes: Vec::new(),
            eyed: Vec::new(),
        }
    }

    /// A probe under the one that stands for its server.
    fn server(&self, key: Key, servers: &Servers) -> Key {
        match key {
            Key::Probe(probe) => Key::Probe(servers.of(probe)),
            Key::Node(_) => key,
        }
    }

    /// Nobody is a witness of their own sites.
    fn one_worker(&self, probe: ProbeId, what: Key) -> bool {
        let Some(probe) = self.roster.probe(probe) else {
            return false;
        };
        match what {
            Key::Probe(other) => self
                .roster
                .probe(other)
                .is_some_and(|other| other.worker == probe.worker),
            Key::Node(node) => self.roster.node(node).is_some_and(|node| node.is_own(probe)),
        }
    }

    /// The probes and nodes that were measured, or are there to be measured; and a note on each without coordinates.
    fn sites(&self, servers: &Servers) -> (Vec<(Key, Site)>, Vec<Note>) {
        let measured: BTreeSet<Key> = self
            .shortest
            .keys()
            .flat_map(|&(probe, what)| [Key::Probe(probe), what])
            .collect();
        let (mut sites, mut notes) = (Vec::new(), Vec::new());
        for probe in self.roster.probes() {
            let is_there = probe.active && probe.joined < self.window.until;
            if servers.of(probe.id) != probe.id || !is_there && !measured.contains(&Key::Probe(probe.id)) {
                continue;
            }
            match of_probe(probe) {
                Some(site) => sites.push((Key::Probe(probe.id), site)),
                None => notes.push(Note::ProbeUnplaced {
                    probe: probe.name.clone(),
                }),
            }
        }
        for node in self.roster.nodes() {
            let is_there = !node.paused && !node.removed;
            if !is_there && !measured.contains(&Key::Node(node.id)) {
                continue;
            }
            match of_node(node) {
                Some(site) => sites.push((Key::Node(node.id), site)),
                None => notes.push(Note::NodeUnplaced {
                    node: node.name.clone(),
                }),
            }
        }
        sites.sort_by(|(_, a), (_, b)| a.kind.cmp(&b.kind).then_with(|| a.name.cmp(&b.name)));
        (sites, notes)
    }
}

fn of_probe(probe: &ProbeEntry) -> Option<Site> {
    let position = Position::new(probe.latitude?, probe.longitude?)?;
    let network = probe.network.map(Network);
    Some(Site {
        name: probe.name.clone(),
        kind: SiteKind::Probe,
        site: probe.site.clone(),
        place: Place { position, network },
    })
}

fn of_node(node: &NodeEntry) -> Option<Site> {
    let position = Position::new(node.latitude?, node.longitude?)?;
    let network = node.network.map(Network);
    Some(Site {
        name: node.name.clone(),
        kind: SiteKind::Node,
        site: node.place.clone(),
        place: Place { position, network },
    })
}

fn address(outcome: &Outcome) -> Option<IpAddr> {
    match outcome {
        Outcome::Endpoint(outcome) => outcome.address,
        Outcome::Connect(outcome) => outcome.address,
        Outcome::Echo(_) => None,
    }
}
