use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, good, replied, unconnected};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_proto::plan::Plan;
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
        let of_cell = move |cell: CellKey| cell.probe == probe && cell.kind == kind;
        let failures = replayed.failures.iter().filter(|(cell, ..)| of_cell(*cell));
        failures.map(|(_, _, weighed)| weighed.counts).collect::<Vec<_>>()
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
fn node_that_is_dead_all_the_while_takes_a_few_entries_a_check() {
    let roster = roster();
    let window = (UnixMillis(DAY0), UnixMillis(DAY0 + 3_600_000));
    let mut replay = Replay::new(&roster, window);
    let dead = |_, node: &str, kind: Kind| match (node == "n1", kind == CONNECT4) {
        (true, true) => unconnected(),
        (true, false) => fixture::timeout(),
        (false, _) => well(kind),
    };
    batches(&roster, dead).iter().for_each(|batch| replay.add(batch));
    let (checks, entries) = (
        replay.tracks.len(),
        replay.tracks.iter().map(|(_, _, track)| track.entries()),
    );
    assert_eq!(entries.sum::<usize>(), checks, "one stretch a check");
    let replayed = replay.finish();
    assert_eq!(replayed.failures.iter().count(), 5 * 2 * 360, "each is told");
    let kept = replayed.failures.kept();
    assert!(kept <= 5 * 2 * 4, "{kept} stretches of failures");
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
    let unknown = &replayed.unknown[&TargetId::of_node("n2")];
    let unjudged_ms: u64 = unknown
        .unjudged
        .iter()
        .map(|(from, until)| until.0 - from.0)
        .sum();
    assert!(unjudged_ms < 30_000, "{:?}", unknown.unjudged);
    let spans = &unknown.unmeasured;
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
        prop_assert_eq!(straight.failures.iter().count(), turned.failures.iter().count());
    }
}

const CONNECT6: Kind = Kind::new(Check::Connect, Family::V6);

/// A mesh of IPv6 alone with one node and closed echo ports, in batches that come a second after their slots. From round
/// 100 until 160 the node is dead: only the sessions say that lines live.
fn replay_v6(facts: impl Fn(&Roster) -> Facts) -> Replayed {
    let roster = Roster::new(
        roster().probes().cloned().collect::<Vec<_>>(),
        [fixture::node("n1", "w1")],
    );
    let window = (UnixMillis(DAY0), UnixMillis(DAY0 + 2_400_000));
    let mut replay = Replay::new(&roster, window).with_facts(facts(&roster));
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[CONNECT6]));
        for round in 0..240 {
            let slot = UnixMillis(DAY0 + round * 10_000);
            let outcome = || match (100..160).contains(&round) {
                true => unconnected(),
                false => connected(20),
            };
            let check = |node: &isochrone_base::roster::NodeEntry| fixture::check(&plan, node.id, CONNECT6);
            let rows: Vec<_> = roster
                .nodes()
                .map(|node| fixture::row(check(node), slot, outcome()))
                .collect();
            let mut batch = stored(&plan, &rows);
            batch.received = UnixMillis(slot.0 + 1_000);
            replay.add(&batch);
        }
    }
    replay.finish()
}

/// Each probe's session comes from a prefix of its own.
fn sessions(roster: &Roster, address: impl Fn(u16) -> std::net::IpAddr) -> Facts {
    let mut facts = Facts::default();
    for (number, probe) in roster.probes().enumerate() {
        facts
            .addresses
            .noted(probe.id, address(number as u16), UnixMillis(DAY0));
    }
    facts
}

#[test]
fn node_of_an_ipv6_mesh_with_closed_echo_ports_is_told_over_the_past_as_live() {
    let v6 = |number| std::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 1).into();
    for (what, replayed) in [
        ("nothing is known of sessions", replay_v6(|_| Facts::default())),
        ("sessions over IPv6", replay_v6(|roster| sessions(roster, v6))),
    ] {
        let starts: Vec<_> = replayed.incidents.iter().map(|of| of.start).collect();
        assert_eq!(starts, vec![UnixMillis(DAY0 + 1_000_000)], "{what}");
    }
}

#[test]
fn session_over_ipv4_proves_no_line_of_ipv6_over_the_past() {
    let v4 = |number: u16| std::net::Ipv4Addr::new(198, 51, number as u8, 1).into();
    let replayed = replay_v6(|roster| sessions(roster, v4));
    assert!(replayed.incidents.is_empty(), "{:#?}", replayed.incidents);
}

#[test]
fn probe_that_stood_on_a_nodes_server_judges_the_past_as_little_as_the_present() {
    let roster = roster();
    // every node answers at 192.0.2.1: p2 stands there from round 180 on
    let beside = |number: u16| std::net::Ipv4Addr::new(198, 51, number as u8, 1).into();
    let mut facts = sessions(&roster, beside);
    let p2 = fixture::probe_id("p2");
    let there = UnixMillis(DAY0 + 1_800_000);
    facts
        .addresses
        .noted(p2, std::net::Ipv4Addr::new(192, 0, 2, 1).into(), there);
    let window = (UnixMillis(DAY0), UnixMillis(DAY0 + 3_600_000));
    let mut replay = Replay::new(&roster, window).with_facts(facts);
    let fails = |round: u64, node: &str, kind: Kind| match (node, kind == CONNECT4) {
        ("n1", true) if (100..120).contains(&round) || (200..220).contains(&round) => unconnected(),
        _ => well(kind),
    };
    batches(&roster, fails).iter().for_each(|batch| replay.add(batch));
    let replayed = replay.finish();
    let counts = |rounds: std::ops::Range<u64>| {
        let of = replayed.failures.iter().filter(|(cell, slot, _)| {
            let round = (slot.0 - DAY0) / 10_000;
            cell.probe == p2 && rounds.contains(&round)
        });
        of.map(|(_, _, weighed)| (weighed.counts, weighed.is_heard))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(100..120), vec![(true, true); 20]);
    assert_eq!(counts(200..220), vec![(false, false); 20]);
    let of_p2 = replayed.unheard.iter().filter(|(cell, ..)| cell.probe == p2);
    let unheard = of_p2.count();
    assert!(unheard > 900, "{unheard}");
}

#[test]
fn candidates_that_one_probe_alone_cannot_reach_take_no_judge_from_the_nodes() {
    let roster = roster();
    let strangers = (1..=4).map(|number| fixture::node(&format!("stranger{number}"), "nobody"));
    let all = Roster::new(
        roster.probes().cloned().collect::<Vec<_>>(),
        roster.nodes().cloned().chain(strangers).collect::<Vec<_>>(),
    );
    let counted = |is_candidate: bool| {
        let mut measured = batches(&all, dead);
        for stored in &mut measured {
            let is_refused = stored.probe == fixture::probe_id("p2");
            let mut plan = Plan::clone(&stored.plan);
            for target in plan
                .targets
                .iter_mut()
                .filter(|target| target.name.starts_with("stranger"))
            {
                if is_candidate {
                    target.id = TargetId::of_candidate(&target.name);
                }
            }
            let rows: Vec<Measurement> = stored
                .batch
                .measurements()
                .map(|mut row| {
                    let (check, target) = plan.target_of(row.check).unwrap();
                    if is_refused && target.name.starts_with("stranger") && check.kind == CONNECT4 {
                        row.outcome = unconnected();
                    }
                    row
                })
                .collect();
            *stored = isochrone_store::fixture::stored(&Arc::new(plan), &rows);
        }
        let replayed = replay(if is_candidate { &roster } else { &all }, measured);
        let of_p2 =
            |cell: &CellKey| cell.probe == fixture::probe_id("p2") && cell.target == TargetId::of_node("n1");
        let failures = replayed.failures.iter().filter(|(cell, ..)| of_p2(cell));
        failures
            .filter(|(cell, _, weighed)| cell.kind == CONNECT4 && weighed.counts)
            .count()
    };
    assert_eq!(counted(false), 0, "nodes that it alone cannot reach make it sick");
    assert_eq!(counted(true), 60);
}
