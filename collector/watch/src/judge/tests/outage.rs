//! One node: judges, what begins and ends, flapping, states.

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::mesh::{INTERVAL_MS, Mesh, Run, Seen, at, second};
use crate::incident::{Cause, Ending, IncidentCheck};

/// Node 0 sees `seen` between two seconds, everything else is well.
fn failing(from: f64, until: f64, seen: Seen) -> impl Fn(Run) -> Seen {
    move |run| {
        if run.node == 0 && from <= run.second && run.second < until {
            seen
        } else {
            Seen::Green
        }
    }
}

#[test]
fn refused_node_is_told_within_two_intervals_and_two_seconds() {
    let mut mesh = Mesh::ten();
    mesh.run(200, failing(100.0, 170.0, Seen::Refused));
    let messages = mesh.messages();
    let (told, what, names) = &messages[0];
    assert_eq!((*what, &names[..]), (What::Down, &["n0"][..]));
    assert!(*told <= 122.0, "{told}");
    assert_eq!((messages.len(), messages[1].1), (2, What::Up));
    assert!(messages[1].0 <= 192.0, "{messages:?}");
}

#[test]
fn silent_node_is_told_one_timeout_later_at_most() {
    let mut mesh = Mesh::ten();
    mesh.run(160, failing(100.0, 300.0, Seen::Silent));
    assert!(mesh.messages()[0].0 <= 126.0, "{:?}", mesh.messages());
}

#[test]
fn incident_runs_from_the_first_failure_to_the_answers_of_two_networks() {
    let mut mesh = Mesh::ten();
    mesh.run(300, failing(100.0, 170.0, Seen::Refused));
    let incident = &mesh.kept[0];
    let (start, end) = (second(incident.start), second(incident.end.unwrap()));
    assert!((100.0..102.0).contains(&start), "{start}");
    assert!((170.0..174.0).contains(&end), "{end}");
    assert_eq!(
        (incident.cause, incident.check),
        (Cause::Node, IncidentCheck::Connect)
    );
    assert_eq!(incident.evidence.len(), 9, "all but its own worker's probe");
    let spell = incident.spells[0];
    assert!(spell.last_green < spell.first_red && spell.last_red < spell.first_green.unwrap());
}

#[test]
fn reload_of_three_seconds_is_no_outage() {
    let mut mesh = Mesh::ten();
    mesh.run(200, failing(100.0, 103.0, Seen::Refused));
    assert!(mesh.told.is_empty() && mesh.kept.is_empty());
    assert_eq!(mesh.state(0), State::Up);
}

#[test]
fn own_workers_probe_and_one_on_its_server_judge_nothing() {
    let mut mesh = Mesh::ten();
    mesh.engine.set_address(mesh.probe(1), super::mesh::host(0));
    mesh.run(60, |_| Seen::Green);
    assert_eq!(mesh.verdict(0, 0), Verdict::Own, "of its worker");
    assert_eq!(mesh.verdict(1, 0), Verdict::Own, "on its server");
    assert_eq!(mesh.verdict(2, 0), Verdict::Green);
    let standing = mesh.engine.standing(mesh.target(0)).unwrap().connect;
    assert_eq!(
        (standing.judges_ok, standing.judges, standing.networks),
        (8, 8, 8)
    );
}

#[test]
fn one_vantage_never_pages_anyone() {
    let mut mesh = Mesh::ten();
    mesh.run(600, |run| {
        let alone = run.node == 0 && run.probe == 3;
        if alone { Seen::Refused } else { Seen::Green }
    });
    assert!(mesh.told.is_empty());
    assert_eq!(
        mesh.state(0),
        State::Degraded,
        "its failure is shown all the same"
    );
}

#[test]
fn one_network_never_pages_anyone_where_there_is_a_second() {
    let mut mesh = Mesh::new(&[1, 1, 1, 1, 1, 1, 7, 8, 9, 10], 9).connecting();
    mesh.run(600, |run| {
        let of_the_network = run.node == 8 && run.probe < 6;
        if of_the_network {
            Seen::Refused
        } else {
            Seen::Green
        }
    });
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
    assert_eq!(mesh.state(8), State::Partial);
}

#[test]
fn mesh_of_one_network_pages_with_the_caveat() {
    let mut mesh = Mesh::new(&[64_500; 4], 3).connecting();
    mesh.run(160, failing(100.0, 300.0, Seen::Refused));
    let incident = &mesh.told[0].1.incidents[0];
    assert!(incident.caveat.as_ref().unwrap().contains("AS 64500"));
    assert!(mesh.told[0].0 <= 122.0);
}

#[test]
fn only_probe_of_the_second_network_being_away_does_not_silence_the_rest() {
    let mut mesh = Mesh::new(&[1, 1, 1, 1, 2], 3).connecting();
    mesh.run(60, |_| Seen::Green);
    mesh.dead = vec![4];
    mesh.engine.session(mesh.probe(4), false, at(60.0));
    mesh.run(180, failing(120.0, 300.0, Seen::Refused));
    let down = mesh.told.iter().find(|(_, told)| told.what == What::Down);
    let (told, telling) = down.expect("told");
    assert!(*told <= 142.0, "{told}");
    assert!(telling.incidents[0].caveat.is_some());
}

#[test]
fn losing_judges_never_ends_an_incident() {
    let mut mesh = Mesh::ten();
    mesh.run(140, failing(100.0, 900.0, Seen::Refused));
    mesh.dead = (0..10).collect();
    mesh.has_sessions = false;
    mesh.run(600, |_| Seen::Green);
    assert!(mesh.kept[0].end.is_none());
    assert!(
        mesh.messages().iter().all(|(_, what, _)| *what != What::Up),
        "{:?}",
        mesh.messages()
    );
    mesh.dead.clear();
    mesh.has_sessions = true;
    mesh.run(640, |_| Seen::Green);
    assert_eq!(mesh.kept[0].ending, Some(Ending::Recovered));
}

#[test]
fn outage_ends_by_the_judge_that_is_left_where_the_other_is_lost() {
    let mut mesh = Mesh::new(&[1, 2], 3).connecting();
    let sees = |run: Run| {
        let hit = run.node == 2 && (100.0..300.0).contains(&run.second);
        if hit { Seen::Refused } else { Seen::Green }
    };
    mesh.run(200, sees);
    assert_eq!(mesh.messages()[0].1, What::Down);
    mesh.dead = vec![1];
    mesh.engine.session(mesh.probe(1), false, at(200.0));
    mesh.run(340, sees);
    let outage = mesh.kept.iter().find(|kept| kept.target == "n2").unwrap();
    assert_eq!(outage.ending, Some(Ending::Recovered));
    let end = second(outage.end.unwrap());
    assert!((300.0..311.0).contains(&end), "{end}");
}

#[test]
fn stale_answer_of_a_probe_that_is_gone_is_no_up() {
    let mut mesh = Mesh::new(&[1, 2, 3], 2).connecting();
    mesh.run(100, |_| Seen::Green);
    assert_eq!(mesh.state(0), State::Up);
    mesh.dead = vec![1, 2];
    mesh.run(113, |_| Seen::Green);
    let standing = mesh.engine.standing(mesh.target(0)).unwrap().connect;
    assert_ne!(standing.state, State::Up);
    assert_eq!(
        standing.judges, 0,
        "a green is a word for one interval and two and a half seconds"
    );
}

#[test]
fn path_that_fails_for_most_but_not_all_is_its_own_cause() {
    let mut mesh = Mesh::ten();
    mesh.run(160, |run| {
        let hit = run.node == 0 && run.second >= 100.0 && run.probe < 8;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert_eq!(mesh.kept[0].cause, Cause::Path, "two of nine judges get through");
}

/// Ten probes of which the last asks every half minute only.
fn one_asks_rarely() -> Mesh {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 9);
    for probe in 0..10 {
        let interval_ms = if probe == 9 { 3 * INTERVAL_MS } else { INTERVAL_MS };
        for node in 0..9 {
            mesh.ask(probe, node, (Check::Connect, Family::V4), interval_ms);
        }
    }
    mesh
}

#[test]
fn answer_from_before_the_first_failure_is_no_proof_of_a_path() {
    let mut mesh = one_asks_rarely();
    mesh.run(200, failing(100.0, 900.0, Seen::Refused));
    let (told, telling) = &mesh.told[0];
    assert!(*told < 117.0, "the last has not asked yet: {told}");
    assert_eq!(telling.incidents[0].cause, Cause::Node);
    assert_eq!(mesh.kept[0].cause, Cause::Node);
}

#[test]
fn cause_is_judged_again_while_the_outage_lasts() {
    let mut mesh = one_asks_rarely();
    let path = |run: Run| {
        let all = run.second >= 200.0;
        let hit = run.node == 0 && (100.0..300.0).contains(&run.second) && (all || run.probe < 9);
        if hit { Seen::Refused } else { Seen::Green }
    };
    mesh.run(116, path);
    assert_eq!(mesh.kept[0].cause, Cause::Node, "nobody is known to get through");
    mesh.run(190, path);
    assert_eq!(mesh.kept[0].cause, Cause::Path, "the last got through since");
    mesh.run(250, path);
    assert_eq!(mesh.kept[0].cause, Cause::Node, "it fails by now, too");
    mesh.run(400, path);
    assert_eq!(
        (mesh.kept[0].cause, mesh.kept[0].ending),
        (Cause::Node, Some(Ending::Recovered))
    );
}

#[test]
fn second_opening_within_half_an_hour_is_told_once_as_flapping() {
    let mut mesh = Mesh::ten();
    // down for 40 s of every 80, eight times
    mesh.run(2_000, |run| {
        let phase = (run.second - 100.0) % 80.0;
        let hit = run.node == 0 && (100.0..740.0).contains(&run.second) && phase < 40.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Up, What::Flapping, What::Up]);
    let (last, ..) = mesh.messages()[3];
    assert!(last >= 1_300.0, "ten steady minutes first: {last}");
    let flapping = &mesh.kept[1];
    assert_eq!(
        flapping.flapping.unwrap().openings,
        8,
        "the first is an incident of its own"
    );
    let down_s = flapping.down_ms(flapping.end.unwrap()) as f64 / 1_000.0;
    assert!((7.0 * 38.0..7.0 * 44.0).contains(&down_s), "{down_s}");
}

#[test]
fn flapping_outage_that_stays_down_is_told_once_more() {
    let mut mesh = Mesh::ten();
    mesh.run(1_200, |run| {
        let hit = run.node == 0 && ((100.0..140.0).contains(&run.second) || run.second >= 200.0);
        if hit { Seen::Refused } else { Seen::Green }
    });
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Up, What::Flapping, What::Steady]);
}

#[test]
fn up_eight_seconds_and_down_ten_makes_no_noise() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |run| {
        let hit = run.node == 0 && run.second >= 100.0 && (run.second - 100.0) % 18.0 < 10.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert!(mesh.told.len() <= 3, "{:?}", mesh.messages());
}

#[test]
fn partial_is_two_judges_with_three_failures_each_for_five_minutes_and_no_page() {
    let mut mesh = Mesh::ten();
    let two = |run: Run| {
        let hit = run.node == 0 && run.second >= 100.0 && (run.probe == 2 || run.probe == 3);
        if hit { Seen::Silent } else { Seen::Green }
    };
    mesh.run(300, two);
    assert_eq!(mesh.state(0), State::Degraded);
    mesh.run(450, two);
    assert_eq!(mesh.state(0), State::Partial);
    assert_eq!(mesh.engine.partial().next().unwrap().0, mesh.target(0));
    assert!(mesh.told.is_empty());
}

#[test]
fn all_of_ipv6_dead_with_ipv4_fine_is_degraded() {
    let mut mesh = Mesh::ten().asking(Check::Connect, Family::V6, INTERVAL_MS);
    for number in 0..10 {
        let v6 = std::net::IpAddr::from([0x2001, 0xdb8, 0x900 + number as u16, 0, 0, 0, 0, 1]);
        mesh.engine.set_address(mesh.probe(number), v6);
    }
    mesh.run(160, |run| {
        let hit = run.node == 0 && run.family == Family::V6 && run.second >= 100.0;
        if hit { Seen::Silent } else { Seen::Green }
    });
    assert_eq!(mesh.state(0), State::Degraded);
    assert!(mesh.told.is_empty());
}

/// One probe asks over IPv4, all others over IPv6.
fn one_over_ipv4() -> Mesh {
    let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 9);
    for probe in 0..10 {
        let family = if probe == 9 { Family::V4 } else { Family::V6 };
        let v6 = std::net::IpAddr::from([0x2001, 0xdb8, 0x900 + probe as u16, 0, 0, 0, 0, 1]);
        mesh.engine.set_address(mesh.probe(probe), v6);
        for node in 0..9 {
            mesh.ask(probe, node, (Check::Connect, family), INTERVAL_MS);
        }
    }
    mesh
}

#[test]
fn dead_node_is_told_where_only_one_vantage_has_ipv4() {
    let mut mesh = one_over_ipv4();
    mesh.run(200, failing(100.0, 170.0, Seen::Refused));
    let whats: Vec<_> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down, What::Up]);
    assert!(mesh.told[0].0 <= 122.0, "{:?}", mesh.messages());
    assert!(
        mesh.unknown.iter().all(|(from, _)| *from < 30.0),
        "{:?}",
        mesh.unknown
    );
}

#[test]
fn lone_answer_over_ipv4_is_no_outage_though_all_of_ipv6_is_dead() {
    let mut mesh = one_over_ipv4();
    mesh.run(200, |run| {
        let hit = run.node == 0 && run.family == Family::V6 && run.second >= 100.0;
        if hit { Seen::Refused } else { Seen::Green }
    });
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
    assert_eq!(mesh.state(0), State::Degraded);
}

#[test]
fn paused_node_is_not_judged_and_its_outage_ends() {
    let mut mesh = Mesh::ten();
    mesh.run(140, failing(100.0, 900.0, Seen::Refused));
    mesh.nodes[0].paused = true;
    mesh.reroster();
    mesh.run(150, failing(100.0, 900.0, Seen::Refused));
    assert_eq!(mesh.state(0), State::Paused);
    assert_eq!(mesh.kept[0].ending, Some(Ending::Paused));
}

#[test]
fn removed_node_ends_its_outage() {
    let mut mesh = Mesh::ten();
    mesh.run(140, failing(100.0, 900.0, Seen::Refused));
    let left = mesh.nodes[1..].to_vec();
    mesh.roster = isochrone_base::roster::Roster::new(mesh.probes.clone(), left);
    mesh.engine.set_roster(&mesh.roster.clone());
    mesh.run(150, failing(100.0, 900.0, Seen::Refused));
    assert_eq!(mesh.kept[0].ending, Some(Ending::Removed));
    assert_eq!(mesh.engine.standing(mesh.target(0)), None);
}

#[test]
fn maintenance_pages_nobody_and_what_is_still_down_after_it_is_told() {
    let mut mesh = Mesh::ten();
    mesh.engine
        .set_maintenance(mesh.target(0), vec![(at(90.0), at(200.0))]);
    mesh.run(199, failing(100.0, 400.0, Seen::Refused));
    assert!(mesh.told.is_empty());
    assert_eq!(mesh.state(0), State::Maintenance);
    mesh.run(210, failing(100.0, 400.0, Seen::Refused));
    assert_eq!(mesh.messages()[0].1, What::Down);
}

#[test]
fn open_incident_goes_on_over_a_restart_and_is_not_told_again() {
    let mut mesh = Mesh::ten();
    mesh.run(140, failing(100.0, 900.0, Seen::Refused));
    let open = mesh.kept[0].clone();
    let mut engine = Engine::new(Patience::default(), at(140.0));
    engine.resume(open);
    engine.set_roster(&mesh.roster);
    let mut after = Mesh::ten();
    after.engine = engine;
    after.second = 140;
    for number in 0..10 {
        for node in 0..9 {
            let cadence = Cadence {
                interval_ms: INTERVAL_MS,
                timeout_ms: 4_000,
            };
            let (probe, target) = (after.probe(number), after.target(node));
            after
                .engine
                .cell(probe, target, Kind::new(Check::Connect, Family::V4), cadence);
        }
    }
    after.run(200, failing(100.0, 170.0, Seen::Refused));
    let whats: Vec<What> = after.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Up]);
    assert_eq!(after.kept[0].id, mesh.kept[0].id);
}

#[test]
fn time_without_a_quorum_is_accounted_for() {
    let mut mesh = Mesh::new(&[1, 2, 3], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![1, 2];
    mesh.run(200, |_| Seen::Green);
    mesh.dead.clear();
    mesh.run(240, |_| Seen::Green);
    let (from, until) = *mesh.unknown.last().unwrap();
    assert!(
        (100.0..118.0).contains(&from) && (200.0..212.0).contains(&until),
        "{from} {until}"
    );
}

#[test]
fn unsent_runs_say_nothing_either_way() {
    let mut mesh = Mesh::ten();
    mesh.run(200, failing(100.0, 900.0, Seen::Unsent));
    assert!(mesh.told.is_empty());
    assert_eq!(mesh.state(0), State::NobodyMayJudge);
}

#[test]
fn node_that_no_probe_can_measure_is_told_as_that_and_never_as_down() {
    let mut mesh = Mesh::ten();
    mesh.run(600, failing(100.0, 900.0, Seen::Unsent));
    let whats: Vec<What> = mesh.told.iter().map(|(_, telling)| telling.what).collect();
    assert_eq!(whats, [What::NobodyMayJudge]);
    let caveat = mesh.told[0].1.incidents[0].caveat.as_deref().unwrap();
    assert!(caveat.contains("cannot measure it"), "{caveat}");
}

#[test]
fn router_that_says_unreachable_is_the_targets_failure() {
    let mut mesh = Mesh::ten();
    let unreachable = Seen::Red(Phase::Connect, FailureCause::Unreachable);
    mesh.run(160, failing(100.0, 900.0, unreachable));
    assert_eq!(mesh.messages()[0].1, What::Down);
}

#[test]
fn machine_without_a_route_for_the_family_accuses_nobody() {
    let mut mesh = Mesh::ten();
    mesh.has_echoes = false;
    mesh.run(300, |run| {
        let no_route = run.probe == 4 && run.second >= 100.0;
        if no_route {
            Seen::Red(Phase::Connect, FailureCause::Unreachable)
        } else {
            Seen::Green
        }
    });
    assert!(mesh.told.is_empty());
    assert!(!mesh.verdict(4, 0).counts(), "{:?}", mesh.verdict(4, 0));
}

#[test]
fn node_that_half_of_its_judges_cannot_reach_is_not_shown_as_up_while_it_is_not_confirmed() {
    let mut mesh = Mesh::ten();
    mesh.run(107, failing(100.0, 300.0, Seen::Refused));
    assert!(mesh.told.is_empty(), "nobody failed twice");
    assert_eq!(mesh.state(0), State::Degraded);
}
