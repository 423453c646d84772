//! A server that is killed, closed, blocked and small.

use isochrone_elastic::Method;
use isochrone_elastic::sink::Standing;
use isochrone_tests::elasticsearch::Elasticsearch;
use serde_json::json;

use crate::mesh::{Mesh, course};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn server_that_is_killed_in_a_bulk_and_back_has_everything_once() {
    for (release, java) in course(0) {
        let mut server = Elasticsearch::unpack(release, java, "").unwrap();
        server.start().await.unwrap();
        let mut mesh = Mesh::new(&server);
        mesh.set_up().await;
        mesh.measure(3_000).await;
        let (mut is_killed, mut was_away) = (false, false);
        mesh.follow(async |status| {
            if !is_killed && status.documents > 0 {
                is_killed = true;
                server.kill();
            }
            if is_killed && !was_away && status.standing == Standing::Waiting {
                was_away = true;
                server.start().await.unwrap();
            }
        })
        .await;
        assert!(is_killed && was_away, "{release:?}");
        mesh.assert_equal().await;

        let index = mesh.names().index(
            isochrone_elastic::index::Family::Echo,
            isochrone_store::ingest::fixture::START,
        );
        let client = mesh.client();
        for (method, path, body, says) in [
            (Method::Post, format!("{index}/_close"), None, "open the index"),
            (
                Method::Put,
                format!("{index}/_settings"),
                Some(json!({ "index.blocks.write": true })),
                "block",
            ),
        ] {
            client.fetch(method, &path, body.as_ref()).await.unwrap();
            mesh.measure(20).await;
            let mut told = None;
            mesh.follow(async |status| {
                if status.standing == Standing::Blocked && told.is_none() {
                    told = status.last_error.clone();
                    let (path, body) = match &body {
                        None => (format!("{index}/_open"), None),
                        Some(_) => (path.clone(), Some(json!({ "index.blocks.write": false }))),
                    };
                    let method = if body.is_some() { Method::Put } else { Method::Post };
                    client.fetch(method, &path, body.as_ref()).await.unwrap();
                }
            })
            .await;
            let (_, words) = told.unwrap();
            assert!(words.contains(says), "{words}");
            mesh.assert_equal().await;
        }
        missing_extra_and_changed_are_named_and_repaired(&mesh, &index).await;
    }
}

/// What somebody deleted, added and changed by hand.
async fn missing_extra_and_changed_are_named_and_repaired(mesh: &Mesh, index: &str) {
    let client = mesh.client();
    let query = json!({ "size": 3, "sort": ["slot", "target"], "_source": true });
    let found = client
        .fetch(Method::Post, &format!("{index}/_search"), Some(&query))
        .await
        .unwrap();
    let hits = found["hits"]["hits"].as_array().unwrap();
    let id = |at: usize| hits[at]["_id"].as_str().unwrap().to_owned();
    let mut foreign = hits[1]["_source"].clone();
    for at in [0, 2] {
        let path = format!("{index}/_doc/{}", id(at));
        client.fetch(Method::Delete, &path, None).await.unwrap();
    }
    foreign["lateness_us"] = json!(123_456);
    let path = format!("{index}/_create/somebody-elses");
    client.fetch(Method::Put, &path, Some(&foreign)).await.unwrap();
    let report = mesh.verify(None).await;
    let sum = |of: fn(&isochrone_elastic::verify::Period) -> u64| report.periods.iter().map(of).sum::<u64>();
    assert_eq!(
        (sum(|it| it.missing), sum(|it| it.extra), report.equal),
        (2, 1, false)
    );
    assert!(
        report
            .examples
            .iter()
            .any(|example| example.id == "somebody-elses")
    );
    let mut sender = mesh.sender().await;
    let report = mesh.verify(Some(&mut sender)).await;
    assert_eq!(
        (report.repaired, report.equal),
        (2, false),
        "what is too much stays"
    );
    let path = format!("{index}/_doc/somebody-elses");
    client.fetch(Method::Delete, &path, None).await.unwrap();
    mesh.assert_equal().await;
    let mut changed = hits[1]["_source"].clone();
    changed["rtt_us"] = json!(1);
    let path = format!("{index}/_doc/{}", id(1));
    client.fetch(Method::Put, &path, Some(&changed)).await.unwrap();
    let report = mesh.verify(None).await;
    assert!(
        !report.equal && report.periods.iter().any(|period| period.changed > 0),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn server_that_takes_little_at_once_gets_everything() {
    for (release, java) in course(1) {
        for settings in [
            "http.max_content_length: 200kb",
            "indexing_pressure.memory.limit: 100kb",
        ] {
            let mut server = Elasticsearch::unpack(release, java.clone(), settings).unwrap();
            server.start().await.unwrap();
            let mut mesh = Mesh::new(&server);
            mesh.measure(500).await;
            let mut told = None;
            mesh.follow(async |status| {
                told = told.take().or_else(|| status.last_error.clone());
            })
            .await;
            if settings.contains("pressure") {
                let (_, words) = told.unwrap();
                assert!(words.contains("429"), "{words}");
            }
            mesh.assert_equal().await;
        }
    }
}
