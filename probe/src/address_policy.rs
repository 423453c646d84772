//! Which addresses a probe may measure: public ones, and what its **local** file opens.
//!
//! A plan comes over the network, and a name's addresses are whatever its owner says today. So the address,
//! not the name, is judged, after resolving and again after connecting; and the one judged is the one dialled.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock};

pub use ipnet::IpNet;

/// The rule of one probe. Clones share what is learned later.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allow: Vec<IpNet>,
    own: Vec<IpAddr>,
    learned: Arc<RwLock<Vec<IpAddr>>>,
}

/// Addresses of its own that a probe learns beside its interfaces', however many these are.
const LEARNED_MAX: usize = 64;

/// An address that may not be measured, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {reason}, which only this machine itself can open")]
pub struct ForbiddenAddress {
    /// As it would have been dialled.
    pub address: IpAddr,
    /// Why.
    pub reason: Forbidden,
}

/// Why an address may not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forbidden {
    /// `0.0.0.0/8` or `::`: Linux connects it to this machine. Nothing opens it.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `fc00::/7`, `fec0::/10`.
    Private,
    /// `100.64.0.0/10`, a provider's shared addresses.
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`: clouds keep their credentials there.
    LinkLocal,
    /// Multicast or broadcast. Nothing opens it.
    Multicast,
    /// Addresses for documentation and benchmarks.
    Documentation,
    /// An IPv4 address inside an IPv6 one (`::ffff:0:0/96`, `::/96`).
    Mapped,
    /// NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`): an IPv4 address behind a translator.
    Nat64,
    /// 6to4 or Teredo (`2002::/16`, `192.88.99.0/24`, `2001::/32`): an IPv4 address behind a tunnel.
    Tunnel,
    /// Not assigned to anyone for public use.
    Reserved,
    /// One of this machine's own addresses: a probe does not judge its own server.
    Own,
}

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "the unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "a provider's shared address (100.64.0.0/10)",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Documentation => "an address for documentation or benchmarks",
            Self::Mapped => "an IPv4 address written as IPv6",
            Self::Nat64 => "a NAT64 address",
            Self::Tunnel => "a 6to4 or Teredo address",
            Self::Reserved => "a reserved address",
            Self::Own => "one of this machine's own addresses",
        })
    }
}

impl AddressPolicy {
    /// `allow` are the prefixes of the local file's `allow_private`, `own` this machine's addresses
    /// (`own_addresses`). A prefix opens addresses of its own family only.
    pub fn new(allow: Vec<IpNet>, own: Vec<IpAddr>) -> Self {
        Self {
            allow,
            own,
            learned: Arc::default(),
        }
    }

    /// This machine is known to others by this address too (the outside of a NAT).
    pub(crate) fn learn_own(&self, address: IpAddr) {
        if self.is_own(address) {
            return;
        }
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.len() < LEARNED_MAX {
            learned.push(address);
        }
    }

    fn is_own(&self, address: IpAddr) -> bool {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        self.own.contains(&address) || learned.contains(&address)
    }

    /// Whether `address` may be measured.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        let reason = match special_use(address) {
            Some(reason) => reason,
            None if self.is_own(address) => Forbidden::Own,
            None => return Ok(()),
        };
        let can_open = !matches!(reason, Forbidden::Unspecified | Forbidden::Multicast);
        if can_open && self.allow.iter().any(|prefix| prefix.contains(&address)) {
            return Ok(());
        }
        Err(ForbiddenAddress { address, reason })
    }

    /// Judges an open connection: a connection whose two ends have one address never left this machine.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) fn check_connected(&self, local: IpAddr, remote: IpAddr) -> Result<(), ForbiddenAddress> {
        self.check(remote)?;
        let opened = self.allow.iter().any(|prefix| prefix.contains(&remote));
        if local == remote && !opened {
            return Err(ForbiddenAddress {
                address: remote,
                reason: Forbidden::Own,
            });
        }
        Ok(())
    }
}

/// The addresses of this machine's interfaces.
///
/// # Errors
/// If the kernel does not list them.
pub(crate) fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(io::Error::from)?;
    Ok(interfaces
        .filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip())))
        })
        .collect())
}

fn special_use(address: IpAddr) -> Option<Forbidden> {
    match address {
        IpAddr::V4(address) => special_use_v4(address),
        IpAddr::V6(address) => special_use_v6(address),
    }
}

fn special_use_v4(address: Ipv4Addr) -> Option<Forbidden> {
    Some(match address.octets() {
        [0, ..] => Forbidden::Unspecified,
        [127, ..] => Forbidden::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Forbidden::Private,
        [100, 64..=127, ..] => Forbidden::Shared,
        [169, 254, ..] => Forbidden::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Forbidden::Documentation
        }
        [192, 88, 99, _] => Forbidden::Tunnel,
        [224..=239, ..] | [255, 255, 255, 255] => Forbidden::Multicast,
        [192, 0, 0, _] | [240..=255, ..] => Forbidden::Reserved,
        _ => return None,
    })
}

fn special_use_v6(address: Ipv6Addr) -> Option<Forbidden> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Forbidden::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Forbidden::Loopback,
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => Forbidden::Mapped,
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => Forbidden::Nat64,
        [0x2002, ..] | [0x2001, 0, ..] => Forbidden::Tunnel,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Forbidden::Private,
        [0xfe80..=0xfebf, ..] => Forbidden::LinkLocal,
        [0xff00..=0xffff, ..] => Forbidden::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => Forbidden::Documentation,
        [0x2001, 1..=0x1ff, ..] => Forbidden::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Forbidden::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(text: &str) -> Option<Forbidden> {
        let address = text.parse().expect("an address");
        AddressPolicy::default()
            .check(address)
            .err()
            .map(|refused| refused.reason)
    }

    #[test]
    fn host_with_many_interfaces_still_learns_its_outside_address() {
        let interfaces = (1..=200).map(|n| IpAddr::V4(Ipv4Addr::new(9, 9, 9, n)));
        let policy = AddressPolicy::new(vec![], interfaces.collect());
        let outside = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
        assert_eq!(policy.check(outside), Ok(()));
        policy.clone().learn_own(outside);
        assert_eq!(policy.check(outside).unwrap_err().reason, Forbidden::Own);
    }

    #[test]
    fn special_addresses_are_refused_each_with_its_reason() {
        use Forbidden::*;
        let table = [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("10.0.0.1", Private),
            ("10.255.255.255", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("fc00::1", Private),
            ("fd12:3456::1", Private),
            ("fec0::1", Private),
            ("100.64.0.1", Shared),
            ("100.127.255.255", Shared),
            ("169.254.169.254", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("192.0.2.1", Documentation),
            ("198.51.100.7", Documentation),
            ("203.0.113.9", Documentation),
            ("198.18.0.1", Documentation),
            ("198.19.255.255", Documentation),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("2001:2::1", Documentation),
            ("::ffff:127.0.0.1", Mapped),
            ("::ffff:8.8.8.8", Mapped),
            ("::8.8.8.8", Mapped),
            ("::ffff:0:8.8.8.8", Mapped),
            ("64:ff9b::8.8.8.8", Nat64),
            ("64:ff9b::10.0.0.1", Nat64),
            ("64:ff9b:1::1", Nat64),
            ("2002:0a00:0001::1", Tunnel),
            ("192.88.99.1", Tunnel),
            ("2001:0:53aa:64c::1", Tunnel),
            ("192.0.0.8", Reserved),
            ("240.0.0.1", Reserved),
            ("100::1", Reserved),
            ("2001:10::1", Reserved),
            ("4000::1", Reserved),
            ("5f00::1", Reserved),
        ];
        for (text, expected) in table {
            assert_eq!(reason(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2a01:4f8::1",
            "2003::1",
            "2620:fe::fe",
            "3ffe::1",
        ] {
            assert_eq!(reason(text), None, "{text}");
        }
    }

    #[test]
    fn local_file_opens_what_it_names_and_nothing_else() {
        let policy = AddressPolicy::new(
            vec!["127.0.0.0/8".parse().unwrap(), "fd00:1::/32".parse().unwrap()],
            vec![],
        );
        assert!(policy.check("127.0.0.1".parse().unwrap()).is_ok());
        assert!(policy.check("fd00:1::5".parse().unwrap()).is_ok());
        for text in [
            "::ffff:127.0.0.1",
            "::1",
            "10.0.0.1",
            "fd00:2::5",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
        ] {
            assert!(policy.check(text.parse().unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_opens_unspecified_and_multicast() {
        let policy = AddressPolicy::new(
            vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            vec![],
        );
        for text in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            assert!(policy.check(text.parse().unwrap()).is_err(), "{text}");
        }
        assert!(policy.check("192.168.1.1".parse().unwrap()).is_ok());
    }

    #[test]
    fn own_public_address_is_refused_unless_opened() {
        let own: IpAddr = "8.8.4.4".parse().unwrap();
        let refused = AddressPolicy::new(vec![], vec![own]).check(own).unwrap_err();
        assert_eq!(refused.reason, Forbidden::Own);
        assert!(
            AddressPolicy::new(vec!["8.8.4.4/32".parse().unwrap()], vec![own])
                .check(own)
                .is_ok()
        );
    }

    #[test]
    fn connection_that_never_left_the_machine_is_refused() {
        let address: IpAddr = "8.8.4.4".parse().unwrap();
        let refused = AddressPolicy::default()
            .check_connected(address, address)
            .unwrap_err();
        assert_eq!(refused.reason, Forbidden::Own);
        assert!(
            AddressPolicy::default()
                .check_connected("1.1.1.1".parse().unwrap(), address)
                .is_ok()
        );
    }

    #[test]
    fn learned_address_is_own_in_every_clone() {
        let policy = AddressPolicy::default();
        let (clone, outside) = (policy.clone(), "8.8.4.4".parse().unwrap());
        assert!(clone.check(outside).is_ok());
        policy.learn_own(outside);
        assert_eq!(clone.check(outside).unwrap_err().reason, Forbidden::Own);
    }

    #[test]
    fn own_addresses_hold_loopback() {
        let own = own_addresses().unwrap();
        assert!(own.iter().any(|address| address.is_loopback()), "{own:?}");
    }

    proptest! {
        /// Whatever the standard library calls private, loopback and the like is refused, however it is wrapped.
        #[test]
        fn wrapped_ipv4_is_never_allowed(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let wrapped = [
                v4.to_ipv6_mapped(), v4.to_ipv6_compatible(), Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for address in wrapped {
                prop_assert!(AddressPolicy::default().check(IpAddr::V6(address)).is_err(), "{}", address);
            }
        }

        #[test]
        fn allowed_ipv4_is_none_of_the_standard_librarys_special_kinds(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            if AddressPolicy::default().check(IpAddr::V4(v4)).is_ok() {
                prop_assert!(!(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                    || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified()));
            }
        }
    }
}
