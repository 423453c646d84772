//! Who measures and what is measured: names, workers, places and networks, as one snapshot.
//!
//! The registry and `targets.toml` fill it; live state, verdicts and reports look names up here, so that
//! none of them needs either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use isochrone_coverage::observations::AccessClass;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;

/// A probe, as a witness.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeEntry {
    /// Derived from its key; a server that joins with a new key has a new one.
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
    /// It was taken out of `targets.toml`: only reports over the past know it.
    pub removed: bool,
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

/// A place that might get a node: no target, and in no verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateEntry {
    /// Unique name, among nodes too.
    pub name: String,
    /// A server there.
    pub url: String,
    /// City, as written; empty if coordinates were given.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code, if known.
    pub country: Option<String>,
}

/// Everyone, at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    probes: BTreeMap<ProbeId, ProbeEntry>,
    nodes: BTreeMap<TargetId, NodeEntry>,
    peers: BTreeMap<TargetId, ProbeId>,
    candidates: Vec<CandidateEntry>,
}

impl Roster {
    /// A snapshot of both. Revoked probes belong in it too: their measurements still have names. A worker has
    /// one spelling in it, that of the nodes if they name that worker: `Ada` and `ada` are one person, here and in
    /// every report made from this.
    #[must_use]
    pub fn new(
        probes: impl IntoIterator<Item = ProbeEntry>,
        nodes: impl IntoIterator<Item = NodeEntry>,
    ) -> Self {
        let mut spellings = Spellings::default();
        let mut nodes: BTreeMap<_, _> = nodes.into_iter().map(|node| (node.id, node)).collect();
        for worker in nodes.values_mut().filter_map(|node| node.worker.as_mut()) {
            spellings.unite(worker);
        }
        let mut probes: BTreeMap<_, _> = probes.into_iter().map(|probe| (probe.id, probe)).collect();
        for probe in probes.values_mut() {
            spellings.unite(&mut probe.worker);
        }
        let peers = probes
            .keys()
            .map(|&probe| (TargetId::of_peer(probe), probe))
            .collect();
        Self {
            probes,
            nodes,
            peers,
            candidates: Vec::new(),
        }
    }

    /// The same with more nodes.
    #[must_use]
    pub fn with_nodes(mut self, nodes: impl IntoIterator<Item = NodeEntry>) -> Self {
        self.nodes.extend(nodes.into_iter().map(|node| (node.id, node)));
        self
    }

    /// The same with places that might get a node.
    #[must_use]
    pub fn with_candidates(mut self, candidates: impl IntoIterator<Item = CandidateEntry>) -> Self {
        self.candidates.extend(candidates);
        self
    }

    /// Places that might get a node, in the order of their file.
    #[must_use]
    pub fn candidates(&self) -> &[CandidateEntry] {
        &self.candidates
    }

    /// A probe, revoked ones included.
    #[must_use]
    pub fn probe(&self, id: ProbeId) -> Option<&ProbeEntry> {
        self.probes.get(&id)
    }

    /// A node, paused ones included; removed ones after [`Roster::with_nodes`].
    #[must_use]
    pub fn node(&self, id: TargetId) -> Option<&NodeEntry> {
        self.nodes.get(&id)
    }

    /// A node by the name that `targets.toml` gives it.
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

/// The first spelling of each worker.
#[derive(Debug, Default)]
struct Spellings(BTreeMap<String, String>);

impl Spellings {
    fn unite(&mut self, worker: &mut String) {
        let known = self.0.entry(worker.to_lowercase());
        known.or_insert_with(|| worker.clone()).clone_into(worker);
    }
}

/// How many networks `members` sit in; unknown ones count as one network together.
pub fn count_networks(members: impl IntoIterator<Item = Option<u32>>) -> usize {
    members.into_iter().collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn worker_written_in_another_case_does_not_judge_his_own_node() {
        let roster = Roster::new(
            [
                fixture::probe("berlin", "ada", Some(1)),
                fixture::probe("paris", "bob", Some(2)),
                fixture::probe("oslo", "BOB", Some(3)),
            ],
            [fixture::node("tokyo", "Ada")],
        );
        let tokyo = roster.node_named("tokyo").unwrap();
        let judges: Vec<_> = roster.judges(tokyo).map(|probe| probe.name.as_str()).collect();
        assert_eq!(judges.len(), 2, "{judges:?}");
        assert!(!judges.contains(&"berlin"));
        let workers: BTreeSet<_> = roster.probes().map(|probe| probe.worker.as_str()).collect();
        assert_eq!(workers.len(), 2, "one spelling each: {workers:?}");
        assert!(workers.contains("Ada"), "as the nodes write it");
    }
}
