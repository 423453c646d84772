//! Joining: how a probe without a certificate gets its first one (ALPN `isochrone-join/1`).

use serde::{Deserialize, Serialize};

use crate::bounds::{ControlError, count, text};
use crate::control::CertificateDer;
use crate::ids::ProbeId;

/// ALPN of the probes' connections.
pub const ALPN: &[u8] = b"isochrone/1";
/// ALPN of joining.
pub const ALPN_JOIN: &[u8] = b"isochrone-join/1";
/// Label of the TLS exporter whose 32 bytes bind a join request to its connection (RFC 8446, 7.5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-isochrone-join-1";
/// Prefix of what the invitation's seed signs.
const CONTEXT: &[u8] = b"isochrone join 1\0";

/// Asks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Public key of the invitation's seed: which invitation this is. Ed25519, 32 bytes.
    pub invitation: [u8; 32],
    /// PKCS #10 request for the probe's key, DER. Only its key counts; every attribute is overwritten.
    #[serde(with = "serde_bytes")]
    pub csr: Vec<u8>,
    /// Ed25519 by the invitation's seed over [`signed_message`].
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
    /// The probe's release.
    pub software: String,
}

/// What the seed signs: the connection's exporter and the request.
#[must_use]
pub fn signed_message(exporter: &[u8; 32], csr: &[u8]) -> Vec<u8> {
    [CONTEXT, exporter, csr].concat()
}

/// The collector's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinResponse {
    /// The server may come in.
    Accepted {
        /// The probe's id.
        probe: ProbeId,
        /// The name the lead gave it.
        name: String,
        /// Leaf, then authority.
        chain: Vec<CertificateDer>,
        /// Where the collector can be reached.
        addresses: Vec<String>,
    },
    /// Not.
    Refused(JoinRefusal),
}

/// Why an invitation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JoinRefusal {
    /// No such invitation.
    #[error("the collector knows no such invitation; ask the lead for a new one")]
    UnknownToken,
    /// Past its time.
    #[error("the invitation has expired; ask the lead for a new one")]
    Expired,
    /// Another key already used it: both are revoked.
    #[error(
        "this invitation was already used by another key; for safety both are now revoked and the lead is alerted. Ask for a new invitation"
    )]
    SpentByAnotherKey,
    /// The lead withdrew it, or its probe was revoked.
    #[error("this invitation was withdrawn; ask the lead for a new one")]
    Withdrawn,
    /// The signature does not fit.
    #[error("the signature does not fit the invitation; was the token copied whole?")]
    BadSignature,
    /// The certificate request is malformed or its key is of a kind that is not accepted.
    #[error("the certificate request is malformed, or its key is not Ed25519")]
    BadRequest,
    /// Too many joins at once.
    #[error("the collector is busy with other joins; try again in a minute")]
    Busy,
    /// The key was revoked; a new invitation needs a new key.
    #[error("the key of this request was revoked; ask the lead for a new invitation and join with a new key")]
    RevokedKey,
}

impl JoinRequest {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        text("software", &self.software)?;
        count("bytes of a certificate request", self.csr.len(), 4_096)?;
        count("bytes of a signature", self.signature.len(), 64)
    }
}

impl JoinResponse {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        match self {
            Self::Accepted {
                name,
                chain,
                addresses,
                ..
            } => {
                text("name", name)?;
                count("certificates", chain.len(), 4)?;
                count("addresses", addresses.len(), 16)?;
                addresses.iter().try_for_each(|address| text("address", address))
            }
            Self::Refused(_) => Ok(()),
        }
    }
}
