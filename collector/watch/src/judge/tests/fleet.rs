//! Many nodes at once: one message, and nobody muted by it.

use super::super::*;
use super::mesh::{Mesh, Run, Seen, at, second};
use crate::incident::Cause;
use crate::judge::availability::Account;

/// The nodes for which `hit` holds see `seen` between two seconds.
fn fleet(from: f64, until: f64, seen: Seen, hit: impl Fn(usize) -> bool) -> impl Fn(Run) -> Seen {
    move |run| {
        let is_hit = hit(run.node) && from <= run.second && run.second < until;
        if is_hit { seen } else { Seen::Green }
    }
}

#[test]
fn all_nodes_refused_with_echoes_alive_are_one_message_and_one_at_recovery() {
    for (has_echoes, has_sessions) in [(true, true), (false, true), (true, false)] {
        let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
        (mesh.has_echoes, mesh.has_sessions) = (has_echoes, true);
        mesh.run(60, |_| Seen::Green);
        mesh.has_sessions = has_sessions;
        mesh.run(300, fleet(100.0, 188.0, Seen::Refused, |_| true));
        let fleet: Vec<_> = mesh
            .messages()
            .into_iter()
            .filter(|(_, what, _)| matches!(what, What::Down | What::Up))
            .collect();
        assert_eq!(
            fleet.len(),
            2,
            "{has_echoes} {has_sessions} {:?}",
            mesh.messages()
        );
        assert!(fleet[0].0 <= 122.0, "{fleet:?}");
        let too = &mesh.told[0].1.failing_too;
        assert_eq!(
            fleet[0].2.len() + too.len(),
            6,
            "those failing stand in its message"
        );
        assert_eq!(fleet[1].2.len(), 6);
        assert!(fleet[1].0 <= 188.0 + 22.0, "{fleet:?}");
    }
}

#[test]
fn any_subset_of_nodes_refused_at_once_is_told_within_twenty_seconds_in_at_most_three_messages() {
    for subset in 1u32..64 {
        let mut mesh = Mesh::new(&[1, 2, 3, 4, 5, 6], 6).connecting();
        mesh.has_echoes = subset % 2 == 0;
        let hit = move |node: usize| subset & (1 << node) != 0;
        mesh.run(240, fleet(100.0, 188.0, Seen::Refused, hit));
        let messages = mesh.messages();
        let downs: Vec<_> = messages
            .iter()
            .filter(|(_, what, _)| *what == What::Down)
            .collect();
        assert!(downs.len() <= 3, "{subset:06b} {messages:?}");
        assert!(
            downs.iter().all(|(at, ..)| *at <= 120.0),
            "{subset:06b} {messages:?}"
        );
        assert_eq!(mesh.kept.len(), subset.count_ones() as usize, "{subset:06b}");
        for incident in &mesh.kept {
            let length = incident.duration_ms(at(240.0)) as f64 / 1_000.0;
            assert!((84.0..94.0).contains(&length), "{subset:06b} {length}");
        }
    }
}

#[test]
fn fleet_outage_is_shared_and_its_cause_says_so() {
    let mut mesh = Mesh::ten();
    mesh.run(160, fleet(100.0, 300.0, Seen::Silent, |node| node < 6));
    assert!(mesh.told[0].0 <= 126.0, "{:?}", mesh.messages());
    assert!(
        mesh.kept
            .iter()
            .all(|incident| incident.cause == Cause::Shared && incident.group.is_some())
    );
    assert_eq!(mesh.kept.len(), 6);
}

#[test]
fn nodes_of_one_worker_are_not_a_shared_outage() {
    let mut mesh = Mesh::ten();
    for number in 0..5 {
        mesh.nodes[number].worker = Some("w0".into());
    }
    mesh.reroster();
    mesh.run(160, fleet(100.0, 300.0, Seen::Refused, |node| node < 5));
    assert!(mesh.kept.iter().all(|incident| incident.cause == Cause::Node));
}

#[test]
fn single_node_is_not_held_back() {
    let mut alone = Mesh::ten();
    alone.run(160, fleet(100.0, 300.0, Seen::Refused, |node| node == 2));
    let noticed = second(alone.kept[0].noticed);
    assert_eq!(alone.told[0].0, noticed);
}

#[test]
fn fleet_outage_mutes_nobody() {
    let mut mesh = Mesh::ten();
    mesh.run(600, fleet(100.0, 700.0, Seen::Silent, |node| node < 8));
    for probe in 0..8 {
        assert_eq!(mesh.verdict(probe, 8), Verdict::Green, "probe {probe}");
    }
}

#[test]
fn servers_that_die_together_with_their_probes_are_told_within_25_seconds() {
    for dying in 3..=6 {
        let mut mesh = Mesh::ten();
        mesh.run(100, |_| Seen::Green);
        mesh.dead = (0..dying).collect();
        mesh.run(160, fleet(100.0, 300.0, Seen::Silent, |node| node < dying));
        let messages = mesh.messages();
        let downs = messages.iter().filter(|(_, what, _)| *what == What::Down);
        let last = downs.clone().map(|(at, ..)| *at).fold(0.0, f64::max);
        assert!(last <= 125.0 && downs.count() >= 1, "{dying} {messages:?}");
        assert_eq!(mesh.kept.len(), dying, "{dying} {messages:?}");
        for node in dying..9 {
            assert_eq!(mesh.state(node), State::Up, "{dying}: node {node} is healthy");
        }
    }
}

#[test]
fn three_servers_cut_and_a_fourth_node_killed_is_told_like_any_single_node() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![0, 1, 2];
    mesh.run(300, fleet(100.0, 900.0, Seen::Silent, |node| node < 3));
    let before = mesh.told.len();
    let fourth = |run: Run| {
        let cut = run.node < 3 || (run.node == 3 && run.second >= 300.0);
        if cut { Seen::Refused } else { Seen::Green }
    };
    mesh.run(340, fourth);
    let messages = mesh.messages();
    let (told, what, names) = &messages[before];
    assert_eq!((*what, &names[..]), (What::Down, &["n3"][..]));
    assert!(*told <= 322.0, "{told}");
}

#[test]
fn collectors_own_line_is_the_suspect_when_sessions_end_at_once_and_nobody_reports() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = (0..10).collect();
    mesh.run(120, |_| Seen::Green);
    for number in 0..7 {
        mesh.engine.session(mesh.probe(number), false, at(119.0));
    }
    mesh.run(500, |_| Seen::Green);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(
        whats,
        [What::OwnLine],
        "no probe is called silent, no node without data"
    );
    assert!(mesh.engine.own_line_suspect_since().is_some());
    assert!(mesh.state(0).is_blind());
    mesh.dead.clear();
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), true, at(500.0));
    }
    mesh.run(560, |_| Seen::Green);
    assert_eq!(mesh.messages()[1].1, What::OwnLineBack);
    assert_eq!((mesh.told.len(), mesh.state(0)), (2, State::Up));
}

#[test]
fn half_the_sessions_that_end_while_two_networks_report_do_not_blind_the_collector() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = (0..6).collect();
    for number in 0..6 {
        mesh.engine.session(mesh.probe(number), false, at(100.0));
    }
    mesh.run(130, |_| Seen::Green);
    assert_eq!(mesh.engine.own_line_suspect_since(), None);
}

/// The sessions of some probes end, and nothing more comes of them.
fn end_sessions(mesh: &mut Mesh, probes: std::ops::Range<usize>, second: f64) {
    for number in probes {
        mesh.engine.session(mesh.probe(number), false, at(second));
        mesh.dead.push(number);
    }
}

#[test]
fn reconnect_of_many_is_no_fault_of_the_own_line_where_the_second_network_is_away_for_long() {
    let mut mesh = Mesh::new(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 2], 5).connecting();
    mesh.run(60, |_| Seen::Green);
    end_sessions(&mut mesh, 9..10, 60.0);
    mesh.run(1_000, |_| Seen::Green);
    end_sessions(&mut mesh, 0..5, 1_000.0);
    mesh.run(1_025, |_| Seen::Green);
    assert_eq!(mesh.engine.own_line_suspect_since(), None);
    assert!(mesh.messages().iter().all(|(_, what, _)| *what != What::OwnLine));
}

#[test]
fn own_line_is_cleared_when_most_sessions_report_though_the_second_network_stays_away() {
    let mut mesh = Mesh::new(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 2], 5).connecting();
    mesh.run(100, |_| Seen::Green);
    end_sessions(&mut mesh, 0..10, 100.0);
    mesh.run(125, |_| Seen::Green);
    assert!(
        mesh.engine.own_line_suspect_since().is_some(),
        "{:?}",
        mesh.messages()
    );
    mesh.dead = vec![9];
    for number in 0..9 {
        mesh.engine.session(mesh.probe(number), true, at(125.0));
    }
    mesh.run(150, |_| Seen::Green);
    assert_eq!(mesh.engine.own_line_suspect_since(), None);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::OwnLine, What::OwnLineBack]);
}

/// The collector's process was away for three seconds, and its probes wait before they come back.
#[test]
fn reload_after_which_the_probes_take_their_time_pages_nobody() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    end_sessions(&mut mesh, 0..10, 100.0);
    mesh.run(117, |_| Seen::Green);
    assert!(mesh.engine.own_line_suspect_since().is_some(), "it judges nobody");
    mesh.dead.clear();
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), true, at(117.0));
    }
    mesh.run(200, |_| Seen::Green);
    assert_eq!(mesh.engine.own_line_suspect_since(), None);
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
}

/// Six probes of one network and one of another lose most of what they send, to all nodes alike.
#[test]
fn burst_on_one_network_and_one_line_is_no_nodes_fault() {
    let mut mesh = Mesh::new(&[1, 1, 1, 1, 1, 1, 2, 3, 4, 5], 9).connecting();
    mesh.run(200, |run| {
        let is_in_burst = (run.probe < 6 || run.probe == 9) && (100.0..124.0).contains(&run.second);
        let is_lucky = run.node != 8 && (run.node + run.probe).is_multiple_of(4);
        match run {
            Run {
                probe: 7, node: 8, ..
            } => Seen::Gone,
            _ if is_in_burst && !is_lucky => Seen::Silent,
            _ => Seen::Green,
        }
    });
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
}

#[test]
fn gap_in_the_collectors_own_ticks_is_a_restart() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |_| Seen::Green);
    mesh.stall(900, |_| Seen::Gone);
    mesh.run(960, |_| Seen::Green);
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
    assert_eq!(mesh.state(0), State::Up);
}

#[test]
fn clock_that_jumps_judges_nobody_silent() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |_| Seen::Green);
    let jumped = mesh.engine.advance(at(1_000.0));
    let back = mesh.engine.advance(at(401.0));
    let told = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Told(_)));
    assert!(!told(&jumped) && !told(&back));
}

#[test]
fn node_that_is_down_stays_so_while_the_own_line_is_the_suspect() {
    let mut mesh = Mesh::ten();
    let down = fleet(50.0, 900.0, Seen::Refused, |node| node == 0);
    mesh.run(100, &down);
    assert_eq!(mesh.state(0), State::Down);
    end_sessions(&mut mesh, 0..10, 100.0);
    mesh.run(150, &down);
    assert!(mesh.engine.own_line_suspect_since().is_some());
    assert_eq!(mesh.state(0), State::Down);
    assert!(mesh.state(1).is_blind());
}

/// Node 0 comes and goes by itself, and all fail together at `fleet`: before that, in between, or at its end.
#[test]
fn node_that_comes_and_goes_is_excused_for_what_failed_with_the_fleet_and_for_nothing_else() {
    for fleet in [130.0, 250.0, 400.0] {
        let mut mesh = Mesh::ten();
        mesh.run(700, |run| {
            let falls = [50.0, 130.0, 250.0, 400.0];
            let is_in = |fall: &f64| (*fall..*fall + 60.0).contains(&run.second);
            let is_down = falls
                .iter()
                .any(|fall| is_in(fall) && (run.node == 0 || *fall == fleet));
            if is_down { Seen::Refused } else { Seen::Green }
        });
        let is_flapping = |kept: &&Incident| kept.target == "n0" && kept.flapping.is_some();
        let flapping = mesh.kept.iter().find(is_flapping).unwrap();
        assert_eq!(flapping.spells.len(), 3, "{fleet}");
        let mut account = Account::new((at(100.0), at(600.0)));
        account.outage(flapping, at(600.0));
        let got = account.close();
        assert!((55.0..=80.0).contains(&got.excluded_s), "{fleet}: {got:?}");
        assert!((110.0..=140.0).contains(&got.down_s), "{fleet}: {got:?}");
    }
}
