//! Joining against a scripted collector over QUIC on loopback.

use std::sync::Mutex;

use isochrone_proto::control::CertificateDer as WireCertificate;
use isochrone_proto::units::UnixMillis;
use ring::signature::{ED25519, UnparsedPublicKey};
use rustls::time_provider::DefaultTimeProvider;
use tokio::task::JoinSet;

use super::*;
use crate::disk::MemoryDisk;
use crate::identity::tests::{Role, TestAuthority};
use crate::tls::tests::server;

/// What the scripted collector does with a request.
#[derive(Clone, Copy)]
enum Script {
    Accept,
    /// Reads the request and leaves without an answer.
    Lose,
    Refuse(JoinRefusal),
}

struct Door {
    authority: Arc<TestAuthority>,
    token: Token,
    requests: Arc<Mutex<Vec<JoinRequest>>>,
    _serving: JoinSet<()>,
}

fn door(script: Vec<Script>) -> Door {
    let authority = Arc::new(TestAuthority::new());
    let key = ProbeKey::generate().unwrap();
    let endpoint = server(&key, authority.chain(&key, Role::Collector, 2090), &authority);
    let token = Token {
        collectors: vec![endpoint.local_addr().unwrap().to_string()],
        authority: authority.pin(),
        seed: [6; 32],
        expires: UnixMillis(u64::MAX),
    };
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (signer, seen) = (Arc::clone(&authority), Arc::clone(&requests));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut script = script.into_iter();
        while let (Some(act), Some(incoming)) = (script.next(), endpoint.accept().await) {
            let connection = incoming.await.unwrap();
            let (mut send, mut receive) = connection.accept_bi().await.unwrap();
            let bytes = receive.read_to_end(20_000).await.unwrap();
            let request = codec::decode_join_request(&frame::read(&bytes).unwrap().1).unwrap();
            let mut exporter = [0; 32];
            connection
                .export_keying_material(&mut exporter, EXPORTER_LABEL, b"")
                .unwrap();
            UnparsedPublicKey::new(&ED25519, &request.invitation)
                .verify(&signed_message(&exporter, &request.csr), &request.signature)
                .unwrap();
            let response = match act {
                Script::Lose => None,
                Script::Refuse(refusal) => Some(JoinResponse::Refused(refusal)),
                Script::Accept => Some(accepted(&signer, &request)),
            };
            seen.lock().unwrap().push(request);
            if let Some(response) = response {
                let payload = codec::encode_join_response(&response);
                send.write_all(&frame::seal(MessageKind::JoinResponse, &payload).unwrap())
                    .await
                    .unwrap();
                send.finish().unwrap();
                send.stopped().await.ok();
            }
            connection.close(0u32.into(), b"");
        }
        endpoint.wait_idle().await;
    });
    Door {
        authority,
        token,
        requests,
        _serving: serving,
    }
}

/// The certificate for the request's key, as the authority gives it.
fn accepted(authority: &TestAuthority, request: &JoinRequest) -> JoinResponse {
    use x509_parser::certification_request::X509CertificationRequest;
    let (_, parsed) = X509CertificationRequest::from_der(&request.csr).unwrap();
    parsed.verify_signature().unwrap();
    let spki = parsed.certification_request_info.subject_pki.raw;
    let chain = authority.chain_for_spki(spki, Role::Probe, 2090);
    JoinResponse::Accepted {
        probe: ProbeId::of_key(&KeyHash::of_spki(spki)),
        name: "berlin".into(),
        chain: chain
            .iter()
            .map(|certificate| WireCertificate(certificate.to_vec()))
            .collect(),
        addresses: vec!["lead.example.org:7470".into()],
    }
}

fn parts(disk: &Arc<MemoryDisk>) -> JoinParts {
    JoinParts {
        disk: Arc::<MemoryDisk>::clone(disk),
        endpoint: Arc::new(|_| quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))),
        tls_time: Arc::new(DefaultTimeProvider),
    }
}

#[tokio::test]
async fn accepted_probe_keeps_its_identity_and_joins_once() {
    let (door, disk) = (door(vec![Script::Accept]), Arc::new(MemoryDisk::new()));
    disk.append("spool/0-old.seg", b"of an earlier key").unwrap();
    let outcome = join(&parts(&disk), &door.token).await.unwrap();
    let identity = Identity::load(&*disk).unwrap();
    assert_eq!(
        outcome,
        JoinOutcome::Joined {
            name: "berlin".into(),
            probe: identity.probe()
        }
    );
    assert_eq!(identity.authority(), &door.authority.certificate());
    assert_eq!(identity.collectors(), ["lead.example.org:7470"]);
    assert!(disk.list("spool/").unwrap().is_empty() && disk.list("spool-of-unknown/").unwrap().len() == 1);
    let again = join(&parts(&disk), &door.token).await.unwrap();
    assert_eq!(
        again,
        JoinOutcome::AlreadyJoined {
            name: "berlin".into(),
            probe: identity.probe(),
            runs: false,
        }
    );
    assert_eq!(door.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn lost_answer_is_asked_for_with_the_same_request() {
    let (door, disk) = (
        door(vec![Script::Lose, Script::Lose, Script::Lose, Script::Accept]),
        Arc::new(MemoryDisk::new()),
    );
    let lost = join(&parts(&disk), &door.token).await.unwrap_err();
    assert!(matches!(lost, JoinError::Unreachable { .. }), "{lost}");
    join(&parts(&disk), &door.token).await.unwrap(); // another process, later
    let requests = door.requests.lock().unwrap();
    assert_eq!(requests.len(), 4);
    assert!(
        requests.iter().all(|request| request.csr == requests[0].csr),
        "one key, one request"
    );
}

#[tokio::test]
async fn each_refusal_is_told_in_its_own_words() {
    for refusal in [
        JoinRefusal::Expired,
        JoinRefusal::SpentByAnotherKey,
        JoinRefusal::UnknownToken,
    ] {
        let (door, disk) = (door(vec![Script::Refuse(refusal)]), Arc::new(MemoryDisk::new()));
        let error = join(&parts(&disk), &door.token).await.unwrap_err();
        assert_eq!(error.to_string(), refusal.to_string());
        assert!(Identity::load_optional(&*disk).unwrap().is_none());
    }
}

#[tokio::test]
async fn server_of_another_authority_is_never_asked() {
    let (door, disk) = (door(vec![Script::Accept]), Arc::new(MemoryDisk::new()));
    let token = Token {
        authority: TestAuthority::new().pin(),
        ..door.token.clone()
    };
    let error = join(&parts(&disk), &token).await.unwrap_err();
    let reason = PinMismatch::OtherAuthority;
    assert!(
        matches!(error, JoinError::NotTheCollector { reason: found, .. } if found == reason),
        "{error}"
    );
    assert!(door.requests.lock().unwrap().is_empty());
}
