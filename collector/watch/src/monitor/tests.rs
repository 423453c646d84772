use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, good, timeout};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_store::StoreOptions;

use super::*;
use crate::alert::{Receiver, SecretUrl};

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);

fn roster() -> Roster {
    Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    )
}

fn open(store: &Store, now: u64) -> Monitor {
    let url = SecretUrl::try_from("https://hook.example.org/x".to_owned()).unwrap();
    let outbox = Outbox::open(store, vec![Receiver::Webhook(url)], UnixMillis(now)).unwrap();
    let longest_interval = Duration::ZERO;
    open_with(store, outbox, (longest_interval, now))
}

fn open_with(store: &Store, outbox: Outbox, (longest_interval, now): (Duration, u64)) -> Monitor {
    let parts = MonitorParts {
        rules: Rules::default(),
        outbox,
        collector: "lead".to_owned(),
        longest_interval,
    };
    Monitor::open(store, parts, UnixMillis(now)).unwrap()
}

/// One round: tokyo's status fails or works, everything else works.
fn play(monitor: &mut Monitor, round: u64, works: bool, commit: &mut u64) -> Vec<Transition> {
    let roster = roster();
    let slot = UnixMillis(DAY0 + round * 10_000);
    let now = UnixMillis(slot.0 + 6_000);
    for probe in roster.probes() {
        let plan = fixture::plan(&roster, probe.id, &[STATUS4]);
        let rows: Vec<_> = roster
            .nodes()
            .map(|node| {
                let outcome = if works || node.name != "tokyo" {
                    good(20)
                } else {
                    timeout()
                };
                fixture::row(fixture::check(&plan, node.id, STATUS4), slot, outcome)
            })
            .collect();
        *commit += 1;
        monitor.committed(&Committed {
            probe: probe.id,
            batch: Arc::new(fixture::batch(&plan, &rows)),
            plan: Arc::new(plan),
            received: now,
            commit: *commit,
        });
    }
    let connected = roster.probes().map(|probe| probe.id).collect();
    monitor.tick(&roster, &connected, now).unwrap()
}

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

#[test]
fn incident_and_its_alert_are_stored_together_and_survive_a_restart_once() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    for round in 1..=4 {
        play(&mut monitor, round, false, &mut commit);
    }
    let incidents = incidents(&store).list().unwrap();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].1.target, "tokyo");
    assert_eq!(monitor.outbox().board().pending.len(), 1);
    assert_eq!(monitor.outbox().board().of_incident(&incidents[0].0), (0, 1));

    let mut monitor = open(&store, DAY0 + 60_000);
    assert_eq!(monitor.health().open().count(), 1);
    for round in 7..=12 {
        assert!(
            play(&mut monitor, round, false, &mut commit).is_empty(),
            "told already"
        );
    }
    assert_eq!(monitor.outbox().board().pending.len(), 1);
    play(&mut monitor, 13, true, &mut commit);
    play(&mut monitor, 14, true, &mut commit);
    let stored = incidents_of(&store);
    assert_eq!(stored.len(), 1, "the same incident, ended");
    assert_eq!(stored[0].end, Some(UnixMillis(DAY0 + 130_000)));
    let events: Vec<_> = monitor
        .outbox()
        .board()
        .pending
        .iter()
        .map(|pending| pending.alert.event.word())
        .collect();
    assert_eq!(events, ["opened", "ended"]);
}

fn incidents_of(store: &Store) -> Vec<Incident> {
    incidents(store)
        .list()
        .unwrap()
        .into_iter()
        .map(|(_, incident)| incident)
        .collect()
}

#[test]
fn batch_given_twice_counts_once() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    play(&mut monitor, 1, true, &mut 0);
    let rows = monitor.live().rows();
    play(&mut monitor, 1, true, &mut 0);
    assert_eq!(monitor.live().rows(), rows);
}

#[test]
fn restart_looks_back_far_enough_for_the_rarest_check() {
    use isochrone_store::ingest::fixture::{ADA, EPOCH, START, inline, store_honest, store_with_plan};
    let (_disk, store) = store_with_plan();
    assert_eq!(longest_interval(&store, [ADA]).unwrap(), Duration::from_secs(60));
    store_honest(&inline(&store), EPOCH, 1);
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let now = START.plus(hours(3)).0;
    let rebuilt = |longest: Duration| {
        let outbox = Outbox::open(&store, Vec::new(), UnixMillis(now)).unwrap();
        open_with(&store, outbox, (longest, now)).live().rows()
    };
    assert_eq!(rebuilt(Duration::from_secs(10)), 0, "the last hour holds nothing");
    assert!(rebuilt(hours(1)) > 0, "a row of failures an hour apart goes on");
}
