use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// A document of `operators-ping` as the older prober wrote it.
fn ping() -> Value {
    json!({
        "time": "2023-11-22T12:00:00.250Z", "source": "prober-eu", "version": "1.2.0",
        "operatorId": "0:0-3", "distributionBucketId": "0:0", "workerId": 3,
        "nodeEndpoint": "https://node.example.org/distributor/",
        "statusEndpoint": "https://node.example.org/distributor/api/v1/status",
        "distributingStatus": "distributing", "pingStatus": "ok",
        "nodeStatus": { "id": "n", "version": "1.4.0", "uptime": 5 },
        "assetDownloadType": "image",
        "assetDownloadResult": {
            "status": 200, "ttfb": 131.5, "totalRequestTime": 180, "downloadTime": 48.5, "downloadSize": 97_000,
            "downloadSpeedBps": 2_000_000, "url": "https://node.example.org/distributor/api/v1/assets/1", "cacheStatus": "HIT",
        },
        "opereatorMetadata": {}, "chainHeadDiff": 0, "blocksProcessedDiff": 1,
    })
}

/// A document of `distributors-status`.
fn status() -> Value {
    json!({
        "time": "2023-03-01T00:00:10Z", "source": "prober-us", "version": "1.0.0", "operatorId": "1:0-4", "bucketId": "1:0",
        "workerId": 4, "nodeEndpoint": "https://two.example.org/", "distributingStatus": "distributing",
        "pingStatus": "ok", "assetDownloadStatusCode": 200, "assetDownloadResponseTimeMs": 412,
        "refChainHead": 9, "refBlocksProcessed": 8,
    })
}

fn with(mut document: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    document
}

fn read_ping(document: &Value) -> Result<ImportedRun, Unfit> {
    read(document, ImportedIndex::OperatorsPing, NOW)
}

#[test]
fn document_of_operators_ping_is_a_status_call_and_an_asset_with_its_first_byte() {
    let run = read_ping(&ping()).unwrap();
    assert_eq!(run.at, UnixMillis(1_700_654_400_250));
    assert_eq!((run.vantage.as_str(), run.bucket.as_str()), ("prober-eu", "0:0"));
    assert_eq!(run.endpoint, "https://node.example.org/distributor/");
    let seen = ImportedSeen {
        status: ImportedStatus::Ok,
        asset: ImportedAsset::Served {
            us: Some(131_500),
            cache: ImportedCache::Hit,
        },
        distributing: true,
    };
    assert_eq!(run.seen, seen);
}

#[test]
fn document_of_distributors_status_has_the_time_of_the_whole_answer_and_no_word_on_the_cache() {
    let run = read(&status(), ImportedIndex::DistributorsStatus, NOW).unwrap();
    assert_eq!(
        (run.bucket.as_str(), run.endpoint.as_str()),
        ("1:0", "https://two.example.org/")
    );
    let asset = ImportedAsset::Served {
        us: Some(412_000),
        cache: ImportedCache::Unknown,
    };
    assert_eq!(run.seen.asset, asset);
}

#[test]
fn each_verdict_of_the_prober_says_what_it_says_and_no_failure_has_a_time() {
    let asset = |changes: &[(&str, Value)]| {
        let seen = read_ping(&with(ping(), changes)).unwrap().seen;
        (seen.status, seen.asset)
    };
    let failed = |code| ImportedAsset::Failed { code };
    let (ok, dead) = (ImportedStatus::Ok, ImportedStatus::Dead);
    assert_eq!(
        asset(&[
            ("/pingStatus", json!("asset-download-failed")),
            ("/assetDownloadResult", json!(null))
        ]),
        (ok, failed(None))
    );
    assert_eq!(
        asset(&[("/pingStatus", json!("asset-download-failed"))]),
        (ok, failed(Some(200))),
        "it was cut short"
    );
    assert_eq!(
        asset(&[("/assetDownloadResult/status", json!(500))]),
        (ok, failed(Some(500)))
    );
    assert_eq!(
        asset(&[("/assetDownloadResult/status", json!("404"))]).1,
        ImportedAsset::Absent { code: 404 }
    );
    assert_eq!(
        asset(&[("/pingStatus", json!("degraded"))]).0,
        ImportedStatus::Degraded
    );
    assert_eq!(
        asset(&[
            ("/pingStatus", json!("dead")),
            ("/assetDownloadResult", json!(null))
        ]),
        (dead, ImportedAsset::NotTried)
    );
    let untimed = ImportedAsset::Served {
        us: None,
        cache: ImportedCache::Hit,
    };
    assert_eq!(
        asset(&[("/assetDownloadResult/ttfb", json!(0))]).1,
        untimed,
        "nothing takes no time"
    );
    let off = read_ping(&with(
        ping(),
        &[("/distributingStatus", json!("not-distributing"))],
    ))
    .unwrap();
    assert!(!off.seen.distributing);
}

#[test]
fn one_node_has_one_endpoint_however_it_is_written() {
    let endpoint = |changes: &[(&str, Value)]| read_ping(&with(ping(), changes)).unwrap().endpoint;
    let whole = "https://node.example.org/distributor/";
    for written in [
        "https://NODE.example.org:443/distributor",
        "https://node.example.org/distributor//",
        whole,
    ] {
        assert_eq!(endpoint(&[("/nodeEndpoint", json!(written))]), whole, "{written}");
    }
    assert_eq!(
        endpoint(&[("/nodeEndpoint", json!(null))]),
        whole,
        "from its status's address"
    );
    let bare = [
        ("/nodeEndpoint", json!(null)),
        ("/statusEndpoint", json!("http://a.example.org/api/v1/status")),
    ];
    assert_eq!(endpoint(&bare), "http://a.example.org/");
}

#[test]
fn time_is_taken_as_elasticsearch_takes_dates() {
    for (written, at) in [
        (json!("2023-11-22T12:00:00+01:00"), 1_700_650_800_000),
        (json!("2023-11-22T12:00:00"), 1_700_654_400_000),
        (json!("2023-11-22"), 1_700_611_200_000),
        (json!(1_700_654_400_250_u64), 1_700_654_400_250),
        (json!("1700654400250"), 1_700_654_400_250),
    ] {
        assert_eq!(
            read_ping(&with(ping(), &[("/time", written.clone())]))
                .unwrap()
                .at
                .0,
            at,
            "{written}"
        );
    }
}

#[test]
fn foreign_document_is_refused_with_what_is_wrong_with_it() {
    let words = |changes: &[(&str, Value)]| {
        let unfit = read_ping(&with(ping(), changes)).unwrap_err();
        (unfit.to_string(), unfit.rule())
    };
    for (changes, said) in [
        (vec![("/time", json!(null))], "it has no time"),
        (
            vec![("/time", json!("yesterday"))],
            "time is \"yesterday\": an instant is wanted",
        ),
        (
            vec![("/time", json!(1_700_654_400))],
            "time is 1970-01-20T16:24:14.4Z, before 2018: seconds",
        ),
        (
            vec![("/time", json!("2031-01-01T00:00:00Z"))],
            "later than this machine's clock",
        ),
        (vec![("/source", json!("  "))], "it has no source"),
        (
            vec![("/source", json!({"a": 1}))],
            "source is {\\\"a\\\":1}: text is wanted",
        ),
        (
            vec![("/source", json!("x".repeat(101)))],
            "at most 100 characters",
        ),
        (
            vec![("/pingStatus", json!("fine"))],
            "pingStatus is \"fine\": ok, asset-download-failed",
        ),
        (vec![("/pingStatus", json!(null))], "it has no pingStatus"),
        (
            vec![("/nodeEndpoint", json!("node.example.org"))],
            "a node's base URL is wanted",
        ),
        (
            vec![("/nodeEndpoint", json!("ftp://node.example.org/"))],
            "a node's base URL is wanted",
        ),
        (
            vec![("/nodeEndpoint", json!(null)), ("/statusEndpoint", json!(null))],
            "it has no nodeEndpoint",
        ),
        (vec![("/assetDownloadResult", json!("ok"))], "an object is wanted"),
        (
            vec![("/assetDownloadResult/status", json!("fine"))],
            "a status of HTTP is wanted",
        ),
        (
            vec![("/assetDownloadResult/ttfb", json!(-3))],
            "a number that is not negative",
        ),
        (
            vec![("/assetDownloadResult/ttfb", json!(9.9e9))],
            "milliseconds are wanted",
        ),
        (
            vec![("/assetDownloadResult/downloadTime", json!(0.0485))],
            "not in milliseconds",
        ),
        (
            vec![("/assetDownloadStatusCode", json!(200))],
            "import it --as distributors-status",
        ),
        (
            vec![("/distributionBucketId", json!("0:0 x"))],
            "family:index is wanted",
        ),
    ] {
        let (words, rule) = words(&changes);
        assert!(words.contains(said), "{words} | {said}");
        assert!(!rule.contains("yesterday") && !rule.contains("xxx"), "{rule}");
    }
    let other = read(&ping(), ImportedIndex::DistributorsStatus, NOW).unwrap_err();
    assert!(other.to_string().contains("--as operators-ping"), "{other}");
    for value in [json!([1]), json!("text"), json!(null)] {
        assert!(matches!(read_ping(&value), Err(Unfit::NotAnObject(_))), "{value}");
    }
}

#[test]
fn hostile_text_is_cleaned_and_a_secret_in_an_address_is_shown_nowhere() {
    let name = json!("a\u{1b}[31m\u{202e}\n b");
    let run = read_ping(&with(ping(), &[("/source", name)])).unwrap();
    assert!(isochrone_proto::text::is_clean(&run.vantage), "{:?}", run.vantage);
    let secret = read_ping(&with(
        ping(),
        &[("/nodeEndpoint", json!("https://ada:hunter2@a.example.org/"))],
    ));
    let words = secret.unwrap_err().to_string();
    assert!(!words.contains("hunter2"), "{words}");
    let hostile = read_ping(&with(
        ping(),
        &[("/pingStatus", json!("\u{1b}]0;x\u{7}".repeat(1_000)))],
    ));
    let words = hostile.unwrap_err().to_string();
    assert!(
        words.len() < 700 && isochrone_proto::text::is_clean(&words),
        "{words}"
    );
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        Just(json!("ok")),
        Just(json!("https://a.example.org/")),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands in whichever field, it is refused or taken as something that the store can hold.
    #[test]
    fn any_field_may_hold_anything(
        changes in proptest::collection::vec((0_usize..16, any_json()), 1..4),
        is_ping in any::<bool>(),
    ) {
        const NAMES: [&str; 16] = [
            "/time", "/source", "/nodeEndpoint", "/statusEndpoint", "/distributionBucketId", "/bucketId",
            "/distributingStatus", "/pingStatus", "/assetDownloadType", "/assetDownloadResult",
            "/assetDownloadStatusCode", "/assetDownloadResponseTimeMs", "/nodeStatus", "/workerId", "/version", "/x",
        ];
        let (mut document, index) = match is_ping {
            true => (ping(), ImportedIndex::OperatorsPing),
            false => (status(), ImportedIndex::DistributorsStatus),
        };
        for (name, value) in changes {
            document = with(document, &[(NAMES[name], value)]);
        }
        match read(&document, index, NOW) {
            Ok(run) => {
                prop_assert!(isochrone_proto::text::is_clean(&run.vantage));
                prop_assert!((1..=100).contains(&run.vantage.chars().count()));
                prop_assert!(run.endpoint.ends_with('/') && !run.endpoint.contains(' '));
                prop_assert!(run.at >= FIRST && run.at.0 <= NOW.0 + AHEAD_MS);
                if run.seen.status == ImportedStatus::Dead {
                    prop_assert!(run.seen.asset == ImportedAsset::NotTried || is_ping || document["assetDownloadStatusCode"] != json!(null));
                }
            }
            Err(unfit) => {
                prop_assert!(isochrone_proto::text::is_clean(&unfit.to_string()), "{}", unfit);
                prop_assert!(unfit.to_string().len() < 900);
            }
        }
    }
}
