//! A node that can be reached, and does not serve.

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::CacheState;
use isochrone_tests::world::nodes::{Answer, Call};

use crate::stage::{Cast, Stage, of_node, play, seconds};

/// The asset of n0 is answered so.
fn asset(answer: Answer) -> impl Fn(&Call<'_>) -> Answer {
    move |call| match (call.target, call.kind.check) {
        ("n0", Check::AssetGet) => answer.clone(),
        _ => Answer::Well,
    }
}

/// What is told of n0 when its asset is answered so for 200 s.
async fn told(stage: &Stage, answer: Answer) -> Vec<(String, String, String)> {
    let before = stage.letters().len();
    stage.nodes_answer(asset(answer));
    stage.pass(seconds(200)).await;
    let letters = stage.letters();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told = letters[before..].iter().map(|letter| {
        let body = &letter.alert["incident"];
        (
            letter.event().to_owned(),
            word(&body["check"]),
            word(&body["cause"]),
        )
    });
    told.collect()
}

#[test]
fn asset_that_no_argus_node_gives_is_down_and_up_again_only_when_it_is_served() {
    play(async {
        let stage = Stage::new(41, &Cast::of(3, 6)).await;
        let html = Answer::Body(500, CacheState::Absent);
        assert_eq!(
            told(&stage, html).await,
            [("opened".into(), "asset".into(), "node".into())]
        );
        let empty = Answer::Body(0, CacheState::Hit);
        assert_eq!(told(&stage, empty).await, [], "it is empty now, and no more up");
        assert_eq!(
            told(&stage, Answer::Error(404, "not found")).await,
            [],
            "404 is no answer either way"
        );
        assert_eq!(
            told(&stage, Answer::Well).await,
            [("ended".into(), "asset".into(), "node".into())]
        );
        let report = stage.report().await;
        let node = of_node(&report, "n0");
        assert_eq!(
            node["outages"].as_array().unwrap().len(),
            1,
            "{:#}",
            node["outages"]
        );
        let (share, connects) = (&node["days"][0]["asset_ok"], &node["days"][0]["connect_ok"]);
        assert!(
            share.as_f64().unwrap() < 0.8 && connects == 1.0,
            "{share} {connects}"
        );
    });
}

#[test]
fn head_that_succeeds_leaves_a_share_of_nothing_where_every_get_fails() {
    play(async {
        let stage = Stage::new(42, &Cast::of(3, 6)).await;
        // from its first check on
        stage.nodes_answer(|call| match call.kind.check {
            Check::AssetGet => Answer::Error(503, "503: unavailable"),
            _ => Answer::Well,
        });
        let from = stage.now();
        stage.pass(seconds(130)).await;
        let line = format!(
            "report nodes --format json --from {}",
            isochrone_base::words::rfc3339(from)
        );
        let report = stage.json(&line).await;
        let day = &of_node(&report, "n1")["days"][0];
        assert_eq!(day["asset_ok"], 0.0, "{day:#}");
        assert!(day["asset_checks"].as_u64().unwrap() > 0);
    });
}

#[test]
fn error_500_that_names_a_storage_source_is_the_sources() {
    play(async {
        let stage = Stage::new(43, &Cast::of(3, 6)).await;
        let blames =
            "500: {\"message\":\"Failed to download object 1343 from any of the storage providers\"}";
        let told = told(&stage, Answer::Error(500, blames)).await;
        assert_eq!(told, [("opened".into(), "asset".into(), "source".into())]);
        let summary = stage.letters()[0].summary().to_owned();
        assert!(summary.contains("storage source"), "{summary}");
    });
}

#[test]
fn message_about_an_asset_says_how_the_status_is() {
    play(async {
        let stage = Stage::new(44, &Cast::of(3, 6)).await;
        told(&stage, Answer::Error(503, "503: unavailable")).await;
        let summary = stage.letters()[0].summary().to_owned();
        assert!(summary.contains("Its status is fine."), "{summary}");
    });
}
