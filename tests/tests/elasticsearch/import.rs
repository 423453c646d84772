//! What a group has already, imported from real servers: each document once, whatever its mapping and however often.

use isochrone_base::clock::Clock;
use isochrone_elastic::import::{Piece, Pull, PullError, Pulled};
use isochrone_elastic::{Client, Method};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{ImportBatch, Imported, ImportedIndex, Reached};
use isochrone_store::{Store, StoreOptions};
use isochrone_tests::elasticsearch::Elasticsearch;
use serde_json::{Value, json};

use crate::mesh::{Mesh, course};

const NOON: u64 = 1_700_654_400_000; // 2023-11-22T12:00:00Z
const COUNT: u64 = 12_345;

/// Every third shares its instant with another.
fn document(number: u64) -> Value {
    json!({
        "time": isochrone_base::words::rfc3339(UnixMillis(NOON + number / 3 * 1_000)), "source": "eu",
        "bucketId": format!("0:{}", number % 3), "nodeEndpoint": "https://node.example.org/distributor/",
        "pingStatus": "ok", "nodeStatus": { "id": "n", "uptime": number },
        "assetDownloadResult": { "status": 200, "ttfb": 100 + number % 50, "cacheStatus": "hit" },
    })
}

async fn fill(client: &Client, index: &str, mapping: Value) {
    let body = json!({ "mappings": mapping, "settings": { "number_of_shards": 3, "number_of_replicas": 0 } });
    client.fetch(Method::Put, index, Some(&body)).await.unwrap();
    for start in (0..COUNT).step_by(5_000) {
        let mut lines = String::new();
        for number in start..(start + 5_000).min(COUNT) {
            lines += &format!("{{\"index\":{{\"_id\":\"{number}\"}}}}\n{}\n", document(number));
        }
        let packed = isochrone_elastic::Packed::lines(lines.as_bytes());
        let sent = client
            .send(Method::Post, &format!("{index}/_bulk"), Some(&packed))
            .await;
        let said = sent.unwrap().read().unwrap();
        assert_eq!(said.body["errors"], false, "{}", said.body);
    }
    client
        .fetch(Method::Post, &format!("{index}/_refresh"), None)
        .await
        .unwrap();
}

fn pull(client: Client, index: &str, from: Option<UnixMillis>) -> Pull {
    let of = (index, ImportedIndex::OperatorsPing);
    Pull::new(client, of, from, Clock::system().wall()).unwrap()
}

fn take(imported: &Imported, piece: Piece, from: &str) -> u64 {
    assert!(piece.refused.is_empty(), "{:?}", piece.refused.first());
    let batch = ImportBatch {
        index: ImportedIndex::OperatorsPing,
        runs: piece.runs.into_iter().map(|(_, run)| run).collect(),
        places: vec![],
        reached: Some(Reached {
            from: from.to_owned(),
            up_to: piece.reached,
        }),
    };
    imported.take(&batch, false).unwrap().new
}

async fn all(imported: &Imported, mut pull: Pull, from: &str) -> u64 {
    let mut new = 0;
    while let Pulled::Piece(piece) = pull.next_piece().await.unwrap() {
        new += take(imported, piece, from);
    }
    pull.close().await;
    new
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn index_of_the_group_is_imported_once_from_whatever_it_was_mapped_to() {
    for (release, java) in course(0) {
        let mut server = Elasticsearch::unpack(release, java, "xpack.security.enabled: false\n").unwrap();
        let mesh = Mesh::new(&server);
        server.start().await.unwrap();
        let client = || mesh.client();
        let fresh = || {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store.redb"), StoreOptions::default()).unwrap();
            (folder, Imported::of(&store))
        };
        for (index, time) in [
            ("operators-ping", json!({ "type": "date" })),
            ("pings-nanos", json!({ "type": "date_nanos" })),
            ("pings-keyword", json!({ "type": "keyword" })),
            ("pings-text", json!({ "type": "text" })),
        ] {
            fill(&client(), index, json!({ "properties": { "time": time } })).await;
            let (_folder, imported) = fresh();
            assert_eq!(
                all(&imported, pull(client(), index, None), index).await,
                COUNT,
                "{index} {release:?}"
            );
            assert_eq!(
                all(&imported, pull(client(), index, None), index).await,
                0,
                "{index} again"
            );
        }
        // interrupted, and gone on with
        let (_folder, imported) = fresh();
        let mut interrupted = pull(client(), "operators-ping", None);
        let Pulled::Piece(piece) = interrupted.next_piece().await.unwrap() else {
            panic!("there are some")
        };
        let first = take(&imported, piece, "x");
        drop(interrupted);
        let reached = imported.reached("x").unwrap().unwrap();
        let rest = all(&imported, pull(client(), "operators-ping", Some(reached)), "x").await;
        assert_eq!((first < COUNT, first + rest), (true, COUNT), "{release:?}");
        // the server lets every point in time go
        let (_folder, imported) = fresh();
        let mut pulled = pull(client(), "operators-ping", None);
        let Pulled::Piece(piece) = pulled.next_piece().await.unwrap() else {
            panic!("there are some")
        };
        let first = take(&imported, piece, "x");
        server.kill();
        server.start().await.unwrap();
        let rest = all(&imported, pulled, "x").await;
        assert_eq!(first + rest, COUNT, "over a restart of {release:?}");
        // what is in the way
        let missing = pull(client(), "nowhere", None).next_piece().await.unwrap_err();
        assert!(matches!(missing, PullError::NoIndex { .. }), "{missing}");
        client()
            .fetch(Method::Post, "operators-ping/_close", None)
            .await
            .unwrap();
        let closed = pull(client(), "operators-ping", None)
            .next_piece()
            .await
            .unwrap_err();
        assert!(matches!(closed, PullError::Closed { .. }), "{closed}");
    }
}
