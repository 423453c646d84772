//! The fleet's rates (invariant 4): no host, no peer and no network prefix is asked more often than these, however
//! many probes there are. Loopback is exempt.

use std::collections::HashMap;
use std::net::IpAddr;

use isochrone_proto::kind::Family;
use url::Url;

use super::candidates;
use super::input::PlanInput;
use super::mesh::Mesh;
use super::participant::Participant;
use crate::pace::millis;

/// Most requests a second that the whole fleet sends to one host.
pub(super) const HOST_RATE_MAX: f64 = 10.0;
/// Most requests a second that the whole fleet sends into one prefix (/24 of IPv4, /48 of IPv6).
pub(super) const PREFIX_RATE_MAX: f64 = 30.0;

/// Most echoes a second that the whole fleet sends to one address of a peer: 10 KB/s each way.
pub(super) const PEER_RATE_MAX: f64 = 100.0;
/// Most echoes a second that the whole fleet sends to the peers of one prefix.
pub(super) const PEER_PREFIX_RATE_MAX: f64 = 300.0;

/// A node or peer whose checks are slowed down.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Its name.
    pub target: String,
    /// It is a peer: its checks are echoes.
    pub is_peer: bool,
    /// Its intervals are multiplied by this; above 1.
    pub factor: f64,
    /// Requests a second that were asked for, from the whole fleet to the host or prefix.
    pub asked: f64,
    /// Requests a second that a plan may ask of that host or prefix.
    pub allowed: f64,
}

/// What has to be slowed down in an input: its nodes, its candidates and its peers, by their places.
pub(super) struct Rates {
    pub(super) nodes: Vec<Option<Stretch>>,
    pub(super) candidates: Vec<Option<Stretch>>,
    peers: Vec<Option<Stretch>>,
}

impl Rates {
    pub(super) fn new(input: &PlanInput, mesh: &Mesh) -> Self {
        let (nodes, candidates) = of_endpoints(input);
        Self {
            nodes,
            candidates,
            peers: of_peers(input, mesh),
        }
    }

    /// What the intervals of a peer's echoes are multiplied by.
    pub(super) fn of_peer(&self, place: usize) -> f64 {
        factor_of(self.peers[place].as_ref())
    }

    /// Every stretch: nodes, then candidates, then peers.
    pub(super) fn stretches(self) -> Vec<Stretch> {
        let endpoints = self.nodes.into_iter().chain(self.candidates);
        endpoints.chain(self.peers).flatten().collect()
    }
}

/// What intervals are multiplied by under `stretch`.
pub(super) fn factor_of(stretch: Option<&Stretch>) -> f64 {
    stretch.map_or(1.0, |stretch| stretch.factor)
}

/// The stretch of every node, by its place.
pub(super) fn of_nodes(input: &PlanInput) -> Vec<Option<Stretch>> {
    of_endpoints(input).0
}

/// The stretch of every candidate, by its place.
pub(super) fn of_candidates(input: &PlanInput) -> Vec<Option<Stretch>> {
    of_endpoints(input).1
}

/// The stretches of every node and of every candidate, each by its place: they may share hosts and prefixes.
fn of_endpoints(input: &PlanInput) -> (Vec<Option<Stretch>>, Vec<Option<Stretch>>) {
    let nodes = input.nodes.iter().map(|node| {
        let grid = input.grid(node, 1.0);
        let load = grid.load(input.vantages_of(node, &grid));
        Asked {
            name: &node.name,
            url: &node.url,
            rate: (load.status + load.asset + load.connect) / 60.0 + load.throughput / 86_400.0,
            address: input.prefixes.address(&node.url),
        }
    });
    let of_one = candidates::rate(input.probes.len());
    let candidates = input.candidates.iter().map(|candidate| Asked {
        name: &candidate.name,
        url: &candidate.url,
        rate: of_one,
        address: input.prefixes.address(&candidate.url),
    });
    let asked: Vec<Asked<'_>> = nodes.chain(candidates).collect();
    let (mut hosts, mut prefixes) = (HashMap::<&str, f64>::new(), HashMap::<CountedFor<'_>, f64>::new());
    for endpoint in &asked {
        *hosts.entry(endpoint.host()).or_default() += endpoint.rate;
        *prefixes.entry(endpoint.counted_for()).or_default() += endpoint.rate;
    }
    let stretch_of = |endpoint: &Asked<'_>| {
        if endpoint.rate <= 0.0 || endpoint.address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let host = hosts[endpoint.host()];
        let prefix = prefixes[&endpoint.counted_for()];
        let (asked, allowed) = if host / HOST_RATE_MAX >= prefix / PREFIX_RATE_MAX {
            (host, HOST_RATE_MAX)
        } else {
            (prefix, PREFIX_RATE_MAX)
        };
        stretch(endpoint.name, false, asked, allowed)
    };
    let mut stretches: Vec<_> = asked.iter().map(stretch_of).collect();
    let candidates = stretches.split_off(input.nodes.len());
    (stretches, candidates)
}

/// Somebody's server, and how many requests a second the fleet would send there.
struct Asked<'a> {
    name: &'a str,
    url: &'a Url,
    rate: f64,
    /// Where it was last seen.
    address: Option<IpAddr>,
}

impl Asked<'_> {
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    fn counted_for(&self) -> CountedFor<'_> {
        match self.address {
            Some(address) => CountedFor::Prefix(prefix(address)),
            None => CountedFor::Host(self.host()),
        }
    }
}

/// The stretch of every peer, by its place: each of its addresses is asked by everyone who measures it over that
/// family.
fn of_peers(input: &PlanInput, mesh: &Mesh) -> Vec<Option<Stretch>> {
    let interval_ms = f64::from(millis(input.pace.echo_interval));
    let rate = |place: usize, family: Family| {
        let address = input.probes[place].address(family);
        let address = address.filter(|address| !address.is_loopback())?;
        let probers = mesh.probers(place).iter();
        let asking = probers
            .filter(|prober| input.probes[**prober as usize].address(family).is_some())
            .count();
        Some((address, asking as f64 * 1_000.0 / interval_ms))
    };
    let rates: Vec<[Option<(IpAddr, f64)>; 2]> = (0..input.probes.len())
        .map(|place| [rate(place, Family::V4), rate(place, Family::V6)])
        .collect();
    let mut prefixes = HashMap::<IpAddr, f64>::new();
    for (address, rate) in rates.iter().flatten().flatten() {
        *prefixes.entry(prefix(*address)).or_default() += rate;
    }
    let of_address = |(address, rate): &(IpAddr, f64)| {
        let in_prefix = prefixes[&prefix(*address)];
        [(*rate, PEER_RATE_MAX), (in_prefix, PEER_PREFIX_RATE_MAX)]
    };
    let stretch_of = |(peer, rates): (&Participant, &[Option<(IpAddr, f64)>; 2])| {
        let bounds = rates.iter().flatten().flat_map(of_address);
        let (asked, allowed) = bounds.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))?;
        stretch(&peer.name, true, asked, allowed)
    };
    input.probes.iter().zip(&rates).map(stretch_of).collect()
}

fn stretch(target: &str, is_peer: bool, asked: f64, allowed: f64) -> Option<Stretch> {
    let factor = asked / allowed;
    (factor > 1.0).then(|| Stretch {
        target: target.to_owned(),
        is_peer,
        factor,
        asked,
        allowed,
    })
}

/// What a rate is counted for: a prefix, or a host that was never resolved.
#[derive(PartialEq, Eq, Hash)]
enum CountedFor<'a> {
    Prefix(IpAddr),
    Host(&'a str),
}

/// The first address of its prefix: /24 of IPv4, /48 of IPv6.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            [a, b, c, 0, 0, 0, 0, 0].into()
        }
    }
}
