//! A server that takes no further index, is away for a day, and is changed by hand; and clocks that differ.

use std::time::Duration;

use isochrone_elastic::Method;
use isochrone_elastic::cursor::{Cursor, Cursors};
use isochrone_elastic::dead_letters::DeadLetters;
use isochrone_elastic::index::Family;
use isochrone_elastic::revised::{Incident, Incidents};
use isochrone_elastic::sink::Standing;
use isochrone_elastic::verify::Report;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture;
use isochrone_tests::elasticsearch::Elasticsearch;
use serde_json::json;

use crate::dashboards::incidents;
use crate::mesh::{Mesh, releases};

/// Batches of a minute each.
const DAY: u64 = 1_440;
const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; minutes: the long course of CONTRIBUTING.md runs it"]
async fn full_absent_changed_and_out_of_time_it_has_everything_once() {
    // the newest release that can be started here: both have passed, and each costs a minute
    let (release, java) = releases().pop().unwrap();
    let mut server = Elasticsearch::unpack(release, java, "").unwrap();
    server.start().await.unwrap();
    let mut mesh = Mesh::new(&server);
    shards_run_out(&mut mesh).await;
    away_for_a_day(&mut mesh, &mut server).await;
    clock_is_set_back(&mut mesh).await;
    store_is_restored_after_a_clock_was_ahead(&mut mesh).await;
    documents_of_no_kind_are_too_much(&mesh).await;
    lost_and_changed_revisions_are_repaired(&mesh).await;
    mapping_is_changed(&mut mesh).await;
}

async fn shards_run_out(mesh: &mut Mesh) {
    let client = mesh.client();
    let limit = async |most: u64| {
        let body = json!({ "persistent": { "cluster.max_shards_per_node": most } });
        client
            .fetch(Method::Put, "_cluster/settings", Some(&body))
            .await
            .unwrap();
    };
    limit(1).await;
    mesh.measure(20).await;
    let mut told = None;
    mesh.follow(async |status| {
        if status.standing == Standing::Blocked && told.is_none() {
            told = status.last_error.clone();
            limit(1_000).await;
        }
    })
    .await;
    let (_, words) = told.unwrap();
    assert!(
        words.contains("shards") && words.contains("max_shards_per_node"),
        "{words}"
    );
    mesh.assert_equal().await;
}

/// What is measured meanwhile is sealed, as it is after a day.
async fn away_for_a_day(mesh: &mut Mesh, server: &mut Elasticsearch) {
    server.kill();
    mesh.measure(DAY).await;
    let later = UnixMillis(fixture::START.0 + 2 * DAY_MS.unsigned_abs());
    while mesh.store.seal(later).unwrap().is_some() {}
    mesh.measure(5).await;
    let mut was_told = false;
    mesh.follow(async |status| {
        if !was_told && status.standing == Standing::Waiting {
            was_told = true;
            assert_eq!(status.documents, 0);
            server.start().await.unwrap();
        }
    })
    .await;
    assert!(was_told);
    mesh.assert_equal().await;
}

fn judged(mesh: &mut Mesh, incidents: &[Incident]) {
    let incidents = incidents.to_vec();
    mesh.incidents = Incidents::from(move || Ok(incidents.clone()));
}

/// Versions are instants: what is judged under a clock that was set back is newer all the same.
async fn clock_is_set_back(mesh: &mut Mesh) {
    let mut found = incidents();
    judged(mesh, &found);
    mesh.clock.step(3 * DAY_MS); // ahead of the server's, or behind: it is not asked
    mesh.follow(async |_| {}).await;
    mesh.clock.step(-3 * DAY_MS);
    let open = found.iter_mut().find(|incident| incident.end.is_none()).unwrap();
    open.end = Some(UnixMillis(open.start.0 + 60_000));
    (open.state, open.ending, open.duration_s) = ("over", Some("recovered"), Some(60));
    judged(mesh, &found);
    mesh.follow(async |_| {}).await;
    mesh.assert_equal().await;
    let client = mesh.client();
    let query = json!({ "query": { "term": { "state": "open" } } });
    let open = client
        .fetch(Method::Post, "isochrone-incident-*/_count", Some(&query))
        .await
        .unwrap();
    assert_eq!(open["count"], 0, "the last state wins");
}

/// What lies there is of a time still to come, and the store that is back does not know of it.
async fn store_is_restored_after_a_clock_was_ahead(mesh: &mut Mesh) {
    let mut found = incidents();
    let cursors = Cursors::of(&mesh.store);
    let before = cursors.get(&mesh.names()).unwrap().unwrap();
    assert!(before.version > mesh.clock.wall().0, "{before:?}");
    let restored = Cursor { version: 0, ..before };
    cursors.put(&mesh.names(), &restored).unwrap();
    for incident in &mut found {
        incident.networks += 1;
    }
    judged(mesh, &found);
    mesh.follow(async |_| {}).await;
    mesh.assert_equal().await;
}

/// Nothing of the store is of them.
async fn documents_of_no_kind_are_too_much(mesh: &Mesh) {
    let client = mesh.client();
    let index = mesh.names().index(Family::Echo, fixture::START);
    for (id, kind) in [
        ("made-up", json!("made-up")),
        ("of-the-other-index", json!("connect4")),
    ] {
        let document = json!({ "slot": fixture::START.0, "kind": kind, "lateness_us": 1 });
        let path = format!("{index}/_doc/{id}");
        client.fetch(Method::Put, &path, Some(&document)).await.unwrap();
    }
    let report = mesh.verify(None).await;
    assert_eq!(
        sum(&report, "foreign-echo", |period| period.extra),
        2,
        "{report:?}"
    );
    assert!(
        report.examples.iter().any(|example| example.id == "made-up"),
        "{report:?}"
    );
    for id in ["made-up", "of-the-other-index"] {
        let path = format!("{index}/_doc/{id}");
        client.fetch(Method::Delete, &path, None).await.unwrap();
    }
    mesh.assert_equal().await;
}

fn sum(report: &Report, kind: &str, of: fn(&isochrone_elastic::verify::Period) -> u64) -> u64 {
    let periods = report.periods.iter().filter(|period| period.kind == kind);
    periods.map(of).sum()
}

async fn lost_and_changed_revisions_are_repaired(mesh: &Mesh) {
    let client = mesh.client();
    let hit = |family: Family| {
        let path = format!("{}/_search?version=true", mesh.names().pattern(family));
        let client = mesh.client();
        async move {
            let query = json!({ "size": 1 });
            let found = client.fetch(Method::Post, &path, Some(&query)).await.unwrap();
            let hit = found["hits"]["hits"][0].clone();
            let path = |verb: &str| {
                format!(
                    "{}/{verb}/{}",
                    hit["_index"].as_str().unwrap(),
                    hit["_id"].as_str().unwrap()
                )
            };
            (path("_doc"), hit["_source"].clone())
        }
    };
    let (rollup, _) = hit(Family::Rollup).await;
    client.fetch(Method::Delete, &rollup, None).await.unwrap();
    let (row, mut source) = hit(Family::Ledger).await;
    source["planned"] = json!(987_654);
    client.fetch(Method::Put, &row, Some(&source)).await.unwrap();
    let report = mesh.verify(None).await;
    assert_eq!(sum(&report, "rollup", |period| period.missing), 1, "{report:?}");
    assert!(
        sum(&report, "ledger", |period| period.changed) > 0 && !report.equal,
        "{report:?}"
    );
    let mut sender = mesh.sender().await;
    let report = mesh.verify(Some(&mut sender)).await;
    assert!(report.equal && report.repaired >= 2, "{report:?}");
    mesh.assert_equal().await;
}

async fn mapping_is_changed(mesh: &mut Mesh) {
    let client = mesh.client();
    let index = mesh.names().index(Family::Echo, fixture::START);
    let field = json!({ "properties": { "mine": { "type": "long" } } });
    client
        .fetch(Method::Put, &format!("{index}/_mapping"), Some(&field))
        .await
        .unwrap();
    mesh.measure(5).await;
    let mut told = None;
    mesh.follow(async |status| {
        if status.standing == Standing::Blocked && told.is_none() {
            told = status.last_error.clone();
            client.fetch(Method::Delete, &index, None).await.unwrap();
        }
    })
    .await;
    let (_, words) = told.unwrap();
    assert!(
        words.contains(&index) && words.contains("somebody added the field mine"),
        "{words}"
    );
    let folder = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(&folder.path().join("dead.ndjson")).unwrap();
    let mut sender = mesh.sender().await;
    let when = (UnixMillis(0), mesh.clock.wall());
    let source = mesh.source();
    let done = isochrone_elastic::backfill::backfill(&source, when, &mut sender, &mut letters, |_, _| {});
    let done = tokio::time::timeout(Duration::from_secs(120), done)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.dead, 0);
    mesh.assert_equal().await;
}
