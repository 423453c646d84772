//! Status and asset: over the grid, and only where the node can be reached.

use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::mesh::{Mesh, Run, Seen, second};
use crate::incident::{Cause, IncidentCheck};

/// Ten probes that connect every ten seconds, and ask for status and asset every hundred: one a node and ten seconds.
fn asking() -> Mesh {
    Mesh::ten()
        .asking(Check::Status, Family::V4, 100_000)
        .asking(Check::AssetGet, Family::V4, 100_000)
        .asking(Check::AssetHead, Family::V4, 100_000)
}

/// Node 0's `check` sees `seen` from second 400 until 700.
fn only(check: Check, seen: Seen) -> impl Fn(Run) -> Seen {
    move |run| {
        let hit = run.node == 0 && run.check == check && (400.0..700.0).contains(&run.second);
        if hit { seen } else { Seen::Green }
    }
}

const ERROR: Seen = Seen::Red(Phase::FirstByte, FailureCause::BadStatus);
const HANGS: Seen = Seen::Red(Phase::FirstByte, FailureCause::Timeout);

#[test]
fn status_that_fails_four_times_over_the_grid_is_told_and_says_how_the_asset_is() {
    let mut mesh = asking();
    mesh.run(500, only(Check::Status, ERROR));
    let (told, what, _) = mesh.messages()[0].clone();
    assert_eq!(what, What::Down);
    assert!((430.0..=456.0).contains(&told), "{told}");
    let standing = mesh.engine.standing(mesh.target(0)).unwrap();
    assert_eq!(standing.connect.state, State::Up);
    assert_eq!(
        (standing.status.unwrap().state, standing.asset.unwrap().state),
        (State::Down, State::Up)
    );
    let incident = &mesh.kept[0];
    assert_eq!(incident.check, IncidentCheck::Status);
    assert!((400.0..411.0).contains(&second(incident.start)));
    mesh.run(760, only(Check::Status, ERROR));
    assert_eq!(mesh.messages()[1].1, What::Up);
}

#[test]
fn slow_or_hanging_status_is_degraded_and_pages_after_three_minutes() {
    for seen in [HANGS, Seen::Slow] {
        let mut mesh = asking();
        mesh.run(560, only(Check::Status, seen));
        assert!(mesh.told.is_empty(), "{seen:?}");
        let standing = mesh.engine.standing(mesh.target(0)).unwrap();
        assert_eq!(standing.status.unwrap().state, State::Degraded, "{seen:?}");
        mesh.run(620, only(Check::Status, seen));
        assert_eq!(mesh.messages().len(), 1, "{seen:?}");
        assert!(mesh.messages()[0].0 >= 580.0, "{seen:?}");
    }
}

#[test]
fn head_that_succeeds_never_counts_as_a_served_asset() {
    let mut mesh = asking();
    mesh.run(500, only(Check::AssetGet, ERROR));
    assert_eq!(mesh.kept[0].check, IncidentCheck::Asset);
    assert!(mesh.kept[0].end.is_none(), "HEAD succeeded all the while");
}

#[test]
fn error_that_names_a_storage_source_is_its_own_cause() {
    let mut mesh = asking();
    mesh.run(500, only(Check::AssetGet, Seen::Source));
    assert_eq!(mesh.kept[0].cause, Cause::Source);
}

#[test]
fn asset_is_not_up_again_while_every_answer_is_404() {
    let mut mesh = asking();
    let absent = |run: Run| {
        let hit = run.node == 0 && run.check == Check::AssetGet && run.second >= 400.0;
        match hit {
            true if run.second < 500.0 => ERROR,
            true => Seen::Absent,
            false => Seen::Green,
        }
    };
    mesh.run(1_000, absent);
    assert!(
        mesh.messages().iter().all(|(_, what, _)| *what != What::Up),
        "{:?}",
        mesh.messages()
    );
}

#[test]
fn objects_that_are_absent_are_no_outage() {
    let mut mesh = asking();
    mesh.run(700, only(Check::AssetGet, Seen::Absent));
    assert!(mesh.told.is_empty());
}

#[test]
fn dead_node_is_one_incident_with_its_checks_inside_and_one_message() {
    let mut mesh = asking();
    mesh.run(600, |run| {
        let hit = run.node == 0 && run.second >= 400.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert_eq!(
        (mesh.kept.len(), mesh.told.len()),
        (1, 1),
        "{:?}",
        mesh.messages()
    );
    assert_eq!(mesh.kept[0].check, IncidentCheck::Connect);
    let standing = mesh.engine.standing(mesh.target(0)).unwrap();
    assert_eq!(
        standing.asset.unwrap().state,
        State::Down,
        "nothing of a dead node is up"
    );
}

#[test]
fn answers_that_a_dying_node_breaks_off_are_no_outage_of_its_services() {
    let mut mesh =
        Mesh::ten()
            .asking(Check::Status, Family::V4, 2_000)
            .asking(Check::AssetGet, Family::V4, 2_000);
    mesh.run(160, |run| {
        let hit = run.node == 0 && run.second >= 100.0;
        match run.check {
            _ if !hit => Seen::Green,
            // what was under way breaks off for a while, before anybody tries to connect
            Check::Status | Check::AssetGet if run.second < 103.0 => {
                Seen::Red(Phase::FirstByte, FailureCause::Reset)
            }
            _ => Seen::Refused,
        }
    });
    let checks: Vec<_> = mesh.kept[0].checks.iter().map(|span| span.check).collect();
    assert_eq!(
        (checks, mesh.told.len()),
        (vec![IncidentCheck::Connect], 1),
        "{:?}",
        mesh.messages()
    );
}

#[test]
fn node_that_dies_while_its_status_fails_is_told_as_worse() {
    let mut mesh = asking();
    mesh.run(600, |run| {
        let hit = run.node == 0 && run.second >= 400.0;
        match hit {
            true if run.second >= 500.0 => Seen::Refused,
            true if run.check == Check::Status => ERROR,
            _ => Seen::Green,
        }
    });
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Worse]);
    assert_eq!((mesh.kept.len(), mesh.kept[0].check), (1, IncidentCheck::Connect));
}

#[test]
fn asset_that_fails_with_the_status_is_in_the_same_message() {
    let mut mesh = asking();
    mesh.run(600, |run| {
        let hit = run.node == 0 && run.second >= 400.0 && run.check != Check::Connect;
        if hit { ERROR } else { Seen::Green }
    });
    assert_eq!(
        (mesh.kept.len(), mesh.told.len()),
        (1, 1),
        "{:?}",
        mesh.messages()
    );
    assert_eq!(mesh.kept[0].checks.len(), 2);
}

#[test]
fn node_without_connect_checks_is_judged_by_its_status() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).asking(Check::Status, Family::V4, 10_000);
    mesh.run(160, |run| {
        let hit = run.node == 0 && run.second >= 100.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert_eq!(mesh.kept[0].check, IncidentCheck::Connect);
    assert!(mesh.told[0].0 <= 122.0);
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).asking(Check::Status, Family::V4, 10_000);
    mesh.run(160, |run| {
        let hit = run.node == 0 && run.second >= 100.0;
        if hit { ERROR } else { Seen::Green }
    });
    assert_eq!(
        mesh.kept[0].check,
        IncidentCheck::Status,
        "an error page came over a working way"
    );
}

#[test]
fn page_of_a_plain_endpoint_is_its_own_check() {
    let mut mesh = Mesh::ten().asking(Check::Http, Family::V4, 100_000);
    mesh.run(500, only(Check::Http, ERROR));
    assert_eq!(mesh.kept[0].check, IncidentCheck::Http);
}

/// The answers of before lie ten minutes ahead of a clock that was set back: they are in nobody's way.
#[test]
fn asset_that_fails_after_the_collectors_clock_was_set_back_is_told_as_ever() {
    let mut mesh = asking();
    mesh.run(300, |_| Seen::Green);
    mesh.set_clock(-600_000);
    mesh.run(500, only(Check::AssetGet, ERROR));
    let (told, what, _) = mesh.messages()[0].clone();
    assert_eq!(what, What::Down);
    assert!((430.0..=456.0).contains(&told), "{told}");
    mesh.run(760, only(Check::AssetGet, ERROR));
    assert_eq!(mesh.messages()[1].1, What::Up);
}

#[test]
fn answers_of_a_probe_that_was_revoked_are_in_no_count() {
    let mut mesh = Mesh::ten().asking(Check::Status, Family::V4, 100_000);
    mesh.run(300, |_| Seen::Green);
    let judges = |mesh: &Mesh| {
        mesh.engine
            .standing(mesh.target(0))
            .unwrap()
            .status
            .unwrap()
            .judges
    };
    let before = judges(&mesh);
    // those whose answers stand: the newest eight, of eight probes
    mesh.probes
        .iter_mut()
        .skip(5)
        .for_each(|probe| probe.active = false);
    mesh.reroster();
    mesh.run(301, |_| Seen::Green);
    assert!(before >= 7, "{before}");
    assert!(judges(&mesh) <= 4, "{}", judges(&mesh));
}
