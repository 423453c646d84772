//! Requests to a platform, ready to be sent by hand, with what they cost. Nothing here sends one.

mod atlas;
mod globalping;

use std::net::IpAddr;

pub use self::atlas::atlas;
pub use self::globalping::{FIRST_ID, globalping};
use crate::family::Family;
use crate::measurement::Kind;

/// What is to be measured, and from where.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The nodes and candidates: one at least, and 100 at most for Atlas.
    pub targets: Vec<WishedTarget>,
    /// From where each of them; the same eyes look at all.
    pub eyes: Vec<Eyes>,
    /// What is done.
    pub kind: Kind,
    /// Over which family.
    pub family: Family,
}

/// A node or a candidate.
#[derive(Clone, Debug)]
pub struct WishedTarget {
    /// What it is called here: goes into the request's description, which the platform shows to all.
    pub name: String,
    /// Its host: a name, or a public address.
    pub host: String,
}

/// Some vantages of one place.
#[derive(Clone, Debug)]
pub struct Eyes {
    /// ISO 3166 code of their country.
    pub country: String,
    /// Their city in English; Atlas cannot be asked for one.
    pub city: Option<String>,
    /// Their network.
    pub network: Option<u32>,
    /// How many, from 1.
    pub count: u16,
}

/// A request, ready to be sent by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where it is sent, by POST.
    pub url: &'static str,
    /// Its body: JSON on several lines.
    pub body: String,
    /// The command that sends it, for a shell; the body stands in `request.json`.
    pub command: String,
    /// How many results it brings at most.
    pub results: u64,
    /// What that costs, in the platform's credits.
    pub credits: u64,
    /// What whoever sends it has to know, a sentence each.
    pub says: Vec<String>,
}

/// Why no request can be drafted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Nothing to measure, or nobody to do it.
    #[error("no {0} to draft a request with: name one at least")]
    Nothing(&'static str),
    /// More than the platform takes.
    #[error("{given} {what}, and the platform takes {most} in one request: ask for fewer")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are wished.
        given: u64,
        /// How many there may be.
        most: u64,
    },
    /// A host that no public platform can or should measure.
    #[error("{name} has the host {host:?}, which is no public name or address: give it one, or leave it out")]
    Host {
        /// Whose.
        name: String,
        /// It.
        host: String,
    },
    /// A country that is none.
    #[error("{0:?} is no country's code of two letters, such as KE")]
    Country(String),
    /// Atlas measures HTTP to its own anchors only.
    #[error("Atlas measures HTTP to its own anchors only: draft ping or tls, or ask Globalping")]
    HttpOnAtlas,
    /// Globalping has no such measurement.
    #[error("Globalping measures no handshake of TLS by itself: draft ping or http, or ask Atlas")]
    TlsOnGlobalping,
}

impl Wish {
    /// How many vantages are asked for, once it is one that can be drafted.
    fn checked(&self) -> Result<u64, DraftError> {
        if self.targets.is_empty() {
            return Err(DraftError::Nothing("node or candidate"));
        }
        for WishedTarget { name, host } in &self.targets {
            if !is_public(host) {
                let (name, host) = (name.clone(), host.clone());
                return Err(DraftError::Host { name, host });
            }
        }
        for eyes in &self.eyes {
            if crate::vantage::country(&eyes.country).is_none() {
                return Err(DraftError::Country(eyes.country.clone()));
            }
        }
        match self.eyes.iter().map(|eyes| u64::from(eyes.count)).sum() {
            0 => Err(DraftError::Nothing("vantage")),
            count => Ok(count),
        }
    }

    const fn check_at_most(what: &'static str, given: u64, most: u64) -> Result<(), DraftError> {
        match given > most {
            true => Err(DraftError::TooMany { what, given, most }),
            false => Ok(()),
        }
    }
}

/// Whether a host is one that everybody may measure: a name with a dot, or a public address.
#[must_use]
pub fn is_public(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || is_shared)
        }
        Ok(IpAddr::V6(address)) => {
            let is_global = address.segments()[0] & 0xe000 == 0x2000; // 2000::/3
            is_global && address.to_ipv4_mapped().is_none()
        }
        Err(_) => {
            let labels = host.split('.');
            let is_label = |label: &str| {
                let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                (1..=63).contains(&label.len()) && label.bytes().all(is_letter)
            };
            let is_private = ["localhost", "local", "internal", "lan", "home"]
                .iter()
                .any(|top| {
                    host.rsplit('.')
                        .next()
                        .is_some_and(|last| last.eq_ignore_ascii_case(top))
                });
            let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            host.len() <= 253
                && host.contains('.')
                && labels.clone().all(is_label)
                && !is_private
                && !is_number
        }
    }
}

/// A request's body, as people read it.
fn pretty(request: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(request).expect("texts and numbers are JSON")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn wish(kind: Kind) -> Wish {
        let target = |name: &str, host: &str| WishedTarget {
            name: name.to_owned(),
            host: host.to_owned(),
        };
        let eyes = |country: &str, city: Option<&str>, network, count| Eyes {
            country: country.to_owned(),
            city: city.map(str::to_owned),
            network,
            count,
        };
        Wish {
            targets: vec![
                target("berlin", "node.example.org"),
                target("nairobi-provider", "test.example.net"),
            ],
            eyes: vec![
                eyes("KE", Some("Nairobi"), None, 2),
                eyes("BR", None, Some(64_500), 3),
            ],
            kind,
            family: Family::V4,
        }
    }

    #[test]
    fn host_that_is_not_public_is_in_no_request() {
        for host in [
            "node.example.org",
            "192.0.2.1",
            "2001:db8::1",
            "xn--bcher-kva.example",
        ] {
            assert!(is_public(host), "{host}");
        }
        for host in [
            "",
            "localhost",
            "node",
            "10.0.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "fd00::1",
            "::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "a b.example",
            "node.example.org/",
            "node.local",
            "\"},{\"",
            "1.2.3.4.5",
        ] {
            assert!(!is_public(host), "{host}");
            let mut wish = wish(Kind::Ping);
            wish.targets[1].host = host.to_owned();
            assert!(matches!(wish.checked(), Err(DraftError::Host { .. })), "{host}");
        }
    }

    #[test]
    fn wish_without_targets_or_eyes_is_refused_and_says_why() {
        let mut none = wish(Kind::Ping);
        none.targets.clear();
        assert_eq!(none.checked(), Err(DraftError::Nothing("node or candidate")));
        let mut blind = wish(Kind::Ping);
        blind.eyes.clear();
        assert_eq!(blind.checked(), Err(DraftError::Nothing("vantage")));
        let mut nowhere = wish(Kind::Ping);
        nowhere.eyes[0].country = "Kenya".to_owned();
        assert_eq!(nowhere.checked(), Err(DraftError::Country("Kenya".to_owned())));
        assert_eq!(wish(Kind::Ping).checked(), Ok(5));
    }
}
