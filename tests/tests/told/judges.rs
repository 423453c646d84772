//! Who may judge, and what is said where nobody may.

use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{FailureCause, Phase, SendFailure};
use isochrone_tests::world::nodes::{Answer, Call};
use isochrone_web::view::{NodeView, VerdictState};

use crate::stage::{Cast, Stage, between, play, seconds};

fn node(stage: &Stage, name: &str) -> NodeView {
    let nodes = stage.page().nodes;
    nodes.into_iter().find(|node| node.name == name).unwrap()
}

/// Two probes in all, one of which is the node's own worker's.
fn two() -> Cast {
    let mut cast = Cast::of(1, 2);
    cast.nodes[0].1 = "w0".to_owned();
    cast
}

#[test]
fn disconnected_probes_last_answer_makes_no_node_up() {
    play(async {
        let mut stage = Stage::new(31, &two()).await;
        assert_eq!(node(&stage, "n0").connect.state, VerdictState::Up);
        let gone = stage.now();
        stage.world.machines[1].kill().await;
        stage.down(&[0], Answer::Refused);
        stage.pass(seconds(20)).await;
        let shown = node(&stage, "n0");
        assert!(
            matches!(
                shown.connect.state,
                VerdictState::NobodyMayJudge | VerdictState::NoData
            ),
            "{:?}",
            shown.connect
        );
        assert_eq!(shown.connect.vantages_ok, 0);
        stage.pass(seconds(260)).await;
        let story = stage.story(gone);
        let words = "n0: measured, but nobody may judge it";
        let is_said = |(at, said): &(f64, String)| said.contains(words) && *at >= 180.0;
        assert!(story.iter().any(is_said), "{story:#?}");
    });
}

#[test]
fn node_that_is_measured_but_that_nobody_may_judge_says_so_and_is_told_after_three_minutes() {
    play(async {
        let stage = Stage::new(32, &Cast::of(6, 10)).await;
        // every line but the echoes' is dead at each probe: nobody can tell whose fault it is, and no proof is left
        let began = stage.nodes_answer(|_| Answer::Unsent(SendFailure::NoRoute));
        stage.pass(seconds(40)).await;
        let shown = node(&stage, "n3");
        assert_eq!(shown.connect.state, VerdictState::NobodyMayJudge);
        stage.pass(seconds(260)).await;
        let (letters, story) = (stage.letters(), stage.story(began));
        assert!(
            letters.len() == 1 && letters[0].targets().len() == 6,
            "{story:#?}"
        );
        assert!(
            (170.0..210.0).contains(&between(began, letters[0].at)),
            "{story:#?}"
        );
        assert!(letters[0].summary().contains("nobody may judge"), "{story:#?}");
        let show = stage.says("show n3").await;
        assert!(show.contains("nobody who measures it may judge it"), "{show}");
        let report = stage.says("report nodes").await;
        assert!(report.contains("nobody may judge"), "{report}");
    });
}

#[test]
fn closed_echo_ports_silence_nobody() {
    play(async {
        let stage = Stage::new(33, &Cast::of(6, 10)).await;
        stage.silence_echoes();
        stage.pass(seconds(120)).await;
        let died = stage.down(&[4], Answer::Silent);
        stage.pass(seconds(40)).await;
        let letters = stage.letters();
        assert_eq!(letters.len(), 1, "{:#?}", stage.story(died));
        assert!(between(died, letters[0].at) <= 26.0);
    });
}

#[test]
fn only_probe_of_the_second_network_being_away_is_said_and_silences_nobody() {
    play(async {
        let mut cast = Cast::of(3, 5);
        for (_, network) in &mut cast.probes[..4] {
            *network = Some(64_500);
        }
        let mut stage = Stage::new(34, &cast).await;
        stage.world.machines[4].kill().await;
        stage.pass(seconds(120)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(40)).await;
        let letters = stage.about_nodes();
        assert_eq!(letters.len(), 1, "{:#?}", stage.story(died));
        assert!(between(died, letters[0].at) <= 22.0);
        let caveat = letters[0].alert["incident"]["caveat"].as_str().unwrap();
        assert!(caveat.contains("one network"), "{caveat}");
    });
}

#[test]
fn router_that_says_unreachable_is_the_nodes_failure_and_a_machine_without_a_route_accuses_nobody() {
    play(async {
        let stage = Stage::new(35, &Cast::of(6, 10)).await;
        let unreachable = Answer::Failed(Phase::Connect, FailureCause::Unreachable, "no route to host");
        let died = stage.down(&[0], unreachable);
        stage.pass(seconds(40)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(died));
        stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        let before = stage.letters().len();
        let began = stage.nodes_answer(|call| match call.machine {
            0..5 if call.target == "n1" => Answer::Unsent(SendFailure::NoRoute),
            _ => Answer::Well,
        });
        stage.pass(seconds(60)).await;
        assert_eq!(stage.letters().len(), before, "{:#?}", stage.story(began));
        assert_eq!(node(&stage, "n1").connect.state, VerdictState::Up);
    });
}

#[test]
fn own_workers_probe_neither_accuses_nor_clears_a_node() {
    play(async {
        let stage = Stage::new(36, &Cast::of(6, 10)).await;
        let died = stage.nodes_answer(|call| match (call.target, call.machine) {
            ("n0", 0) => Answer::Well, // on the same server
            ("n0", _) => Answer::Refused,
            _ => Answer::Well,
        });
        stage.pass(seconds(40)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(died));
        assert_eq!(node(&stage, "n0").connect.vantages_ok, 0);
    });
}

/// No way between the collector and any probe.
fn cut(stage: &Stage, cut: bool) {
    (0..stage.world.machines.len()).for_each(|machine| stage.world.cut(machine, cut));
}

#[test]
fn own_line_that_is_cut_is_the_suspect_and_nobody_else_is() {
    play(async {
        let stage = Stage::new(37, &Cast::of(6, 10)).await;
        let began = stage.now();
        cut(&stage, true);
        stage.pass(seconds(400)).await;
        let events = |stage: &Stage| -> Vec<String> {
            let letters = stage.letters();
            letters.iter().map(|letter| letter.event().to_owned()).collect()
        };
        assert_eq!(events(&stage), ["own-line"], "{:#?}", stage.story(began));
        cut(&stage, false);
        stage.pass(seconds(120)).await;
        assert_eq!(
            events(&stage),
            ["own-line", "own-line-back"],
            "{:#?}",
            stage.story(began)
        );
        assert_eq!(node(&stage, "n0").connect.state, VerdictState::Up);
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(30)).await;
        assert_eq!(stage.letters().len(), 3, "{:#?}", stage.story(died));
    });
}

#[test]
fn sick_probe_wakes_nobody_and_is_no_witness() {
    play(async {
        let stage = Stage::new(38, &Cast::of(6, 10)).await;
        // a third of what the last probe asks is lost, by node and by time
        let is_lost = |call: &Call<'_>| {
            let number: u64 = call.target[1..].parse().unwrap();
            (call.slot.0 / 10_000 + number).is_multiple_of(3)
        };
        let lossy = move |dead: bool| {
            move |call: &Call<'_>| match call.target {
                "n0" if dead => Answer::Silent,
                _ if call.machine == 9 && is_lost(call) => Answer::Silent,
                _ => Answer::Well,
            }
        };
        let began = stage.nodes_answer(lossy(false));
        stage.pass(seconds(900)).await;
        assert!(stage.letters().is_empty(), "{:#?}", stage.story(began));
        let died = stage.nodes_answer(lossy(true));
        stage.pass(seconds(40)).await;
        let (letters, story) = (stage.letters(), stage.story(died));
        assert_eq!(letters.len(), 1, "{story:#?}");
        assert!(between(died, letters[0].at) <= 26.0, "{story:#?}");
        let evidence = letters[0].alert["incident"]["evidence"].as_array().unwrap();
        assert!(
            evidence.iter().all(|cell| cell["vantage"] != "probe-10") && evidence.len() >= 6,
            "{evidence:#?}"
        );
    });
}

#[test]
fn mesh_of_both_families_tells_of_a_dead_node_whichever_its_vantages_have() {
    for (seed, v4) in [(39, 1), (40, 5), (41, 9)] {
        play(async move {
            let mut cast = Cast::of(6, 10);
            cast.of_each = "families = [4, 6]\nasset = \"1343\"\n";
            for node in &mut cast.nodes {
                node.2 = format!("{}.example.org", node.2.replace('.', "-"));
            }
            let stage = Stage::new(seed, &cast).await;
            // the first probes have IPv4 alone, the others IPv6
            let has = move |call: &Call<'_>| (call.machine < v4) == (call.kind.family == Family::V4);
            let answers = move |dead: bool| {
                move |call: &Call<'_>| match call.target {
                    _ if !has(call) => Answer::Unsent(SendFailure::NoRoute),
                    "n0" if dead => Answer::Refused,
                    _ => Answer::Well,
                }
            };
            let began = stage.nodes_answer(answers(false));
            stage.pass(seconds(120)).await;
            assert!(stage.letters().is_empty(), "{v4}: {:#?}", stage.story(began));
            let died = stage.nodes_answer(answers(true));
            stage.pass(seconds(40)).await;
            let (letters, story) = (stage.letters(), stage.story(died));
            assert_eq!(letters.len(), 1, "{v4}: {story:#?}");
            assert!(between(died, letters[0].at) <= 22.0, "{v4}: {story:#?}");
            assert_eq!(letters[0].targets(), ["n0"], "{v4}: {story:#?}");
            stage.nodes_answer(answers(false));
            stage.pass(seconds(60)).await;
            assert_eq!(stage.letters().len(), 2, "{v4}: {:#?}", stage.story(died));
        });
    }
}
