//! The fleet's rates (invariant 4): no host, no peer and no network prefix is asked more often than these, however
//! many probes there are. Loopback is exempt.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isochrone_proto::limits::INTERVAL_MAX_MS;

use super::{Participant, World, checks_of, millis};
use crate::targets::Node;

/// Most requests a second that the whole fleet sends to one host.
pub(super) const HOST_RATE_MAX: f64 = 10.0;
/// Most requests a second that the whole fleet sends into one prefix (/24 of IPv4, /48 of IPv6).
pub(super) const PREFIX_RATE_MAX: f64 = 30.0;

/// Most echoes a second that the whole fleet sends to one address of a peer: 10 KB/s each way.
pub(super) const PEER_RATE_MAX: f64 = 100.0;
/// Most echoes a second that the whole fleet sends to the peers of one prefix.
pub(super) const PEER_PREFIX_RATE_MAX: f64 = 300.0;

/// Where each host was last seen, for the rate of a prefix. A host that was never resolved counts for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPrefixes(BTreeMap<String, IpAddr>);

impl HostPrefixes {
    /// Notes where `host` is.
    pub fn note(&mut self, host: &str, address: IpAddr) {
        self.0.insert(host.to_owned(), address);
    }

    fn address(&self, node: &Node) -> Option<IpAddr> {
        match node.url.host()? {
            url::Host::Ipv4(address) => Some(address.into()),
            url::Host::Ipv6(address) => Some(address.into()),
            url::Host::Domain(name) => self.0.get(name).copied(),
        }
    }
}

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
    /// What is allowed.
    pub allowed: f64,
}

/// What has to be slowed down in `world`: nodes, then peers.
pub(super) fn stretches(world: &World) -> Vec<Stretch> {
    let mut stretches = of_nodes(world);
    stretches.extend(of_peers(world));
    stretches
}

fn of_nodes(world: &World) -> Vec<Stretch> {
    let probes = world.probes.len() as f64;
    let live = || world.nodes.iter().filter(|node| !node.paused);
    let rate_of = |node: &Node| {
        let checks = checks_of(node, &world.pace);
        let per_family: f64 = checks
            .iter()
            .map(|(_, interval_ms)| 1_000.0 / f64::from(*interval_ms))
            .sum();
        probes * per_family * node.families.len() as f64
    };
    let (mut hosts, mut prefixes) = (BTreeMap::<String, f64>::new(), BTreeMap::<String, f64>::new());
    for node in live() {
        *hosts.entry(host_of(node)).or_default() += rate_of(node);
        *prefixes.entry(prefix_of(world, node)).or_default() += rate_of(node);
    }
    live()
        .filter(|node| {
            !world
                .prefixes
                .address(node)
                .is_some_and(|address| address.is_loopback())
        })
        .filter_map(|node| {
            let host = hosts[&host_of(node)];
            let prefix = prefixes[&prefix_of(world, node)];
            let (asked, allowed) = if host / HOST_RATE_MAX >= prefix / PREFIX_RATE_MAX {
                (host, HOST_RATE_MAX)
            } else {
                (prefix, PREFIX_RATE_MAX)
            };
            stretch(&node.name, false, asked, allowed)
        })
        .collect()
}

/// Each address of a peer is asked by everyone who measures it over that family.
fn of_peers(world: &World) -> Vec<Stretch> {
    let interval = millis(world.pace.echo_interval);
    let rates: Vec<[Option<(IpAddr, f64)>; 2]> = world
        .probes
        .iter()
        .map(|peer| {
            let rate = |has: fn(&Participant) -> Option<IpAddr>| {
                let address = has(peer).filter(|address| !address.is_loopback())?;
                let probers = world.probers_of(peer);
                let asking = world.probes.iter().filter(|probe| has(probe).is_some());
                let asking = asking
                    .filter(|probe| probers.binary_search(&probe.id).is_ok())
                    .count();
                Some((address, asking as f64 * 1_000.0 / f64::from(interval)))
            };
            [rate(address4), rate(address6)]
        })
        .collect();
    let mut prefixes = BTreeMap::<String, f64>::new();
    for (address, rate) in rates.iter().flatten().flatten() {
        *prefixes.entry(prefix(*address)).or_default() += rate;
    }
    let of_address = |(address, rate): &(IpAddr, f64)| {
        let in_prefix = prefixes[&prefix(*address)];
        [(*rate, PEER_RATE_MAX), (in_prefix, PEER_PREFIX_RATE_MAX)]
    };
    let peers = world.probes.iter().zip(&rates);
    peers
        .filter_map(|(peer, rates)| {
            let bounds = rates.iter().flatten().flat_map(of_address);
            let (asked, allowed) = bounds.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))?;
            stretch(&peer.name, true, asked, allowed)
        })
        .collect()
}

fn address4(probe: &Participant) -> Option<IpAddr> {
    probe.v4.map(|address| (*address.ip()).into())
}

fn address6(probe: &Participant) -> Option<IpAddr> {
    probe.v6.map(|address| (*address.ip()).into())
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

/// `interval_ms` under a stretch, rounded up.
pub(super) fn stretched(interval_ms: u32, factor: f64) -> u32 {
    let stretched = (f64::from(interval_ms) * factor).ceil();
    (stretched as u32).clamp(interval_ms, INTERVAL_MAX_MS) // `as` saturates
}

fn host_of(node: &Node) -> String {
    node.url.host_str().unwrap_or_default().to_owned()
}

fn prefix_of(world: &World, node: &Node) -> String {
    world.prefixes.address(node).map_or_else(|| host_of(node), prefix)
}

fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}
