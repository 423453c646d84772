//! The chain's copy in commands: judged, listed, and its nodes taken up.

use isochrone_chain::Topology;
use isochrone_chain::fixture::{FakeIndexer, Manner, world};
use isochrone_proto::units::UnixMillis;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::TopologySettings;
use crate::topology::{kept, take};

fn with_chain(topology: Topology) -> (TempDir, CommandContext) {
    let (folder, context) = context(false);
    let told = (context.clock.wall(), "here".to_owned());
    take(&context.store, topology, told, false).unwrap().unwrap();
    (folder, context)
}

#[test]
fn audit_without_a_copy_says_how_to_get_one_and_with_one_judges_it() {
    let (_folder, none) = context(false);
    assert_eq!(said(&none, "report audit").0, 1);
    let mut chain = world(2, 1);
    chain.operator(1, 0).endpoint = "https://node-1-0.example.org/distributor".to_owned();
    chain.operator(0, 0).endpoint = "https://NODE.example.org".to_owned(); // the node of targets.toml
    let (_folder, context) = with_chain(chain.topology);
    for format in ["text", "json", "html", "md", "csv"] {
        let (code, text) = said(&context, &format!("report audit --format {format}"));
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("endpoint.no-slash"), "{format}: {text}");
    }
    let (_, json) = said(&context, "report audit --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let of = |rule: &str| findings.iter().filter(|one| one["rule"] == rule).count();
    assert_eq!(
        (
            of("endpoint.no-slash"),
            of("node.not-measured"),
            of("node.not-on-chain")
        ),
        (2, 1, 0),
        "{json:#}"
    );
    assert_eq!(
        (&json["schema"], &json["nodes"]),
        (&"isochrone.audit/1".into(), &1.into())
    );
}

#[test]
fn node_of_the_chain_is_called_only_after_it_was_approved() {
    let (_folder, context) = with_chain(world(2, 1).topology);
    let (_, waiting) = said(&context, "target approve");
    assert!(
        waiting.contains("1:0  https://node-1-0.example.org/distributor/  worker 1000  Paris, FR"),
        "{waiting}"
    );
    assert!(context.targets.borrow().node("region-1-0").is_none());
    assert_eq!(
        said(&context, "target approve 7:0").0,
        2,
        "nothing waits under it"
    );
    let (code, text) = said(&context, "target approve 1:0 --worker ada");
    assert_eq!(code, 0, "{text}");
    let node = context.targets.borrow().node("region-1-0").cloned().unwrap();
    assert_eq!(
        (node.worker.as_str(), node.buckets),
        ("ada", vec!["1:0".to_owned()])
    );
    assert_eq!(
        (node.asset.as_deref(), node.url.as_str()),
        (Some("2000"), "https://node-1-0.example.org/distributor/")
    );
    let (code, _) = said(&context, "target approve node-0-0.example.org --name berlin2");
    assert_eq!(code, 0);
    assert_eq!(
        context.targets.borrow().node("berlin2").unwrap().worker,
        "worker-0"
    );
    assert!(said(&context, "target approve").1.contains("No node waits"));
}

/// Follows an indexer until `fits`.
fn followed(context: &CommandContext, indexer: &FakeIndexer, fits: impl Fn(&CommandContext) -> bool) {
    let settings = TopologySettings {
        url: indexer.url().parse().unwrap(),
        interval: Duration::from_secs(60),
    };
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let watch = async {
            while !fits(context) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stop.cancel();
        };
        let following = crate::following::run(context.clone(), settings, stop.clone());
        let both = async { tokio::join!(following, watch).0 };
        tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .unwrap()
            .unwrap();
    });
}

#[test]
fn last_good_copy_is_used_while_the_indexer_is_away_and_the_report_says_so() {
    let (_folder, context) = context(false);
    let chain = world(30, 2).topology;
    let copied = |context: &CommandContext| kept(&context.store).unwrap();
    followed(
        &context,
        &FakeIndexer::start(chain.clone(), Manner::Well),
        |context| copied(context).is_some(),
    );
    assert_eq!(copied(&context).unwrap().topology, chain);
    for (manner, says) in [
        (Manner::Html, "web page"),
        (Manner::HalfJson, "cut off"),
        (Manner::SamePage, "the same families again"),
        (Manner::Broken, "answered 500"),
    ] {
        let tells = |context: &CommandContext| {
            copied(context)
                .and_then(|copy| copy.failed)
                .is_some_and(|failed| failed.says.contains(says))
        };
        followed(&context, &FakeIndexer::start(chain.clone(), manner), tells);
        assert_eq!(copied(&context).unwrap().topology, chain, "{manner:?}");
    }
    let (_, text) = said(&context, "report audit");
    assert!(
        text.contains("The last attempt to fetch it anew failed"),
        "{text}"
    );
    let empty = Topology {
        block: chain.block,
        ..Topology::default()
    };
    let tells = |context: &CommandContext| {
        copied(context)
            .and_then(|copy| copy.failed)
            .is_some_and(|failed| failed.says.contains("holds no family"))
    };
    followed(&context, &FakeIndexer::start(empty, Manner::Well), tells);
    assert_eq!(copied(&context).unwrap().topology.families.len(), 30);
}

#[test]
fn old_copy_drafts_nothing() {
    let (_folder, context) = context(false);
    let mut chain = world(1, 1);
    chain.family(0).areas.clear();
    let two_hours_ago = UnixMillis(context.clock.wall().0 - 7_200_000);
    take(
        &context.store,
        chain.topology,
        (two_hours_ago, "here".to_owned()),
        false,
    )
    .unwrap()
    .unwrap();
    let (_, text) = said(&context, "report audit");
    assert!(
        text.contains("Nothing is drafted") && !text.contains("leader:"),
        "{text}"
    );
}
