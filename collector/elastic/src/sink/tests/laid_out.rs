//! What of an index and of what commands print hangs on the server.

use super::*;
use crate::index::Layout;

/// Of indices of single measurements: whether their columns are packed, and their sequence numbers without an index.
pub(super) fn cheaper(mock: &Mock) -> Vec<(bool, bool)> {
    let state = mock.state();
    let raw = state
        .settings
        .iter()
        .filter(|(index, _)| index.contains("-echo-"));
    raw.map(|(_, settings)| {
        let of = &settings["index"];
        (
            of["use_time_series_doc_values_format"] == "true",
            of["seq_no"]["index_options"] == "doc_values_only",
        )
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rollup_goes_with_a_retry_though_the_server_learned_another_form_of_histograms() {
    let run = Run::new(5).await;
    run.follow(|_| {}).await;
    let (key, document) = {
        let mut state = run.mock.state();
        state.has_everything = true;
        let is_carrier = |document: &serde_json::Value| document.get("rtt_buckets").is_some();
        let mut found = state.documents.iter();
        let (key, document) = found.find(|(_, document)| is_carrier(document)).unwrap();
        let (key, document) = (key.clone(), document.clone());
        state.documents.remove(&key);
        state.versions.remove(&key);
        (key, document)
    };
    let letter = serde_json::json!({ "index": key.0, "id": key.1, "version": 7, "status": 400,
        "reason": "by the test", "document": document });
    std::fs::write(run.letters(), format!("{letter}\n")).unwrap();
    let client = Client::new(&settings(&run.mock), Clock::system()).unwrap();
    let can = Server::ask(&client).await.unwrap().can;
    assert!(can.exponential_histogram, "{can:?}");
    let names = Names::new(Prefix::default(), Period::Month);
    let mut sender = Sender::new(client, names, Clock::system(), Layout::of(&can));
    let retried = retry::retry(&run.letters(), &mut sender).await.unwrap();
    assert_eq!((retried.sent, retried.dead), (1, 0));
    assert_eq!(run.mock.state().documents.get(&key), Some(&document));

    // and into an index that is to be made again
    run.mock.state().mappings.remove(&key.0);
    run.mock.state().documents.remove(&key);
    std::fs::write(run.letters(), format!("{letter}\n")).unwrap();
    let client = Client::new(&settings(&run.mock), Clock::system()).unwrap();
    let names = Names::new(Prefix::default(), Period::Month);
    let mut sender = Sender::new(client, names, Clock::system(), Layout::of(&can));
    let retried = retry::retry(&run.letters(), &mut sender).await.unwrap();
    assert_eq!((retried.sent, retried.dead), (1, 0));
    assert!(
        run.mock.state().mappings[&key.0]["properties"]
            .get("rtt_buckets")
            .is_some()
    );
}

#[test]
fn keys_of_retry_and_backfill_are_the_agreed_ones() {
    let retried = retry::Retried { sent: 1, dead: 2 };
    let agreed = serde_json::json!({ "schema": "isochrone.retry/1", "sent": 1, "refused": 2 });
    assert_eq!(retried.json(), agreed);
    let filled = crate::backfill::Backfilled {
        documents: 3,
        dead: 4,
    };
    let agreed = serde_json::json!({ "schema": "isochrone.backfill/1", "documents": 3, "refused": 4 });
    assert_eq!(filled.json(), agreed);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_setup_are_the_agreed_ones() {
    let run = Run::new(1).await;
    let theirs = serde_json::json!({ "index_patterns": ["isochrone-ledger-*"], "priority": 900 });
    run.mock.state().templates.insert("ops".to_owned(), theirs);
    let client = Client::new(&settings(&run.mock), run.clock.clone()).unwrap();
    let names = Names::new(Prefix::default(), Period::Month);
    let found = setup::Setup::look(&client, &names).await.unwrap();
    let failed = ("index template isochrone-echo".to_owned(), "403".to_owned());
    let said = found.json(&[failed], true);
    let keys = |of: &serde_json::Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let agreed = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(said["schema"], "isochrone.elastic-setup/1");
    let top = ["schema", "server", "lacks", "clock_ahead_ms", "dry_run", "items"];
    assert_eq!(keys(&said), agreed(&top));
    assert!(said["lacks"][0].is_string() && said["clock_ahead_ms"].is_i64() && said["dry_run"] == true);
    assert_eq!(said["server"], "Elasticsearch 9.5.2");
    let items = said["items"].as_array().unwrap();
    for item in items {
        assert_eq!(keys(item), agreed(&["what", "change", "because", "error"]));
    }
    let of = |name: &str| {
        items
            .iter()
            .find(|item| item["what"] == format!("index template isochrone-{name}"))
    };
    let echo = of("echo").unwrap();
    assert_eq!((&echo["change"], &echo["error"]), (&"make".into(), &"403".into()));
    let ledger = of("ledger").unwrap();
    assert!(
        ledger["change"] == "leave" && ledger["because"].as_str().unwrap().contains("ops"),
        "{ledger}"
    );
    assert!(of("rollup").unwrap()["because"].is_null() && of("rollup").unwrap()["error"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cheaper_on_disk_goes_into_an_index_where_the_server_has_it_and_is_named_where_not() {
    for has_everything in [true, false] {
        let run = Run::new(5).await;
        run.mock.state().has_everything = has_everything;
        let client = Client::new(&settings(&run.mock), run.clock.clone()).unwrap();
        let lacks = Server::ask(&client).await.unwrap().lacks().join("\n");
        for name in ["use_time_series_doc_values_format", "seq_no.index_options"] {
            assert_eq!(lacks.contains(name), !has_everything, "{lacks}");
        }
        run.follow(|_| {}).await;
        assert_eq!(cheaper(&run.mock), [(has_everything, has_everything)]);
        let state = run.mock.state();
        let mut others = state
            .settings
            .iter()
            .filter(|(index, _)| index.contains("-rollup-"));
        let (_, other) = others.next().unwrap();
        assert!(other["index"].get("seq_no").is_none(), "{other}");
    }
}
