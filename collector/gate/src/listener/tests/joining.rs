use std::time::Duration;

use isochrone_proto::control::CloseCode;
use isochrone_proto::ids::KeyHash;
use isochrone_proto::join::{JoinRefusal, JoinResponse};
use isochrone_proto::limits::JOIN_BYTES_MAX;
use isochrone_proto::token::Token;
use rcgen::PublicKeyData as _;

use super::bench::*;
use crate::events::GateEventKind;
use crate::listener::join::JOINS_MAX;

#[tokio::test(flavor = "multi_thread")]
async fn invited_key_gets_its_name_and_a_chain_and_is_in_the_registry() {
    let mut bench = Bench::start();
    let (invitation, token) = bench.invite("Ada-Lovelace");
    let identity = Identity::new();
    let response = bench.join(&token, &identity).await.unwrap();
    let JoinResponse::Accepted {
        probe,
        name,
        chain,
        addresses,
    } = response
    else {
        panic!("refused: {response:?}");
    };
    assert_eq!((probe, name.as_str()), (identity.id(), "ada-lovelace-berlin"));
    assert_eq!(invitation.name, name);
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1], *bench.authority.certificate());
    assert_eq!(addresses, [bench.address.to_string()]);
    let record = bench.registry.by_name(&name).unwrap();
    assert_eq!(record.country.as_deref(), Some("DE"));
    assert!((record.latitude - 52.5).abs() < 0.2 && (record.longitude - 13.4).abs() < 0.2);
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_pin_is_refused_by_the_joining_client() {
    let bench = Bench::start();
    let config = bench.client_config(None, isochrone_proto::join::ALPN_JOIN, KeyHash([9; 32]));
    let error = bench.dial(config).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_expired_and_withdrawn_tokens_are_refused_each_with_its_own_word() {
    let bench = Bench::start();
    let key = Identity::new();
    let (_, known) = bench.invite("ada");
    let unknown = Token {
        seed: [42; 32],
        ..known.clone()
    };
    assert_eq!(
        refused(bench.join(&unknown, &key).await),
        JoinRefusal::UnknownToken
    );
    let (withdrawn_invitation, withdrawn) = bench.invite("bob");
    let lead = crate::audit::Actor::Local { user: "lead".into() };
    let name = &withdrawn_invitation.name;
    assert_eq!(bench.registry.open_invitations().len(), 2);
    assert!(bench.registry.withdraw(name, &lead).unwrap());
    assert!(!bench.registry.withdraw(name, &lead).unwrap(), "only once");
    assert_eq!(bench.registry.open_invitations().len(), 1);
    assert_eq!(
        refused(bench.join(&withdrawn, &key).await),
        JoinRefusal::Withdrawn
    );
    bench.clock.step(72 * 3_600_000 + 1);
    assert_eq!(refused(bench.join(&known, &key).await), JoinRefusal::Expired);
    assert!(bench.registry.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn signature_of_another_seed_or_connection_is_refused() {
    let bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let key = Identity::new();
    let connection = bench.connect_to_join().await;
    let mut request = join_request(&connection, &token, &key);
    let captured = request.clone();
    request.signature[7] ^= 1;
    let response = ask_to_join(&connection, &sealed_request(&request)).await;
    assert_eq!(refused(response), JoinRefusal::BadSignature);

    let elsewhere = bench.connect_to_join().await;
    let response = ask_to_join(&elsewhere, &sealed_request(&captured)).await;
    assert_eq!(
        refused(response),
        JoinRefusal::BadSignature,
        "bound to its connection"
    );
    assert!(bench.registry.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn request_for_another_kind_of_key_is_refused() {
    let bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let mut key = Identity::new();
    key.key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(refused(bench.join(&token, &key).await), JoinRefusal::BadRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn same_key_gets_the_same_certificate_again_even_after_the_token_ended() {
    let bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let key = Identity::new();
    let first = bench.join(&token, &key).await.unwrap();
    bench.clock.step(80 * 3_600_000);
    let second = bench.join(&token, &key).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(bench.registry.list().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_shown_with_another_key_revokes_both_closes_the_first_and_alerts_once() {
    let mut bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let mut first = Identity::new();
    let response = bench.join(&token, &first).await.unwrap();
    first.accept(response);
    let (probe, _) = bench.welcomed(&first, hello(1)).await;
    let second = Identity::new();
    for _ in 0..2 {
        assert_eq!(
            refused(bench.join(&token, &second).await),
            JoinRefusal::SpentByAnotherKey
        );
    }
    assert_eq!(closed(&probe.connection).await.code, CloseCode::Revoked);
    assert!(!bench.registry.probe(first.id()).unwrap().is_active());
    assert_eq!(refused(bench.join(&token, &first).await), JoinRefusal::Withdrawn);
    let (_, fresh) = bench.invite("ada");
    assert_eq!(
        refused(bench.join(&fresh, &second).await),
        JoinRefusal::RevokedKey
    );
    assert_eq!(refused(bench.join(&fresh, &first).await), JoinRefusal::RevokedKey);

    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    let other = KeyHash::of_spki(&second.key.subject_public_key_info());
    let event = bench.event().await;
    assert_eq!(event.probe, first.id());
    assert!(matches!(event.kind, GateEventKind::TokenReused { other: found, .. } if found == other));
    assert!(
        bench.events.try_recv().is_err(),
        "one alert, not one for each try"
    );
    let actions = bench
        .registry
        .audit(isochrone_proto::units::UnixMillis(0))
        .unwrap();
    let actions: Vec<_> = actions.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["invite", "join", "token reused", "revoke", "invite"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn join_beyond_sixty_four_is_told_that_the_collector_is_busy() {
    let bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let key = Identity::new();
    bench.listener.joins.occupy(JOINS_MAX);
    assert_eq!(refused(bench.join(&token, &key).await), JoinRefusal::Busy);
    bench.listener.joins.vacate(JOINS_MAX);
    assert!(matches!(
        bench.join(&token, &key).await,
        Ok(JoinResponse::Accepted { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn oversize_and_trailing_join_requests_break_the_protocol() {
    let bench = Bench::start();
    let (_, token) = bench.invite("ada");
    let key = Identity::new();
    let connection = bench.connect_to_join().await;
    let mut bytes = sealed_request(&join_request(&connection, &token, &key));
    bytes.push(0);
    let end = ask_to_join(&connection, &bytes).await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("1 bytes after the request"), "{}", end.reason);

    let connection = bench.connect_to_join().await;
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    let sending = send.write_all(&[0; JOIN_BYTES_MAX + 4_096]).await;
    println!("sending too much: {sending:?}"); // may or may not be cut short by the close
    let end = closed(&connection).await;
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("at most 16 KiB"), "{}", end.reason);
    assert!(bench.registry.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn join_that_says_nothing_is_closed() {
    let bench = Bench::start();
    let connection = bench.connect_to_join().await;
    let end = closed(&connection).await;
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("within 5 s"), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_for_a_longer_time_is_valid_for_that_time() {
    let bench = Bench::start();
    let new = crate::registry::NewInvitation {
        worker: "ada".into(),
        site: "Oslo, NO".into(),
        valid: Some(Duration::from_secs(10 * 86_400)),
        ..Default::default()
    };
    let invitation = bench.registry.invite(&new, &Bench::lead()).unwrap();
    bench.clock.step(9 * 86_400_000);
    let token = invitation.token.parse().unwrap();
    let response = bench.join(&token, &Identity::new()).await.unwrap();
    assert!(matches!(response, JoinResponse::Accepted { .. }));
}
