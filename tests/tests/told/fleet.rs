//! Many nodes at once.

use isochrone_tests::world::nodes::Answer;
use isochrone_tests::world::watch::Letter;
use isochrone_web::view::VerdictState;

use crate::stage::{Cast, Stage, between, of_node, play, seconds};

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

/// How many nodes a letter names, down or failing.
fn named(letter: &Letter) -> usize {
    let is_named = |place: &usize| letter.summary().contains(&format!("n{place}"));
    (0..10).filter(is_named).count()
}

/// Six nodes of six workers fail at once for 88 s, and come back.
async fn all_fail(stage: &Stage, answer: Answer, most_s: f64) {
    let died = stage.down(&ALL, answer);
    stage.pass(seconds(88)).await;
    let told = stage.letters();
    let back = stage.down(&[], Answer::Well);
    stage.pass(seconds(60)).await;
    let (letters, story) = (stage.letters(), stage.story(died));
    assert!(told.len() <= 3 && told.iter().all(Letter::pages), "{story:#?}");
    assert!(
        told.iter().all(|letter| between(died, letter.at) <= most_s),
        "{story:#?}"
    );
    assert_eq!(told.iter().map(named).sum::<usize>(), 6, "{story:#?}");
    assert_eq!(letters.len(), told.len() + 1, "one at recovery: {story:#?}");
    let up = &letters[told.len()];
    assert!(up.targets().len() == 6 && !up.pages(), "{story:#?}");
    assert!(between(back, up.at) <= 26.0, "{story:#?}");
    let report = stage.report().await;
    for place in ALL {
        let node = of_node(&report, &format!("n{place}"));
        let outages = node["outages"].as_array().unwrap();
        assert_eq!(outages.len(), 1, "{outages:#?}");
        let lasted = outages[0]["duration_s"].as_f64().unwrap();
        assert!((78.0..98.0).contains(&lasted), "{lasted}");
        let share = node["days"][0]["connect_ok"].as_f64().unwrap();
        assert!(share < 0.9, "{share}");
    }
}

#[test]
fn six_nodes_that_refuse_at_once_are_told_within_20_seconds_and_stand_in_the_report() {
    play(async {
        let stage = Stage::new(1, &Cast::of(6, 10)).await;
        all_fail(&stage, Answer::Refused, 20.0).await;
    });
}

#[test]
fn six_nodes_that_refuse_at_once_are_told_where_no_echo_is_answered() {
    play(async {
        let stage = Stage::new(2, &Cast::of(6, 10)).await;
        stage.silence_echoes();
        stage.pass(seconds(60)).await;
        all_fail(&stage, Answer::Refused, 20.0).await;
    });
}

#[test]
fn six_nodes_that_fall_silent_at_once_are_told_one_timeout_later_at_most() {
    play(async {
        let stage = Stage::new(3, &Cast::of(6, 10)).await;
        all_fail(&stage, Answer::Silent, 26.0).await;
    });
}

#[test]
fn six_servers_that_die_with_their_probes_are_told_within_25_seconds() {
    play(async {
        let mut stage = Stage::new(4, &Cast::of(6, 10)).await;
        let died = stage.down(&ALL, Answer::Silent);
        for machine in ALL {
            stage.world.machines[machine].kill().await;
        }
        stage.pass(seconds(60)).await;
        let (letters, story) = (stage.letters(), stage.story(died));
        assert!((1..=3).contains(&letters.len()), "{story:#?}");
        assert!(
            letters.iter().all(|letter| between(died, letter.at) <= 25.0),
            "{story:#?}"
        );
        assert_eq!(letters.iter().map(named).sum::<usize>(), 6, "{story:#?}");
    });
}

#[test]
fn three_of_ten_servers_cut_and_a_fourth_node_killed_is_told_like_any_single_node() {
    play(async {
        let stage = Stage::new(5, &Cast::of(9, 10)).await;
        let cut = stage.down(&[0, 1, 2], Answer::Silent);
        for machine in 0..3 {
            stage.world.cut(machine, true);
        }
        // a machine that is cut reaches nothing either
        let failing = |machine: usize, target: &str, killed: bool| {
            machine < 3 || ["n0", "n1", "n2"].contains(&target) || (killed && target == "n3")
        };
        let answers = |killed: bool| {
            move |call: &isochrone_tests::world::nodes::Call<'_>| {
                if failing(call.machine, call.target, killed) {
                    Answer::Silent
                } else {
                    Answer::Well
                }
            }
        };
        stage.nodes_answer(answers(false));
        stage.pass(seconds(170)).await;
        let before = stage.letters().len();
        for node in &stage.page().nodes {
            let expected = if ["n0", "n1", "n2"].contains(&&*node.name) {
                VerdictState::Down
            } else {
                VerdictState::Up
            };
            assert_eq!(node.connect.state, expected, "{}", node.name);
        }
        let killed = stage.nodes_answer(answers(true));
        stage.pass(seconds(40)).await;
        let (letters, story) = (stage.about_nodes(), stage.story(cut));
        let fourth: Vec<_> = letters[before..]
            .iter()
            .filter(|letter| letter.targets() == ["n3"])
            .collect();
        assert_eq!(fourth.len(), 1, "{story:#?}");
        assert!(
            fourth[0].event() == "opened" && between(killed, fourth[0].at) <= 26.0,
            "{story:#?}"
        );
    });
}
