//! What a probe shows: a request for a leaf, or the leaf itself.

use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::units::UnixMillis;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::PROBE_PATH;

/// DER of an Ed25519 SubjectPublicKeyInfo, up to its 32-byte key (RFC 8410).
const SPKI_ED25519: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The one thing a certificate request is asked for: its key, proven to be the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedKey {
    spki: Vec<u8>,
}

impl RequestedKey {
    pub(super) fn from_request(csr: &[u8]) -> Result<Self, LeafError> {
        let (rest, request) = X509CertificationRequest::from_der(csr).map_err(|_| LeafError::Malformed)?;
        if !rest.is_empty() {
            return Err(LeafError::Malformed);
        }
        let spki = request.certification_request_info.subject_pki.raw;
        if !is_ed25519(spki) {
            return Err(LeafError::KeyKind);
        }
        request.verify_signature().map_err(|_| LeafError::Signature)?;
        Ok(Self { spki: spki.to_vec() })
    }

    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the registry knows the key by.
    #[must_use]
    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash::of_spki(&self.spki)
    }

    /// The probe that has this key.
    #[must_use]
    pub fn probe(&self) -> ProbeId {
        ProbeId::of_key(&self.hash())
    }
}

/// A probe's leaf, after TLS has verified that our authority signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeLeaf {
    /// The name in it.
    pub probe: ProbeId,
    /// Hash of the public key, which the probe's id is made from.
    pub key: KeyHash,
    /// Its end.
    pub expires: UnixMillis,
}

impl ProbeLeaf {
    /// Reads the identity out of a leaf.
    ///
    /// # Errors
    /// When it is no certificate, its key is not Ed25519, or it does not name exactly the probe of its key.
    pub(crate) fn read(der: &[u8]) -> Result<Self, LeafError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| LeafError::Malformed)?;
        let spki = certificate.public_key().raw;
        if !is_ed25519(spki) {
            return Err(LeafError::KeyKind);
        }
        let key = KeyHash::of_spki(spki);
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| LeafError::Malformed)?;
        let names = names.map(|extension| extension.value.general_names.as_slice());
        let probe = match names {
            Some([GeneralName::URI(uri)]) => uri.strip_prefix(PROBE_PATH).and_then(|id| id.parse().ok()),
            _ => None,
        };
        let probe = probe
            .filter(|probe| *probe == ProbeId::of_key(&key))
            .ok_or(LeafError::Name)?;
        Ok(Self {
            probe,
            key,
            expires: expiry(&certificate),
        })
    }
}

/// From when until when a certificate is valid.
pub(super) fn life(der: &[u8]) -> Option<(UnixMillis, UnixMillis)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let begin = millis(certificate.validity().not_before.timestamp());
    Some((begin, expiry(&certificate)))
}

/// A certificate's public key, DER.
pub(super) fn public_key_of(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().raw.to_vec())
}

fn expiry(certificate: &X509Certificate<'_>) -> UnixMillis {
    millis(certificate.validity().not_after.timestamp())
}

fn millis(seconds: i64) -> UnixMillis {
    let seconds = u64::try_from(seconds).unwrap_or(0); // before 1970: long over
    UnixMillis(seconds.saturating_mul(1_000))
}

fn is_ed25519(spki: &[u8]) -> bool {
    spki.len() == SPKI_ED25519.len() + 32 && spki.starts_with(&SPKI_ED25519)
}

/// Why a request or leaf is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not DER of the right form.
    #[error("malformed certificate or certificate request")]
    Malformed,
    /// Another kind of key.
    #[error("the key is not Ed25519")]
    KeyKind,
    /// Signed by another key.
    #[error("the certificate request is not signed by its own key")]
    Signature,
    /// Not a probe's name, or another probe's.
    #[error("the certificate does not name the probe that its key belongs to")]
    Name,
}
