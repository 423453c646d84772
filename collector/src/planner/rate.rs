//! The fleet's rates (invariant 4): no host and no network prefix is asked more often than these, however
//! many probes there are. Loopback is exempt.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isochrone_proto::limits::INTERVAL_MAX_MS;

use super::{World, checks_of};
use crate::targets::Node;

/// Most requests a second that the whole fleet sends to one host.
pub(super) const HOST_RATE_MAX: f64 = 10.0;
/// Most requests a second that the whole fleet sends into one prefix (/24 of IPv4, /48 of IPv6).
pub(super) const PREFIX_RATE_MAX: f64 = 30.0;

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

/// A node whose checks are slowed down.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// The node.
    pub node: String,
    /// Its intervals are multiplied by this; above 1.
    pub factor: f64,
    /// Requests a second that were asked for, from the whole fleet to the host or prefix.
    pub asked: f64,
    /// What is allowed.
    pub allowed: f64,
}

/// What has to be slowed down in `world`.
pub(super) fn stretches(world: &World) -> Vec<Stretch> {
    let probes = world.probes.len() as f64;
    let live = || world.nodes.iter().filter(|node| !node.paused);
    let rate_of = |node: &Node| {
        let checks = checks_of(node, &world.pace);
        let per_family: f64 = checks
            .iter()
            .map(|(_, interval_ms, _)| 1_000.0 / f64::from(*interval_ms))
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
            let factor = asked / allowed;
            (factor > 1.0).then(|| Stretch {
                node: node.name.clone(),
                factor,
                asked,
                allowed,
            })
        })
        .collect()
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
    match world.prefixes.address(node) {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        None => host_of(node),
    }
}
