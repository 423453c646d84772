//! What the uplink does when the collector, or the disk here, does not do its part.

use isochrone_proto::plan::SignedPlan;

use super::*;
use crate::disk::Disk as _;

fn hellos(collector: &Collector) -> usize {
    collector.stored.lock().unwrap().hellos.len()
}

async fn trouble(probe: &mut Probe, text: &str) {
    let fits = |link: &Link| link.trouble.as_ref().is_some_and(|why| why.contains(text));
    probe.until_link(text, fits).await;
}

#[tokio::test(start_paused = true)]
async fn minute_without_an_acknowledgement_ends_the_connection() {
    let collector = Collector::start(Script {
        silent: true,
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    let began = probe.clock.now();
    probe.measure(1);
    trouble(&mut probe, "acknowledged nothing for 60 s").await;
    let passed = probe.clock.now() - began;
    assert!(
        (feed::UNANSWERED..feed::UNANSWERED + Duration::from_secs(1)).contains(&passed),
        "{passed:?}"
    );
    collector.script.lock().unwrap().silent = false;
    probe
        .until("sent again", |spool| spool.stored(first()) == Sequence(1))
        .await;
    assert_eq!(collector.stored.lock().unwrap().rows, 2, "and counted once");
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stream_that_is_stopped_without_a_reason_ends_the_connection() {
    let collector = Collector::start(Script {
        stops_streams: true,
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(1);
    // The stop is heard with the next batch at the latest.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        probe.measure(1);
    }
    trouble(&mut probe, "stopped without a reason").await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn forked_epoch_that_breaks_three_connections_is_given_up() {
    let collector = Collector::start(Script {
        breaks_on_forked: true,
        ..Script::default()
    });
    let marks = [(first(), (Sequence(9), Digest([7; 32])))].into();
    collector.script.lock().unwrap().marks = marks;
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(2);
    let Command::OpenEpoch(done) = probe.command().await else {
        panic!("a fork opens an epoch");
    };
    probe.finish(first());
    let second = probe.open_epoch();
    probe.spool.change(|spool| spool.close_epoch(first()));
    done.send(second).unwrap();
    probe
        .until("given up", |spool| spool.epoch_state(first()).is_none())
        .await;
    assert_eq!(hellos(&collector), 4, "three were broken");
    probe.measure(1);
    probe
        .until("the new epoch goes on", |spool| {
            spool.stored(second.epoch) == Sequence(1)
        })
        .await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn collector_that_welcomes_and_stores_nothing_is_left_alone_longer_and_longer() {
    for code in [
        CloseCode::StoreUnavailable,
        CloseCode::Protocol,
        CloseCode::Stopping,
    ] {
        let collector = Collector::start(Script {
            close: Some(code),
            ..Script::default()
        });
        let probe = Probe::start(&collector, 2090);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let dialled = hellos(&collector);
        assert!(
            (60..130).contains(&dialled),
            "{dialled} in an hour after {code:?}"
        );
        probe.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_was_of_use_is_made_again_at_once() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    for count in 1..10 {
        probe.measure(1);
        probe
            .until("stored", |spool| spool.stored(first()) == Sequence(count))
            .await;
        let began = probe.clock.now();
        collector.hang_up(CloseCode::Stopping);
        let again = |stored: &Stored| stored.hellos.len() as u64 == count + 1;
        collector.until("another Hello", again).await;
        assert!(probe.clock.now() - began <= Duration::from_secs(2));
    }
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn probe_moves_on_from_a_collector_that_welcomes_and_stores_nothing() {
    let full = Collector::start(Script {
        close: Some(CloseCode::StoreUnavailable),
        ..Script::default()
    });
    let other = full.beside(Script::default());
    let mut probe = Probe::of(&[&full, &other], 2090);
    probe.measure(3);
    other.until("stored there", |stored| stored.rows == 6).await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stop_is_heard_while_welcome_is_waited_for() {
    let collector = Collector::start(Script {
        mute: true,
        ..Script::default()
    });
    let probe = Probe::start(&collector, 2090);
    collector
        .until("a Hello", |stored| stored.hellos.len() == 1)
        .await;
    let began = probe.clock.now();
    let clock = probe.clock.clone();
    probe.stop().await;
    assert!(clock.now() - began < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn stop_is_heard_while_an_epoch_is_waited_for() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.clock.simulate_suspension(Duration::from_secs(600));
    collector.hang_up(CloseCode::Done);
    let _never_answered = probe.command().await;
    let (clock, began) = (probe.clock.clone(), probe.clock.now());
    probe.stop().await;
    assert!(clock.now() - began < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn last_batch_without_a_row_is_sent_before_the_probe_goes() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(1);
    probe
        .until("stored", |spool| spool.stored(first()) == Sequence(1))
        .await;
    probe.finish(first());
    probe.spool.change(|spool| spool.close_epoch(first()));
    let spool = probe.spool.clone();
    probe.stop().await; // before the feed could look
    assert_eq!(collector.stored.lock().unwrap().epochs[&first()].len(), 2);
    assert_eq!(spool.with(|spool| spool.stored(first())), Sequence(2));
}

#[tokio::test(start_paused = true)]
async fn last_words_end_in_time_where_nothing_is_acknowledged() {
    let collector = Collector::start(Script {
        silent: true,
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(20);
    collector
        .until("eight in flight", |stored| stored.rows == 16)
        .await;
    let (clock, began) = (probe.clock.clone(), probe.clock.now());
    probe.stop().await;
    let passed = clock.now() - began;
    assert!(passed <= LAST_WORDS + Duration::from_secs(1), "{passed:?}");
}

/// What the collector says that gives the probe of `collector` a leaf up to `until`.
async fn renewal(collector: &Collector, until: i32) -> CollectorMessage {
    let asked = |stored: &Stored| {
        stored.messages.iter().find_map(|message| match message {
            ProbeMessage::Renew { csr } => Some(csr.clone()),
            _ => None,
        })
    };
    collector.until("asked", |stored| asked(stored).is_some()).await;
    let csr = asked(&collector.stored.lock().unwrap()).unwrap();
    let spki = crate::identity::tests::request_spki(&csr);
    let chain = collector.authority.chain_for_spki(&spki, Role::Probe, until);
    let chain = chain.iter().map(|one| CertificateDer(one.to_vec())).collect();
    CollectorMessage::Renewed { chain }
}

fn requests(collector: &Collector) -> usize {
    let stored = collector.stored.lock().unwrap();
    let is_request = |message: &&ProbeMessage| matches!(message, ProbeMessage::Renew { .. });
    stored.messages.iter().filter(is_request).count()
}

#[tokio::test(start_paused = true)]
async fn renewed_certificate_that_the_disk_refuses_is_used_and_kept_later() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2024);
    let renewed = renewal(&collector, 2090).await;
    collector.script.lock().unwrap().say = vec![renewed];
    probe.disk.set_capacity(Some(0));
    let before = probe.link.borrow().certificate_until;
    collector.hang_up(CloseCode::Stopping);
    let link = probe
        .until_link("renewed and told", |link| {
            link.certificate_until > before && link.unkept.is_some()
        })
        .await;
    assert!(link.unkept.unwrap().contains("identity.json"));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(hellos(&collector), 2, "the connection stays");
    assert_eq!(requests(&collector), 1, "nothing is asked for again");
    assert!(Identity::load(&*probe.disk).is_err());
    probe.disk.set_capacity(None);
    probe.until_link("kept", |link| link.unkept.is_none()).await;
    let kept = Identity::load(&*probe.disk).unwrap();
    assert!(kept.leaf_life().unwrap().until > before);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn certificate_that_cannot_be_used_changes_nothing_and_is_not_asked_for_at_once() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2024);
    let CollectorMessage::Renewed { mut chain } = renewal(&collector, 2090).await else {
        unreachable!("a renewal is Renewed");
    };
    chain.truncate(1);
    collector.script.lock().unwrap().say = vec![CollectorMessage::Renewed { chain }];
    for _ in 0..3 {
        collector.hang_up(CloseCode::Stopping);
        trouble(&mut probe, "restarting").await;
        probe
            .until_link("connected", |link| link.collector.is_some())
            .await;
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    assert_eq!(hellos(&collector), 4, "each connection ended as the test wanted");
    assert_eq!(requests(&collector), 1);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn expired_certificate_that_is_renewed_connects_anew_once() {
    let collector = Collector::start(Script::default());
    let probe = Probe::start(&collector, 2022);
    let still_expired = renewal(&collector, 2022).await;
    collector.script.lock().unwrap().say = vec![still_expired];
    collector.hang_up(CloseCode::Stopping);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hellos(&collector), 2, "an expired leaf for another is no reason");
    let renewed = renewal(&collector, 2090).await;
    collector.script.lock().unwrap().say = vec![renewed];
    collector.hang_up(CloseCode::Stopping);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hellos(&collector), 4);
    probe.stop().await;
}

/// A plan for the probe of `collector`.
async fn plan(collector: &Collector, number: u64) -> SignedPlan {
    collector
        .until("a Hello", |stored| !stored.hellos.is_empty())
        .await;
    let plan = Plan {
        probe: probe_id(collector),
        ..plan_of(number, &[(1_000, 0, 500)], UnixMillis(u64::MAX))
    };
    collector.authority.sign(&plan)
}

#[tokio::test(start_paused = true)]
async fn plan_that_the_disk_refuses_is_followed_at_once_and_kept_later() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    let signed = plan(&collector, 3).await;
    collector.script.lock().unwrap().say = vec![CollectorMessage::Plan(signed)];
    probe.disk.set_capacity(Some(0));
    collector.hang_up(CloseCode::Stopping);
    let Command::Adopt(adopted) = probe.command().await else {
        panic!("a plan is adopted");
    };
    assert_eq!(adopted.version.number, 3);
    let link = probe.until_link("told", |link| link.unkept.is_some()).await;
    assert!(link.unkept.unwrap().contains("cannot write or remove plan"));
    // Away from the collector it is tried again too.
    collector.script.lock().unwrap().mute = true;
    collector.hang_up(CloseCode::Stopping);
    trouble(&mut probe, "no Welcome").await;
    assert!(probe.disk.list("plans/").unwrap().is_empty());
    probe.disk.set_capacity(None);
    probe.until_link("kept", |link| link.unkept.is_none()).await;
    assert_eq!(probe.disk.list("plans/").unwrap().len(), 1);
    probe.stop().await;
}
