//! What nodes share beside their ways: services and names that fail of many at once are one message, too.

use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::mesh::{Mesh, Run, Seen};
use crate::incident::{Cause, IncidentCheck};

const ERROR: Seen = Seen::Red(Phase::FirstByte, FailureCause::BadStatus);
const HANGS: Seen = Seen::Red(Phase::FirstByte, FailureCause::Timeout);
const NAMELESS: Seen = Seen::Red(Phase::Resolve, FailureCause::NxDomain);

/// Ten probes that connect every ten seconds, and ask for status and asset every hundred: one a node and ten seconds.
fn asking() -> Mesh {
    Mesh::ten()
        .asking(Check::Status, Family::V4, 100_000)
        .asking(Check::AssetGet, Family::V4, 100_000)
}

/// `check` of the nodes for which `hit` holds sees `seen` from second 400 until 900.
fn failing(check: Check, seen: Seen, hit: impl Fn(usize) -> bool) -> impl Fn(Run) -> Seen {
    move |run| {
        let is_hit = hit(run.node) && run.check == check && (400.0..900.0).contains(&run.second);
        if is_hit { seen } else { Seen::Green }
    }
}

/// What was told, with how many nodes each message is about, those that fail as well included.
fn counts(mesh: &Mesh) -> Vec<(What, usize)> {
    let told = mesh.told.iter();
    told.map(|(_, of)| (of.what, of.incidents.len() + of.failing_too.len()))
        .collect()
}

#[test]
fn service_of_all_nodes_that_fails_at_once_is_one_message_and_so_is_its_end() {
    for (check, seen, within_s) in [
        (Check::Status, ERROR, 60.0),
        (Check::AssetGet, ERROR, 60.0),
        (Check::AssetGet, Seen::Source, 60.0),
        (Check::Status, HANGS, 215.0),
        (Check::Status, Seen::Slow, 215.0),
    ] {
        let mut mesh = asking();
        mesh.run(1_000, failing(check, seen, |_| true));
        let messages = mesh.messages();
        assert_eq!(
            counts(&mesh),
            [(What::Down, 9), (What::Up, 9)],
            "{check:?} {seen:?} {messages:?}"
        );
        assert!(
            messages[0].0 <= 400.0 + within_s,
            "{check:?} {seen:?} {messages:?}"
        );
        assert!(
            mesh.kept.iter().all(|kept| kept.cause == Cause::Shared),
            "{check:?} {seen:?}"
        );
    }
}

#[test]
fn services_of_a_few_nodes_are_told_one_by_one_and_at_once() {
    let mut mesh = asking();
    mesh.run(1_000, failing(Check::Status, ERROR, |node| node < 2));
    let downs = counts(&mesh);
    assert_eq!(
        downs.iter().filter(|(what, _)| *what == What::Down).count(),
        2,
        "{:?}",
        mesh.messages()
    );
    assert!(
        mesh.kept
            .iter()
            .all(|kept| kept.cause == Cause::Node && kept.group.is_none())
    );
}

#[test]
fn fleet_that_dies_while_its_status_fails_is_one_message_more_and_so_is_its_way_back() {
    let mut mesh = asking();
    mesh.run(1_100, |run| match run.second {
        500.0..600.0 => Seen::Refused,
        400.0..900.0 if run.check == Check::Status => ERROR,
        _ => Seen::Green,
    });
    assert_eq!(
        counts(&mesh),
        [
            (What::Down, 9),
            (What::Worse, 9),
            (What::Better, 9),
            (What::Up, 9)
        ],
        "{:?}",
        mesh.messages()
    );
    assert!(mesh.told[1].1.pages() && !mesh.told[2].1.pages());
}

#[test]
fn fleet_of_which_some_failed_before_dies_in_one_message() {
    let mut mesh = asking();
    mesh.run(560, |run| match run.second {
        500.0.. => Seen::Refused,
        400.0.. if run.check == Check::Status && run.node < 2 => ERROR,
        _ => Seen::Green,
    });
    let told: Vec<_> = counts(&mesh).split_off(2);
    assert_eq!(told, [(What::Down, 9)], "{:?}", mesh.messages());
    let first = &mesh.told[2].1.incidents[0];
    assert!(
        !["n0", "n1"].contains(&first.target.as_str()),
        "the message's id is that of one that was not told before"
    );
}

#[test]
fn names_of_all_nodes_that_break_at_once_are_told_as_such_in_one_message() {
    for nodes in [9, 1] {
        let networks: Vec<u32> = (1..=10).collect();
        let mut mesh = Mesh::new(&networks, nodes).connecting();
        mesh.run(300, |run| match run.second {
            100.0..200.0 => NAMELESS,
            _ => Seen::Green,
        });
        let messages = mesh.messages();
        assert_eq!(
            counts(&mesh),
            [(What::Down, nodes), (What::Up, nodes)],
            "{messages:?}"
        );
        assert!(messages[0].0 <= 124.0, "{messages:?}");
        assert!(mesh.kept.iter().all(|kept| kept.check == IncidentCheck::Name));
    }
}

#[test]
fn node_that_was_named_as_failing_and_recovered_is_told_when_it_dies_by_itself() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
    let fails = |run: Run| {
        // n5 fails with the others, too shortly to be down, and dies a minute later
        let is_down = match run.node {
            5 => (100.0..111.0).contains(&run.second) || run.second >= 175.0,
            _ => (100.0..400.0).contains(&run.second),
        };
        if is_down { Seen::Refused } else { Seen::Green }
    };
    mesh.run(240, fails);
    let (_, first) = &mesh.told[0];
    assert!(first.failing_too.contains(&mesh.target(5)), "{first:?}");
    let last = mesh.messages().pop().unwrap();
    assert_eq!(
        (last.1, &last.2[..]),
        (What::Down, &["n5"][..]),
        "{:?}",
        mesh.messages()
    );
    let of_n5 = mesh.kept.iter().find(|kept| kept.target == "n5").unwrap();
    assert_eq!((of_n5.cause, &of_n5.group), (Cause::Node, &None));
}

#[test]
fn outage_that_was_told_before_it_was_shared_is_kept_as_shared() {
    let mut mesh = Mesh::ten();
    mesh.run(160, |run| {
        let since = if run.node == 0 { 100.0 } else { 109.5 };
        let is_down = run.node < 5 && run.second >= since;
        if is_down { Seen::Refused } else { Seen::Green }
    });
    let told = mesh.messages();
    assert!(told.len() >= 2 && told[0].2 == ["n0"], "{told:?}");
    let open: Vec<_> = mesh.engine.open().cloned().collect();
    for incident in &open {
        let kept = mesh.kept.iter().find(|kept| kept.id == incident.id).unwrap();
        assert_eq!(
            (kept.cause, &kept.group),
            (Cause::Shared, &incident.group),
            "{}",
            kept.target
        );
    }
}
