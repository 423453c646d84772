mod script;

use std::time::Duration;

use isochrone_proto::echo::KeyEpoch;
use isochrone_proto::ids::KeyHash;
use isochrone_proto::join::{JoinRequest, JoinResponse};
use isochrone_store::ingest::fixture::{START, store_on};
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{Part, Records, StoreError, Transaction};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use tokio::sync::mpsc;

use super::invite::VALID;
use super::*;
use crate::authority::ProbeLeaf;
use crate::events::{EventSink, GateEvent};

struct Office {
    disk: LossyBackend,
    authority: Authority,
    clock: Clock,
    registry: Registry,
    events: mpsc::Receiver<GateEvent>,
    /// Every token that was made, by the name it promises.
    tokens: Mutex<std::collections::BTreeMap<String, Token>>,
}

impl Office {
    fn new() -> Self {
        let disk = LossyBackend::new();
        let authority = Authority::in_memory(START, &mut StdRng::seed_from_u64(1)).unwrap();
        let clock = Clock::virtual_from(START);
        let (registry, events) = open(&disk, &authority, &clock);
        Self {
            disk,
            authority,
            clock,
            registry,
            events,
            tokens: Mutex::default(),
        }
    }

    fn invite(&self, worker: &str, name: Option<&str>) -> Result<Invitation, RegistryError> {
        let new = NewInvitation {
            worker: worker.to_owned(),
            site: "Berlin, DE".to_owned(),
            name: name.map(str::to_owned),
            network: Some(64_500),
            ..NewInvitation::default()
        };
        let invitation = self.registry.invite(&new, &lead())?;
        let token = invitation.token.parse().unwrap();
        self.tokens.lock().unwrap().insert(invitation.name.clone(), token);
        Ok(invitation)
    }

    fn join(&self, invitation: &Invitation, key: &KeyPair) -> JoinResponse {
        self.join_with(&invitation.token.parse().unwrap(), key)
    }

    fn join_with(&self, token: &Token, key: &KeyPair) -> JoinResponse {
        let seed = crate::authority::key_from_seed(&token.seed).unwrap();
        let csr = CertificateParams::default().serialize_request(key).unwrap();
        let csr = csr.der().to_vec();
        let message = isochrone_proto::join::signed_message(&[0; 32], &csr);
        let request = JoinRequest {
            invitation: seed.der_bytes().try_into().unwrap(),
            signature: seed.sign(&message).unwrap(),
            csr,
            software: String::new(),
        };
        let remote = "192.0.2.1:9".parse().unwrap();
        self.registry.join(&request, &[0; 32], remote).unwrap()
    }

    fn joined(&self, worker: &str) -> Arc<ProbeRecord> {
        let invitation = self.invite(worker, None).unwrap();
        let response = self.join(&invitation, &ed25519());
        let JoinResponse::Accepted { probe, .. } = response else {
            panic!("refused: {response:?}");
        };
        self.registry.probe(probe).unwrap()
    }
}

fn open(disk: &LossyBackend, authority: &Authority, clock: &Clock) -> (Registry, mpsc::Receiver<GateEvent>) {
    let (events, receiver) = GateEvents::channel();
    let registry = Registry::open(RegistryParts {
        store: store_on(disk),
        authority: authority.clone(),
        clock: clock.clone(),
        events,
        addresses: vec!["lead.example.org:7470".to_owned()],
        seed: [1; 32],
    });
    (registry.unwrap(), receiver)
}

fn lead() -> Actor {
    Actor::Local {
        user: "lead".to_owned(),
    }
}

fn ed25519() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

#[tokio::test]
async fn names_are_made_from_worker_and_city_and_never_given_twice() {
    let office = Office::new();
    let names: Vec<_> = (0..3)
        .map(|_| office.invite("Ada-Lovelace", None).unwrap().name)
        .collect();
    assert_eq!(
        names,
        [
            "ada-lovelace-berlin",
            "ada-lovelace-berlin-2",
            "ada-lovelace-berlin-3"
        ]
    );
    assert!(matches!(
        office.invite("x", Some("ada-lovelace-berlin")),
        Err(RegistryError::NameTaken { .. })
    ));
    let bob = office.joined("bob");
    office.registry.revoke(bob.id, &lead(), "test").unwrap();
    assert_eq!(
        office.invite("bob", None).unwrap().name,
        "bob-berlin-2",
        "a revoked probe keeps its name"
    );
    for bad in ["Upper", "a--b", "-a", "a b", "", "ä"] {
        assert!(
            matches!(office.invite("x", Some(bad)), Err(RegistryError::NameForm { .. })),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn name_of_an_ended_invitation_is_free_again() {
    let office = Office::new();
    office.invite("ada", None).unwrap();
    office.clock.step(73 * 3_600_000);
    assert_eq!(office.invite("ada", None).unwrap().name, "ada-berlin");
}

#[tokio::test]
async fn name_is_made_of_plain_letters() {
    let office = Office::new();
    let new = NewInvitation {
        worker: "José".to_owned(),
        site: "São Paulo, BR".to_owned(),
        ..NewInvitation::default()
    };
    assert_eq!(
        office.registry.invite(&new, &lead()).unwrap().name,
        "jose-sao-paulo"
    );
}

#[tokio::test]
async fn invitation_with_a_value_out_of_range_names_the_option() {
    let office = Office::new();
    let good = NewInvitation {
        worker: "ada".to_owned(),
        site: "Nowhere, XX".to_owned(),
        ..NewInvitation::default()
    };
    let with = |change: fn(&mut NewInvitation)| {
        let mut new = good.clone();
        change(&mut new);
        office
            .registry
            .invite(&new, &lead())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(with(|_| ()).starts_with("--site"));
    assert!(with(|new| new.location = Some((91.0, 0.0))).starts_with("--location"));
    assert!(with(|new| new.location = Some((f64::NAN, 0.0))).starts_with("--location"));
    for worker in ["", "\n", "Ada Lovelace", "a/b"] {
        let mut new = good.clone();
        new.worker = worker.to_owned();
        let error = office
            .registry
            .invite(&new, &lead())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--worker") && error.contains("targets.toml"),
            "{error}"
        );
    }
    let place = |new: &mut NewInvitation| new.location = Some((1.0, 2.0));
    let mut new = good.clone();
    place(&mut new);
    new.valid = Some(Duration::ZERO);
    let error = office.registry.invite(&new, &lead()).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("--valid"));
    new.valid = None;
    assert_eq!(office.registry.invite(&new, &lead()).unwrap().name, "ada-nowhere");
}

#[tokio::test]
async fn registry_is_the_same_after_it_was_opened_again_and_keeps_no_token() {
    let office = Office::new();
    let ada = office.joined("ada");
    let invitation = office.invite("bob", None).unwrap();
    let token: Token = invitation.token.parse().unwrap();
    let before = (
        office.registry.list(),
        office.registry.invitations(),
        office.registry.audit(UnixMillis(0)).unwrap(),
    );
    let json = serde_json::to_string(&before.0[0]).unwrap();
    assert!(json.contains(&format!("\"id\":\"{}\"", ada.id)), "{json}");
    let seed = data_encoding::HEXLOWER.encode(&token.seed);
    assert!(!serde_json::to_string(&before.1).unwrap().contains(&seed));
    drop(office.registry);
    let survivor = office.disk.crash(7);
    let (registry, _) = open(&survivor, &office.authority, &office.clock);
    let after = (
        registry.list(),
        registry.invitations(),
        registry.audit(UnixMillis(0)).unwrap(),
    );
    assert_eq!(after, before);
}

#[tokio::test]
async fn secrets_of_a_whole_fleet_are_one_change_and_no_news_is_none() {
    let office = Office::new();
    let told: Vec<_> = ["ada", "bob", "eve"]
        .map(|name| (office.joined(name).id, KeyEpoch(0)))
        .into();
    let changes = office.registry.changes();
    let before = *changes.borrow();
    assert_eq!(office.registry.confirm_secrets(&told).unwrap(), 3);
    assert_eq!(*changes.borrow() - before, 1);
    assert_eq!(office.registry.confirm_secrets(&told).unwrap(), 0);
    assert_eq!(*changes.borrow() - before, 1);
}

#[tokio::test]
async fn revocation_keeps_the_secret_that_the_responder_is_known_to_have() {
    let office = Office::new();
    let (ada, bob, eve) = (office.joined("ada"), office.joined("bob"), office.joined("eve"));
    let secrets = |id| {
        let record = office.registry.probe(id).unwrap();
        let epochs: Vec<u16> = record.secrets.iter().map(|keyed| keyed.epoch.0).collect();
        (epochs, record.known_secret.map(|epoch| epoch.0))
    };
    assert_eq!(secrets(ada.id), (vec![0], None));
    assert!(office.registry.confirm_secrets(&[(ada.id, KeyEpoch(0))]).unwrap() == 1);
    assert!(
        office.registry.confirm_secrets(&[(ada.id, KeyEpoch(0))]).unwrap() == 0,
        "no news"
    );
    office.registry.revoke(bob.id, &lead(), "test").unwrap();
    assert_eq!(
        secrets(ada.id),
        (vec![1, 0], Some(0)),
        "those who stay still have keys of 0"
    );
    assert_eq!(secrets(bob.id), (vec![0], None));
    // nobody was given a key of 1, which ada may never have got
    office.registry.revoke(eve.id, &lead(), "test").unwrap();
    assert_eq!(secrets(ada.id), (vec![2, 0], Some(0)));
    assert!(
        office.registry.confirm_secrets(&[(ada.id, KeyEpoch(1))]).unwrap() == 0,
        "gone"
    );
    assert!(office.registry.confirm_secrets(&[(ada.id, KeyEpoch(2))]).unwrap() == 1);
    let fay = office.joined("fay");
    office.registry.revoke(fay.id, &lead(), "test").unwrap();
    assert_eq!(
        secrets(ada.id),
        (vec![3, 2], Some(2)),
        "a secret she has is kept beside the new one"
    );
    assert!(
        office.registry.confirm_secrets(&[(bob.id, KeyEpoch(0))]).unwrap() == 0,
        "out"
    );
}

#[tokio::test]
async fn secret_of_a_responder_that_was_never_heard_of_is_replaced() {
    let office = Office::new();
    let (ada, bob) = (office.joined("ada"), office.joined("bob"));
    office.registry.revoke(bob.id, &lead(), "test").unwrap();
    let record = office.registry.probe(ada.id).unwrap();
    assert_eq!((record.secrets.len(), record.secrets[0].epoch), (1, KeyEpoch(1)));
    assert_eq!(record.known_secret, None);
}

#[tokio::test]
async fn failed_commit_changes_nothing_that_anyone_sees() {
    let mut office = Office::new();
    let invitation = office.invite("ada", None).unwrap();
    let changes = office.registry.changes();
    office.disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
    let key = ed25519();
    let token: Token = invitation.token.parse().unwrap();
    let seed = crate::authority::key_from_seed(&token.seed).unwrap();
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .der()
        .to_vec();
    let request = JoinRequest {
        invitation: seed.der_bytes().try_into().unwrap(),
        signature: seed
            .sign(&isochrone_proto::join::signed_message(&[0; 32], &csr))
            .unwrap(),
        csr,
        software: String::new(),
    };
    let joined = office
        .registry
        .join(&request, &[0; 32], "192.0.2.1:9".parse().unwrap());
    assert!(matches!(joined, Err(RegistryError::Store(_))), "{joined:?}");
    assert!(office.registry.list().is_empty());
    assert!(office.events.try_recv().is_err());
    assert!(!changes.has_changed().unwrap());
    office.disk.fail_writes(None);
    let again = office.join(&invitation, &key);
    assert!(matches!(again, JoinResponse::Accepted { .. }), "{again:?}");
}

#[tokio::test]
async fn key_that_is_in_takes_over_a_second_invitations_name_and_keeps_its_secrets() {
    let office = Office::new();
    let key = ed25519();
    let first = office.invite("ada", Some("ada-one")).unwrap();
    office.join(&first, &key);
    let id = ProbeId::of_key(&KeyHash::of_spki(&key.subject_public_key_info()));
    let before = office.registry.probe(id).unwrap();
    let second = office.invite("ada", Some("ada-two")).unwrap();
    let response = office.join(&second, &key);
    assert!(matches!(response, JoinResponse::Accepted { name, .. } if name == "ada-two"));
    let after = office.registry.probe(id).unwrap();
    assert_eq!(
        (after.name.as_str(), &after.secrets),
        ("ada-two", &before.secrets)
    );
    assert_eq!(office.registry.list().len(), 1);
}

#[tokio::test]
async fn token_of_a_revoked_probe_shown_with_another_key_still_alerts() {
    let mut office = Office::new();
    let invitation = office.invite("ada", None).unwrap();
    let first = ed25519();
    office.join(&invitation, &first);
    let id = ProbeId::of_key(&KeyHash::of_spki(&first.subject_public_key_info()));
    office.registry.revoke(id, &lead(), "test").unwrap();
    let response = office.join(&invitation, &ed25519());
    assert_eq!(
        response,
        JoinResponse::Refused(isochrone_proto::join::JoinRefusal::SpentByAnotherKey)
    );
    let mut kinds = Vec::new();
    while let Ok(event) = office.events.try_recv() {
        kinds.push(event.kind);
    }
    assert!(
        matches!(
            kinds.as_slice(),
            [
                GateEventKind::Joined,
                GateEventKind::Revoked { .. },
                GateEventKind::TokenReused { .. }
            ]
        ),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn spent_token_shown_with_an_active_probes_key_revokes_that_probe_too() {
    let mut office = Office::new();
    let ada = office.joined("ada");
    let bobs_key = ed25519();
    let invitation = office.invite("bob", None).unwrap();
    office.join(&invitation, &bobs_key);
    let bob = office.registry.by_name("bob-berlin").unwrap();
    let token = office.tokens.lock().unwrap()[&ada.name].clone();
    let refused = JoinResponse::Refused(isochrone_proto::join::JoinRefusal::SpentByAnotherKey);
    assert_eq!(office.join_with(&token, &bobs_key), refused);
    for probe in [&ada, &bob] {
        assert!(
            !office.registry.probe(probe.id).unwrap().is_active(),
            "{}",
            probe.name
        );
    }
    let told = std::iter::from_fn(|| office.events.try_recv().ok())
        .last()
        .unwrap();
    assert_eq!(told.probe, ada.id);
    assert!(
        matches!(&told.kind, GateEventKind::TokenReused { revoked: Some(name), .. } if *name == bob.name),
        "{told:?}"
    );
}

#[tokio::test]
async fn key_that_was_caught_once_is_caught_with_every_other_stolen_token() {
    let mut office = Office::new();
    let (ada, bob) = (office.joined("ada"), office.joined("bob"));
    let thief = ed25519();
    for probe in [&ada, &bob] {
        let token = office.tokens.lock().unwrap()[&probe.name].clone();
        for _ in 0..2 {
            office.join_with(&token, &thief);
        }
        assert!(
            !office.registry.probe(probe.id).unwrap().is_active(),
            "{}",
            probe.name
        );
    }
    let told = std::iter::from_fn(|| office.events.try_recv().ok());
    let reused: Vec<_> = told
        .filter(|event| matches!(event.kind, GateEventKind::TokenReused { .. }))
        .map(|event| event.probe)
        .collect();
    assert_eq!(reused, [ada.id, bob.id], "one alert for each token");
}

/// Keeps what happens in a table of its own.
struct Book(Records<String>);

impl EventSink for Book {
    fn tell_in(&self, transaction: &Transaction, event: &GateEvent) -> Result<(), StoreError> {
        self.0
            .put_in(transaction, &event.name, &format!("{:?}", event.kind))
    }

    fn committed(&self, _: GateEvent) {}

    fn tell(&self, _: GateEvent) {}
}

#[tokio::test]
async fn what_is_told_of_a_reused_token_is_in_the_transaction_that_revokes() {
    let office = Office::new();
    let ada = office.joined("ada");
    let token = office.tokens.lock().unwrap()[&ada.name].clone();
    let disk = office.disk.crash(1); // what follows is a new process on the same disk
    let store = store_on(&disk);
    let registry = Registry::open(RegistryParts {
        store: store.clone(),
        authority: office.authority.clone(),
        clock: office.clock.clone(),
        events: GateEvents::to(Book(Records::new(store.clone(), "told"))),
        addresses: vec!["lead.example.org:7470".to_owned()],
        seed: [2; 32],
    });
    let office = Office {
        registry: registry.unwrap(),
        ..office
    };
    office.join_with(&token, &ed25519());
    drop((office, store));
    let told: Records<String> = Records::new(store_on(&disk.crash(2)), "told");
    let told = told.list().unwrap();
    assert_eq!(
        told.len(),
        1,
        "killed right after the commit, it is told all the same"
    );
    assert!(told[0].1.starts_with("TokenReused"), "{told:?}");
}

#[tokio::test]
async fn probe_with_a_damaged_record_is_refused_with_what_to_do_and_the_others_are_not() {
    for (part, bit) in [(Part::Value, 100), (Part::Value, 2), (Part::Key, 2)] {
        let office = Office::new();
        let probes = [office.joined("ada"), office.joined("bob")];
        let leaf = |probe: &ProbeRecord| ProbeLeaf {
            probe: probe.id,
            key: probe.key,
            expires: probe.leaf_expires,
        };
        let damaged = probes.iter().min_by_key(|probe| probe.id).unwrap();
        let whole = probes.iter().max_by_key(|probe| probe.id).unwrap();
        assert!(store_on(&office.disk.snapshot()).damage().unwrap().is_none());
        let disk = office.disk.snapshot();
        assert!(store_on(&disk).flip_both("probes", 0, part, bit).unwrap());
        let (registry, _events) = open(&disk, &office.authority, &office.clock);
        assert_eq!(registry.admit(&leaf(whole)).unwrap().name, whole.name);
        let refusal = registry.admit(&leaf(damaged)).unwrap_err();
        let said = refusal.to_string();
        assert!(
            said.contains("damaged; ask the lead for a new invitation"),
            "{part:?} {bit}: {said}"
        );
        assert_eq!(registry.list().len(), 1);

        let (registry, _events) = open(&disk, &office.authority, &office.clock);
        assert!(
            registry
                .admit(&leaf(damaged))
                .unwrap_err()
                .to_string()
                .contains("damaged"),
            "after a restart"
        );
    }
}
