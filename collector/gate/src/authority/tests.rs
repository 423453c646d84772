use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rustls::pki_types::UnixTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_344_000_000);

fn authority(seed: u64) -> Authority {
    Authority::in_memory(NOW, &mut StdRng::seed_from_u64(seed)).unwrap()
}

fn open(folder: &Path, seed: u64) -> Result<Authority, AuthorityError> {
    Authority::open(folder, NOW, &mut StdRng::seed_from_u64(seed))
}

fn verify(authority: &Authority, leaf: &CertificateDer, usage: KeyUsage) -> Result<(), webpki::Error> {
    let root = authority.certificate().0.clone().into();
    let leaf = leaf.0.clone().into();
    let provider = rustls::crypto::ring::default_provider();
    EndEntityCert::try_from(&leaf)?
        .verify_for_usage(
            provider.signature_verification_algorithms.all,
            &[anchor_from_trusted_cert(&root)?],
            &[],
            UnixTime::since_unix_epoch(Duration::from_millis(NOW.0)),
            usage,
            None,
            None,
        )
        .map(|_| ())
}

fn csr(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    params.serialize_request(key).unwrap().der().to_vec()
}

fn ed25519() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

#[test]
fn files_are_made_once_and_keys_are_readable_by_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 1).unwrap();
    for (name, mode) in [
        ("authority.key", 0o600),
        ("collector.key", 0o600),
        ("authority.pem", 0o644),
    ] {
        let found = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found & !mode, 0, "{name} has mode {found:o}");
        assert_eq!(found & 0o600, 0o600, "{name} has mode {found:o}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no leftovers");
    let again = open(folder.path(), 2).unwrap();
    assert_eq!(again.key_hash(), first.key_hash());
    assert_eq!(again.certificate(), first.certificate());
    assert_eq!(again.collector_name(), first.collector_name());
}

#[test]
fn lost_certificate_is_made_again_for_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 1).unwrap();
    fs::remove_file(folder.path().join("authority.pem")).unwrap();
    assert_eq!(open(folder.path(), 2).unwrap().key_hash(), first.key_hash());
}

#[test]
fn lost_key_foreign_certificate_and_damage_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 1).unwrap();
    let key = folder.path().join("authority.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(
        open(folder.path(), 2),
        Err(AuthorityError::KeyMissing { .. })
    ));
    assert!(!key.exists(), "a new key would disown every probe");
    fs::write(&key, b"no key").unwrap();
    assert!(matches!(
        open(folder.path(), 2),
        Err(AuthorityError::Malformed { path }) if path == key
    ));
    fs::write(
        &key,
        new_key(&mut StdRng::seed_from_u64(5)).unwrap().serialize_pem(),
    )
    .unwrap();
    assert!(matches!(open(folder.path(), 2), Err(AuthorityError::Mismatch)));
    fs::write(&key, kept).unwrap();
    open(folder.path(), 2).unwrap();
}

#[test]
fn probe_leaf_is_for_clients_only_and_collector_leaf_for_servers_only() {
    let authority = authority(1);
    let key = ed25519();
    let requested = Authority::read_request(&csr(&CertificateParams::default(), &key)).unwrap();
    let probe = authority.issue_probe_leaf(&requested, NOW).unwrap();
    verify(&authority, &probe, KeyUsage::client_auth()).unwrap();
    assert!(matches!(
        verify(&authority, &probe, KeyUsage::server_auth()),
        Err(webpki::Error::RequiredEkuNotFoundContext(_))
    ));
    let collector = authority.issue_collector_leaf(NOW).unwrap();
    verify(&authority, &collector, KeyUsage::server_auth()).unwrap();
    assert!(verify(&authority, &collector, KeyUsage::client_auth()).is_err());
    assert_eq!(ProbeLeaf::read(&collector.0), Err(LeafError::Name));
    assert!(verify(&super::tests::authority(2), &probe, KeyUsage::client_auth()).is_err());
}

#[test]
fn every_attribute_of_a_request_but_its_key_is_overwritten() {
    let authority = authority(1);
    let key = ed25519();
    let mut params = CertificateParams::new(vec!["collector.example.org".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "isochrone authority");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let requested = Authority::read_request(&csr(&params, &key)).unwrap();
    let leaf = authority.issue_probe_leaf(&requested, NOW).unwrap();
    let read = ProbeLeaf::read(&leaf.0).unwrap();
    let hash = KeyHash::of_spki(&key.subject_public_key_info());
    assert_eq!((read.key, read.probe), (hash, ProbeId::of_key(&hash)));
    assert_eq!(read.expires, NOW.plus(PROBE_LEAF_LIFE));
    let (_, certificate) = X509Certificate::from_der(&leaf.0).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=isochrone probe");
    assert!(!certificate.is_ca());
    let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.any);
}

#[test]
fn requests_of_another_kind_of_key_or_with_a_broken_signature_are_refused() {
    let params = CertificateParams::default();
    let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let refused = Authority::read_request(&csr(&params, &other));
    assert_eq!(refused, Err(LeafError::KeyKind));
    let mut request = csr(&params, &ed25519());
    *request.last_mut().unwrap() ^= 1;
    assert_eq!(Authority::read_request(&request), Err(LeafError::Signature));
    request.push(0);
    assert_eq!(Authority::read_request(&request), Err(LeafError::Malformed));
    assert_eq!(Authority::read_request(b""), Err(LeafError::Malformed));
}

#[test]
fn plan_signature_holds_for_its_bytes_and_its_authority_only() {
    let (ours, foreign) = (authority(1), authority(2));
    let plan = ours.sign_plan(b"a plan".to_vec()).unwrap();
    assert!(ours.signed(&plan));
    assert!(!foreign.signed(&plan));
    let changed = SignedPlan {
        plan: b"another plan".to_vec(),
        ..plan.clone()
    };
    assert!(!ours.signed(&changed));
    let bare = ours.0.issuer.key().sign(b"a plan").unwrap();
    let bare = SignedPlan {
        signature: bare,
        ..plan
    };
    assert!(
        !ours.signed(&bare),
        "a signature without its context is another document's"
    );
}

#[test]
fn key_never_shows_in_debug_output() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path(), 1).unwrap();
    let shown = format!("{authority:?}");
    assert!(shown.starts_with("Authority { key: KeyHash("), "{shown}");
    assert!(shown.len() < 80, "{shown}");
}
