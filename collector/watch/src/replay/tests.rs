use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, good, replied, unconnected};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_store::fixture::stored;
use proptest::prelude::*;

use super::*;
use crate::incident::{Cause, IncidentCheck};
use crate::judge::What;

const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);
const STATUS4: Kind = Kind::new(Check::Status, Family::V4);

fn roster() -> Roster {
    Roster::new(
        (1..=5).map(|number| fixture::probe(&format!("p{number}"), &format!("w{number}"), Some(number))),
        (1..=3).map(|number| fixture::node(&format!("n{number}"), &format!("w{number}"))),
    )
}

/// Batches of an hour: every check of every probe each ten seconds, as `outcome` says by round, node and kind.
fn batches(roster: &Roster, outcome: impl Fn(u64, &str, Kind) -> Outcome) -> Vec<Stored> {
    let mut batches = Vec::new();
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(roster, probe.id, &[CONNECT4, STATUS4]));
        for part in 0..36 {
            let mut rows: Vec<Measurement> = Vec::new();
            for round in part * 10..(part + 1) * 10 {
                for index in 0..plan.checks.len() as u16 {
                    let (check, target) = plan.target_of(index).unwrap();
                    let slot = UnixMillis(DAY0 + round * 10_000);
                    let what = if check.kind.check == Check::Echo {
                        replied(20)
                    } else {
                        outcome(round, &target.name, check.kind)
                    };
                    rows.push(fixture::row(index, slot, what));
                }
            }
            batches.push(stored(&plan, &rows));
        }
    }
    batches
}

fn well(kind: Kind) -> Outcome {
    if kind == CONNECT4 { connected(20) } else { good(20) }
}

/// n1 is dead from round 100 until 160.
fn dead(round: u64, node: &str, kind: Kind) -> Outcome {
    let is_dead = node == "n1" && (100..160).contains(&round);
    match (is_dead, kind == CONNECT4) {
        (true, true) => unconnected(),
        (true, false) => fixture::timeout(),
        (false, _) => well(kind),
    }
}

fn replay(roster: &Roster, batches: impl IntoIterator<Item = Stored>) -> Replayed {
    let window = (UnixMillis(DAY0), UnixMillis(DAY0 + 3_600_000));
    let mut replay = Replay::new(roster, window);
    batches.into_iter().for_each(|batch| replay.add(&batch));
    replay.finish()
}

#[test]
fn outage_of_the_past_has_its_true_start_and_end_and_one_incident() {
    let roster = roster();
    let replayed = replay(&roster, batches(&roster, dead));
    assert_eq!(replayed.incidents.len(), 1);
    let outage = &replayed.incidents[0];
    assert_eq!(
        (outage.target.as_str(), outage.check),
        ("n1", IncidentCheck::Connect)
    );
    assert_eq!(outage.cause, Cause::Node);
    assert_eq!(outage.start, UnixMillis(DAY0 + 1_000_000));
    assert_eq!(outage.end, Some(UnixMillis(DAY0 + 1_600_000)));
    let whats: Vec<What> = replayed.messages.iter().map(|telling| telling.what).collect();
    assert_eq!(whats, [What::Down, What::Up]);
}

#[test]
fn failures_come_with_whether_they_count() {
    let roster = roster();
    let replayed = replay(&roster, batches(&roster, dead));
    let of = |name: &str, kind: Kind| {
        let probe = fixture::probe_id(name);
        let cell = move |failure: &&JudgedFailure| failure.cell.probe == probe && failure.cell.kind == kind;
        let failures = replayed.failures.iter().filter(cell);
        failures.map(|failure| failure.counts).collect::<Vec<_>>()
    };
    assert_eq!(
        of("p2", CONNECT4),
        vec![true; 60],
        "its line was proven all the while"
    );
    assert!(
        of("p1", CONNECT4).iter().all(|counts| !counts),
        "its own worker's"
    );
}

#[test]
fn fleet_outage_of_the_past_is_shared() {
    let roster = roster();
    let all = |round: u64, _: &str, kind: Kind| {
        let is_dead = (100..160).contains(&round);
        match (is_dead, kind == CONNECT4) {
            (true, true) => unconnected(),
            (true, false) => fixture::timeout(),
            (false, _) => well(kind),
        }
    };
    let replayed = replay(&roster, batches(&roster, all));
    assert_eq!(replayed.incidents.len(), 3);
    assert!(
        replayed
            .incidents
            .iter()
            .all(|incident| incident.cause == Cause::Shared)
    );
    let whats: Vec<What> = replayed.messages.iter().map(|telling| telling.what).collect();
    assert_eq!(whats, [What::Down, What::Up]);
}

#[test]
fn time_without_a_word_is_no_outage_and_unknown() {
    let roster = roster();
    let mut batches = batches(&roster, |_, _, kind| well(kind));
    batches.retain(|batch| {
        let slot = batch.batch.endpoints().next().unwrap().slot.0 - DAY0;
        !(1_000_000..1_600_000).contains(&slot)
    });
    let replayed = replay(&roster, batches);
    assert!(replayed.incidents.is_empty());
    let spans = &replayed.unknown[&TargetId::of_node("n2")];
    let gap = spans.iter().find(|(from, _)| from.0 > DAY0 + 900_000).unwrap();
    assert!(
        gap.0.0 < DAY0 + 1_040_000 && (DAY0 + 1_600_000..DAY0 + 1_620_000).contains(&gap.1.0),
        "{gap:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn order_of_the_log_changes_nothing(turn in any::<prop::sample::Index>()) {
        let roster = roster();
        let mut batches = batches(&roster, dead);
        let straight = replay(&roster, batches.clone());
        let turn = turn.index(batches.len());
        batches.rotate_left(turn);
        let turned = replay(&roster, batches);
        prop_assert_eq!(straight.incidents, turned.incidents);
        prop_assert_eq!(straight.failures.len(), turned.failures.len());
    }
}
