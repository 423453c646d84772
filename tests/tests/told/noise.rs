//! What must not wake anybody twice, or at all.

use isochrone_tests::world::nodes::Answer;

use crate::stage::{Cast, Stage, between, of_node, play, seconds};

#[test]
fn node_up_8_seconds_and_down_10_is_one_message_and_one_mark_until_it_was_steady_for_10_minutes() {
    play(async {
        let stage = Stage::new(21, &Cast::of(4, 6)).await;
        let began = stage.now();
        stage.nodes_answer(move |call| {
            let is_down = call.target == "n0" && call.slot.0.saturating_sub(began.0) % 18_000 < 10_000;
            if is_down { Answer::Refused } else { Answer::Well }
        });
        stage.pass(seconds(400)).await;
        let story = stage.story(began);
        assert!(
            stage.letters().len() <= 1,
            "all of it is one outage at most: {story:#?}"
        );
        stage.down(&[], Answer::Well);
        stage.pass(seconds(660)).await;
        let story = stage.story(began);
        assert!(stage.letters().len() <= 2, "{story:#?}");
    });
}

/// Down for a minute and up for a minute: each is long enough to be an outage of its own.
#[test]
fn node_that_comes_and_goes_by_the_minute_is_told_down_up_flapping_and_steady() {
    play(async {
        let stage = Stage::new(22, &Cast::of(4, 6)).await;
        let began = stage.now();
        stage.nodes_answer(move |call| {
            let is_down = call.target == "n0" && call.slot.0.saturating_sub(began.0) % 120_000 < 60_000;
            if is_down { Answer::Refused } else { Answer::Well }
        });
        stage.pass(seconds(600)).await;
        let back = stage.down(&[], Answer::Well);
        let events = |stage: &Stage| -> Vec<String> {
            stage
                .letters()
                .iter()
                .map(|letter| letter.event().to_owned())
                .collect()
        };
        let story = stage.story(began);
        assert_eq!(events(&stage), ["opened", "ended", "flapping"], "{story:#?}");
        let page = stage.page();
        let open: Vec<_> = page
            .incidents
            .iter()
            .filter(|incident| incident.end.is_none())
            .collect();
        assert_eq!(open.len(), 1);
        assert!(
            open[0].flapping.is_some_and(|times| times >= 4),
            "its rate: {:?}",
            open[0].flapping
        );
        let report = stage.report().await;
        let outages = &of_node(&report, "n0")["outages"];
        assert_eq!(outages.as_array().unwrap().len(), 2, "{outages:#}");
        assert!(outages[1]["flapping"].as_u64().unwrap() >= 4, "{outages:#}");
        stage.pass(seconds(530)).await;
        assert_eq!(events(&stage).len(), 3, "{:#?}", stage.story(began));
        stage.pass(seconds(120)).await;
        let story = stage.story(began);
        assert_eq!(events(&stage)[3..], ["ended"], "{story:#?}");
        // it came back for the last time a minute before it was left alone
        let steady = between(back, stage.letters()[3].at) + 60.0;
        assert!((600.0..640.0).contains(&steady), "{steady}");
    });
}

#[test]
fn each_dead_node_pages_once() {
    play(async {
        let stage = Stage::new(23, &Cast::of(6, 6)).await;
        let died = stage.down(&[2], Answer::Silent);
        stage.pass(seconds(240)).await;
        let story = stage.story(died);
        assert_eq!(
            stage.letters().len(),
            1,
            "connect, status and asset are one: {story:#?}"
        );
        stage.down(&[2, 5], Answer::Silent);
        stage.pass(seconds(240)).await;
        let story = stage.story(died);
        assert_eq!(stage.letters().len(), 2, "{story:#?}");
        assert_eq!(stage.letters()[1].targets(), ["n5"], "{story:#?}");
    });
}

#[test]
fn collector_that_was_suspended_pages_nobody() {
    play(async {
        let stage = Stage::new(24, &Cast::of(4, 6)).await;
        let began = stage.now();
        for asleep in [25, 70, 400] {
            stage.suspend_collector(seconds(asleep)).await;
            stage.pass(seconds(100)).await;
            let story = stage.story(began);
            assert!(stage.letters().is_empty(), "{asleep} s: {story:#?}");
        }
    });
}

#[test]
fn after_a_receivers_outage_the_newest_state_goes_first_and_what_is_over_is_one_line() {
    play(async {
        let stage = Stage::new(25, &Cast::of(6, 6)).await;
        let began = stage.now();
        stage.world.collector.letters.set_away(true);
        stage.down(&[0], Answer::Refused);
        stage.pass(seconds(60)).await;
        stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        stage.down(&[1], Answer::Refused);
        stage.pass(seconds(60)).await;
        stage.down(&[1, 2], Answer::Refused);
        stage.pass(seconds(60)).await;
        stage.world.collector.letters.set_away(false);
        stage.pass(seconds(1_000)).await;
        let story = stage.story(began);
        let letters = stage.letters();
        let told: Vec<_> = letters
            .iter()
            .map(|letter| (letter.event(), letter.targets()))
            .collect();
        assert_eq!(
            told,
            [
                ("opened", vec!["n2"]),
                ("opened", vec!["n1"]),
                ("ended", vec!["n0"])
            ],
            "{story:#?}"
        );
    });
}
