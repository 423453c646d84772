//! Names of things that live longer than a message.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// A probe, for as long as it keeps its key: the first 8 bytes of the BLAKE3 hash of its public key.
///
/// Derived, not counted, so that a collector restored from an old backup never gives one id to two probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProbeId(pub u64);

impl ProbeId {
    /// The collector itself, as a prober of echo responders.
    pub const COLLECTOR: Self = Self(0);

    /// The id that belongs to a public key (DER SubjectPublicKeyInfo).
    #[must_use]
    pub fn of_key(key: &KeyHash) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&key.0[..8]);
        Self(u64::from_be_bytes(first).max(1)) // 0 is the collector
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ProbeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 16 {
            return Err(IdError::Length {
                expected: 16,
                found: text.len(),
            });
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| IdError::NotHex)
    }
}

/// BLAKE3 of a public key (DER SubjectPublicKeyInfo): what the registry knows a probe by, and what a token
/// pins the authority by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes a DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn of_spki(spki_der: &[u8]) -> Self {
        Self(*blake3::hash(spki_der).as_bytes())
    }
}

/// A probe's stream of batches since its process started, its clock stepped, or it came back from an
/// absence: a random 128-bit number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochId(pub [u8; 16]);

/// The BLAKE3 hash of an uncompressed batch, as spooled. All zeros stands before an epoch's first batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands before an epoch's first batch.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes a payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(*blake3::hash(payload).as_bytes())
    }
}

macro_rules! hex_text {
    ($type:ident, $bytes:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    concat!(stringify!($type), "({})"),
                    HEXLOWER.encode(&self.0[..4])
                )
            }
        }
        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 2 * $bytes {
                    return Err(IdError::Length {
                        expected: 2 * $bytes,
                        found: text.len(),
                    });
                }
                let bytes = HEXLOWER
                    .decode(text.as_bytes())
                    .map_err(|_| IdError::NotHex)?;
                bytes.try_into().map(Self).map_err(|_| IdError::NotHex)
            }
        }
    };
}
hex_text!(KeyHash, 32);
hex_text!(EpochId, 16);
hex_text!(Digest, 32);

/// Anything measured: a peer or an endpoint. Derived from its name, so that it means the same in every
/// plan, and after a collector was restored from an old backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub u64);

impl TargetId {
    /// The target that a probe is for its peers.
    #[must_use]
    pub fn of_peer(probe: ProbeId) -> Self {
        Self::derive(b"peer", &probe.0.to_be_bytes())
    }

    /// The target that a node's endpoint is; node names are unique in `targets.toml`.
    #[must_use]
    pub fn of_node(name: &str) -> Self {
        Self::derive(b"node", name.as_bytes())
    }

    /// The target that a candidate's server is. A node of the same name, later, is another one: what was measured of a
    /// stranger's server says nothing of it.
    #[must_use]
    pub fn of_candidate(name: &str) -> Self {
        Self::derive(b"candidate", name.as_bytes())
    }

    fn derive(class: &[u8], name: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("isochrone target id 1");
        hasher.update(class).update(&[0]).update(name);
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A batch's number in its epoch; the first is 1. As a mark, 0 says "nothing yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before an epoch's first batch.
    pub const NONE: Self = Self(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A plan's version: ordered first by who may issue plans (`promotion`, raised when another collector takes
/// the lead), then by number. A probe never goes back to a lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlanVersion {
    /// How often the lead among collectors has changed.
    pub promotion: u32,
    /// Counts up within a promotion.
    pub number: u64,
}

impl fmt::Display for PlanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.promotion, self.number)
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Too short or too long.
    #[error("expected {expected} hexadecimal digits, found {found} characters")]
    Length {
        /// Digits an id of this kind has.
        expected: usize,
        /// Characters the text has.
        found: usize,
    },
    /// A character that is no lower-case hexadecimal digit.
    #[error("not a lower-case hexadecimal number")]
    NotHex,
}
