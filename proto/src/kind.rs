//! What is checked, and over which address family.

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
}

impl Check {
    /// Every check, in the order of the reports.
    pub const ALL: [Self; 5] = [
        Self::Echo,
        Self::Status,
        Self::AssetHead,
        Self::AssetGet,
        Self::Http,
    ];

    /// The word in a kind's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Status => "status",
            Self::AssetHead => "asset-head",
            Self::AssetGet => "asset-get",
            Self::Http => "http",
        }
    }

    /// Whether the target is a node's public endpoint (and not a peer).
    #[must_use]
    pub const fn is_endpoint(self) -> bool {
        !matches!(self, Self::Echo)
    }

    /// Whether it answers "is the asset served?" (and not "is the node's status fine?").
    #[must_use]
    pub const fn is_asset(self) -> bool {
        matches!(self, Self::AssetHead | Self::AssetGet)
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
    "{0:?} is no kind of measurement; kinds are echo4, status6, asset-head4, asset-get4, http4 and the like"
)]
pub struct UnknownKind(String);
