//! Silent probes, and nodes of which nothing is known.

use isochrone_proto::kind::Family;

use super::super::*;

use super::mesh::{Mesh, Seen, at};

#[test]
fn silent_probe_is_told_after_three_minutes_and_again_when_it_is_heard() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(100.0));
    mesh.run(270, |_| Seen::Green);
    assert!(mesh.told.is_empty());
    mesh.run(290, |_| Seen::Green);
    let (told, what, names) = mesh.messages()[0].clone();
    assert_eq!((what, names), (What::Silent, vec!["p3"]));
    assert!((280.0..=283.0).contains(&told), "{told}");
    assert!(mesh.engine.is_silent(mesh.probe(3)));
    mesh.dead.clear();
    mesh.engine.session(mesh.probe(3), true, at(290.0));
    mesh.run(300, |_| Seen::Green);
    assert_eq!(mesh.messages()[1].1, What::Heard);
}

#[test]
fn revoked_probe_ends_its_silence() {
    let mut mesh = Mesh::ten();
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(0.0));
    mesh.run(200, |_| Seen::Green);
    mesh.probes[3].active = false;
    mesh.reroster();
    mesh.run(205, |_| Seen::Green);
    assert_eq!(mesh.kept[0].ending, Some(Ending::Removed));
}

#[test]
fn node_that_nobody_measures_is_told_after_three_minutes() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.run(320, |run| if run.node == 0 { Seen::Gone } else { Seen::Green });
    let (told, what, names) = mesh.messages()[0].clone();
    assert_eq!((what, names), (What::NoData, vec!["n0"]));
    assert!((290.0..=298.0).contains(&told), "{told}");
    assert_eq!(mesh.state(0), State::NoData);
    mesh.run(340, |_| Seen::Green);
    assert_eq!(mesh.messages()[1].1, What::Seen);
}

#[test]
fn measured_but_nobody_may_judge_is_its_own_words_and_an_alert_after_three_minutes() {
    let mut mesh = Mesh::new(&[1, 2, 3], 2).connecting();
    mesh.run(170, |_| Seen::Silent); // since the beginning: nothing ever proved a line
    assert_eq!(mesh.state(0), State::NobodyMayJudge);
    assert!(mesh.told.is_empty());
    mesh.run(200, |_| Seen::Silent);
    let messages = mesh.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let (told, what, names) = &messages[0];
    assert_eq!((*what, &names[..]), (What::NobodyMayJudge, &["n0", "n1"][..]));
    assert!(*told >= 180.0, "{told}");
    mesh.run(300, |_| Seen::Green);
    let messages = mesh.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!((messages[1].1, messages[1].2.len()), (What::Seen, 2));
}

#[test]
fn node_whose_only_judge_is_gone_is_told_where_its_own_workers_probe_still_measures_it() {
    let mut mesh = Mesh::new(&[1, 2], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![1];
    mesh.engine.session(mesh.probe(1), false, at(100.0));
    mesh.run(120, |_| Seen::Green);
    assert_eq!(mesh.state(0), State::NobodyMayJudge);
    mesh.run(320, |_| Seen::Green);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Silent, What::NobodyMayJudge]);
}

#[test]
fn probes_that_fall_silent_together_are_one_message_and_so_is_their_return() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = (0..4).collect();
    for number in 0..4 {
        mesh.engine.session(mesh.probe(number), false, at(100.0));
    }
    mesh.run(300, |_| Seen::Green);
    mesh.dead.clear();
    for number in 0..4 {
        mesh.engine.session(mesh.probe(number), true, at(300.0));
    }
    mesh.run(330, |_| Seen::Green);
    let messages = mesh.messages();
    let counts: Vec<_> = messages
        .iter()
        .map(|(_, what, names)| (*what, names.len()))
        .collect();
    assert_eq!(counts, [(What::Silent, 4), (What::Heard, 4)], "{messages:?}");
}

#[test]
fn node_that_is_known_to_be_down_is_not_told_as_unknown_when_the_proofs_run_out() {
    let mut mesh = Mesh::new(&[1, 2, 3], 3).connecting();
    mesh.run(60, |_| Seen::Green);
    mesh.run(1_200, |_| Seen::Silent);
    assert_eq!(mesh.state(0), State::Down);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::Down]);
}

#[test]
fn node_that_only_its_own_worker_measures_promises_nothing() {
    let mut mesh = Mesh::new(&[1], 1).connecting();
    mesh.run(600, |_| Seen::Green);
    assert_eq!(mesh.state(0), State::NobodyMayJudge);
    assert!(mesh.told.is_empty());
}

#[test]
fn node_is_not_told_as_unknown_while_most_probes_are_silent() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = (0..10).collect();
    mesh.run(600, |_| Seen::Green);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert!(whats.iter().all(|what| *what == What::Silent), "{whats:?}");
    let caveat = mesh.kept[0].caveat.as_ref().unwrap();
    assert!(caveat.contains("check the collector's own network"), "{caveat}");
}

/// The collector's clock is set by ten minutes, either way: nobody was away, and nothing is told.
#[test]
fn step_of_the_collectors_own_clock_is_nobodys_silence() {
    for by_ms in [-600_000, 600_000] {
        let mut mesh = Mesh::ten();
        mesh.run(100, |_| Seen::Green);
        mesh.engine.clock_stepped(by_ms);
        let moved = |second: f64| UnixMillis(at(second).0.saturating_add_signed(by_ms));
        for second in 101..400_u32 {
            let now = moved(f64::from(second));
            for probe in 0..10 {
                mesh.engine.heard(mesh.probe(probe), Family::V4, now);
            }
            let told = mesh.engine.advance(now);
            let silent = told
                .iter()
                .any(|output| matches!(output, Output::Told(telling) if telling.what == What::Silent));
            assert!(!silent, "{by_ms} at {second}");
        }
        let at_last = mesh.engine.advance(moved(600.0)); // who is not heard any more still goes silent
        assert!(at_last.is_empty(), "a gap of the ticks is a restart");
        let mut told = Vec::new();
        for second in 601..800_u32 {
            told.extend(mesh.engine.advance(moved(f64::from(second))));
        }
        assert!(!told.is_empty());
    }
}

#[test]
fn store_that_takes_nothing_accuses_nobody_but_who_is_really_away() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.engine.set_store_full(true, at(100.0));
    mesh.dead = (0..10).collect(); // nothing counts as heard any more
    for probe in 0..10 {
        mesh.engine.session(mesh.probe(probe), false, at(100.0)); // turned away, all at once
    }
    for second in (120..=600).step_by(20) {
        mesh.run(second, |_| Seen::Gone);
        for probe in 0..9 {
            let (probe, family) = (mesh.probe(probe), Family::V4);
            mesh.engine.heard(probe, family, at(second as f64)); // it came, and was turned away again
        }
    }
    let messages = mesh.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((messages[0].1, messages[0].2.clone()), (What::Silent, vec!["p9"]));

    mesh.engine.set_store_full(false, at(600.0));
    mesh.dead = vec![9];
    for probe in 0..9 {
        mesh.engine.session(mesh.probe(probe), true, at(640.0));
    }
    mesh.run(900, |_| Seen::Green);
    assert_eq!(mesh.messages().len(), 1, "{:?}", mesh.messages());
}

#[test]
fn word_of_a_probe_that_was_to_be_told_when_the_collector_ended_is_told_by_the_next() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![3, 4];
    for probe in [3, 4] {
        mesh.engine.session(mesh.probe(probe), false, at(100.0));
    }
    mesh.run(320, |_| Seen::Green);
    mesh.dead = vec![4]; // one of two is back, and the other is awaited
    mesh.engine.session(mesh.probe(3), true, at(320.0));
    mesh.run(324, |_| Seen::Green);
    assert!(mesh.kept.iter().any(|kept| kept.end.is_some()) && mesh.told.len() == 1);
    super::again::restarted(&mut mesh);
    mesh.dead.clear();
    mesh.run(360, |_| Seen::Green);
    let heard = mesh
        .messages()
        .into_iter()
        .filter(|(_, what, _)| *what == What::Heard);
    let mut names: Vec<_> = heard.flat_map(|(_, _, names)| names).collect();
    names.sort_unstable();
    assert_eq!(names, ["p3", "p4"]);
}

#[test]
fn probe_whose_nodes_are_all_paused_is_not_silent_while_its_session_stands() {
    let mut mesh = Mesh::new(&[1], 1).connecting();
    mesh.run(100, |_| Seen::Green);
    mesh.nodes[0].paused = true;
    mesh.reroster();
    mesh.has_sessions = false; // it sends nothing: nothing is asked of it
    mesh.run(600, |_| Seen::Gone);
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
    mesh.nodes[0].paused = false;
    mesh.reroster();
    mesh.run(770, |_| Seen::Gone);
    assert!(mesh.told.is_empty(), "{:?}", mesh.messages());
    mesh.run(800, |_| Seen::Gone);
    assert_eq!(
        mesh.messages()[0].1,
        What::Silent,
        "it was asked for three minutes"
    );
}

/// The line that was heard a moment before the clock was set back is heard no more: no ghost of it clears the line.
#[test]
fn collectors_line_that_is_cut_after_its_clock_was_set_back_is_the_suspect() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.set_clock(-600_000);
    mesh.run(200, |_| Seen::Green);
    mesh.dead = (0..10).collect();
    for probe in 0..10 {
        mesh.engine.session(mesh.probe(probe), false, mesh.wall(200.0));
    }
    mesh.run(400, |_| Seen::Gone);
    let whats: Vec<What> = mesh.messages().iter().map(|(_, what, _)| *what).collect();
    assert_eq!(whats, [What::OwnLine]);
}

#[test]
fn probe_that_joined_while_the_collectors_clock_was_ahead_is_missed_as_any() {
    let mut mesh = Mesh::ten();
    mesh.probes[3].joined = at(3_600.0);
    mesh.reroster();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(100.0));
    mesh.run(400, |_| Seen::Green);
    assert_eq!(mesh.messages().len(), 1, "{:?}", mesh.messages());
}

/// Server 3, with node and probe, dies at 100 s; the answers of others end so.
fn dead_server(mesh: &mut Mesh, until: u64) {
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(100.0));
    mesh.run(
        until,
        |run| if run.node == 3 { Seen::Silent } else { Seen::Green },
    );
}

#[test]
fn server_that_dies_with_its_node_pages_once() {
    let mut mesh = Mesh::ten();
    dead_server(&mut mesh, 320);
    let whats: Vec<_> = mesh
        .told
        .iter()
        .map(|(_, telling)| (telling.what, telling.pages()))
        .collect();
    assert_eq!(
        whats,
        [(What::Down, true), (What::Silent, false)],
        "{:?}",
        mesh.messages()
    );
    let silent = mesh.kept.iter().find(|kept| kept.target == "p3").unwrap();
    let down = mesh.kept.iter().find(|kept| kept.target == "n3").unwrap();
    assert_eq!(silent.group.as_ref(), Some(&down.id));
    assert!(silent.caveat.as_ref().unwrap().starts_with("n3,"), "{silent:?}");
}

#[test]
fn probe_that_falls_silent_long_after_its_node_went_down_pages() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    let down = |run: super::mesh::Run| if run.node == 3 { Seen::Silent } else { Seen::Green };
    mesh.run(400, down);
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(400.0));
    mesh.run(600, down);
    let (_, last) = mesh.told.last().unwrap();
    assert!(last.what == What::Silent && last.pages(), "{:?}", mesh.messages());
}

/// People were told that the node comes and goes, and nothing of this fall: the silence of its server is the news.
#[test]
fn server_that_dies_with_a_fall_that_nobody_was_told_of_pages() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    let down = |run: super::mesh::Run| if run.node == 3 { Seen::Refused } else { Seen::Green };
    for fall in 0..3 {
        mesh.run(140 + fall * 100, down);
        mesh.run(200 + fall * 100, |_| Seen::Green);
    }
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(400.0));
    mesh.run(620, down);
    let silent = mesh.told.iter().find(|(_, telling)| telling.what == What::Silent);
    let (_, silent) = silent.unwrap_or_else(|| panic!("{:?}", mesh.messages()));
    assert!(silent.pages(), "{:?}", mesh.messages());
}

#[test]
fn node_that_no_probe_may_ask_is_told_as_that_and_with_what_to_do() {
    let mut mesh = Mesh::ten();
    mesh.run(300, |run| {
        if run.node == 0 {
            Seen::Forbidden
        } else {
            Seen::Green
        }
    });
    let (_, told) = &mesh.told[0];
    assert_eq!(
        (told.what, mesh.told.len()),
        (What::NobodyMayJudge, 1),
        "{:?}",
        mesh.messages()
    );
    let alert = crate::alert::Alert::of_telling(
        told,
        "lead",
        (&|_| None, &|_| None, &|_| crate::alert::Whose::default()),
    );
    assert!(
        alert.summary.starts_with("n0: no probe may ask it since "),
        "{}",
        alert.summary
    );
    assert!(alert.summary.contains("allow_private"), "{}", alert.summary);
}

#[test]
fn alert_about_most_probes_gives_the_pages_advice() {
    let mut mesh = Mesh::new(&[1, 2, 3, 4], 3).connecting();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![0, 1, 2];
    mesh.run(400, |_| Seen::Green);
    let (_, told) = mesh
        .told
        .iter()
        .find(|(_, told)| told.what == What::Silent)
        .unwrap();
    let alert = crate::alert::Alert::of_telling(
        told,
        "lead",
        (&|_| None, &|_| None, &|_| crate::alert::Whose::default()),
    );
    let advice = "3 of 4 probes are silent at once: check the collector's own network first.";
    let caveats: Vec<_> = told
        .incidents
        .iter()
        .filter_map(|one| one.caveat.as_deref())
        .collect();
    assert!(
        caveats.iter().any(|caveat| caveat.contains(advice)),
        "{caveats:?}"
    );
    assert!(
        alert
            .summary
            .contains("check the collector's own network first. Then ask"),
        "{}",
        alert.summary
    );
}
