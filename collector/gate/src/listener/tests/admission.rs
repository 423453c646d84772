use std::time::Duration;

use isochrone_proto::codec;
use isochrone_proto::control::{CloseCode, CollectorMessage, ProbeMessage, Refusal, SpoolState};
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::join::ALPN;
use isochrone_proto::limits::CONTROL_BYTES_MAX;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture::{EPOCH, START};
use quinn::ConnectionError;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::bench::*;
use crate::authority::{Authority, ProbeLeaf};
use crate::events::GateEventKind;

const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn joined_probe_is_welcomed_under_the_registrys_name() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (probe, welcome) = bench.welcomed(&identity, hello(1)).await;
    assert_eq!(
        (welcome.probe, welcome.name.as_str()),
        (identity.id(), "ada-berlin")
    );
    assert!(!welcome.renew);
    assert_eq!(welcome.marks.len(), 1);
    assert_eq!(welcome.observed.unwrap().ip(), bench.address.ip());
    let views = bench.sessions.list();
    assert_eq!(views.len(), 1);
    assert_eq!((views[0].name.as_str(), views[0].echo_port), ("ada-berlin", 7472));
    drop(probe);
    let mut changes = bench.sessions.changes();
    while !bench.sessions.list().is_empty() {
        soon(changes.changed()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_hello_are_listed_clean() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let mut hostile = hello(1);
    hostile.software = "0.1.0\u{1b}[2J\u{202e}\nada-paris  connected\u{9b}\0".to_owned();
    let (_probe, _) = bench.welcomed(&identity, hostile).await;
    let views = bench.sessions.list();
    assert_eq!(views[0].software, "0.1.0?[2J? ada-paris  connected??");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_without_a_certificate_is_told_to_join() {
    let bench = Bench::start();
    let (refusal, end) = bench.refusal(None).await;
    assert_eq!(refusal, Refusal::NoCertificate);
    assert_eq!(end.code, CloseCode::Refused);
    assert_eq!(end.reason, refusal.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_a_foreign_authority_fails_the_handshake() {
    let bench = Bench::start();
    let foreign = Authority::in_memory(bench.clock.wall(), &mut StdRng::seed_from_u64(99)).unwrap();
    let identity = Identity::signed_by(&foreign, bench.clock.wall());
    let config = bench.client_config(Some(&identity), ALPN, bench.authority.key_hash());
    let error = match bench.dial(config).await {
        Err(error) => error,
        Ok(connection) => soon(connection.closed()).await,
    };
    let ConnectionError::ConnectionClosed(close) = error else {
        panic!("expected a TLS alert, got {error}");
    };
    assert_eq!(
        close.error_code,
        quinn::TransportErrorCode::crypto(48),
        "unknown_ca"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_own_kind_of_leaf_is_no_way_in() {
    let bench = Bench::start();
    let mut identity = Identity::new();
    let requested = Authority::read_request(&identity.csr()).unwrap();
    let leaf = bench
        .authority
        .issue_server_leaf_for(&requested, bench.clock.wall())
        .unwrap();
    identity.chain = bench.authority.chain(leaf);
    let config = bench.client_config(Some(&identity), ALPN, bench.authority.key_hash());
    let error = match bench.dial(config).await {
        Err(error) => error,
        Ok(connection) => soon(connection.closed()).await,
    };
    assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_the_registry_does_not_know_is_refused_as_unknown() {
    let bench = Bench::start();
    let identity = Identity::signed_by(&bench.authority, bench.clock.wall());
    let (refusal, end) = bench.refusal(Some(&identity)).await;
    assert_eq!((refusal, end.code), (Refusal::Unknown, CloseCode::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_closes_the_live_connection_and_every_later_one() {
    let mut bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (probe, _) = bench.welcomed(&identity, hello(1)).await;
    let lead = Bench::lead();
    assert!(
        bench
            .registry
            .revoke(identity.id(), &lead, "left the mesh")
            .unwrap()
    );
    let end = closed(&probe.connection).await;
    assert_eq!(end.code, CloseCode::Revoked);
    assert!(end.reason.contains("revoked"), "{}", end.reason);
    let (refusal, end) = bench.refusal(Some(&identity)).await;
    assert_eq!((refusal, end.code), (Refusal::Revoked, CloseCode::Refused));
    assert!(!bench.registry.revoke(identity.id(), &lead, "again").unwrap());
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    let by = "local user lead".to_owned();
    assert_eq!(bench.event().await.kind, GateEventKind::Revoked { by });
}

#[tokio::test(flavor = "multi_thread")]
async fn leaf_in_its_last_third_is_asked_to_renew_and_keeps_its_key() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    bench.clock.step(21 * DAY_MS);
    let (mut probe, welcome) = bench.welcomed(&identity, hello(1)).await;
    assert!(welcome.renew);
    let old = ProbeLeaf::read(&identity.chain[0].0).unwrap();
    probe
        .say(&ProbeMessage::Renew {
            csr: Identity::new().csr(),
        })
        .await;
    assert_eq!(
        probe.next().await.unwrap(),
        CollectorMessage::RenewalRefused(Refusal::BadRequest),
        "another key"
    );
    let csr = identity.csr();
    probe.say(&ProbeMessage::Renew { csr }).await;
    let CollectorMessage::Renewed { chain } = probe.next().await.unwrap() else {
        panic!("expected Renewed");
    };
    let new = ProbeLeaf::read(&chain[0].0).unwrap();
    assert_eq!((new.probe, new.key), (old.probe, old.key));
    assert!(new.expires > old.expires);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_leaf_may_renew_and_nothing_else_until_it_has() {
    let bench = Bench::start_at(UnixMillis(START.0 - 31 * DAY_MS as u64 + 3_600_000));
    let identity = bench.joined("ada").await;
    let plan = put_plan(&bench, identity.id());
    *bench.plans.current.lock().unwrap() = Some(plan.clone());
    bench.clock.step(31 * DAY_MS);
    let (mut probe, welcome) = bench.welcomed(&identity, hello(1)).await;
    assert!(welcome.renew);
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &batches(EPOCH, 1)[0]).await;
    bench.sessions.send_plan(identity.id(), plan);
    // Said after the batch, answered before it: what stands between is the renewal.
    let csr = identity.csr();
    probe.say(&ProbeMessage::Renew { csr }).await;
    let renewed = probe.next().await.unwrap();
    assert!(matches!(renewed, CollectorMessage::Renewed { .. }), "{renewed:?}");
    let plan = probe.next().await.unwrap();
    assert!(matches!(plan, CollectorMessage::Plan(_)), "{plan:?}");
    probe.acked(EPOCH, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaf_expired_for_more_than_400_days_is_refused_for_good() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    bench.clock.step(429 * DAY_MS);
    let (_probe, welcome) = bench.welcomed(&identity, hello(1)).await;
    assert!(welcome.renew, "399 days after its end it still may");
    bench.clock.step(2 * DAY_MS);
    let (refusal, end) = bench.refusal(Some(&identity)).await;
    assert_eq!((refusal, end.code), (Refusal::ExpiredTooLong, CloseCode::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_connection_closes_the_older_and_a_returning_instance_is_an_event() {
    let mut bench = Bench::start();
    let identity = bench.joined("ada").await;
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    let (first, _) = bench.welcomed(&identity, hello(1)).await;
    let (again, _) = bench.welcomed(&identity, hello(1)).await;
    assert_eq!(closed(&first.connection).await.code, CloseCode::Replaced);
    let (second, _) = bench.welcomed(&identity, hello(2)).await;
    assert_eq!(closed(&again.connection).await.code, CloseCode::Replaced);
    assert!(bench.events.try_recv().is_err(), "a restart is no second process");
    let (_back, _) = bench.welcomed(&identity, hello(1)).await;
    assert_eq!(closed(&second.connection).await.code, CloseCode::Replaced);
    let event = bench.event().await;
    assert_eq!(event.probe, identity.id());
    assert!(matches!(event.kind, GateEventKind::KeyLiveTwice { .. }));
    assert_eq!(bench.sessions.list().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_never_says_hello_is_closed() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let silent = bench.connect(Some(&identity)).await;
    let mut half = Probe::open(bench.connect(Some(&identity)).await).await;
    half.say_bytes(b"ISOC").await;
    let end = closed(&silent).await;
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(
        end.reason.contains("no control stream within 5 s"),
        "{}",
        end.reason
    );
    let end = closed(&half.connection).await;
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("no Hello within 5 s"), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_that_announces_too_much_is_refused_before_its_body_is_read() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let mut probe = Probe::open(bench.connect(Some(&identity)).await).await;
    let payload = codec::encode_from_probe(&ProbeMessage::Hello(hello(1)));
    let frame = frame::seal(MessageKind::FromProbe, &payload).unwrap();
    let frame = with_length(frame, CONTROL_BYTES_MAX as u32 + 1);
    probe.say_bytes(&frame[..frame::HEADER_BYTES]).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(
        end.reason.contains("at most 1048576 are allowed"),
        "{}",
        end.reason
    );
}

/// As a probe of a later release would, whose wire has another version.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_wire_ends_the_connection_and_both_are_named() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let mut probe = Probe::open(bench.connect(Some(&identity)).await).await;
    let payload = codec::encode_from_probe(&ProbeMessage::Hello(hello(1)));
    let mut frame = frame::seal(MessageKind::FromProbe, &payload).unwrap();
    frame[4] = frame::PROTOCOL_VERSION + 1;
    probe.say_bytes(&frame).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    let (theirs, ours) = (frame::PROTOCOL_VERSION + 1, frame::PROTOCOL_VERSION);
    let words = format!("protocol version {theirs}, this build speaks {ours}; update the older side");
    assert!(end.reason.contains(&words), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailing_bytes_and_a_wrong_first_message_break_the_protocol() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let mut probe = Probe::open(bench.connect(Some(&identity)).await).await;
    let mut payload = codec::encode_from_probe(&ProbeMessage::Hello(hello(1)));
    payload.push(7);
    probe.say_payload(&payload).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("1 bytes after the end"), "{}", end.reason);

    let mut probe = Probe::open(bench.connect(Some(&identity)).await).await;
    probe.say(&ProbeMessage::Plans(Vec::new())).await;
    let end = probe.next().await.unwrap_err();
    assert!(
        end.reason.contains("the first message was no Hello"),
        "{}",
        end.reason
    );
    assert!(bench.sessions.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_tells_round_trip_and_clock_offset() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let nonce = probe.ping().await;
    let probe_time = bench.clock.wall().plus(Duration::from_secs(60));
    let pong = ProbeMessage::Pong {
        nonce,
        collector_time: bench.clock.wall(),
        probe_time,
    };
    probe.say(&pong).await;
    let view = soon(async {
        loop {
            let view = bench.sessions.view(identity.id()).unwrap();
            if view.rtt.is_some() {
                return view;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (rtt, offset) = (view.rtt.unwrap(), view.clock_offset_ms.unwrap());
    let half = i64::try_from(rtt.as_millis()).unwrap() / 2 + 1;
    assert!(
        (offset - 60_000).abs() <= half,
        "{offset} ms is not 60 s within {half} ms"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_that_greets_without_end_is_told_to_wait() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    for number in 0..60 {
        let (probe, _) = bench.welcomed(&identity, hello(number)).await;
        drop(probe);
    }
    let refused = loop {
        match bench.greeted(&identity, hello(100)).await.next().await {
            Ok(CollectorMessage::Welcome(_)) => {} // a token came back meanwhile
            other => break other,
        }
    };
    assert!(
        matches!(&refused, Ok(CollectorMessage::Refused(Refusal::Busy { reason })) if reason.contains("greeted too often")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_over_which_the_collectors_clock_was_set_says_nothing_of_the_probes() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let nonce = probe.ping().await;
    let before = bench.clock.wall();
    bench.clock.step(-600_000);
    bench.sessions.clock_stepped(-600_000);
    let known = bench.sessions.view(identity.id()).unwrap().clock_offset_ms;
    let pong = ProbeMessage::Pong {
        nonce,
        collector_time: before,
        probe_time: before,
    };
    probe.say(&pong).await;
    let spool = SpoolState {
        unstored: 7,
        ..SpoolState::default()
    };
    probe.say(&ProbeMessage::Spool(spool)).await;
    let view = soon(async {
        loop {
            let view = bench.sessions.view(identity.id()).unwrap();
            if view.spool.unstored == 7 {
                return view;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(view.clock_offset_ms, known);
}

/// The collector's clock is two days behind that of yesterday, when it signed the leaf.
#[tokio::test(flavor = "multi_thread")]
async fn leaf_that_is_not_valid_yet_comes_in_to_hear_whose_clock_is_wrong() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    bench.clock.step(-2 * 86_400_000);
    let (_probe, _) = bench.welcomed(&identity, hello(1)).await;
    assert_eq!(bench.sessions.list().len(), 1);
}
