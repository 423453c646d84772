//! Whom requests come from, as far as limits tell visitors apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;

/// A visitor: an IPv4 address, or an IPv6 network of 64 bits, of which one machine has all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Visitor(IpAddr);

/// One of whom nothing is known.
impl Default for Visitor {
    fn default() -> Self {
        Self(IpAddr::from([0; 4]))
    }
}

impl Visitor {
    /// Of the other end of a connection.
    pub(crate) fn of(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            v4 => v4,
        })
    }

    /// Whether it is this machine under its usual name, as a proxy on it is.
    pub(crate) fn is_here(self) -> bool {
        self == Self::of(Ipv4Addr::LOCALHOST.into()) || self == Self::of(Ipv6Addr::LOCALHOST.into())
    }

    /// Of a request that came over this visitor's connection: where that is a proxy on this machine, whom the proxy names.
    /// It adds the address that it saw itself at the end of the list; what stands before is the client's own claim.
    pub(crate) fn behind(self, headers: &HeaderMap) -> Self {
        if !self.0.is_loopback() && self != Self::of(Ipv6Addr::LOCALHOST.into()) {
            return self;
        }
        let lines = headers.get_all("x-forwarded-for").iter();
        let last = lines
            .filter_map(|line| line.to_str().ok()?.rsplit(',').next())
            .next_back();
        last.and_then(|address| address.trim().parse().ok())
            .map_or(self, Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str) -> Visitor {
        Visitor::of(peer.parse().unwrap())
    }

    fn named(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", axum::http::HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn machine_with_many_addresses_is_one_visitor() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn only_a_proxy_on_this_machine_may_name_somebody_else() {
        let claims = named(&["198.51.100.9, 192.0.2.1"]);
        assert_eq!(
            of("127.0.0.1").behind(&claims),
            of("192.0.2.1"),
            "the last one, which the proxy saw"
        );
        assert_eq!(
            of("::1").behind(&named(&["198.51.100.9", "192.0.2.1"])),
            of("192.0.2.1")
        );
        assert_eq!(of("203.0.113.5").behind(&claims), of("203.0.113.5"));
        assert_eq!(of("127.0.0.1").behind(&named(&["nonsense"])), of("127.0.0.1"));
        assert_eq!(of("127.0.0.1").behind(&named(&[])), of("127.0.0.1"));
    }
}
