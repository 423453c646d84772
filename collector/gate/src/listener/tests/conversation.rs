use isochrone_proto::codec;
use isochrone_proto::control::{CloseCode, CollectorMessage, EpochState, ProbeMessage};
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture::{self, EPOCH, LATER_EPOCH, START, version};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::bench::*;
use crate::authority::Authority;
use crate::events::GateEventKind;

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_stored_and_acknowledged_and_a_resend_is_acknowledged_again() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let sent = batches(EPOCH, 40);
    let mut stream = probe.stream(EPOCH).await;
    for batch in &sent {
        send_batch(&mut stream, batch).await;
    }
    let acks = probe.acked(EPOCH, 40).await;
    assert!(acks <= 40, "{acks} acknowledgements for 40 batches");
    assert_eq!(bench.store.commit_number().unwrap(), 40);
    assert_eq!(bench.sessions.view(identity.id()).unwrap().plan, Some(version(1)));

    let mut epochs = hello(1).epochs;
    epochs[0].last = Sequence(40);
    epochs[0].last_digest = sent[39].digest;
    let resumed = isochrone_proto::control::Hello { epochs, ..hello(1) };
    let (mut probe, welcome) = bench.welcomed(&identity, resumed).await;
    assert_eq!(
        (welcome.marks[0].stored, welcome.marks[0].digest),
        (Sequence(40), sent[39].digest)
    );
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &sent[38]).await;
    probe.acked(EPOCH, 40).await;
    assert_eq!(bench.store.commit_number().unwrap(), 40, "stored once");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_draining_epochs_are_acknowledged_apart() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let mut both = hello(1);
    both.epochs.push(EpochState {
        epoch: LATER_EPOCH,
        ..both.epochs[0]
    });
    let (mut probe, welcome) = bench.welcomed(&identity, both).await;
    assert_eq!(welcome.marks.len(), 2);
    let (mut old, mut live) = (probe.stream(EPOCH).await, probe.stream(LATER_EPOCH).await);
    send_batch(&mut old, &batches(EPOCH, 1)[0]).await;
    probe.acked(EPOCH, 1).await;
    send_batch(&mut live, &batches(LATER_EPOCH, 1)[0]).await;
    let next = probe.next().await.unwrap();
    // The two epochs claim the same slots; whichever way the store judges that, it answers for this epoch.
    assert!(
        matches!(&next, CollectorMessage::Ack(ack) if ack.epoch == LATER_EPOCH && ack.stored == Sequence(1)),
        "{next:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_breaks_the_protocol_and_says_which_batch_was_due() {
    let mut bench = Bench::start();
    let identity = bench.joined("ada").await;
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let sent = batches(EPOCH, 3);
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &sent[0]).await;
    probe.acked(EPOCH, 1).await;
    send_batch(&mut stream, &sent[2]).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(
        end.reason.contains("batch 3 came where 2 was due"),
        "{}",
        end.reason
    );
    let event = bench.event().await;
    assert!(matches!(event.kind, GateEventKind::ProtocolBroken { reason } if reason.contains("gap")));
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_on_the_stream_of_another_epoch_breaks_the_protocol() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut stream = probe.stream(LATER_EPOCH).await;
    send_batch(&mut stream, &batches(EPOCH, 1)[0]).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("on the stream of epoch"), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_with_trailing_bytes_breaks_the_protocol() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut batch = batches(EPOCH, 1).remove(0);
    batch.payload = [&batch.payload[..], &[0]].concat().into();
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &batch).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("1 bytes after the end"), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_batch_is_acknowledged_as_refused_and_blocks_nothing() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let off_grid = vec![fixture::echo(0, START.0 + 1, 20_000)];
    let bad = fixture::incoming(fixture::header(EPOCH, 1, Digest::ZERO), &off_grid);
    let good = fixture::honest(EPOCH, 2, bad.digest);
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &bad).await;
    send_batch(&mut stream, &good).await;
    let (mut refused, mut stored) = (None, Sequence::NONE);
    while stored < Sequence(2) {
        let CollectorMessage::Ack(ack) = probe.next().await.unwrap() else {
            panic!("expected Ack");
        };
        refused = ack.refused.or(refused);
        stored = ack.stored;
    }
    let refused = refused.expect("it is told");
    assert_eq!((refused.batches, refused.rows, refused.rows_for_time), (1, 1, 0));
    let mut again = hello(1);
    again.epochs[0].last = Sequence(2);
    let (_, welcome) = bench.welcomed(&identity, again).await;
    assert_eq!(
        welcome.marks[0].refused, refused,
        "and told again to who comes back"
    );
    assert_eq!(bench.store.commit_number().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_of_a_later_release_is_refused_by_name_and_blocks_nothing() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut later = batches(EPOCH, 1).remove(0);
    later.payload = renamed(&later.payload, "echo", "wave").into();
    let next = fixture::honest(EPOCH, 2, Digest::of(&later.payload));
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &later).await;
    send_batch(&mut stream, &next).await;
    let (mut refused, mut stored) = (None, Sequence::NONE);
    while stored < Sequence(2) {
        let CollectorMessage::Ack(ack) = probe.next().await.unwrap() else {
            panic!("expected Ack");
        };
        refused = ack.refused.or(refused);
        stored = ack.stored;
    }
    let refused = refused.expect("it is told");
    assert_eq!((refused.batches, refused.rows), (1, fixture::ROWS));
    assert_eq!(bench.store.commit_number().unwrap(), 1);
    let kept = isochrone_store::ingest::quarantined(&bench.store).unwrap().kept;
    assert_eq!(kept[0].1, later.payload, "raw");
    assert!(
        kept[0].0.reason.contains("section `wave` is needed"),
        "{}",
        kept[0].0.reason
    );
    let ledger = isochrone_store::ledger::read(&bench.store, fixture::cut_of(2)).unwrap();
    assert!(ledger.is_balanced(), "{ledger:?}");
    let totals = ledger.totals();
    assert_eq!(
        (totals.stored, totals.refused, totals.spooled),
        (fixture::ROWS, fixture::ROWS, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_a_known_number_is_told_as_a_fork_each_time_and_alerts_once() {
    let mut bench = Bench::start();
    let identity = bench.joined("ada").await;
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &batches(EPOCH, 1)[0]).await;
    probe.acked(EPOCH, 1).await;
    let rows = fixture::measurements(1, 5);
    let clone = fixture::incoming(fixture::header(EPOCH, 1, Digest::ZERO), &rows);
    for _ in 0..2 {
        let mut stream = probe.stream(EPOCH).await;
        send_batch(&mut stream, &clone).await;
        let forked = CollectorMessage::Forked {
            epoch: EPOCH,
            sequence: Sequence(1),
        };
        assert_eq!(probe.next().await.unwrap(), forked);
    }
    let forked = GateEventKind::ForkDetected {
        epoch: EPOCH,
        sequence: Sequence(1),
    };
    assert_eq!(bench.event().await.kind, forked);
    assert!(bench.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_behind_the_mark_is_a_fork_event() {
    let mut bench = Bench::start();
    let identity = bench.joined("ada").await;
    assert_eq!(bench.event().await.kind, GateEventKind::Joined);
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut stream = probe.stream(EPOCH).await;
    for batch in batches(EPOCH, 2) {
        send_batch(&mut stream, &batch).await;
    }
    probe.acked(EPOCH, 2).await;
    let mut restored = hello(2); // a snapshot from before the second batch
    restored.epochs[0].last = Sequence(1);
    let (_probe, welcome) = bench.welcomed(&identity, restored).await;
    assert_eq!(welcome.marks[0].stored, Sequence(2));
    assert!(matches!(
        bench.event().await.kind,
        GateEventKind::ForkDetected {
            sequence: Sequence(2),
            ..
        }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_plan_counts_only_once_the_plan_itself_was_shown() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let highest = isochrone_proto::ids::PlanVersion {
        promotion: u32::MAX,
        number: u64::MAX,
    };
    let claims = isochrone_proto::control::Hello {
        plan: Some(highest),
        ..hello(1)
    };
    let (mut probe, _) = bench.welcomed(&identity, claims).await;
    assert_eq!(
        probe.next().await.unwrap(),
        CollectorMessage::NeedPlans(vec![highest])
    );
    probe.say(&ProbeMessage::Plans(Vec::new())).await; // it has no such plan
    let (plan, _) = signed_plan(&bench.authority, identity.id());
    probe.say(&ProbeMessage::Plans(vec![plan])).await;
    soon(async {
        while bench.plans.seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(*bench.plans.seen.lock().unwrap(), [version(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_plan_is_fetched_from_the_probe_before_a_batch_is_judged() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (plan, _) = signed_plan(&bench.authority, identity.id());
    let mut keeps = hello(1);
    keeps.kept_plans = vec![version(1)];
    let (mut probe, _) = bench.welcomed(&identity, keeps).await;
    let mut stream = probe.stream(EPOCH).await;
    for batch in batches(EPOCH, 6) {
        send_batch(&mut stream, &batch).await;
    }
    assert_eq!(
        probe.next().await.unwrap(),
        CollectorMessage::NeedPlans(vec![version(1)])
    );
    probe.say(&ProbeMessage::Plans(vec![plan.clone()])).await;
    probe.acked(EPOCH, 6).await;
    assert_eq!(
        bench.store.signed_plan(identity.id(), version(1)).unwrap(),
        Some(plan)
    );
    assert_eq!(bench.store.commit_number().unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_lost_on_both_sides_makes_its_batches_refused_not_stuck() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &batches(EPOCH, 1)[0]).await;
    assert_eq!(
        probe.next().await.unwrap(),
        CollectorMessage::NeedPlans(vec![version(1)])
    );
    probe.say(&ProbeMessage::Plans(Vec::new())).await;
    let CollectorMessage::Ack(ack) = probe.next().await.unwrap() else {
        panic!("expected Ack");
    };
    assert_eq!(ack.stored, Sequence(1));
    assert!(ack.refused.is_some_and(|refused| refused.batches == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_a_foreign_authority_breaks_the_protocol() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let foreign = Authority::in_memory(bench.clock.wall(), &mut StdRng::seed_from_u64(77)).unwrap();
    let (forged, _) = signed_plan(&foreign, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    probe.say(&ProbeMessage::Plans(vec![forged])).await;
    let end = probe.next().await.unwrap_err();
    assert_eq!(end.code, CloseCode::Protocol);
    assert!(end.reason.contains("authority did not sign"), "{}", end.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_that_another_probe_returns_saves_the_batches_made_by_it() {
    let bench = Bench::start();
    let (ada, ben) = (bench.joined("ada").await, bench.joined("ben").await);
    let (plan, _) = signed_plan(&bench.authority, ada.id());
    let (mut other, _) = bench.welcomed(&ben, hello(1)).await;
    other.say(&ProbeMessage::Plans(vec![plan.clone()])).await;
    soon(async {
        while bench.store.signed_plan(ada.id(), version(1)).unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(bench.store.signed_plan(ben.id(), version(1)).unwrap(), None);
    let (mut probe, _) = bench.welcomed(&ada, hello(1)).await;
    let mut stream = probe.stream(EPOCH).await;
    send_batch(&mut stream, &batches(EPOCH, 1)[0]).await;
    let CollectorMessage::Ack(ack) = probe.next().await.unwrap() else {
        panic!("expected Ack");
    };
    assert_eq!((ack.stored, ack.refused), (Sequence(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_gets_its_plan_after_welcome_and_each_newer_one_at_once() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let plan = put_plan(&bench, identity.id());
    *bench.plans.current.lock().unwrap() = Some(plan.clone());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    assert_eq!(probe.next().await.unwrap(), CollectorMessage::Plan(plan));
    let mut newer = fixture::plan(2);
    newer.probe = identity.id();
    let newer = bench.authority.sign_plan(codec::encode_plan(&newer)).unwrap();
    bench.sessions.send_plan(identity.id(), newer.clone());
    assert_eq!(probe.next().await.unwrap(), CollectorMessage::Plan(newer));

    let mut follows = hello(1);
    follows.plan = Some(version(1));
    let (mut probe, _) = bench.welcomed(&identity, follows).await;
    bench.sessions.close(identity.id(), CloseCode::Done, "test");
    assert_eq!(
        probe.next().await.unwrap_err().code,
        CloseCode::Done,
        "its plan was not sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn epoch_opened_on_the_connection_is_noted_and_shown() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let state = EpochState {
        epoch: LATER_EPOCH,
        first_slot: UnixMillis(START.0 + 600_000),
        ..hello(1).epochs[0]
    };
    let mut changes = bench.sessions.changes();
    probe.say(&ProbeMessage::EpochOpened(state)).await;
    while bench.sessions.view(identity.id()).unwrap().epochs.last() != Some(&state) {
        soon(changes.changed()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_of_control_messages_exceeds_the_quota() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let spool = ProbeMessage::Spool(isochrone_proto::control::SpoolState::default());
    for _ in 0..2_000 {
        probe.say(&spool).await;
    }
    assert_eq!(probe.next().await.unwrap_err().code, CloseCode::Quota);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_acknowledges_what_was_read_and_then_closes() {
    let bench = Bench::start();
    let identity = bench.joined("ada").await;
    put_plan(&bench, identity.id());
    let (mut probe, _) = bench.welcomed(&identity, hello(1)).await;
    let mut stream = probe.stream(EPOCH).await;
    for batch in batches(EPOCH, 5) {
        send_batch(&mut stream, &batch).await;
    }
    bench.stop.cancel();
    let mut acked = Sequence::NONE;
    let end = loop {
        match probe.next().await {
            Ok(CollectorMessage::Ack(ack)) => acked = ack.stored,
            Ok(other) => panic!("expected Ack, got {other:?}"),
            Err(end) => break end,
        }
    };
    assert_eq!(end.code, CloseCode::Stopping);
    let stored = bench.store.commit_number().unwrap();
    assert_eq!(acked, Sequence(stored), "all that is durable is acknowledged");
    bench.stopped().await;
}

/// The batch with a section of another name, as long as the one it had.
fn renamed(payload: &[u8], from: &str, to: &str) -> Vec<u8> {
    let places: Vec<usize> = (0..payload.len())
        .filter(|place| payload[*place..].starts_with(from.as_bytes()))
        .collect();
    assert_eq!((places.len(), from.len()), (1, to.len()));
    let mut renamed = payload.to_vec();
    renamed[places[0]..places[0] + to.len()].copy_from_slice(to.as_bytes());
    renamed
}
