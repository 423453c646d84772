//! A vantage's own line: what proves it, what does not, and boxes on the way.

use std::net::IpAddr;

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::mesh::{Mesh, Run, Seen, at, home};
use crate::incident::{Cause, IncidentCheck};

#[test]
fn broken_line_of_one_probe_accuses_nobody() {
    let mut mesh = Mesh::ten();
    mesh.run(200, |run| {
        if run.probe == 5 && run.second >= 100.0 {
            Seen::Silent
        } else {
            Seen::Green
        }
    });
    assert!(mesh.told.is_empty());
    assert!(!mesh.verdict(5, 0).counts());
    let standing = mesh.engine.standing(mesh.target(0)).unwrap().connect;
    assert_eq!((standing.judges_ok, standing.judges), (8, 8));
}

#[test]
fn probe_that_fails_alone_in_a_tenth_of_its_runs_is_sick_and_judges_nobody() {
    let mut mesh = Mesh::ten();
    mesh.run(900, |run| {
        let lost = run.probe == 5 && (run.second * 10.0) as u64 % 10 < 3;
        if lost { Seen::Silent } else { Seen::Green }
    });
    let of = |mesh: &Mesh| {
        (0..9)
            .filter(|node| *node != 5)
            .map(|node| mesh.verdict(5, node))
            .collect::<Vec<_>>()
    };
    assert!(
        of(&mesh).iter().all(|verdict| *verdict == Verdict::Sick),
        "{:?}",
        of(&mesh)
    );
    mesh.run(1_800, |_| Seen::Green);
    assert!(of(&mesh).iter().all(|verdict| *verdict == Verdict::Green));
}

#[test]
fn neighbours_prove_nothing_for_each_other() {
    let mut mesh = Mesh::new(&[1, 2, 3], 2).connecting();
    // node 1 stands beside probe 2: its answers do not prove that probe's line
    mesh.engine
        .set_address(mesh.probe(2), IpAddr::from([198, 51, 1, 77]));
    mesh.run(200, |run| {
        if run.node == 0 && run.second >= 60.0 {
            Seen::Silent
        } else {
            Seen::Green
        }
    });
    // its earlier answer of node 0 itself held for a while; now nothing does, for it has no echo of its own
    mesh.has_echoes = false;
    mesh.has_sessions = false;
    mesh.run(300, |run| if run.node == 0 { Seen::Silent } else { Seen::Green });
    assert_eq!(mesh.verdict(2, 0), Verdict::Unproven);
}

#[test]
fn in_a_mesh_on_one_machine_nearness_means_nothing() {
    let mut mesh = Mesh::on_one_machine(&[1, 2, 3, 4], 3).connecting();
    mesh.run(60, |_| Seen::Green);
    assert_eq!(
        mesh.verdict(2, 0),
        Verdict::Green,
        "though it stands on its server"
    );
    mesh.run(140, |run| {
        let hit = run.node == 0 && run.second >= 100.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert_eq!(mesh.messages()[0].1, What::Down, "its neighbours prove the lines");
    assert!(mesh.engine.is_one_place);
    mesh.engine.set_address(mesh.probe(0), home(0));
    assert!(!mesh.engine.is_one_place);
}

#[test]
fn resolve_failures_never_accuse_a_node_but_break_its_name() {
    let mut mesh = Mesh::ten();
    mesh.run(200, |run| {
        let hit = run.node == 0 && run.second >= 100.0;
        if hit {
            Seen::Red(Phase::Resolve, FailureCause::NxDomain)
        } else {
            Seen::Green
        }
    });
    let checks: Vec<_> = mesh.kept.iter().map(|incident| incident.check).collect();
    assert_eq!(checks, [IncidentCheck::Name]);
    assert!(mesh.told[0].0 <= 122.0);
}

#[test]
fn resolver_of_one_probe_breaks_no_name() {
    let mut mesh = Mesh::ten();
    mesh.run(300, |run| {
        let hit = run.probe == 4 && run.second >= 100.0;
        if hit {
            Seen::Red(Phase::Resolve, FailureCause::ServFail)
        } else {
            Seen::Green
        }
    });
    assert!(mesh.told.is_empty() && mesh.kept.is_empty());
}

#[test]
fn family_that_a_name_does_not_have_breaks_nothing() {
    let mut mesh = Mesh::ten();
    mesh.run(300, |run| {
        let hit = run.node == 0;
        if hit {
            Seen::Red(Phase::Resolve, FailureCause::NoAddress)
        } else {
            Seen::Green
        }
    });
    assert!(
        mesh.kept
            .iter()
            .all(|incident| incident.check == IncidentCheck::Data),
        "{:?}",
        mesh.kept
    );
}

#[test]
fn answer_far_faster_than_usual_counts_neither_way() {
    let mut mesh = Mesh::ten();
    let boxed = |run: Run| {
        let down = run.node == 0 && run.second >= 4_000.0;
        match run.probe {
            4 if down => Seen::GreenIn(3), // a box answers in the place of the dead node
            _ if down => Seen::Refused,
            _ => Seen::GreenIn(40),
        }
    };
    mesh.run(4_060, boxed);
    assert_eq!(mesh.verdict(4, 0), Verdict::Silent);
    assert_eq!(
        mesh.kept[0].cause,
        Cause::Node,
        "a box is nobody who gets through"
    );
}

#[test]
fn wrong_certificate_at_an_address_nobody_else_resolved_is_the_lines_fault() {
    let mut mesh = Mesh::new(&[1, 2, 3], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    let cell = {
        let cadence = Cadence {
            interval_ms: 10_000,
            timeout_ms: 4_000,
        };
        let (probe, target) = (mesh.probe(1), mesh.target(0));
        mesh.engine
            .cell(probe, target, Kind::new(Check::Connect, Family::V4), cadence)
    };
    let mut wrong = Observation {
        began: at(100.0),
        finished: at(100.1),
        word: Word::Red {
            phase: Phase::Tls,
            cause: FailureCause::CertificateWrongName,
        },
        address: Some(IpAddr::from([10, 0, 0, 1])),
        connect: None,
        secured: false,
        text: "for another name",
    };
    assert!(!mesh.engine.observe(cell, &wrong));
    assert_eq!(mesh.verdict(1, 0), Verdict::Green, "its word before still stands");
    (wrong.began, wrong.address) = (at(100.5), Some(super::mesh::host(0)));
    assert!(mesh.engine.observe(cell, &wrong), "others were led there as well");
}

/// What a run of a probe says that gets an expired certificate from `host`.
fn expired(mesh: &mut Mesh, probe: usize, (second, host): (f64, [u8; 4])) -> bool {
    let cadence = Cadence {
        interval_ms: 10_000,
        timeout_ms: 4_000,
    };
    let (of, target) = (mesh.probe(probe), mesh.target(0));
    let kind = Kind::new(Check::Connect, Family::V4);
    let cell = mesh.engine.cell(of, target, kind, cadence);
    let run = Observation {
        began: at(second),
        finished: at(second + 0.1),
        word: Word::Red {
            phase: Phase::Tls,
            cause: FailureCause::CertificateExpired,
        },
        address: Some(IpAddr::from(host)),
        connect: None,
        secured: false,
        text: "expired",
    };
    mesh.engine.observe(cell, &run)
}

#[test]
fn address_to_which_a_vantage_was_led_long_ago_is_a_strangers() {
    let mut mesh = Mesh::new(&[1, 2, 3], 1).connecting();
    mesh.run(100, |run| {
        if run.probe == 2 && run.second > 20.0 {
            Seen::Gone
        } else {
            Seen::Green
        }
    });
    let old = [198, 51, 0, 1];
    assert!(expired(&mut mesh, 1, (100.0, old)), "others are led there now");
    mesh.dead = vec![0, 1, 2];
    mesh.run(200, |_| Seen::Gone);
    assert!(!expired(&mut mesh, 1, (200.0, old)));
}

#[test]
fn certificate_that_expired_wherever_each_vantage_is_led_is_the_nodes_failure() {
    let mut mesh = Mesh::new(&[1, 1, 3], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    assert!(
        !expired(&mut mesh, 0, (100.0, [10, 0, 0, 1])),
        "it may be its line's fault"
    );
    assert!(!expired(&mut mesh, 1, (100.1, [10, 0, 0, 2])), "or its network's");
    assert!(expired(&mut mesh, 2, (100.2, [10, 0, 0, 3])));
    assert!(expired(&mut mesh, 0, (110.0, [10, 0, 0, 1])));
}

#[test]
fn row_that_comes_late_says_nothing_now() {
    let mut mesh = Mesh::new(&[1, 2, 3], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    let (_, cell) = mesh.checks_of(1, 0);
    let late = mesh.observe(cell, (0, Family::V4), (Seen::Refused, 40.0, 60), "late");
    assert!(!late);
    assert_eq!(mesh.verdict(1, 0), Verdict::Green);
}
