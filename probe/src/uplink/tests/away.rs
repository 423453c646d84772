//! What counts as an absence, and when an epoch is opened for it.

use super::*;

/// Lets virtual time pass.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn connected(probe: &mut Probe) {
    probe
        .until_link("connected", |link| link.collector.is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn machine_that_slept_opens_an_epoch_when_it_is_welcomed_again() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    connected(&mut probe).await;
    probe.clock.simulate_suspension(Duration::from_secs(600));
    collector.hang_up(CloseCode::Done);
    let second = probe.obey_open_epoch().await;
    probe.measure(2);
    probe
        .until("live again", |spool| spool.stored(second.epoch) == Sequence(2))
        .await;
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silence_counts_from_its_beginning_and_not_from_when_it_was_noticed() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    connected(&mut probe).await;
    pass(30).await;
    collector.wire.cut(true);
    pass(70).await; // noticed after 30
    collector.wire.cut(false);
    probe.obey_open_epoch().await;
    assert_eq!(collector.stored.lock().unwrap().hellos.len(), 2);
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn short_absence_goes_on_in_the_same_epoch() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    connected(&mut probe).await;
    pass(600).await; // nothing to send, but the collector is there
    collector.wire.cut(true);
    pass(32).await;
    collector.wire.cut(false);
    collector
        .until("a second Hello", |stored| stored.hellos.len() == 2)
        .await;
    probe.measure(1);
    probe
        .until("stored", |spool| spool.stored(first()) == Sequence(1))
        .await;
    assert!(probe.commands.try_recv().is_err(), "no epoch was asked for");
    probe.stop().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_open_no_epoch_and_the_welcome_after_them_opens_one() {
    let collector = Collector::start(Script {
        refuse: Some(Refusal::Busy {
            reason: "as the test wants".into(),
        }),
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    collector
        .until("refused again and again", |stored| stored.hellos.len() > 20)
        .await;
    assert!(probe.commands.try_recv().is_err(), "no epoch was asked for");
    collector.script.lock().unwrap().refuse = None;
    probe.obey_open_epoch().await;
    connected(&mut probe).await;
    pass(300).await;
    assert!(probe.commands.try_recv().is_err(), "one epoch is enough");
    probe.stop().await;
}
