use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_store::imported::{ImportBatch, Imported, Reached};
use isochrone_store::{Store, StoreOptions};

use super::*;
use crate::RawSettings;
use crate::import::Origin;

mod mock;

use self::mock::{Fault, Mock};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const FIRST: u64 = 1_700_654_400_000;

fn document(at: Option<u64>) -> Value {
    json!({
        "time": at, "source": "prober-eu", "nodeEndpoint": "https://node.example.org/", "pingStatus": "ok",
        "assetDownloadResult": { "status": 200, "ttfb": 100 },
    })
}

/// `count` documents, a second apart, several at the same instant.
fn documents(count: u64) -> Vec<(String, Option<u64>, Value)> {
    let each = (0..count).map(|number| {
        let at = FIRST + number / 3 * 1_000;
        let mut source = document(Some(at));
        source["bucketId"] = json!(format!("0:{}", number % 3));
        (format!("id-{number}"), Some(at), source)
    });
    each.collect()
}

fn client(url: &str) -> Client {
    let settings: RawSettings = serde_json::from_value(json!({ "urls": [url] })).unwrap();
    let settings = settings.settings(std::path::Path::new("/")).unwrap();
    Client::new(&settings, Clock::system()).unwrap()
}

fn pull(mock: &Mock, from: Option<u64>) -> Pull {
    let of = ("operators-ping", ImportedIndex::OperatorsPing);
    let mut pull = Pull::new(client(&mock.url), of, from.map(UnixMillis), NOW).unwrap();
    pull.size = PageSize::new(40);
    pull.wait_max = Duration::from_millis(5);
    pull
}

#[derive(Debug, Default)]
struct Got {
    ids: Vec<String>,
    refused: Vec<(Origin, String)>,
    notes: Vec<String>,
}

async fn all(mut pull: Pull) -> Result<Got, PullError> {
    let mut got = Got::default();
    let id = |origin: Origin| match origin {
        Origin::Id(id) => id,
        Origin::Line(line) => panic!("{line}"),
    };
    while let Pulled::Piece(piece) = pull.next_piece().await? {
        got.ids
            .extend(piece.runs.into_iter().map(|(origin, _)| id(origin)));
        got.refused.extend(
            piece
                .refused
                .into_iter()
                .map(|of| (of.origin, of.unfit.to_string())),
        );
        got.notes.extend(pull.take_notes());
    }
    got.notes.extend(pull.take_notes());
    pull.close().await;
    Ok(got)
}

fn once(mut ids: Vec<String>) -> usize {
    ids.sort();
    ids.dedup();
    ids.len()
}

#[tokio::test]
async fn index_is_read_to_its_end_each_document_once_and_the_point_in_time_let_go() {
    let mock = Mock::new(documents(205));
    let got = all(pull(&mock, None)).await.unwrap();
    assert_eq!((got.ids.len(), once(got.ids)), (205, 205));
    assert_eq!(
        mock.counts(),
        (7, 1, 0),
        "six answers with documents, one without"
    );
    assert!(got.notes.is_empty() && got.refused.is_empty());
}

/// Each of these happens in the middle; nothing is lost, and nothing that was not whole is taken.
#[tokio::test]
async fn busy_cut_slow_and_broken_answers_are_asked_for_again() {
    let internal =
        json!({ "error": { "type": "search_phase_execution_exception", "reason": "all shards failed" } });
    for fault in [
        Fault::Busy,
        Fault::Cut,
        Fault::Hangup,
        Fault::Partial,
        Fault::TimedOut,
        Fault::Status(503, internal.clone()),
        Fault::Status(502, json!("<html>bad gateway</html>")),
    ] {
        let mock = Mock::new(documents(205))
            .fault(3, fault.clone())
            .fault(4, fault.clone());
        let got = all(pull(&mock, None)).await.unwrap();
        assert_eq!((got.ids.len(), once(got.ids)), (205, 205), "{fault:?}");
        assert_eq!(mock.counts().2, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn server_that_stays_busy_is_given_up_on_with_what_to_do() {
    let mut mock = Mock::new(documents(205));
    for search in 2..40 {
        mock = mock.fault(search, Fault::Busy);
    }
    let error = all(pull(&mock, None)).await.unwrap_err();
    let words = chain(&error).to_string();
    assert!(
        words.contains("the same command goes on from there") && words.contains("429"),
        "{words}"
    );
}

#[tokio::test]
async fn point_in_time_that_ended_is_opened_again_and_goes_on_from_the_last_time() {
    let mock = Mock::new(documents(205)).fault(4, Fault::Expired);
    let got = all(pull(&mock, None)).await.unwrap();
    assert_eq!(once(got.ids.clone()), 205);
    assert!(
        got.ids.len() <= 205 + 3,
        "only those of the last instant come again: {}",
        got.ids.len()
    );
    assert!(
        got.notes[0].contains("goes on from 2023-11-22T12:00:"),
        "{:?}",
        got.notes
    );
    assert_eq!(mock.counts().1, 2);
}

#[tokio::test]
async fn index_whose_time_is_text_is_read_in_another_order_and_that_is_said() {
    let mock = Mock::new(documents(205)).by_text().fault(5, Fault::Expired);
    let mut by_text = pull(&mock, Some(FIRST));
    let Pulled::Piece(first) = by_text.next_piece().await.unwrap() else {
        panic!("there are some")
    };
    assert_eq!(first.reached, None, "it cannot be gone on with");
    let mut got = all(by_text).await.unwrap();
    got.ids
        .extend(first.runs.iter().map(|(origin, _)| origin.to_string()));
    assert!(
        got.notes[0].contains("somebody changed its mapping"),
        "{:?}",
        got.notes
    );
    assert!(got.notes[1].contains("begins anew"), "{:?}", got.notes);
    assert_eq!(
        once(got.ids.into_iter().map(|id| id.replace("id id", "id")).collect()),
        205
    );
}

#[tokio::test]
async fn documents_without_a_time_or_with_a_foreign_shape_are_named_by_their_id() {
    let mut some = documents(9);
    some.push(("lost".to_owned(), None, document(None)));
    some.push(("other".to_owned(), Some(FIRST), json!({ "message": "HTTP GET" })));
    let mock = Mock::new(some);
    let got = all(pull(&mock, Some(FIRST))).await.unwrap();
    assert_eq!(got.ids.len(), 9);
    let mut refused: Vec<_> = got
        .refused
        .iter()
        .map(|(at, why)| format!("{at}: {why}"))
        .collect();
    refused.sort();
    assert_eq!(
        refused,
        ["id lost: it has no time", "id other: it has no pingStatus"]
    );
}

#[tokio::test]
async fn what_stands_in_the_way_is_a_sentence_with_what_to_do() {
    let words = async |mock: Mock| {
        let error = all(pull(&mock, None)).await.unwrap_err();
        chain(&error).to_string()
    };
    let of = |kind: &str| json!({ "error": { "type": kind, "reason": "no such index [operators-ping]" } });
    let said = words(Mock::new(vec![]).closed(404, of("index_not_found_exception"))).await;
    assert!(
        said.contains("there is no index operators-ping at http://"),
        "{said}"
    );
    let said = words(Mock::new(vec![]).closed(400, of("index_closed_exception"))).await;
    assert!(said.contains("_open"), "{said}");
    let said = words(Mock::new(vec![]).closed(403, of("security_exception"))).await;
    assert!(
        said.contains("privilege `read`") && said.contains("403"),
        "{said}"
    );
    let said = words(Mock::new(vec![]).closed(401, of("security_exception"))).await;
    assert!(said.contains("--api-key-file"), "{said}");
    let root = json!({ "version": { "number": "2.19.0", "distribution": "opensearch" } });
    let said = words(
        Mock::new(vec![])
            .closed(400, json!({ "error": "no handler" }))
            .root(root),
    )
    .await;
    assert!(
        said.contains("OpenSearch 2.19.0") && said.contains("import ndjson"),
        "{said}"
    );
    let said = words(
        Mock::new(vec![])
            .closed(404, json!("Not Found"))
            .root(json!({ "hello": 1 })),
    )
    .await;
    assert!(said.contains("no Elasticsearch"), "{said}");
    let said = words(Mock::new(vec![]).closed(200, json!({ "ok": true }))).await;
    assert!(said.contains("no Elasticsearch"), "{said}");
    let refused = json!({ "error": { "type": "too_long", "reason": "window" } });
    let said = words(Mock::new(documents(3)).fault(1, Fault::Status(400, refused))).await;
    assert!(
        said.contains("operators-ping cannot be read: too_long: window"),
        "{said}"
    );
}

#[test]
fn index_that_would_be_another_path_is_refused() {
    for name in ["", "_all", "a/b", "a?b", "a b", "-x", "a#", "a%2f"] {
        let pull = Pull::new(
            client("http://127.0.0.1:1"),
            (name, ImportedIndex::OperatorsPing),
            None,
            NOW,
        );
        assert!(matches!(pull, Err(PullError::Name { .. })), "{name}");
    }
}

/// Interrupted anywhere and begun again from what the store says, everything is there once.
#[tokio::test]
async fn interrupted_import_goes_on_from_what_the_store_keeps() {
    let mock = Mock::new(documents(205));
    let imported = Imported::of(&Store::in_memory(StoreOptions::default()).unwrap());
    let take = |piece: Piece| {
        let up_to = piece.reached;
        imported
            .take(
                &ImportBatch {
                    index: ImportedIndex::OperatorsPing,
                    runs: piece.runs.into_iter().map(|(_, run)| run).collect(),
                    places: vec![],
                    reached: Some(Reached {
                        from: mock.url.clone(),
                        up_to,
                    }),
                },
                false,
            )
            .unwrap()
    };
    let mut interrupted = pull(&mock, None);
    for _ in 0..3 {
        let Pulled::Piece(piece) = interrupted.next_piece().await.unwrap() else {
            panic!("there are more")
        };
        take(piece);
    }
    drop(interrupted); // killed: its point in time stays open for a while
    let reached = imported.reached(&mock.url).unwrap().unwrap();
    let mut again = pull(&mock, Some(reached.0));
    let mut known = 0;
    while let Pulled::Piece(piece) = again.next_piece().await.unwrap() {
        known += take(piece).known;
    }
    assert!(
        (1..=3).contains(&known),
        "only those of the last instant came twice: {known}"
    );
    assert_eq!(imported.sources().unwrap()[0].documents, 205);
}
