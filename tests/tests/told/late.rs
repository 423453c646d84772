//! The collector was off, and what the spools bring late.

use isochrone_proto::units::UnixMillis;
use isochrone_tests::world::nodes::Answer;

use crate::stage::{Cast, Stage, between, of_node, play, seconds, told_alike};

/// What everybody tells of the one outage begins and ends within an interval after it really did.
async fn assert_told_truly(stage: &Stage, died: UnixMillis, back: UnixMillis) {
    let (start, end) = told_alike(stage).await;
    for (what, off) in [("start", between(died, start)), ("end", between(back, end))] {
        assert!(
            (0.0..=10.0).contains(&off),
            "{what} is {off} s off: {:#?}",
            stage.story(died)
        );
    }
}

#[test]
fn node_that_was_dead_while_the_collector_was_stopped_is_one_late_message_that_pages_nobody() {
    play(async {
        let mut stage = Stage::new(11, &Cast::of(4, 6)).await;
        stage.world.collector.stop().await;
        stage.pass(seconds(20)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(150)).await;
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        let started = stage.now();
        stage.world.start_collector();
        stage.pass(seconds(200)).await;
        let (letters, story) = (stage.letters(), stage.story(started));
        assert_eq!(letters.len(), 1, "{story:#?}");
        assert_eq!(
            (letters[0].event(), letters[0].pages()),
            ("late", false),
            "{story:#?}"
        );
        assert!(letters[0].summary().contains("n0 was down from"), "{story:#?}");
        assert_told_truly(&stage, died, back).await;
    });
}

#[test]
fn node_that_died_while_the_collector_was_stopped_and_is_still_dead_is_told_once_with_its_true_start() {
    play(async {
        let mut stage = Stage::new(12, &Cast::of(4, 6)).await;
        stage.world.collector.stop().await;
        stage.pass(seconds(20)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(150)).await;
        let started = stage.now();
        stage.world.start_collector();
        stage.pass(seconds(120)).await;
        let story = stage.story(started);
        assert_eq!(stage.letters().len(), 1, "{story:#?}");
        assert_eq!(stage.letters()[0].event(), "opened", "{story:#?}");
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        let story = stage.story(started);
        assert_eq!(stage.letters().len(), 2, "{story:#?}");
        assert_told_truly(&stage, died, back).await;
    });
}

#[test]
fn outage_that_ends_while_the_collector_is_stopped_is_told_over_once_with_its_true_end() {
    play(async {
        let mut stage = Stage::new(13, &Cast::of(4, 6)).await;
        let died = stage.down(&[0], Answer::Refused);
        stage.pass(seconds(60)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(died));
        stage.world.collector.stop().await;
        stage.pass(seconds(20)).await;
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(200)).await;
        stage.world.start_collector();
        stage.pass(seconds(120)).await;
        let story = stage.story(died);
        assert_eq!(stage.letters().len(), 2, "{story:#?}");
        assert_eq!(stage.letters()[1].event(), "ended", "{story:#?}");
        assert_told_truly(&stage, died, back).await;
    });
}

#[test]
fn collector_that_crashes_in_the_middle_of_an_outage_tells_it_once() {
    play(async {
        let mut stage = Stage::new(14, &Cast::of(4, 6)).await;
        let died = stage.down(&[0], Answer::Silent);
        stage.pass(seconds(40)).await;
        for _ in 0..3 {
            stage.world.crash_collector(seconds(5)).await;
            stage.pass(seconds(45)).await;
        }
        let story = stage.story(died);
        assert_eq!(stage.letters().len(), 1, "{story:#?}");
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        let story = stage.story(died);
        assert_eq!(stage.letters().len(), 2, "{story:#?}");
        assert_told_truly(&stage, died, back).await;
    });
}

#[test]
fn outage_that_was_seen_in_time_is_told_alike_everywhere() {
    play(async {
        let stage = Stage::new(15, &Cast::of(4, 6)).await;
        let died = stage.down(&[0], Answer::Silent);
        stage.pass(seconds(97)).await;
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        assert_told_truly(&stage, died, back).await;
    });
}

/// A probe on the server of another worker's node sees it well when nobody else does.
#[test]
fn probe_on_another_workers_node_server_judges_the_past_as_little_as_the_present() {
    play(async {
        let mut cast = Cast::of(3, 3);
        cast.nodes[0].1 = "zoe".to_owned();
        cast.nodes[0].2 = "10.1.0.1".to_owned(); // the first machine's address
        let mut stage = Stage::new(16, &cast).await;
        let cut_off = |stage: &Stage| {
            stage.nodes_answer(|call| match (call.target, call.machine) {
                ("n0", 1 | 2) => Answer::Refused,
                _ => Answer::Well,
            })
        };
        let died = cut_off(&stage);
        stage.pass(seconds(60)).await;
        assert_eq!(stage.letters().len(), 1, "{:#?}", stage.story(died));
        let back = stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        assert_told_truly(&stage, died, back).await;
        let report = stage.report().await;
        assert_eq!(report["would_have_paged"], 1);
        let day = &of_node(&report, "n0")["days"][0];
        assert!(day["unheard"].as_u64().unwrap() > 0, "{day}");
        // and what nobody could judge in its time
        stage.world.collector.stop().await;
        stage.pass(seconds(20)).await;
        let died = cut_off(&stage);
        stage.pass(seconds(150)).await;
        stage.down(&[], Answer::Well);
        stage.pass(seconds(60)).await;
        stage.world.start_collector();
        stage.pass(seconds(200)).await;
        let events: Vec<_> = stage.letters().iter().map(|it| it.event().to_owned()).collect();
        assert_eq!(events, ["opened", "ended", "late"], "{:#?}", stage.story(died));
    });
}
