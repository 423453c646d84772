//! Checks that leave the plan judge nothing any more.

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::again::restarted;
use super::mesh::{Mesh, Run, Seen};
use crate::incident::{Ending, IncidentCheck};

const ERROR: Seen = Seen::Red(Phase::FirstByte, FailureCause::BadStatus);

/// From now on, the plans of all probes hold only the checks for which `keep` holds.
fn replan(mesh: &mut Mesh, keep: impl Fn(Run) -> bool) {
    mesh.forget_checks(|run| !keep(run));
    for number in 0..mesh.probes.len() {
        let cells = mesh.cells_of(number);
        let probe = mesh.probe(number);
        mesh.engine.set_planned(probe, &cells);
    }
}

#[test]
fn service_is_judged_where_the_connect_checks_left_the_plan() {
    let mut mesh = Mesh::ten().asking(Check::Status, Family::V4, 100_000);
    mesh.run(200, |_| Seen::Green);
    replan(&mut mesh, |run| run.check == Check::Status);
    mesh.run(400, |run| if run.node == 0 { ERROR } else { Seen::Green });
    let messages = mesh.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(mesh.kept[0].check, IncidentCheck::Status);
}

#[test]
fn asset_that_nobody_asks_for_any_more_is_neither_shown_nor_down() {
    let mut mesh = Mesh::ten().asking(Check::AssetGet, Family::V4, 100_000);
    let fails = |run: Run| match (run.node, run.check) {
        (0, Check::AssetGet) if run.second >= 200.0 => ERROR,
        _ => Seen::Green,
    };
    mesh.run(400, fails);
    assert_eq!(mesh.messages().len(), 1, "{:?}", mesh.messages());
    replan(&mut mesh, |run| run.check == Check::Connect);
    mesh.run(420, fails);
    assert!(mesh.engine.standing(mesh.target(0)).unwrap().asset.is_none());
    assert_eq!(mesh.kept[0].ending, Some(Ending::Removed));
    assert_eq!(
        mesh.messages().len(),
        1,
        "nothing is up again: {:?}",
        mesh.messages()
    );
}

#[test]
fn asset_that_left_the_plan_while_the_collector_was_off_is_given_up_once_every_plan_is_known() {
    let mut mesh = Mesh::ten().asking(Check::AssetGet, Family::V4, 100_000);
    let fails = |run: Run| match (run.node, run.check) {
        (0, Check::AssetGet) if run.second >= 200.0 => ERROR,
        _ => Seen::Green,
    };
    mesh.run(400, fails);
    mesh.forget_checks(|run| run.check == Check::AssetGet);
    mesh.set_second(8_000);
    restarted(&mut mesh);
    let plan = |mesh: &mut Mesh, number: usize| {
        let cells = mesh.cells_of(number);
        mesh.engine.set_planned(mesh.probe(number), &cells);
    };
    (0..9).for_each(|number| plan(&mut mesh, number));
    mesh.run(8_100, fails);
    assert_eq!(mesh.kept[0].end, None, "the tenth may be asked for it");
    plan(&mut mesh, 9);
    mesh.run(8_110, fails);
    assert_eq!(mesh.kept[0].ending, Some(Ending::Removed));
    assert_eq!(
        mesh.messages().len(),
        1,
        "nothing is up again: {:?}",
        mesh.messages()
    );
}

#[test]
fn vantage_that_left_a_nodes_circle_says_nothing_of_it_any_more() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    replan(&mut mesh, |run| run.node != 8 || run.probe >= 5);
    mesh.run(101, |_| Seen::Green);
    let standing = mesh.engine.standing(mesh.target(8)).unwrap();
    assert_eq!(standing.vantages.len(), 5, "{standing:?}");
}

#[test]
fn check_that_comes_back_into_the_plan_is_judged_again() {
    let mut mesh = Mesh::ten();
    let probe = mesh.probe(0);
    let before = mesh.cells_of(0);
    mesh.engine.set_planned(probe, &before[..1]);
    mesh.engine.set_planned(probe, &before);
    let standing = mesh.engine.standing(mesh.target(8)).unwrap();
    assert_eq!(standing.vantages.len(), 10);
    let kind = Kind::new(Check::Connect, Family::V4);
    let cadence = Cadence {
        interval_ms: 10_000,
        timeout_ms: 4_000,
    };
    let same = mesh.engine.cell(probe, mesh.target(8), kind, cadence);
    assert_eq!(same, before[8], "and is the same cell");
}
