use isochrone_proto::kind::{Check, Family, Kind};
use redb::backends::InMemoryBackend;

use super::*;
use crate::alert::{Receiver, SecretUrl};
use crate::events::GateEventKind;
use crate::fixture::{self, DAY0, good, timeout};
use crate::store::StoreOptions;
use std::sync::Arc;

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
    Monitor::open(store, Rules::default(), outbox, "lead", UnixMillis(now)).unwrap()
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
    Store::open_with_backend(InMemoryBackend::new(), StoreOptions::default()).unwrap()
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
fn acknowledgement_is_stored_and_survives_later_evidence() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    for round in 1..=4 {
        play(&mut monitor, round, false, &mut commit);
    }
    let id = incidents_of(&store)[0].id.clone();
    let by = Acknowledgement {
        by: "lead".into(),
        at: UnixMillis(DAY0 + 50_000),
    };
    assert!(monitor.acknowledge("nothing", by.clone()).unwrap().is_none());
    monitor.acknowledge(&id, by.clone()).unwrap().unwrap();
    play(&mut monitor, 5, true, &mut commit);
    play(&mut monitor, 6, true, &mut commit);
    let stored = incidents_of(&store);
    assert!(stored[0].end.is_some());
    assert_eq!(stored[0].acknowledged, Some(by));
}

#[test]
fn breach_at_the_gate_is_told_once_an_hour() {
    let store = store();
    let monitor = open(&store, DAY0);
    let event = |minute: u64, kind| GateEvent {
        at: UnixMillis(DAY0 + minute * 60_000),
        probe: ProbeId(1),
        name: "berlin".into(),
        kind,
    };
    let twice = || GateEventKind::KeyLiveTwice {
        remote: "192.0.2.1:5".parse().unwrap(),
    };
    for minute in [1, 2, 3] {
        monitor.gate_event(&event(minute, twice())).unwrap();
    }
    monitor.gate_event(&event(4, GateEventKind::Joined)).unwrap();
    assert_eq!(monitor.outbox().board().pending.len(), 1);
    monitor.gate_event(&event(61, twice())).unwrap();
    assert_eq!(monitor.outbox().board().pending.len(), 2);
}
