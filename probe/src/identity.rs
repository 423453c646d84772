//! Who this probe is: its key, made on this server, the certificate for it, and the authority it trusts.

mod lock;

use std::io;

use data_encoding::BASE64;
use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::units::UnixMillis;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

pub use self::lock::Locked;
pub(crate) use self::lock::StateLock;
use crate::disk::{Disk, read_optional};

const FILE: &str = "identity.json";

/// A probe's identity. All of it stands in one file, so that it changes as a whole.
#[derive(Clone)]
pub struct Identity {
    probe: ProbeId,
    name: String,
    key: ProbeKey,
    chain: Vec<CertificateDer<'static>>,
    collectors: Vec<String>,
    invitation: [u8; 32],
}

/// An Ed25519 key that never leaves this server.
#[derive(Clone, PartialEq, Eq)]
pub struct ProbeKey {
    pkcs8: Vec<u8>,
}

/// What a leaf says of its own life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeafLife {
    /// Its first moment.
    pub from: UnixMillis,
    /// Its end.
    pub until: UnixMillis,
}

/// What a join brought.
pub struct Joined {
    /// The probe's id, as the collector says.
    pub probe: ProbeId,
    /// The name the lead gave it.
    pub name: String,
    /// Leaf, then authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Where the collector is.
    pub collectors: Vec<String>,
    /// Public key of the invitation.
    pub invitation: [u8; 32],
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error(
        "this probe has not joined a mesh yet; run `isochrone-probe join TOKEN` with the token the lead sent"
    )]
    NotJoined,
    /// The file cannot be read or written.
    #[error("cannot {action} {FILE} in the state folder")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The file is damaged.
    #[error(
        "{FILE} in the state folder is damaged at `{key}`; ask the lead for a new invitation and run `isochrone-probe join TOKEN`"
    )]
    Damaged {
        /// The key in the file.
        key: &'static str,
    },
    /// The certificate and the key are not one pair.
    #[error("the certificate is for another key than this probe's")]
    OtherKey,
    /// The chain does not hold leaf and authority.
    #[error("the certificate chain must hold the probe's certificate and the authority's")]
    Chain,
    /// The key could not be made or used.
    #[error("this probe's key cannot be made or used")]
    Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIdentity {
    probe: String,
    name: String,
    key: String,
    chain: Vec<String>,
    collectors: Vec<String>,
    invitation: String,
}

impl Identity {
    /// Reads the identity that a join left.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn load(disk: &dyn Disk) -> Result<Self, IdentityError> {
        Self::load_optional(disk)?.ok_or(IdentityError::NotJoined)
    }

    /// The same; `None` if the probe never joined.
    ///
    /// # Errors
    /// When it is damaged.
    pub(crate) fn load_optional(disk: &dyn Disk) -> Result<Option<Self>, IdentityError> {
        let bytes = read_optional(disk, FILE).map_err(|source| IdentityError::Disk {
            action: "read",
            source,
        })?;
        bytes.map(|bytes| Self::parse(&bytes)).transpose()
    }

    fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let damaged = |key| IdentityError::Damaged { key };
        let raw: RawIdentity = serde_json::from_slice(bytes).map_err(|_| damaged("(the whole file)"))?;
        let decode = |text: &str, key| BASE64.decode(text.as_bytes()).map_err(|_| damaged(key));
        let chain: Result<Vec<_>, _> = raw.chain.iter().map(|text| decode(text, "chain")).collect();
        let invitation = decode(&raw.invitation, "invitation")?;
        let joined = Joined {
            probe: raw.probe.parse().map_err(|_| damaged("probe"))?,
            name: raw.name,
            chain: chain?.into_iter().map(CertificateDer::from).collect(),
            collectors: raw.collectors,
            invitation: invitation.try_into().map_err(|_| damaged("invitation"))?,
        };
        let key = ProbeKey {
            pkcs8: decode(&raw.key, "key")?,
        };
        Self::new(key, joined)
    }

    /// An identity from its parts.
    ///
    /// # Errors
    /// When key and certificate are no pair, or the chain is incomplete.
    pub fn new(key: ProbeKey, joined: Joined) -> Result<Self, IdentityError> {
        let [leaf, _authority] = joined.chain.as_slice() else {
            return Err(IdentityError::Chain);
        };
        if spki_of(leaf).ok_or(IdentityError::Chain)? != key.spki()? {
            return Err(IdentityError::OtherKey);
        }
        let identity = Self {
            probe: joined.probe,
            name: joined.name,
            key,
            chain: joined.chain,
            collectors: joined.collectors,
            invitation: joined.invitation,
        };
        identity.authority_key()?;
        identity.leaf_life()?;
        Ok(identity)
    }

    /// Keeps the identity, all or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, disk: &dyn Disk) -> Result<(), IdentityError> {
        let raw = RawIdentity {
            probe: self.probe.to_string(),
            name: self.name.clone(),
            key: BASE64.encode(&self.key.pkcs8),
            chain: self
                .chain
                .iter()
                .map(|certificate| BASE64.encode(certificate))
                .collect(),
            collectors: self.collectors.clone(),
            invitation: BASE64.encode(&self.invitation),
        };
        let text = serde_json::to_vec_pretty(&raw).map_err(|_| IdentityError::Damaged { key: "name" })?;
        disk.replace(FILE, &text).map_err(|source| IdentityError::Disk {
            action: "write",
            source,
        })
    }

    /// The probe's id.
    #[must_use]
    pub fn probe(&self) -> ProbeId {
        self.probe
    }

    /// The name the lead gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's own key pair; it never leaves the machine.
    #[must_use]
    pub fn key(&self) -> &ProbeKey {
        &self.key
    }

    /// Leaf, then authority.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The authority's certificate: nothing else is trusted.
    #[must_use]
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.chain[1] // `new` requires it
    }

    /// Where the collector is, as it said last.
    #[must_use]
    pub fn collectors(&self) -> &[String] {
        &self.collectors
    }

    /// Public key of the invitation that it came by.
    #[must_use]
    pub fn invitation(&self) -> &[u8; 32] {
        &self.invitation
    }

    /// Takes over the addresses that the collector tells; whether they changed.
    pub(crate) fn set_collectors(&mut self, collectors: &[String]) -> bool {
        let changed = !collectors.is_empty() && self.collectors != collectors;
        if changed {
            self.collectors = collectors.to_vec();
        }
        changed
    }

    /// The same identity with a renewed leaf.
    ///
    /// # Errors
    /// When it is for another key, or of another authority.
    pub fn renewed(&self, chain: Vec<CertificateDer<'static>>) -> Result<Self, IdentityError> {
        if chain.get(1) != Some(self.authority()) {
            return Err(IdentityError::Chain);
        }
        let joined = Joined {
            probe: self.probe,
            name: self.name.clone(),
            chain,
            collectors: self.collectors.clone(),
            invitation: self.invitation,
        };
        Self::new(self.key.clone(), joined)
    }

    /// When the leaf begins and ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn leaf_life(&self) -> Result<LeafLife, IdentityError> {
        let (_, leaf) = X509Certificate::from_der(&self.chain[0]).map_err(|_| IdentityError::Chain)?;
        let millis = |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        Ok(LeafLife {
            from: millis(leaf.validity().not_before.timestamp()),
            until: millis(leaf.validity().not_after.timestamp()),
        })
    }

    /// The authority's Ed25519 public key: it signs plans.
    ///
    /// # Errors
    /// When the authority's certificate holds another kind of key.
    pub(crate) fn authority_key(&self) -> Result<[u8; 32], IdentityError> {
        let (_, authority) = X509Certificate::from_der(self.authority()).map_err(|_| IdentityError::Chain)?;
        let key = authority.public_key().subject_public_key.data.as_ref();
        key.try_into().map_err(|_| IdentityError::Chain)
    }
}

impl LeafLife {
    /// From here on the leaf should be renewed: two thirds of its life are over.
    #[must_use]
    pub(crate) fn renew_from(&self) -> UnixMillis {
        self.from.plus(self.until.since(self.from) * 2 / 3)
    }
}

impl ProbeKey {
    /// Makes a key from this machine's randomness.
    ///
    /// # Errors
    /// When the machine has none.
    pub fn generate() -> Result<Self, IdentityError> {
        let random = ring::rand::SystemRandom::new();
        let pkcs8 =
            ring::signature::Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| IdentityError::Key)?;
        Ok(Self {
            pkcs8: pkcs8.as_ref().to_vec(),
        })
    }

    /// A key from its PKCS #8 form.
    #[must_use]
    pub fn from_pkcs8(pkcs8: Vec<u8>) -> Self {
        Self { pkcs8 }
    }

    /// Its PKCS #8 form.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key, DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn spki(&self) -> Result<Vec<u8>, IdentityError> {
        Ok(self.pair()?.subject_public_key_info())
    }

    /// The id that belongs to it.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn probe(&self) -> Result<ProbeId, IdentityError> {
        Ok(ProbeId::of_key(&KeyHash::of_spki(&self.spki()?)))
    }

    /// A certificate request for it, DER. The collector overwrites every attribute.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn request(&self) -> Result<Vec<u8>, IdentityError> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "isochrone probe");
        let request = params
            .serialize_request(&self.pair()?)
            .map_err(|_| IdentityError::Key)?;
        Ok(request.der().to_vec())
    }

    /// For rustls.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.clone()).into()
    }

    fn pair(&self) -> Result<KeyPair, IdentityError> {
        let der = PrivatePkcs8KeyDer::from(self.pkcs8.as_slice());
        KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).map_err(|_| IdentityError::Key)
    }
}

fn spki_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.public_key().raw.to_vec())
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("probe", &self.probe)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProbeKey(…)")
    }
}

#[cfg(test)]
pub(crate) mod tests;
