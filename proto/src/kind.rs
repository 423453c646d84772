//! What is checked, and over which address family. Each check has a module of its own here: what is fixed about
//! it, what can become of one run, and the columns its runs travel in.

pub(crate) mod asset;
pub(crate) mod connect;
pub(crate) mod echo;
pub(crate) mod http;
pub(crate) mod status;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Check {
    /// Authenticated UDP echo between two probes: its RTT is the path's.
    Echo,
    /// GET `api/v1/status` of an Argus node.
    Status,
    /// HEAD of an asset: headers only, starts no download.
    AssetHead,
    /// Ranged GET of an asset, with its cache state.
    AssetGet,
    /// GET of a plain HTTP endpoint.
    Http,
    /// TCP handshake with an endpoint, TLS where its URL is https, then closed: no request.
    Connect,
    /// GET of a large range of a cached asset: how fast the node sends.
    Throughput,
}

/// What is fixed about a check. Each check's module holds its own, and nothing else knows these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The word in a kind's name.
    pub word: &'static str,
    /// What it is run against.
    pub target: TargetKind,
    /// The floor of its interval, in milliseconds: compiled in, whatever a plan says (invariant 4).
    pub(crate) interval_min_ms: u32,
    /// How long a run may take unless the plan says otherwise, in milliseconds.
    pub timeout_ms: u32,
    /// In which columns its runs travel, and so which outcome they have.
    pub layout: Layout,
}

/// What a check is run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Another probe's echo responder.
    Peer,
    /// A node's public endpoint.
    Endpoint,
    /// An object of a node's: the endpoint must name one.
    Asset,
}

/// The columns that a check's runs travel in: one section of a batch, one variant of
/// [`Outcome`](crate::measurement::Outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// Echoes.
    Echo,
    /// A request to an endpoint and its answer.
    Endpoint,
    /// A connection to an endpoint.
    Connect,
}

impl Layout {
    /// Every layout, in the order of a batch's rows.
    pub const ALL: [Self; 3] = [Self::Echo, Self::Endpoint, Self::Connect];

    /// Name of the section of a batch that holds the columns.
    #[must_use]
    pub(crate) const fn section(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Endpoint => "endpoint",
            Self::Connect => "connect",
        }
    }
}

/// Address family of a check; there is no fallback to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A check over a family, written `echo4`, `asset-head6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// What is checked.
    pub check: Check,
    /// Over which family.
    pub family: Family,
}

impl Kind {
    /// Shorthand.
    #[must_use]
    pub const fn new(check: Check, family: Family) -> Self {
        Self { check, family }
    }

    /// Every kind that this release knows.
    pub fn all() -> impl Iterator<Item = Self> {
        let families = |check| [Family::V4, Family::V6].map(|family| Self::new(check, family));
        Check::ALL.into_iter().flat_map(families)
    }
}

impl Check {
    /// Every check, in the order of the reports.
    pub const ALL: [Self; 7] = [
        Self::Echo,
        Self::Status,
        Self::AssetHead,
        Self::AssetGet,
        Self::Http,
        Self::Connect,
        Self::Throughput,
    ];

    /// What is fixed about it.
    #[must_use]
    pub(crate) const fn facts(self) -> &'static Facts {
        match self {
            Self::Echo => &echo::FACTS,
            Self::Status => &status::FACTS,
            Self::AssetHead => &asset::HEAD_FACTS,
            Self::AssetGet => &asset::GET_FACTS,
            Self::Http => &http::FACTS,
            Self::Connect => &connect::FACTS,
            Self::Throughput => &asset::THROUGHPUT_FACTS,
        }
    }

    /// The word in a kind's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.facts().word
    }

    /// Whether the target is a node's public endpoint (and not a peer).
    #[must_use]
    pub const fn is_endpoint(self) -> bool {
        match self.facts().target {
            TargetKind::Peer => false,
            TargetKind::Endpoint | TargetKind::Asset => true,
        }
    }

    /// Whether it asks for an object of a node's (and not for its status).
    #[must_use]
    pub const fn is_asset(self) -> bool {
        matches!(self.facts().target, TargetKind::Asset)
    }

    /// How long a run may take unless the plan says otherwise, in milliseconds.
    #[must_use]
    pub const fn timeout_ms(self) -> u32 {
        self.facts().timeout_ms
    }

    /// In which columns its runs travel.
    #[must_use]
    pub const fn layout(self) -> Layout {
        self.facts().layout
    }
}

impl Family {
    /// The digit in a kind's name.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::V4 => '4',
            Self::V6 => '6',
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.check.word(), self.family.digit())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let unknown = || UnknownKind(text.chars().take(40).collect());
        let family = match text.as_bytes().last() {
            Some(b'4') => Family::V4,
            Some(b'6') => Family::V6,
            _ => return Err(unknown()),
        };
        let word = &text[..text.len() - 1];
        let check = Check::ALL
            .into_iter()
            .find(|check| check.word() == word)
            .ok_or_else(unknown)?;
        Ok(Self { check, family })
    }
}

/// A text that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no kind of measurement; kinds are echo4, status6, asset-head4, asset-get4, http4, connect6 and the like"
)]
pub struct UnknownKind(String);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name_and_no_name_is_used_twice() {
        let mut names = BTreeSet::new();
        for check in Check::ALL {
            for family in [Family::V4, Family::V6] {
                let kind = Kind::new(check, family);
                assert_eq!(kind.to_string().parse(), Ok(kind));
                assert!(names.insert(kind.to_string()), "{kind}");
            }
        }
        assert!("trace4".parse::<Kind>().is_err());
    }

    #[test]
    fn facts_stay_within_what_a_schedule_can_hold() {
        for check in Check::ALL {
            let facts = check.facts();
            let schedule = crate::schedule::Schedule::new(facts.interval_min_ms, 0, facts.timeout_ms);
            assert!(
                schedule.is_ok_and(|schedule| schedule.respects_floor(check)),
                "{check:?}"
            );
        }
    }
}
