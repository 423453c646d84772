//! The collector's certificate authority: whom the mesh trusts, and who signs its plans.
//!
//! One Ed25519 key signs the collector's own leaf, every probe's leaf, and every plan. Its hash is what an
//! invitation pins, so there is no other root of trust anywhere in the mesh.

mod files;
mod leaf;
#[cfg(test)]
mod tests;
pub mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::CertificateDer;
use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::plan::SignedPlan;
use isochrone_proto::units::UnixMillis;
pub use leaf::{LeafError, ProbeLeaf, RequestedKey};
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SigningKey, SubjectPublicKeyInfo,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// How long a probe's leaf is valid.
pub const PROBE_LEAF_LIFE: Duration = Duration::from_secs(30 * DAY);
/// From this much life left on, a probe is asked to renew: the last third.
pub const RENEW_BEFORE: Duration = Duration::from_secs(10 * DAY);
/// How long after its end a leaf may still renew.
pub const RENEW_AFTER_END: Duration = Duration::from_secs(400 * DAY);
/// How long the collector's own leaf is valid; it is replaced when a third of that is left.
const COLLECTOR_LEAF_LIFE: Duration = Duration::from_secs(90 * DAY);
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 365 * DAY);
/// Certificates start this much before they were made, for servers whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(3_600);
const DAY: u64 = 86_400;
const PROBE_PATH: &str = "spiffe://isochrone/probe/";
const COLLECTOR_PATH: &str = "spiffe://isochrone/collector/";
/// PKCS #8 v1 of an Ed25519 key, up to its 32-byte seed (RFC 8410).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The authority's key and certificate, and the collector's own key. Cheap to clone.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer,
    key: KeyHash,
    collector: KeyPair,
    collector_id: String,
}

impl Authority {
    /// Opens the authority kept in `folder` (`authority.key`, `authority.pem`, `collector.key`; keys have mode
    /// 0600), and makes what is missing.
    ///
    /// # Errors
    /// When a file cannot be read, written or understood, or the certificate is there without its key.
    pub fn open(folder: &Path, now: UnixMillis, rng: &mut impl CryptoRng) -> Result<Self, AuthorityError> {
        let files = files::Files::new(folder);
        let kept = files.load()?;
        let collector = match kept.collector {
            Some(key) => key,
            None => files.keep_collector_key(new_key(rng)?)?,
        };
        let (key, certificate) = match (kept.key, kept.certificate) {
            (Some(key), Some(certificate)) => (key, certificate),
            (None, Some(_)) => {
                return Err(AuthorityError::KeyMissing {
                    folder: folder.into(),
                });
            }
            (key, None) => {
                let key = match key {
                    Some(key) => key,
                    None => files.keep_authority_key(new_key(rng)?)?,
                };
                let certificate = self_signed(&key, now)?;
                files.keep_certificate(&certificate)?;
                (key, certificate)
            }
        };
        Self::assemble(key, certificate, collector)
    }

    /// An authority that lives in memory only: for simulations and tests.
    ///
    /// # Errors
    /// When the cryptographic library refuses a key; it does not refuse one made here.
    pub fn in_memory(now: UnixMillis, rng: &mut impl CryptoRng) -> Result<Self, AuthorityError> {
        let key = new_key(rng)?;
        let certificate = self_signed(&key, now)?;
        Self::assemble(key, certificate, new_key(rng)?)
    }

    fn assemble(
        key: KeyPair,
        certificate: CertificateDer,
        collector: KeyPair,
    ) -> Result<Self, AuthorityError> {
        let spki = key.subject_public_key_info();
        if leaf::public_key_of(&certificate.0).as_deref() != Some(spki.as_slice()) {
            return Err(AuthorityError::Mismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.0.as_slice().into(), key)?;
        let collector_hash = KeyHash::of_spki(&collector.subject_public_key_info());
        Ok(Self(Arc::new(Inner {
            issuer,
            certificate,
            key: KeyHash::of_spki(&spki),
            collector_id: ProbeId::of_key(&collector_hash).to_string(),
            collector,
        })))
    }

    /// Hash of the authority's public key: what an invitation pins.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        self.0.key
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer {
        &self.0.certificate
    }

    /// The collector's own SPIFFE name.
    #[must_use]
    pub fn collector_name(&self) -> String {
        format!("{COLLECTOR_PATH}{}", self.0.collector_id)
    }

    /// Checks a certificate request: well-formed, signed by its own key, and that key Ed25519.
    ///
    /// # Errors
    /// Says which of these is not so.
    pub fn read_request(csr: &[u8]) -> Result<RequestedKey, LeafError> {
        RequestedKey::from_request(csr)
    }

    /// Signs a leaf for a probe's key. Only the key comes from the request; the name is derived from the key,
    /// and every other attribute is ours.
    ///
    /// # Errors
    /// When the cryptographic library refuses to sign.
    pub fn issue_probe_leaf(
        &self,
        requested: &RequestedKey,
        now: UnixMillis,
    ) -> Result<CertificateDer, AuthorityError> {
        let name = format!("{PROBE_PATH}{}", requested.probe());
        let mut params = leaf_params(&name, "isochrone probe", now, PROBE_LEAF_LIFE)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, requested.spki(), now)
    }

    /// A probe's chain: its leaf, then the authority.
    #[must_use]
    pub fn chain(&self, leaf: CertificateDer) -> Vec<CertificateDer> {
        vec![leaf, self.0.certificate.clone()]
    }

    fn issue_collector_leaf(&self, now: UnixMillis) -> Result<CertificateDer, AuthorityError> {
        let name = self.collector_name();
        let mut params = leaf_params(&name, "isochrone collector", now, COLLECTOR_LEAF_LIFE)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, &self.0.collector.subject_public_key_info(), now)
    }

    /// A leaf with the collector's name and purpose for any key.
    #[cfg(test)]
    pub(crate) fn issue_server_leaf_for(
        &self,
        requested: &RequestedKey,
        now: UnixMillis,
    ) -> Result<CertificateDer, AuthorityError> {
        let mut params = leaf_params(
            &self.collector_name(),
            "isochrone collector",
            now,
            COLLECTOR_LEAF_LIFE,
        )?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, requested.spki(), now)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        spki: &[u8],
        now: UnixMillis,
    ) -> Result<CertificateDer, AuthorityError> {
        params.serial_number = Some(serial(spki, now));
        let key = SubjectPublicKeyInfo::from_der(spki)?;
        let certificate = params.signed_by(&key, &self.0.issuer)?;
        Ok(CertificateDer(certificate.der().to_vec()))
    }

    fn collector_key(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.collector.serialized_der().to_vec())
    }

    /// Signs an encoded plan.
    ///
    /// # Errors
    /// When the cryptographic library refuses to sign.
    pub fn sign_plan(&self, plan: Vec<u8>) -> Result<SignedPlan, AuthorityError> {
        let signature = self.0.issuer.key().sign(&SignedPlan::message(&plan))?;
        Ok(SignedPlan { plan, signature })
    }

    /// Whether this authority signed the plan.
    #[must_use]
    pub fn signed(&self, plan: &SignedPlan) -> bool {
        verify_ed25519(
            self.0.issuer.key().public_key_raw(),
            &SignedPlan::message(&plan.plan),
            &plan.signature,
        )
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

/// Whether `signature` over `message` was made with the key whose raw 32 bytes are `public_key`.
#[must_use]
pub(crate) fn verify_ed25519(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

fn new_key(rng: &mut impl CryptoRng) -> Result<KeyPair, AuthorityError> {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    key_from_seed(&seed)
}

/// The Ed25519 key that a seed stands for.
pub(crate) fn key_from_seed(seed: &[u8; 32]) -> Result<KeyPair, AuthorityError> {
    key_from_pkcs8([PKCS8_ED25519.as_slice(), seed].concat())
}

fn key_from_pkcs8(pkcs8: Vec<u8>) -> Result<KeyPair, AuthorityError> {
    let der = PrivatePkcs8KeyDer::from(pkcs8);
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519)?)
}

fn self_signed(key: &KeyPair, now: UnixMillis) -> Result<CertificateDer, AuthorityError> {
    // Named after its key: a leaf of another authority then has an unknown issuer, not a bad signature.
    let hash = KeyHash::of_spki(&key.subject_public_key_info()).to_string();
    let name = format!("isochrone authority {}", &hash[..16]);
    let mut params = blank_params(&name, now, AUTHORITY_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.serial_number = Some(serial(&key.subject_public_key_info(), now));
    Ok(CertificateDer(params.self_signed(key)?.der().to_vec()))
}

fn leaf_params(
    name: &str,
    common_name: &str,
    now: UnixMillis,
    life: Duration,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = blank_params(common_name, now, life);
    params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn blank_params(common_name: &str, now: UnixMillis, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = certificate_time(now.minus(BACKDATED));
    params.not_after = certificate_time(now.plus(life));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Unlike for each key and instant; positive, as RFC 5280 asks.
fn serial(spki: &[u8], now: UnixMillis) -> SerialNumber {
    let mut hasher = blake3::Hasher::new_derive_key("isochrone certificate serial 1");
    hasher.update(spki).update(&now.0.to_be_bytes());
    let mut bytes = hasher.finalize().as_bytes()[..16].to_vec();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes)
}

fn certificate_time(at: UnixMillis) -> time::OffsetDateTime {
    time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(at.0 / 1_000)
}

/// Why there is no authority, or it cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate without its key cannot sign.
    #[error(
        "{} holds authority.pem but not authority.key; restore the key from a backup, or remove both to start a new authority (every probe must then be invited again)",
        folder.display()
    )]
    KeyMissing {
        /// The state folder.
        folder: PathBuf,
    },
    /// The certificate belongs to another key.
    #[error("authority.pem does not belong to authority.key; restore both from the same backup")]
    Mismatch,
    /// A file is not what its name says.
    #[error("{}: not the PEM of an Ed25519 key or certificate; restore it from a backup", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The certificate library refused.
    #[error("the certificate library refused")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused its configuration.
    #[error("the TLS library refused the configuration")]
    Tls(#[from] rustls::Error),
}
