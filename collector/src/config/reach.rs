//! Where the collector can be reached: from other machines, and from this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Config;

impl Config {
    /// What invitations carry: `public_addresses`; without any, the addresses of `listen` that other machines may
    /// know; without any of those, this machine's own.
    #[must_use]
    pub fn invited_addresses(&self) -> Vec<String> {
        if !self.public_addresses.is_empty() {
            return self.public_addresses.clone();
        }
        let is_known = |address: &&SocketAddr| !address.ip().is_unspecified() && !address.ip().is_loopback();
        let known: Vec<String> = self
            .listen
            .iter()
            .filter(is_known)
            .map(ToString::to_string)
            .collect();
        if known.is_empty() {
            self.local_addresses()
        } else {
            known
        }
    }

    /// Where a process on this machine finds the collector, in the order of `listen`.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<String> {
        let local = |address: &SocketAddr| match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let addresses = self.listen.iter();
        addresses
            .map(|address| SocketAddr::new(local(address), address.port()).to_string())
            .collect()
    }

    /// Why no other machine can use an invitation, and what to do; `None` if one may.
    #[must_use]
    pub fn invitation_warning(&self) -> Option<String> {
        let addresses = self.invited_addresses();
        let example = self.listen.first().map_or(super::QUIC_PORT, SocketAddr::port);
        addresses.iter().all(|address| is_loopback(address)).then(|| {
            format!(
                "this invitation leads to {}, which is this machine only. For a probe elsewhere, set public_addresses = [\"HOST:{example}\"] in collector.toml to the name or address by which others reach this machine, restart the collector, and invite again",
                addresses.join(" and ")
            )
        })
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    ip.map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("collector.toml")).unwrap()
    }

    #[test]
    fn default_configuration_warns_that_an_invitation_leads_nowhere_else() {
        let config = config("");
        assert_eq!(config.invited_addresses(), ["127.0.0.1:7470", "[::1]:7470"]);
        let warning = config.invitation_warning().unwrap();
        assert!(
            warning.contains("127.0.0.1:7470") && warning.contains("public_addresses"),
            "{warning}"
        );
        assert!(
            self::config("public_addresses = [\"localhost:7470\"]")
                .invitation_warning()
                .is_some()
        );
    }

    #[test]
    fn public_addresses_go_into_invitations_without_a_warning() {
        let config = config("public_addresses = [\"lead.example.org:7470\"]");
        assert_eq!(config.invited_addresses(), ["lead.example.org:7470"]);
        assert_eq!(config.invitation_warning(), None);
        assert_eq!(config.local_addresses(), ["127.0.0.1:7470", "[::1]:7470"]);
    }

    #[test]
    fn one_concrete_address_is_the_one_that_is_told() {
        let config = config("listen = [\"127.0.0.1:7470\", \"192.0.2.7:7480\"]");
        assert_eq!(config.invited_addresses(), ["192.0.2.7:7480"]);
        assert_eq!(config.invitation_warning(), None);
    }

    #[test]
    fn collector_on_ipv6_alone_is_found_on_ipv6() {
        let config = config("listen = [\"[::]:7470\"]");
        assert_eq!(config.local_addresses(), ["[::1]:7470"]);
        assert_eq!(config.invited_addresses(), ["[::1]:7470"]);
    }
}
