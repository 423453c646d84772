//! Who measures and what is measured: names, workers, places and networks, as one snapshot.
//!
//! The registry and `targets.toml` fill it; live state, verdicts and reports look names up here, so that
//! none of them needs either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use isochrone_coverage::observations::AccessClass;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;

/// A probe, as a witness.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeEntry {
    /// Its id.
    pub id: ProbeId,
    /// Its name, unique in the mesh.
    pub name: String,
    /// Whose server it runs on.
    pub worker: String,
    /// Its site, such as "Berlin, DE".
    pub site: String,
    /// Degrees north, if known.
    pub latitude: Option<f64>,
    /// Degrees east, if known.
    pub longitude: Option<f64>,
    /// ISO 3166 code of its country, if known.
    pub country: Option<String>,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// How it is connected.
    pub access: AccessClass,
    /// Not revoked.
    pub active: bool,
    /// When it joined.
    pub joined: UnixMillis,
}

/// A node of `targets.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeEntry {
    /// The target that its endpoint is.
    pub id: TargetId,
    /// Its name, unique in `targets.toml`.
    pub name: String,
    /// Its public URL.
    pub url: String,
    /// Whose node it is; `None`: nobody's probe is excluded.
    pub worker: Option<String>,
    /// Its place, such as "Tokyo, JP"; may be empty.
    pub place: String,
    /// Degrees north, if known.
    pub latitude: Option<f64>,
    /// Degrees east, if known.
    pub longitude: Option<f64>,
    /// ISO 3166 code of its country, if known.
    pub country: Option<String>,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// The lead paused it: nothing judges it.
    pub paused: bool,
    /// Between two checks of its status, where its entry asks for one of its own.
    pub interval: Option<Duration>,
}

impl NodeEntry {
    /// Whether `probe` may not judge this node: one worker runs both.
    #[must_use]
    pub fn is_own(&self, probe: &ProbeEntry) -> bool {
        self.worker.as_deref() == Some(probe.worker.as_str())
    }
}

/// Everyone, at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    probes: BTreeMap<ProbeId, ProbeEntry>,
    nodes: BTreeMap<TargetId, NodeEntry>,
    peers: BTreeMap<TargetId, ProbeId>,
}

impl Roster {
    /// A snapshot of both. Revoked probes belong in it too: their measurements still have names.
    #[must_use]
    pub fn new(
        probes: impl IntoIterator<Item = ProbeEntry>,
        nodes: impl IntoIterator<Item = NodeEntry>,
    ) -> Self {
        let probes: BTreeMap<_, _> = probes.into_iter().map(|probe| (probe.id, probe)).collect();
        let peers = probes
            .keys()
            .map(|&probe| (TargetId::of_peer(probe), probe))
            .collect();
        let nodes = nodes.into_iter().map(|node| (node.id, node)).collect();
        Self { probes, nodes, peers }
    }

    /// A probe by id.
    #[must_use]
    pub fn probe(&self, id: ProbeId) -> Option<&ProbeEntry> {
        self.probes.get(&id)
    }

    /// A node by its target.
    #[must_use]
    pub fn node(&self, id: TargetId) -> Option<&NodeEntry> {
        self.nodes.get(&id)
    }

    /// A node by its name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&NodeEntry> {
        self.node(TargetId::of_node(name))
            .filter(|node| node.name == name)
    }

    /// The probe behind a peer's target.
    #[must_use]
    pub fn peer(&self, target: TargetId) -> Option<&ProbeEntry> {
        self.peers.get(&target).and_then(|probe| self.probes.get(probe))
    }

    /// Who runs a target, if known.
    #[must_use]
    pub fn worker_of(&self, target: TargetId) -> Option<&str> {
        match self.node(target) {
            Some(node) => node.worker.as_deref(),
            None => self.peer(target).map(|probe| probe.worker.as_str()),
        }
    }

    /// Every probe, revoked ones included.
    pub fn probes(&self) -> impl Iterator<Item = &ProbeEntry> {
        self.probes.values()
    }

    /// Every node, paused ones included.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeEntry> {
        self.nodes.values()
    }

    /// The probes that may judge `node`: not revoked, not its own worker's.
    pub fn judges<'a>(&'a self, node: &'a NodeEntry) -> impl Iterator<Item = &'a ProbeEntry> {
        self.probes().filter(|probe| probe.active && !node.is_own(probe))
    }
}

/// How many networks `members` sit in; unknown ones count as one network together.
pub fn count_networks(members: impl IntoIterator<Item = Option<u32>>) -> usize {
    members.into_iter().collect::<BTreeSet<_>>().len()
}
