//! A fleet that goes down again: flapping nodes are told together, too.

use super::super::*;
use super::mesh::{Mesh, Run, Seen, at};

/// All six nodes are refused from 100 s on for a minute, and again after each so many seconds.
fn again(run: Run, every: f64, until: f64) -> Seen {
    let is_down = run.second >= 100.0 && run.second < until && (run.second - 100.0) % every < 60.0;
    if is_down { Seen::Refused } else { Seen::Green }
}

#[test]
fn fleet_that_fails_again_is_one_message_each_time_that_something_is_said() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
    mesh.run(1_500, |run| again(run, 120.0, 600.0));
    let messages = mesh.messages();
    let counts: Vec<_> = messages
        .iter()
        .map(|(_, what, names)| (*what, names.len()))
        .collect();
    assert_eq!(
        counts,
        [(What::Down, 6), (What::Up, 6), (What::Flapping, 6), (What::Up, 6)],
        "{messages:?}"
    );
    for incident in &mesh.kept {
        assert!(incident.end.is_some(), "{} is over", incident.target);
    }
}

#[test]
fn fleet_that_stays_down_after_coming_and_going_is_one_message() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
    mesh.run(1_500, |run| {
        if run.second < 220.0 {
            again(run, 120.0, 220.0)
        } else {
            Seen::Refused
        }
    });
    let messages = mesh.messages();
    let counts: Vec<_> = messages
        .iter()
        .map(|(_, what, names)| (*what, names.len()))
        .collect();
    assert_eq!(
        counts,
        [
            (What::Down, 6),
            (What::Up, 6),
            (What::Flapping, 6),
            (What::Steady, 6)
        ],
        "{messages:?}"
    );
}

#[test]
fn suspended_collector_whose_sessions_ended_meanwhile_suspects_no_line() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |_| Seen::Green);
    mesh.stall(470, |_| Seen::Gone);
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), false, at(470.0));
    }
    mesh.dead = (0..10).collect();
    mesh.run(474, |_| Seen::Green);
    mesh.dead.clear();
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), true, at(474.0));
    }
    mesh.run(560, |_| Seen::Green);
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
}

#[test]
fn line_that_is_really_cut_after_a_gap_is_the_suspect_half_a_minute_later() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |_| Seen::Green);
    mesh.stall(470, |_| Seen::Gone);
    mesh.run(480, |_| Seen::Green);
    mesh.dead = (0..10).collect();
    mesh.run(490, |_| Seen::Green);
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), false, at(490.0));
    }
    mesh.run(510, |_| Seen::Green);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::OwnLine]);
}

#[test]
fn clock_that_was_ahead_for_a_while_hides_no_outage_after_it() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |_| Seen::Green);
    mesh.engine.advance(at(1_000.0));
    for probe in 0..10 {
        let (run, cell) = mesh.checks_of(probe, 0);
        mesh.observe(
            cell,
            (0, run.family),
            (Seen::Green, 1_000.0 + probe as f64, 60),
            "",
        );
    }
    mesh.engine.advance(at(1_020.0));
    mesh.run(470, |_| Seen::Green);
    assert_eq!(mesh.state(0), State::Up);
    mesh.run(540, |run| if run.node == 0 { Seen::Refused } else { Seen::Green });
    let messages = mesh.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((messages[0].1, &messages[0].2[..]), (What::Down, &["n0"][..]));
    assert!(messages[0].0 <= 492.0, "{messages:?}");
}

/// The engine that another process goes on with.
pub(super) fn restarted(mesh: &mut Mesh) {
    let mut engine = Engine::new(Patience::default(), at(mesh.second as f64));
    engine.set_roster(&mesh.roster);
    for incident in &mesh.kept {
        engine.resume(incident.clone());
    }
    mesh.go_on_with(engine);
}

#[test]
fn flapping_outage_that_is_up_for_a_while_does_not_end_with_a_restart() {
    let mut mesh = Mesh::ten();
    let flaps = |run: Run| {
        let is_down =
            run.node == 0 && run.second >= 100.0 && run.second < 320.0 && (run.second - 100.0) % 120.0 < 60.0;
        if is_down { Seen::Refused } else { Seen::Green }
    };
    mesh.run(400, flaps);
    assert_eq!(mesh.messages().last().unwrap().1, What::Flapping);
    let before = mesh.told.len();
    restarted(&mut mesh);
    mesh.run(850, flaps);
    assert_eq!(mesh.told.len(), before, "{:?}", mesh.messages());
    mesh.run(920, flaps);
    assert_eq!(
        mesh.messages()[before..]
            .iter()
            .map(|of| of.1)
            .collect::<Vec<_>>(),
        [What::Up]
    );
}

#[test]
fn flapping_outage_that_stays_down_is_told_under_one_id_however_often_the_collector_starts() {
    let mut mesh = Mesh::ten();
    let flaps = |run: Run| {
        let is_down = run.node == 0 && run.second >= 100.0 && !(160.0..220.0).contains(&run.second);
        if is_down { Seen::Refused } else { Seen::Green }
    };
    mesh.run(300, flaps);
    restarted(&mut mesh);
    mesh.run(700, flaps);
    assert_eq!(
        mesh.messages().last().unwrap().1,
        What::Flapping,
        "{:?}",
        mesh.messages()
    );
    mesh.run(860, flaps);
    restarted(&mut mesh);
    mesh.run(960, flaps);
    let steady = mesh
        .told
        .iter()
        .filter(|(_, telling)| telling.what == What::Steady);
    let alert = |telling: &Telling| {
        crate::alert::Alert::of_telling(
            telling,
            "lead",
            (&|_| None, &|_| None, &|_| crate::alert::Whose::default()),
        )
        .id
    };
    let ids: Vec<String> = steady.map(|(_, telling)| alert(telling)).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// All nine nodes are refused from 220 s on; node 0 was once before.
fn nine_after_one(run: Run) -> Seen {
    let before = run.node == 0 && (100.0..140.0).contains(&run.second);
    if before || (220.0..1_200.0).contains(&run.second) {
        Seen::Refused
    } else {
        Seen::Green
    }
}

#[test]
fn node_that_failed_shortly_before_stands_in_the_one_message_of_the_fleet() {
    let mut mesh = Mesh::ten();
    mesh.run(1_100, nine_after_one);
    let messages = mesh.messages();
    let whats: Vec<_> = messages.iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Up, What::Down], "{messages:?}");
    let (_, fleet) = &mesh.told[2];
    assert!(
        fleet.incidents.iter().any(|incident| incident.target == "n0"),
        "{messages:?}"
    );
    assert_eq!(fleet.incidents.len() + fleet.failing_too.len(), 9, "{messages:?}");
}

#[test]
fn node_of_which_nothing_more_was_to_be_said_is_named_when_all_fail() {
    let mut mesh = Mesh::ten();
    mesh.run(500, |run| {
        let flaps = run.node == 0
            && [100.0..140.0, 200.0..240.0]
                .iter()
                .any(|of| of.contains(&run.second));
        if flaps || run.second >= 400.0 {
            Seen::Refused
        } else {
            Seen::Green
        }
    });
    let (_, fleet) = mesh.told.last().unwrap();
    assert_eq!(fleet.what, What::Down, "{:?}", mesh.messages());
    assert!(fleet.failing_too.contains(&mesh.target(0)), "{fleet:?}");
    assert_eq!(
        fleet.incidents.len() + fleet.failing_too.len(),
        9,
        "{:?}",
        mesh.messages()
    );
}

#[test]
fn recoveries_that_are_gathered_when_the_collector_ends_are_told_by_the_next() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
    let fails = |run: Run| {
        let is_down = (100.0..188.0).contains(&run.second);
        if is_down { Seen::Refused } else { Seen::Green }
    };
    mesh.run(188, fails);
    while mesh.kept.iter().filter(|kept| kept.end.is_some()).count() < 3 {
        mesh.run(mesh.second + 1, fails);
    }
    assert!(
        mesh.messages().iter().all(|(_, what, _)| *what != What::Up),
        "none is told"
    );
    restarted(&mut mesh);
    mesh.run(260, fails);
    let ups = mesh
        .messages()
        .into_iter()
        .filter(|(_, what, _)| *what == What::Up);
    let mut names: Vec<_> = ups.flat_map(|(_, _, names)| names).collect();
    names.sort_unstable();
    assert_eq!(names, ["n0", "n1", "n2", "n3", "n4", "n5"], "each once");
    restarted(&mut mesh);
    let before = mesh.told.len();
    mesh.run(320, fails);
    assert_eq!(mesh.told.len(), before, "told already");
}

#[test]
fn second_opening_after_a_restart_comes_and_goes_all_the_same() {
    let mut mesh = Mesh::ten();
    let flaps = |run: Run| {
        let is_down = [100.0..140.0, 300.0..340.0]
            .iter()
            .any(|of| of.contains(&run.second));
        if run.node == 0 && is_down {
            Seen::Refused
        } else {
            Seen::Green
        }
    };
    mesh.run(200, flaps);
    restarted(&mut mesh);
    mesh.run(330, flaps);
    let whats: Vec<_> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Up, What::Flapping]);
}
