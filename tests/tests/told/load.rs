//! A light hand on the nodes: calls that really leave the machines.

use std::time::Duration;

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::CacheState;
use isochrone_tests::world::nodes::Answer;

use crate::stage::{Cast, Stage, play, seconds};

const ASSET: [Check; 2] = [Check::AssetHead, Check::AssetGet];

/// Calls of n0 in the last ten minutes, a minute.
fn a_minute(stage: &Stage, checks: &[Check]) -> f64 {
    let now = stage.now();
    let calls = stage
        .world
        .nodes
        .calls("n0", checks, (now.minus(Duration::from_secs(600)), now));
    calls as f64 / 10.0
}

#[test]
fn ten_probes_at_their_defaults_ask_a_node_no_more_often_than_its_budget() {
    play(async {
        let stage = Stage::new(51, &Cast::of(2, 10)).await;
        stage.pass(seconds(620)).await;
        let (status, asset, connect) = (
            a_minute(&stage, &[Check::Status]),
            a_minute(&stage, &ASSET),
            a_minute(&stage, &[Check::Connect]),
        );
        assert!((4.0..=6.0).contains(&status), "{status} status calls a minute");
        assert!((8.0..=12.0).contains(&asset), "{asset} asset calls a minute");
        assert!(
            (60.0..=120.0).contains(&connect),
            "{connect} connect checks a minute"
        );
        // nor do they come together: no two calls of its status in any five seconds
        let now = stage.now();
        for second in 0..600 {
            let from = now.minus(Duration::from_secs(second + 5));
            let calls =
                stage
                    .world
                    .nodes
                    .calls("n0", &[Check::Status], (from, from.plus(Duration::from_secs(5))));
            assert!(calls <= 2, "{calls} at once"); // of both families
        }
    });
}

#[test]
fn check_that_starts_downloads_backs_off_until_the_node_keeps_the_asset() {
    play(async {
        for says in [CacheState::Miss, CacheState::Pending] {
            let stage = Stage::new(52, &Cast::of(1, 4)).await;
            stage.nodes_answer(move |call| match call.kind.check {
                Check::AssetGet if call.target == "n0" => Answer::Body(64, says),
                _ => Answer::Well,
            });
            stage.pass(seconds(1_200)).await;
            let asset = a_minute(&stage, &ASSET);
            assert!(asset <= 4.0, "{says:?}: {asset} asset calls a minute");
            assert!(
                a_minute(&stage, &[Check::Status]) >= 4.0,
                "its status starts none"
            );
            stage.nodes_answer(|_| Answer::Well);
            stage.pass(seconds(1_500)).await;
            let asset = a_minute(&stage, &ASSET);
            assert!(
                (8.0..=12.0).contains(&asset),
                "{says:?}: {asset} asset calls a minute"
            );
        }
    });
}
