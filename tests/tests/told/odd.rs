//! Meshes and moments that nobody would choose.

use isochrone_proto::units::UnixMillis;
use isochrone_tests::world::nodes::Answer;
use isochrone_web::view::VerdictState;

use crate::stage::{Cast, Stage, between, of_node, play, seconds, told_alike};

/// What was told, as event and targets.
fn told(stage: &Stage) -> Vec<(String, Vec<String>)> {
    let letters = stage.about_nodes();
    let owned = |targets: Vec<&str>| targets.into_iter().map(str::to_owned).collect();
    letters
        .iter()
        .map(|letter| (letter.event().to_owned(), owned(letter.targets())))
        .collect()
}

fn one(event: &str, target: &str) -> (String, Vec<String>) {
    (event.to_owned(), vec![target.to_owned()])
}

#[test]
fn probe_whose_clock_is_45_seconds_off_bends_no_bound_of_an_outage() {
    play(async {
        for by_ms in [45_000, -45_000] {
            let mut stage = Stage::new(61, &Cast::of(4, 6)).await;
            stage.world.machines[1].clock.simulate_step(by_ms);
            stage.world.machines[2].clock.simulate_step(-by_ms);
            stage.pass(seconds(90)).await;
            assert!(told(&stage).is_empty(), "{:?}", told(&stage));
            let died = stage.down(&[0], Answer::Refused);
            stage.pass(seconds(70)).await;
            let back = stage.down(&[], Answer::Well);
            stage.pass(seconds(60)).await;
            assert_eq!(told(&stage), [one("opened", "n0"), one("ended", "n0")], "{by_ms}");
            let (start, end) = told_alike(&stage).await;
            assert!(
                (0.0..=10.5).contains(&between(died, start)),
                "{by_ms}: {}",
                between(died, start)
            );
            assert!(
                (0.0..=10.5).contains(&between(back, end)),
                "{by_ms}: {}",
                between(back, end)
            );
            // and the past, which nobody could judge in its time, is read by the same clocks
            stage.world.collector.stop().await;
            stage.pass(seconds(20)).await;
            let died = stage.down(&[3], Answer::Refused);
            stage.pass(seconds(100)).await;
            let back = stage.down(&[], Answer::Well);
            stage.pass(seconds(60)).await;
            stage.world.start_collector();
            stage.pass(seconds(240)).await;
            assert_eq!(told(&stage)[2..], [one("late", "n3")], "{by_ms}");
            let report = stage.report().await;
            let outages = &of_node(&report, "n3")["outages"];
            assert_eq!(outages.as_array().unwrap().len(), 1, "{outages:#}");
            let lasted = outages[0]["duration_s"].as_f64().unwrap();
            assert!((lasted - between(died, back)).abs() <= 10.5, "{by_ms}: {lasted}");
        }
    });
}

#[test]
fn plan_that_changes_in_the_middle_of_an_outage_neither_ends_nor_repeats_it() {
    play(async {
        let stage = Stage::new(62, &Cast::of(4, 6)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(60)).await;
        for nodes in [6, 3, 5] {
            stage.world.collector.set_targets(&Cast::of(nodes, 6).targets());
            stage.pass(seconds(45)).await;
        }
        assert_eq!(told(&stage), [one("opened", "n0")], "{:#?}", stage.story(died));
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        assert_eq!(
            told(&stage),
            [one("opened", "n0"), one("ended", "n0")],
            "{:#?}",
            stage.story(died)
        );
        let (start, end) = told_alike(&stage).await;
        assert!((0.0..=10.0).contains(&between(died, start)) && (0.0..=10.0).contains(&between(back, end)));
    });
}

#[test]
fn node_that_is_paused_or_removed_while_it_is_down_is_told_no_more() {
    play(async {
        let mut cast = Cast::of(4, 6);
        let stage = Stage::new(63, &cast).await;
        stage.down(&[0, 1], Answer::Refused);
        stage.pass(seconds(60)).await;
        let before = told(&stage);
        let paused = cast
            .targets()
            .replacen("node = \"n0\"\n", "node = \"n0\"\npaused = true\n", 1);
        stage.world.collector.set_targets(&paused);
        stage.pass(seconds(60)).await;
        let page = stage.page();
        let state = |name: &str| {
            page.nodes
                .iter()
                .find(|node| node.name == name)
                .map(|node| node.connect.state)
        };
        assert_eq!(state("n0"), Some(VerdictState::Paused));
        assert!(
            page.incidents
                .iter()
                .all(|incident| incident.target != "n0" || incident.end.is_some())
        );
        cast.nodes.remove(1);
        stage.world.collector.set_targets(&cast.targets());
        stage.pass(seconds(60)).await;
        let page = stage.page();
        assert!(page.nodes.iter().all(|node| node.name != "n1"));
        assert!(
            page.incidents
                .iter()
                .all(|incident| incident.target != "n1" || incident.end.is_some())
        );
        let after: Vec<_> = told(&stage)[before.len()..].to_vec();
        assert_eq!(after, [one("opened", "n0")], "watched again, and down");
        let report = stage.report().await;
        assert_eq!(of_node(&report, "n1")["removed"], true);
        assert_eq!(of_node(&report, "n1")["outages"].as_array().unwrap().len(), 1);
    });
}

/// One node alone was told as down, and is told as up again once all is well.
async fn assert_told_alone(stage: &Stage, node: &str, died: UnixMillis) {
    assert_eq!(told(stage), [one("opened", node)], "{:#?}", stage.story(died));
    stage.down(&[], Answer::Well);
    stage.pass(seconds(60)).await;
    let both = [one("opened", node), one("ended", node)];
    assert_eq!(told(stage), both, "{:#?}", stage.story(died));
}

#[test]
fn mesh_of_two_probes_tells_of_a_third_workers_node_and_never_of_its_own_by_one_voice() {
    play(async {
        let mut cast = Cast::of(3, 2);
        cast.nodes[2].1 = "zoe".to_owned();
        let stage = Stage::new(64, &cast).await;
        let died = stage.down(&[0, 2], Answer::Refused);
        stage.pass(seconds(60)).await;
        assert_told_alone(&stage, "n2", died).await;
    });
}

#[test]
fn three_probes_of_which_two_are_one_workers_judge_the_third_workers_node() {
    play(async {
        let mut cast = Cast::of(2, 3);
        cast.probes[2].0 = "w1".to_owned(); // w1 has two probes and n1
        let stage = Stage::new(65, &cast).await;
        let died = stage.down(&[0, 1], Answer::Silent);
        stage.pass(seconds(60)).await;
        assert_told_alone(&stage, "n0", died).await;
    });
}

#[test]
fn nodes_that_share_one_host_are_told_though_none_proves_the_way_to_another() {
    play(async {
        let mut cast = Cast::of(3, 6);
        for node in &mut cast.nodes {
            node.2 = "198.51.0.1".to_owned();
        }
        let stage = Stage::new(66, &cast).await;
        let died = stage.down(&[0, 1, 2], Answer::Silent);
        stage.pass(seconds(60)).await;
        let letters = stage.letters();
        assert_eq!(letters.len(), 1, "{:#?}", stage.story(died));
        assert!(between(died, letters[0].at) <= 26.0);
        stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        assert_eq!(stage.letters().len(), 2, "{:#?}", stage.story(died));
    });
}

#[test]
fn fleet_outage_over_which_the_collector_crashes_is_told_once_and_over_once() {
    play(async {
        let mut stage = Stage::new(67, &Cast::of(6, 6)).await;
        let died = stage.down(&[0, 1, 2, 3, 4, 5], Answer::Refused);
        stage.pass(seconds(40)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(died));
        stage.world.crash_collector(seconds(5)).await;
        stage.pass(seconds(60)).await;
        stage.down(&[], Answer::Well);
        stage.pass(seconds(90)).await;
        let letters = stage.letters();
        assert_eq!(letters.len(), 2, "{:#?}", stage.story(died));
        assert_eq!(letters[1].targets().len(), 6, "{:#?}", stage.story(died));
    });
}

#[test]
fn collector_that_is_stopped_as_the_fleet_dies_tells_it_once_it_is_back() {
    play(async {
        let mut stage = Stage::new(68, &Cast::of(6, 6)).await;
        stage.world.collector.stop().await;
        let died = stage.down(&[0, 1, 2, 3, 4, 5], Answer::Refused);
        stage.pass(seconds(60)).await;
        let started = stage.now();
        stage.world.start_collector();
        stage.pass(seconds(60)).await;
        let letters = stage.letters();
        let count = letters.len();
        assert!((1..=3).contains(&count), "{:#?}", stage.story(died));
        assert!(
            between(started, letters[0].at) <= 40.0,
            "{:#?}",
            stage.story(died)
        );
        stage.down(&[], Answer::Well);
        stage.pass(seconds(240)).await;
        assert_eq!(stage.letters().len(), count + 1, "{:#?}", stage.story(died));
    });
}

#[test]
fn collector_whose_clock_was_ten_minutes_ahead_for_a_while_pages_nobody_and_then_sees_as_before() {
    play(async {
        let stage = Stage::new(69, &Cast::of(4, 6)).await;
        stage.world.collector.clock.step(600_000);
        stage.pass(seconds(20)).await;
        stage.world.collector.clock.step(-600_000);
        stage.pass(seconds(90)).await;
        assert!(told(&stage).is_empty(), "{:?}", told(&stage));
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(40)).await;
        let letters = stage.about_nodes();
        assert_eq!(told(&stage), [one("opened", "n0")]);
        assert!(between(died, letters[0].at) <= 22.0, "{:#?}", stage.story(died));
    });
}

#[test]
fn probe_whose_clock_was_six_minutes_fast_for_a_while_is_a_judge_again() {
    play(async {
        let mut cast = Cast::of(1, 3);
        cast.nodes[0].1 = "zoe".to_owned();
        let stage = Stage::new(70, &cast).await;
        for by_ms in [360_000, -360_000] {
            stage.world.machines[1].clock.simulate_step(by_ms);
            stage.pass(seconds(90)).await;
        }
        let judges = || stage.page().nodes[0].connect.vantages_ok;
        assert!(
            told(&stage).is_empty() && judges() == 3,
            "{:?} {}",
            told(&stage),
            judges()
        );
    });
}

/// The lead hears that the collector's clock is ahead, sets it back, and hears of the next outage as of the one before.
#[test]
fn letters_go_out_after_the_collectors_clock_was_set_back() {
    play(async {
        let stage = Stage::new(71, &Cast::of(4, 6)).await;
        stage.world.collector.clock.step(600_000);
        stage.pass(seconds(20)).await;
        stage.down(&[0], Answer::Refused);
        stage.pass(seconds(40)).await;
        assert_eq!(told(&stage), [one("opened", "n0")]);
        stage.world.collector.clock.step(-600_000);
        stage.pass(seconds(20)).await;
        let died = stage.down(&[0, 1], Answer::Refused);
        stage.pass(seconds(40)).await;
        let letters = stage.about_nodes();
        assert_eq!(told(&stage), [one("opened", "n0"), one("opened", "n1")]);
        assert!(between(died, letters[1].at) <= 22.0, "{:#?}", stage.story(died));
    });
}

/// A collector on a notebook that was shut: its clock is right, and what happened meanwhile comes to light.
#[test]
fn collector_whose_machine_slept_blames_no_clock_and_tells_late_what_happened_meanwhile() {
    play(async {
        let stage = Stage::new(72, &Cast::of(4, 6)).await;
        stage.fall_asleep();
        stage.pass(seconds(600)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(200)).await;
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(600)).await;
        stage.wake(seconds(1_400));
        for _ in 0..300 {
            stage.pass(seconds(1)).await;
            let notices = stage.page().notices;
            assert!(
                notices.iter().all(|notice| !notice.text.contains("clock")),
                "{notices:?}"
            );
        }
        assert_eq!(told(&stage), [one("late", "n0")]);
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.letters());
        let (start, end) = told_alike(&stage).await;
        assert!(
            (0.0..=10.5).contains(&between(died, start)),
            "{}",
            between(died, start)
        );
        assert!(
            (0.0..=10.5).contains(&between(back, end)),
            "{}",
            between(back, end)
        );
    });
}

/// All but one of those who judge are an hour slow: what they measured is found at the hour at which it was.
#[test]
fn past_that_slow_probes_measured_is_read_by_their_clocks() {
    play(async {
        let mut stage = Stage::new(73, &Cast::of(4, 6)).await;
        for machine in 1..6 {
            stage.world.machines[machine].clock.simulate_step(-3_600_000);
        }
        stage.pass(seconds(90)).await;
        assert!(told(&stage).is_empty(), "{:?}", told(&stage));
        stage.world.collector.stop().await;
        stage.pass(seconds(20)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(100)).await;
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        stage.world.start_collector();
        stage.pass(seconds(240)).await;
        assert_eq!(told(&stage), [one("late", "n0")]);
        let (start, end) = told_alike(&stage).await;
        assert!(
            (0.0..=10.5).contains(&between(died, start)),
            "{}",
            between(died, start)
        );
        assert!(
            (0.0..=10.5).contains(&between(back, end)),
            "{}",
            between(back, end)
        );
        let recent = stage.json("show n0 --since 20m --format json").await;
        let seen = recent["seen"].as_array().unwrap();
        let vantages: std::collections::BTreeSet<_> = seen.iter().map(|of| of["vantage"].as_str()).collect();
        assert_eq!(vantages.len(), 6, "{recent:#}");
        let failures = recent["failures"].as_array().unwrap();
        assert!(failures.len() >= 4, "{recent:#}");
        let report = stage.json("report nodes --since 20m --format json").await;
        assert!(
            of_node(&report, "n0")["days"][0]["checks"].as_u64().unwrap() > 250,
            "{report:#}"
        );
    });
}
