//! The uplink against a scripted collector, over QUIC on paused time.

mod away;
mod collector;
mod probe;
mod trouble;
mod wire;

use isochrone_proto::control::{CertificateDer, CollectorMessage, ProbeMessage, Refusal};
use isochrone_proto::ids::{Digest, ProbeId, Sequence};
use isochrone_proto::plan::Plan;

use self::collector::{Collector, Script, Stored};
use self::probe::Probe;
use super::*;
use crate::account::tests::plan_of;
use crate::identity::tests::Role;

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000); // 2023-11-14
/// What has not happened by then, in virtual time, never does.
const EVER: Duration = Duration::from_secs(3_600);

fn first() -> EpochId {
    EpochId([1; 16])
}

#[tokio::test(start_paused = true)]
async fn spooled_batches_are_sent_in_sequence_and_acknowledged() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(30);
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(30))
        .await;
    assert_eq!(collector.stored.lock().unwrap().rows, 60);
    probe.measure(5);
    probe
        .until("the rest too", |spool| spool.stored(first()) == Sequence(35))
        .await;
    let link = probe
        .until_link("connected", |link| link.collector.is_some())
        .await;
    assert_eq!(link.collector_software, "scripted");
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lost_connection_is_made_again_and_nothing_counts_twice() {
    let collector = Collector::start(Script {
        silent: true,
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(20);
    collector
        .until("eight in flight", |stored| stored.rows == 16)
        .await; // no more without an answer
    collector.script.lock().unwrap().silent = false;
    collector.hang_up(CloseCode::Stopping);
    probe
        .until_link("its words", |link| {
            link.trouble
                .as_ref()
                .is_some_and(|why| why.contains("restarting"))
        })
        .await;
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(20))
        .await;
    assert_eq!(collector.stored.lock().unwrap().rows, 40);
    assert_eq!(collector.stored.lock().unwrap().hellos.len(), 2);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn collector_is_not_sent_what_it_did_not_announce() {
    let collector = Collector::start(Script {
        unknown: Some("echo"),
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(3);
    probe
        .until_link("connected", |link| link.collector.is_some())
        .await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(collector.stored.lock().unwrap().rows, 0);
    collector.script.lock().unwrap().unknown = None; // it was updated
    collector.hang_up(CloseCode::Stopping);
    probe
        .until("kept, and sent then", |spool| {
            spool.stored(first()) == Sequence(3)
        })
        .await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn restored_collector_is_filled_up_again() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(12);
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(12))
        .await;
    {
        let mut stored = collector.stored.lock().unwrap();
        stored.epochs.get_mut(&first()).unwrap().truncate(3); // an old backup
        stored.rows = 6;
    }
    collector.hang_up(CloseCode::StoreUnavailable);
    collector.until("filled up", |stored| stored.rows == 24).await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn older_epochs_drain_beside_the_live_one() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(3);
    probe
        .until("acknowledged", |spool| spool.stored(first()) == Sequence(3))
        .await;
    let second = probe.open_epoch().epoch;
    probe.measure(4);
    probe
        .until("the new one is live", |spool| spool.stored(second) == Sequence(4))
        .await;
    let opened =
        |message: &ProbeMessage| matches!(message, ProbeMessage::EpochOpened(state) if state.epoch == second);
    collector
        .until("it was told", |stored| stored.messages.iter().any(opened))
        .await;
    probe.finish(first()); // the old epoch's last runs end later
    probe
        .until("drained", |spool| spool.stored(first()) == Sequence(4))
        .await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn fork_opens_an_epoch_and_every_row_is_sent_to_be_counted() {
    let collector = Collector::start(Script::default());
    collector
        .script
        .lock()
        .unwrap()
        .marks
        .insert(first(), (Sequence(9), Digest([7; 32])));
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(4);
    let Command::OpenEpoch(done) = probe.command().await else {
        panic!("a fork opens an epoch");
    };
    probe.finish(first());
    let state = probe.open_epoch();
    probe.spool.change(|spool| spool.close_epoch(first()));
    done.send(state).unwrap();
    probe.measure(2);
    probe
        .until("the new epoch is stored", |spool| {
            spool.stored(state.epoch) == Sequence(2)
        })
        .await;
    probe
        .until("the forked one is dropped", |spool| {
            spool.epoch_state(first()).is_none()
        })
        .await;
    let forked: Vec<u64> = collector
        .stored
        .lock()
        .unwrap()
        .forked
        .iter()
        .map(|(_, sequence)| sequence.0)
        .collect();
    assert_eq!(forked, [1, 2, 3, 4, 5]);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn refusal_is_told_to_the_volunteer() {
    let collector = Collector::start(Script {
        refuse: Some(Refusal::Revoked),
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    let link = probe
        .until_link("the refusal", |link| link.trouble.is_some())
        .await;
    assert_eq!(link.trouble.unwrap(), Refusal::Revoked.to_string());
    assert!(link.collector.is_none(), "connected means welcomed");
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pushed_plan_is_kept_adopted_and_given_back() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    collector
        .until("a Hello", |stored| stored.hellos.len() == 1)
        .await;
    let plan = Plan {
        probe: probe_id(&collector),
        ..plan_of(3, &[(1_000, 0, 500)], UnixMillis(u64::MAX))
    };
    let signed = collector.authority.sign(&plan);
    collector.script.lock().unwrap().say = vec![
        CollectorMessage::Plan(signed.clone()),
        CollectorMessage::NeedPlans(vec![plan.version]),
        CollectorMessage::Ping {
            nonce: 5,
            collector_time: BASE,
            clocks: None,
        },
    ];
    collector.hang_up(CloseCode::Stopping);
    let Command::Adopt(adopted) = probe.command().await else {
        panic!("a plan is adopted");
    };
    assert_eq!(*adopted, plan);
    let given_back = |message: &ProbeMessage| *message == ProbeMessage::Plans(vec![signed.clone()]);
    collector
        .until("given back", |stored| stored.messages.iter().any(given_back))
        .await;
    let pong = |message: &ProbeMessage| {
        matches!(
            message,
            ProbeMessage::Pong {
                nonce: 5,
                collector_time: BASE,
                ..
            }
        )
    };
    collector
        .until("pong", |stored| stored.messages.iter().any(pong))
        .await;
    assert_eq!(probe.disk.list("plans/").unwrap().len(), 1);
    probe.stop().await;
}

/// The id in the certificate that the probe showed.
fn probe_id(collector: &Collector) -> ProbeId {
    let connections = collector.connections.lock().unwrap();
    let identity = connections.last().unwrap().peer_identity().unwrap();
    let chain = identity
        .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
        .unwrap();
    ProbeId::of_key(&isochrone_proto::ids::KeyHash::of_spki(
        &crate::identity::tests::spki(&chain[0]),
    ))
}

#[tokio::test(start_paused = true)]
async fn certificate_near_its_end_is_renewed_over_the_connection() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2024); // two thirds are over
    let asks = |stored: &Stored| {
        stored.messages.iter().find_map(|message| match message {
            ProbeMessage::Renew { csr } => Some(csr.clone()),
            _ => None,
        })
    };
    collector.until("asked", |stored| asks(stored).is_some()).await;
    let csr = asks(&collector.stored.lock().unwrap()).unwrap();
    let before = probe
        .until_link("known", |link| link.certificate_until.0 > 0)
        .await
        .certificate_until;
    let spki = crate::identity::tests::request_spki(&csr);
    let chain = collector.authority.chain_for_spki(&spki, Role::Probe, 2090);
    let chain = chain
        .iter()
        .map(|certificate| CertificateDer(certificate.to_vec()))
        .collect();
    collector.script.lock().unwrap().say = vec![CollectorMessage::Renewed { chain }];
    collector.hang_up(CloseCode::Stopping);
    probe
        .until_link("renewed", |link| link.certificate_until > before)
        .await;
    let kept = Identity::load(&*probe.disk).unwrap();
    assert!(kept.leaf_life().unwrap().until > before);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn control_messages_go_before_every_batch() {
    let collector = Collector::start(Script::default());
    let (mut uplink, _probe) = Probe::with_uplink(&[&collector], 2090);
    let remote = collector.address.parse().unwrap();
    let (_endpoint, connection) = uplink.dial(remote).await.unwrap();
    let session = Session::greet(&mut uplink, &connection).await.unwrap();
    assert_eq!(session.send.priority().unwrap(), feed::CONTROL_PRIORITY);
}
