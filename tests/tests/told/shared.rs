//! What all nodes share beside their ways: services, names, and the probe on each one's server.

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_tests::world::nodes::{Answer, Call};
use isochrone_tests::world::watch::Letter;
use isochrone_web::view::VerdictState;

use crate::stage::{Cast, Stage, between, play, seconds};

/// How many nodes letters name.
fn named(letters: &[Letter]) -> usize {
    let names = |letter: &Letter| {
        let is_named = |place: &usize| letter.summary().contains(&format!("n{place}"));
        (0..10).filter(is_named).count()
    };
    letters.iter().map(names).sum()
}

/// `check` of every node is answered so for a while: one message within so many seconds, that names all, and one at the
/// end.
async fn all_answer(stage: &Stage, check: Check, answer: Answer, (from_s, most_s): (f64, f64)) {
    let began = stage.nodes_answer(move |call: &Call<'_>| {
        if call.kind.check == check {
            answer.clone()
        } else {
            Answer::Well
        }
    });
    stage.pass(seconds(240)).await;
    let (told, story) = (stage.letters(), stage.story(began));
    assert_eq!(told.len(), 1, "{story:#?}");
    assert!(told[0].pages() && named(&told) == 6, "{story:#?}");
    let at = between(began, told[0].at);
    assert!(from_s <= at && at <= most_s, "{story:#?}");
    let back = stage.down(&[], Answer::Well);
    stage.pass(seconds(90)).await;
    let (letters, story) = (stage.letters(), stage.story(back));
    assert_eq!(letters.len(), 2, "{story:#?}");
    assert!(
        letters[1].targets().len() == 6 && !letters[1].pages(),
        "{story:#?}"
    );
}

#[test]
fn status_of_all_nodes_that_fails_at_once_is_one_message() {
    play(async {
        let stage = Stage::new(81, &Cast::of(6, 10)).await;
        let error = Answer::Error(500, "500: the indexer does not answer");
        all_answer(&stage, Check::Status, error, (20.0, 70.0)).await;
    });
}

#[test]
fn storage_that_fails_all_nodes_is_one_message() {
    play(async {
        let stage = Stage::new(82, &Cast::of(6, 10)).await;
        let text = "500: {\"message\":\"Failed to download object 1343 from any of the storage providers\"}";
        all_answer(&stage, Check::AssetGet, Answer::Error(500, text), (20.0, 110.0)).await;
    });
}

#[test]
fn indexer_of_all_nodes_that_hangs_is_told_after_three_minutes_in_one_message() {
    play(async {
        let stage = Stage::new(83, &Cast::of(6, 10)).await;
        let hangs = Answer::Failed(Phase::FirstByte, FailureCause::Timeout, "no answer within 10 s");
        all_answer(&stage, Check::Status, hangs, (180.0, 230.0)).await;
    });
}

#[test]
fn indexer_of_one_node_that_hangs_is_degraded_and_told_after_three_minutes() {
    play(async {
        let stage = Stage::new(84, &Cast::of(3, 6)).await;
        let hangs = Answer::Failed(Phase::FirstByte, FailureCause::Timeout, "no answer within 10 s");
        let began = stage.nodes_answer(move |call| match (call.target, call.kind.check) {
            ("n0", Check::Status) => hangs.clone(),
            _ => Answer::Well,
        });
        stage.pass(seconds(150)).await;
        assert!(stage.letters().is_empty(), "{:#?}", stage.story(began));
        let shown = stage
            .page()
            .nodes
            .into_iter()
            .find(|node| node.name == "n0")
            .unwrap();
        assert_eq!(shown.status.state, VerdictState::Degraded);
        assert_eq!(shown.connect.state, VerdictState::Up);
        stage.pass(seconds(80)).await;
        let (letters, story) = (stage.letters(), stage.story(began));
        assert_eq!(letters.len(), 1, "{story:#?}");
        assert!(
            (180.0..=230.0).contains(&between(began, letters[0].at)),
            "{story:#?}"
        );
        assert_eq!(letters[0].alert["incident"]["check"], "status");
    });
}

#[test]
fn zone_that_expires_is_told_as_names_without_addresses() {
    play(async {
        let stage = Stage::new(85, &Cast::of(6, 10)).await;
        let nameless = Answer::Failed(Phase::Resolve, FailureCause::NxDomain, "no such domain");
        let began = stage.down(&[0, 1, 2, 3, 4, 5], nameless);
        stage.pass(seconds(60)).await;
        let (letters, story) = (stage.letters(), stage.story(began));
        assert_eq!(letters.len(), 1, "{story:#?}");
        assert!(
            between(began, letters[0].at) <= 26.0 && named(&letters) == 6,
            "{story:#?}"
        );
        assert_eq!(letters[0].alert["incident"]["check"], "name");
        stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        assert_eq!(stage.letters().len(), 2, "{:#?}", stage.story(began));
    });
}

#[test]
fn server_that_dies_with_its_probe_pages_once() {
    play(async {
        let mut stage = Stage::new(86, &Cast::of(6, 10)).await;
        let died = stage.down(&[0, 1], Answer::Silent);
        for machine in 0..2 {
            stage.world.machines[machine].kill().await;
        }
        stage.pass(seconds(300)).await;
        let (letters, story) = (stage.letters(), stage.story(died));
        let about_probes = letters
            .iter()
            .filter(|letter| letter.alert["incident"]["check"] == "probe");
        assert_eq!(about_probes.count(), 1, "{story:#?}");
        for letter in &letters {
            let is_of_probe = letter.alert["incident"]["check"] == "probe";
            assert_eq!(letter.pages(), !is_of_probe, "{story:#?}");
        }
    });
}

#[test]
fn node_that_dies_twice_while_its_status_fails_is_told_each_time() {
    play(async {
        let stage = Stage::new(87, &Cast::of(6, 10)).await;
        let ill = |dead: bool| {
            move |call: &Call<'_>| match (call.target, call.kind.check) {
                ("n0", _) if dead => Answer::Refused,
                ("n0", Check::Status) => Answer::Error(500, "500: the indexer does not answer"),
                _ => Answer::Well,
            }
        };
        let began = stage.nodes_answer(ill(false));
        for dead in [false, true, false, true] {
            stage.nodes_answer(ill(dead));
            stage.pass(seconds(80)).await;
        }
        let events: Vec<String> = stage
            .letters()
            .iter()
            .map(|letter| letter.event().to_owned())
            .collect();
        let story = stage.story(began);
        assert_eq!(events, ["opened", "worse", "better", "flapping"], "{story:#?}");
    });
}

#[test]
fn asset_that_left_the_targets_is_not_asked_for_and_no_more_down() {
    play(async {
        let mut cast = Cast::of(3, 6);
        let stage = Stage::new(88, &cast).await;
        let fails = |call: &Call<'_>| match call.kind.check {
            Check::AssetGet => Answer::Error(503, "503: unavailable"),
            _ => Answer::Well,
        };
        let began = stage.nodes_answer(fails);
        stage.pass(seconds(120)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(began));
        cast.of_each = "";
        stage.world.collector.set_targets(&cast.targets());
        stage.pass(seconds(60)).await;
        for node in &stage.page().nodes {
            assert_eq!(node.asset.state, VerdictState::NotAsked, "{}", node.name);
            assert_eq!(node.connect.state, VerdictState::Up, "{}", node.name);
        }
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(began));
    });
}
