//! A small authority for tests, and what an identity refuses.

use isochrone_proto::codec;
use isochrone_proto::plan::{Plan, SignedPlan};
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SubjectPublicKeyInfo,
};
use rcgen::{SigningKey as _, date_time_ymd};

use super::*;
use crate::disk::MemoryDisk;

/// What a test's authority signs leaves for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Probe,
    Collector,
}

/// An authority with its key.
pub(crate) struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::from_ca_cert_der(&certificate, key).unwrap(),
            certificate,
        }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn pin(&self) -> KeyHash {
        KeyHash::of_spki(&self.issuer.key().subject_public_key_info())
    }

    /// Leaf and authority for a key, valid up to the end of `until` (a year).
    pub(crate) fn chain(&self, key: &ProbeKey, role: Role, until: i32) -> Vec<CertificateDer<'static>> {
        self.chain_for_spki(&key.spki().unwrap(), role, until)
    }

    /// The same for a public key.
    pub(crate) fn chain_for_spki(&self, spki: &[u8], role: Role, until: i32) -> Vec<CertificateDer<'static>> {
        let (path, usage) = match role {
            Role::Probe => ("probe", ExtendedKeyUsagePurpose::ClientAuth),
            Role::Collector => ("collector", ExtendedKeyUsagePurpose::ServerAuth),
        };
        let name = format!(
            "spiffe://isochrone/{path}/{}",
            ProbeId::of_key(&KeyHash::of_spki(spki))
        );
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.as_str().try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let public = SubjectPublicKeyInfo::from_der(spki).unwrap();
        let leaf = params.signed_by(&public, &self.issuer).unwrap();
        vec![leaf.der().clone(), self.certificate()]
    }

    /// A probe of this mesh.
    pub(crate) fn identity(&self, collectors: &[String]) -> Identity {
        self.identity_until(collectors, 2090)
    }

    /// The same with another end of its leaf.
    pub(crate) fn identity_until(&self, collectors: &[String], until: i32) -> Identity {
        let key = ProbeKey::generate().unwrap();
        let joined = Joined {
            probe: key.probe().unwrap(),
            name: "ada".into(),
            chain: self.chain(&key, Role::Probe, until),
            collectors: collectors.to_vec(),
            invitation: [4; 32],
        };
        Identity::new(key, joined).unwrap()
    }

    pub(crate) fn sign(&self, plan: &Plan) -> SignedPlan {
        let plan = codec::encode_plan(plan);
        let signature = self.issuer.key().sign(&SignedPlan::message(&plan)).unwrap();
        SignedPlan { plan, signature }
    }
}

#[test]
fn saved_identity_is_loaded_again() {
    let (disk, authority) = (MemoryDisk::new(), TestAuthority::new());
    assert!(matches!(Identity::load(&disk), Err(IdentityError::NotJoined)));
    let identity = authority.identity(&["192.0.2.1:7470".into()]);
    identity.save(&disk).unwrap();
    let loaded = Identity::load(&disk).unwrap();
    assert_eq!((loaded.probe(), loaded.name()), (identity.probe(), "ada"));
    assert_eq!(loaded.chain(), identity.chain());
    assert_eq!(loaded.key(), identity.key());
    assert_eq!(loaded.probe(), loaded.key().probe().unwrap());
    let life = loaded.leaf_life().unwrap();
    assert!(life.from < life.renew_from() && life.renew_from() < life.until);
}

#[test]
fn damaged_identity_says_what_to_do() {
    let (disk, authority) = (MemoryDisk::new(), TestAuthority::new());
    authority.identity(&[]).save(&disk).unwrap();
    let text = String::from_utf8(disk.read(FILE).unwrap()).unwrap();
    disk.replace(FILE, text.replace("\"key\": \"", "\"key\": \"!").as_bytes())
        .unwrap();
    let error = Identity::load(&disk).unwrap_err().to_string();
    assert!(error.contains("`key`") && error.contains("join TOKEN"), "{error}");
}

#[test]
fn leaf_for_another_key_is_refused() {
    let authority = TestAuthority::new();
    let identity = authority.identity(&[]);
    let other = authority.chain(&ProbeKey::generate().unwrap(), Role::Probe, 2090);
    assert!(matches!(identity.renewed(other), Err(IdentityError::OtherKey)));
    let foreign = TestAuthority::new().chain(identity.key(), Role::Probe, 2090);
    assert!(matches!(identity.renewed(foreign), Err(IdentityError::Chain)));
    let renewed = identity
        .renewed(authority.chain(identity.key(), Role::Probe, 2095))
        .unwrap();
    assert!(renewed.leaf_life().unwrap().until > identity.leaf_life().unwrap().until);
}

#[test]
fn request_of_one_key_is_always_the_same() {
    let key = ProbeKey::generate().unwrap();
    assert_eq!(key.request().unwrap(), key.request().unwrap());
}

/// A certificate's public key.
pub(crate) fn spki(certificate: &CertificateDer<'_>) -> Vec<u8> {
    spki_of(certificate).unwrap()
}

/// A request's public key.
pub(crate) fn request_spki(csr: &[u8]) -> Vec<u8> {
    use x509_parser::certification_request::X509CertificationRequest;
    let (_, request) = X509CertificationRequest::from_der(csr).unwrap();
    request.certification_request_info.subject_pki.raw.to_vec()
}
