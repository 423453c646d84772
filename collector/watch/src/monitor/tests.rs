use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, good, timeout};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::Outcome;
use isochrone_store::StoreOptions;

use super::*;
use crate::alert::{Receiver, ReceiverKind, SecretUrl};
use crate::judge::What;

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
    let outbox = Outbox::open(
        store,
        vec![Receiver::new(ReceiverKind::Webhook, url)],
        UnixMillis(now),
    )
    .unwrap();
    let longest_interval = Duration::ZERO;
    open_with(store, outbox, (longest_interval, now))
}

fn open_with(store: &Store, outbox: Outbox, (longest_interval, now): (Duration, u64)) -> Monitor {
    let parts = MonitorParts {
        patience: Patience::default(),
        outbox,
        collector: "lead".to_owned(),
        longest_interval,
        roster: roster(),
    };
    Monitor::open(store, parts, UnixMillis(now)).unwrap()
}

/// One round: tokyo's status fails or works, everything else works. What the tick ten seconds later told.
fn play(monitor: &mut Monitor, round: u64, works: bool, commit: &mut u64) -> Vec<Output> {
    let outcome = |node: &str| {
        if works || node != "tokyo" {
            good(20)
        } else {
            timeout()
        }
    };
    play_at(monitor, round, commit, (outcome, 6_000))
}

/// The same, with any outcome for a node, received so long after the slot.
fn play_at(
    monitor: &mut Monitor,
    round: u64,
    commit: &mut u64,
    (outcome, after_ms): (impl Fn(&str) -> Outcome, u64),
) -> Vec<Output> {
    let roster = roster();
    let slot = UnixMillis(DAY0 + round * 10_000);
    let now = UnixMillis(slot.0 + after_ms);
    for committed in commits(&roster, (slot, now), &outcome, commit) {
        monitor.committed(&committed);
    }
    monitor.tick(&roster, &sessions(&roster), now).unwrap()
}

fn commits(
    roster: &Roster,
    (slot, received): (UnixMillis, UnixMillis),
    outcome: &impl Fn(&str) -> Outcome,
    commit: &mut u64,
) -> Vec<Committed> {
    let probes = roster.probes().map(|probe| {
        let plan = fixture::plan(roster, probe.id, &[STATUS4]);
        let rows: Vec<_> = roster
            .nodes()
            .map(|node| fixture::row(fixture::check(&plan, node.id, STATUS4), slot, outcome(&node.name)))
            .collect();
        *commit += 1;
        Committed {
            probe: probe.id,
            batch: Arc::new(fixture::batch(&plan, &rows)),
            plan: Arc::new(plan),
            received,
            commit: *commit,
        }
    });
    probes.collect()
}

fn sessions(roster: &Roster) -> OpenSessions {
    let facts = SessionFacts {
        remote: "192.0.2.9:7470".parse().unwrap(),
        clock_offset_ms: Some(0),
        heard: None,
    };
    roster.probes().map(|probe| (probe.id, facts)).collect()
}

fn told(outputs: &[Output]) -> Vec<What> {
    let told = outputs.iter().filter_map(|output| match output {
        Output::Told(telling) => Some(telling.what),
        _ => None,
    });
    told.collect()
}

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

#[test]
fn incident_and_its_alert_are_stored_together_and_survive_a_restart_once() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    for round in 1..=2 {
        play(&mut monitor, round, true, &mut commit);
    }
    for round in 3..=4 {
        play(&mut monitor, round, false, &mut commit);
    }
    let incidents = incidents(&store).list().unwrap();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].1.target, "tokyo");
    assert_eq!(monitor.outbox().board().pending.len(), 1);
    assert_eq!(monitor.outbox().board().of_incident(&incidents[0].0), (0, 1));

    let mut monitor = open(&store, DAY0 + 60_000);
    assert_eq!(monitor.engine().open().count(), 1);
    for round in 7..=12 {
        let outputs = play(&mut monitor, round, false, &mut commit);
        assert_eq!(told(&outputs), [], "told already");
    }
    assert_eq!(monitor.outbox().board().pending.len(), 1);
    play(&mut monitor, 13, true, &mut commit);
    play(&mut monitor, 14, true, &mut commit);
    let stored = incidents_of(&store);
    assert_eq!(stored.len(), 1, "the same incident, ended");
    assert_eq!(stored[0].end, Some(UnixMillis(DAY0 + 130_000)));
    assert_eq!(monitor.recent().count(), 1);
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

fn stretch(from: UnixMillis, until: UnixMillis) -> LateStretch {
    LateStretch {
        from,
        until,
        told_from: UnixMillis(0),
    }
}

#[test]
fn rows_that_come_late_become_an_incident_that_is_told_once_and_pages_nobody() {
    let found = |start: u64, end: u64| {
        let mut incident = crate::incident::tests::incident(DAY0 + start * 1_000, Some(DAY0 + end * 1_000));
        incident.told = false;
        incident
    };
    let store = store();
    let mut monitor = open(&store, DAY0);
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let rejudged = Rejudged::of(stretch(at(0), at(5_000)), vec![found(1_000, 1_600)]);
    let outputs = monitor.take_rejudged(rejudged.clone(), at(6_000)).unwrap();
    assert_eq!(told(&outputs), [What::Late]);
    let kept = &incidents_of(&store)[0];
    assert_eq!(
        (kept.start, kept.end, kept.late),
        (at(1_000), Some(at(1_600)), true)
    );
    let alert = monitor.outbox().board().pending[0].alert.clone();
    assert!(!alert.pages, "at night it wakes nobody");
    assert!(
        alert.summary.contains("while this collector was off"),
        "{}",
        alert.summary
    );
    let again = monitor.take_rejudged(rejudged, at(7_000)).unwrap();
    assert_eq!(told(&again), [], "known by now");
    assert_eq!(incidents_of(&store).len(), 1);
}

/// What the past shows of a node that died and is dead still.
fn going_on(node: &str, start: UnixMillis) -> Incident {
    use crate::incident::{Cause, CheckSpan, IncidentCheck, Spell, Subject};
    let mut incident = crate::incident::tests::incident(start.0, None);
    incident.subject = Subject::Node(isochrone_proto::ids::TargetId::of_node(node));
    incident.target = node.to_owned();
    incident.id = Incident::id_of(node, IncidentCheck::Connect, start);
    (incident.cause, incident.group) = (Cause::Shared, Some("of the past".to_owned()));
    incident.checks.push(CheckSpan {
        check: IncidentCheck::Connect,
        start,
        end: None,
        cause: Cause::Node,
    });
    incident.spells.push(Spell {
        last_green: start,
        first_red: start,
        last_red: start,
        first_green: None,
        shared_since: None,
    });
    incident
}

/// All nodes died at 310 s, ten minutes before a collector begins that knows nothing else of them.
fn dead_while_off(monitor: &mut Monitor, commit: &mut u64) -> LateStretch {
    let roster = roster();
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    for round in 31..100 {
        for committed in commits(&roster, (at(round * 10), at(1_001)), &|_| timeout(), commit) {
            monitor.committed(&committed);
        }
    }
    for round in 100..103 {
        assert_eq!(told(&play_at(monitor, round, commit, (|_| timeout(), 6_000))), []);
    }
    monitor.take_late(at(1_030)).unwrap()
}

#[test]
fn nodes_that_died_while_the_collector_was_off_and_are_dead_still_are_told_as_down() {
    let store = store();
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut monitor = open(&store, at(1_000).0);
    let mut commit = 0;
    let stretch = dead_while_off(&mut monitor, &mut commit);
    let found = vec![going_on("tokyo", at(310)), going_on("lima", at(310))];
    let rejudged = Rejudged::of(stretch, found);
    let outputs = monitor.take_rejudged(rejudged.clone(), at(1_031)).unwrap();
    assert_eq!(told(&outputs), [], "the next tick tells");
    let outputs = play_at(&mut monitor, 103, &mut commit, (|_| timeout(), 6_000));
    assert_eq!(told(&outputs), [What::Down]);
    let kept = incidents_of(&store);
    assert!(
        kept.iter()
            .all(|incident| (incident.start, incident.told) == (at(310), true))
    );
    assert_eq!(kept.len(), 2);
    let standing = monitor
        .engine()
        .standing(isochrone_proto::ids::TargetId::of_node("lima"));
    assert_eq!(standing.unwrap().connect.state, crate::judge::State::Down);
    assert_eq!(
        told(&monitor.take_rejudged(rejudged, at(1_037)).unwrap()),
        [],
        "known by now"
    );
    let mut all = Vec::new();
    for round in 104..107 {
        all.extend(told(&play(&mut monitor, round, true, &mut commit)));
    }
    assert_eq!(all, [What::Up, What::Up]);
    assert!(
        incidents_of(&store)
            .iter()
            .all(|incident| incident.end == Some(at(1_040)))
    );
}

#[test]
fn node_that_answers_again_when_its_outage_is_found_is_told_late() {
    let store = store();
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut monitor = open(&store, at(1_000).0);
    let mut commit = 0;
    let stretch = dead_while_off(&mut monitor, &mut commit);
    for round in 103..105 {
        play(&mut monitor, round, true, &mut commit);
    }
    let rejudged = Rejudged::of(stretch, vec![going_on("tokyo", at(310))]);
    monitor.take_rejudged(rejudged, at(1_047)).unwrap();
    let outputs = play(&mut monitor, 105, true, &mut commit);
    assert_eq!(told(&outputs), [What::Late], "nobody is woken");
    let kept = &incidents_of(&store)[0];
    assert_eq!(
        (kept.start, kept.end, kept.late),
        (at(310), Some(at(1_030)), true)
    );
}

#[test]
fn outage_of_the_past_that_came_again_and_is_over_pages_nobody() {
    use crate::incident::{Flapping, IncidentCheck};
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut found = going_on("tokyo", at(310));
    found.flapping = Some(Flapping {
        openings: 2,
        first: at(100),
        last: at(310),
        said: 2,
        said_of: Some(IncidentCheck::Connect),
        is_steady_said: false,
    });
    found.checks[0].end = Some(at(400));
    found.spells[0].first_green = Some(at(400));
    let store = store();
    let mut monitor = open(&store, at(500).0);
    let rejudged = Rejudged::of(stretch(at(300), at(390)), vec![found]);
    let outputs = monitor.take_rejudged(rejudged, at(500)).unwrap();
    assert_eq!(told(&outputs), [What::Late]);
    let kept = &incidents_of(&store)[0];
    assert_eq!((kept.end, kept.late), (Some(at(400)), true));
}

#[test]
fn outage_at_the_end_of_an_old_log_is_not_taken_up() {
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let rejudged = Rejudged::of(stretch(at(0), at(5_000)), vec![going_on("tokyo", at(310))]);
    let (outputs, going_on) = rejudged.reconcile(Vec::new(), at(100_000));
    assert!(outputs.is_empty() && going_on.is_empty());
}

#[test]
fn late_failures_are_waited_for_until_no_more_come() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    let down = |node: &str| if node == "tokyo" { timeout() } else { good(20) };
    play_at(&mut monitor, 1, &mut commit, (down, 6_000));
    assert_eq!(
        monitor.take_late(UnixMillis(DAY0 + 40_000)),
        None,
        "it came in time"
    );
    let roster = roster();
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    for committed in commits(&roster, (at(100), at(900)), &down, &mut commit) {
        monitor.committed(&committed);
    }
    assert_eq!(monitor.take_late(at(910)), None);
    let there = sessions(&roster);
    monitor.tick(&roster, &OpenSessions::new(), at(910)).unwrap();
    assert_eq!(
        monitor.take_late(at(980)),
        None,
        "a probe may still be on its way back"
    );
    monitor.tick(&roster, &there, at(985)).unwrap();
    let taken = monitor.take_late(at(985)).unwrap();
    assert_eq!((taken.from, taken.until), (at(100), at(100)));
    assert_eq!(monitor.take_late(at(1_000)), None, "taken");
}

#[test]
fn stretch_that_was_taken_and_not_judged_before_the_end_is_taken_again() {
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    let down = |node: &str| if node == "tokyo" { timeout() } else { good(20) };
    let roster = roster();
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    for committed in commits(&roster, (at(100), at(900)), &down, &mut commit) {
        monitor.committed(&committed);
    }
    let taken = monitor.take_late(at(990)).unwrap();
    monitor.tick(&roster, &sessions(&roster), at(991)).unwrap();
    drop(monitor);
    let mut monitor = open(&store, DAY0 + 1_000_000);
    let again = monitor.take_late(at(1_100)).unwrap();
    assert_eq!((again.from, again.until), (taken.from, taken.until));
    monitor.give_back_late(at(1_101)); // the store failed
    assert_eq!(monitor.take_late(at(1_101)), None, "rows may still come");
    assert_eq!(monitor.take_late(at(1_300)), Some(again));
    monitor
        .take_rejudged(Rejudged::of(again, vec![]), at(1_101))
        .unwrap();
    monitor.tick(&roster, &sessions(&roster), at(1_102)).unwrap();
    drop(monitor);
    let mut monitor = open(&store, DAY0 + 1_200_000);
    assert_eq!(monitor.take_late(at(1_400)), None, "judged");
}

/// Whatever a probe sends is refused, for its clock is wrong: its session stands and it is heard.
#[test]
fn probe_whose_batches_are_refused_is_not_silent() {
    let told_with = |is_heard: bool| {
        let store = store();
        let mut monitor = open(&store, DAY0);
        let mut commit = 0;
        play(&mut monitor, 1, true, &mut commit);
        let roster = roster();
        let mut all = Vec::new();
        for second in 20..400 {
            let now = UnixMillis(DAY0 + second * 1_000);
            let mut sessions = sessions(&roster);
            if is_heard {
                sessions.values_mut().for_each(|facts| facts.heard = Some(now));
            }
            all.extend(told(&monitor.tick(&roster, &sessions, now).unwrap()));
        }
        all.contains(&What::Silent)
    };
    assert!(told_with(false));
    assert!(!told_with(true));
}

/// One row of everybody's, received so late.
fn bring(monitor: &mut Monitor, slot: UnixMillis, received: UnixMillis, commit: &mut u64) {
    let down = |node: &str| if node == "tokyo" { timeout() } else { good(20) };
    for committed in commits(&roster(), (slot, received), &down, commit) {
        monitor.committed(&committed);
    }
}

#[test]
fn late_row_of_long_ago_beside_one_of_today_has_neither_judge_the_months_between() {
    let store = store();
    let day = 86_400;
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut monitor = open(&store, at(80 * day).0);
    let mut commit = 0;
    bring(&mut monitor, at(5), at(80 * day), &mut commit);
    bring(&mut monitor, at(80 * day - 900), at(80 * day), &mut commit);
    let first = monitor.take_late(at(80 * day + 100)).unwrap();
    assert_eq!(
        (first.from, first.until),
        (at(80 * day - 900), at(80 * day - 900))
    );
    monitor
        .take_rejudged(Rejudged::of(first, vec![]), at(80 * day + 101))
        .unwrap();
    let second = monitor.take_late(at(80 * day + 101 + 20)).unwrap();
    assert_eq!((second.from, second.until), (at(5), at(5)));
}

#[test]
fn old_stretches_rest_while_new_ones_do_not() {
    let store = store();
    let day = 86_400;
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let now = 80 * day;
    let mut monitor = open(&store, at(now).0);
    let mut commit = 0;
    for old in [5, 10 * day] {
        bring(&mut monitor, at(old), at(now), &mut commit);
    }
    let first = monitor.take_late(at(now + 100)).unwrap();
    assert_eq!(first.from, at(10 * day));
    monitor
        .take_rejudged(Rejudged::of(first, vec![]), at(now + 150))
        .unwrap();
    bring(&mut monitor, at(now - 500), at(now + 160), &mut commit);
    let fresh = monitor.take_late(at(now + 250)).unwrap();
    assert_eq!(fresh.from, at(now - 500));
    monitor
        .take_rejudged(Rejudged::of(fresh, vec![]), at(now + 251))
        .unwrap();
    let rests_until = now + 150 + 9 * 50;
    assert_eq!(
        monitor.take_late(at(rests_until - 1)),
        None,
        "the first took 50 s"
    );
    assert_eq!(monitor.take_late(at(rests_until)).unwrap().from, at(5));
}

#[test]
fn log_that_nobody_ever_judged_is_judged_in_parts_of_two_days_and_told_to_nobody() {
    use isochrone_store::ingest::fixture::{EPOCH, START, inline, store_honest, store_with_plan};
    let (_disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 1);
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let now = START.plus(days(5));
    let mut monitor = open(&store, now.0);
    let mut parts = Vec::new();
    while let Some(part) = monitor.take_late(now.plus(Duration::from_secs(100))) {
        assert!(part.told_from >= part.until, "{part:?}");
        parts.push(part.until.since(part.from));
    }
    assert!(
        parts.len() == 3 && parts.iter().all(|part| *part <= days(2)),
        "{parts:?}"
    );
    let whole: Duration = parts.iter().sum();
    assert!(whole >= days(5) - Duration::from_secs(3_600), "{whole:?}");
}

#[test]
fn collector_that_runs_for_months_forgets_old_deliveries() {
    use crate::alert::Courier;
    let store = store();
    let mut monitor = open(&store, DAY0);
    let mut commit = 0;
    for round in 1..=4 {
        play(&mut monitor, round, round < 3, &mut commit);
    }
    let id = incidents_of(&store)[0].id.clone();
    let mut courier = Courier::new(monitor.outbox().clone());
    let now = (UnixMillis(DAY0 + 50_000), isochrone_base::clock::monotonic());
    for parcel in courier.due(now) {
        courier.settle(&parcel, Ok(()), now, 1.0).unwrap();
    }
    let roster = roster();
    let mut delivered_at = |day: u64| {
        let now = UnixMillis(DAY0 + day * 86_400_000);
        monitor.tick(&roster, &OpenSessions::new(), now).unwrap();
        monitor.outbox().board().of_incident(&id).0
    };
    assert_eq!(delivered_at(60), 1);
    assert_eq!(delivered_at(92), 0);
}
