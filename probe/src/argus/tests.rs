use super::*;
use hyper::header::HeaderValue;
use proptest::prelude::*;

const FULL: &str = r#"{"id":"node-1","version":"2.1.2","workerId":5,"objectsInCache":1043,"storageLimit":500000000000,
  "storageUsed":123456789,"uptime":86400,"downloadsInProgress":2,"nodeEnv":"production",
  "queryNodeStatus":{"url":"http://q:8081/graphql","chainHead":9000000,"blocksProcessed":8999990,"packageVersion":"1.6.0"}}"#;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[test]
fn full_status_is_read() {
    let status = ArgusStatus::parse(FULL.as_bytes()).unwrap();
    assert_eq!(
        (status.version.as_str(), status.uptime_s, status.objects_in_cache),
        ("2.1.2", 86_400, 1_043)
    );
    assert_eq!(status.worker_id, Some(5));
    assert_eq!(status.query_node.unwrap().chain_head, Some(9_000_000));
}

#[test]
fn words_of_a_node_forge_no_line() {
    let hostile = FULL
        .replace("2.1.2", "2.1.2\\n  status: up\\u001b[2J")
        .replace("production", "x\\ny");
    let status = ArgusStatus::parse(hostile.as_bytes()).unwrap();
    assert!(
        isochrone_proto::text::is_clean(&status.version),
        "{}",
        status.version
    );
    assert!(isochrone_proto::text::is_clean(
        status.node_env.as_deref().unwrap()
    ));
    let long = FULL.replace("2.1.2", &"9".repeat(9_000));
    assert_eq!(
        ArgusStatus::parse(long.as_bytes()).unwrap().version.len(),
        ErrorText::MAX
    );
}

#[test]
fn status_without_optional_fields_is_read() {
    let body = r#"{"id":"n","version":"1.2.0","objectsInCache":0,"storageLimit":1,"storageUsed":0,"uptime":0,
      "downloadsInProgress":0,"workerId":null,"future":{"a":1}}"#;
    let status = ArgusStatus::parse(body.as_bytes()).unwrap();
    assert_eq!(
        (status.worker_id, status.node_env, status.query_node),
        (None, None, None)
    );
}

#[test]
fn each_missing_required_field_is_named() {
    for field in [
        "id",
        "version",
        "objectsInCache",
        "storageLimit",
        "storageUsed",
        "uptime",
        "downloadsInProgress",
    ] {
        let mut value: serde_json::Value = serde_json::from_str(FULL).unwrap();
        value.as_object_mut().unwrap().remove(field).unwrap();
        match ArgusStatus::parse(value.to_string().as_bytes()) {
            Err(BadStatusBody::MissingField(named)) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn wrong_types_and_trailing_text_are_refused() {
    for body in [
        "",
        "null",
        "[]",
        "<html>",
        &FULL.replace("86400", "\"86400\""),
        &FULL.replace("86400", "-1"),
        &format!("{FULL}x"),
    ] {
        assert!(
            matches!(ArgusStatus::parse(body.as_bytes()), Err(BadStatusBody::Json(_))),
            "{body}"
        );
    }
}

#[test]
fn counts_as_javascript_writes_them_are_read() {
    for (text, expected) in [("86400.75", 86_400), ("8.64e4", 86_400), ("0.0", 0)] {
        assert_eq!(
            ArgusStatus::parse(FULL.replace("86400", text).as_bytes())
                .unwrap()
                .uptime_s,
            expected
        );
    }
}

#[test]
fn cache_header_is_read_without_regard_to_case() {
    let state = |value: &str| cache_state(&headers(&[("x-cache", value)]));
    assert_eq!(
        (state("hit"), state("HIT"), state("Pending"), state("miss")),
        (
            CacheState::Hit,
            CacheState::Hit,
            CacheState::Pending,
            CacheState::Miss
        )
    );
    assert_eq!(
        (
            state("hit from cloudfront"),
            state("hitherto"),
            cache_state(&HeaderMap::new())
        ),
        (CacheState::Hit, CacheState::Absent, CacheState::Absent)
    );
    assert_eq!(
        DataSource::of(&headers(&[("x-data-source", "External")])),
        Some(DataSource::External)
    );
}

#[test]
fn asset_ids_are_canonical_digits() {
    assert_eq!("1343".parse::<AssetId>().unwrap().path(), "api/v1/assets/1343");
    for text in ["", "007", "-1", "+1", "12abc", "1 ", "99999999999999999999999"] {
        assert!(text.parse::<AssetId>().is_err(), "{text:?}");
    }
}

#[test]
fn refusals_of_argus_and_of_others_are_told_apart() {
    assert_eq!(
        refusal_message(br#"{"message":"Data object does not exist"}"#).as_deref(),
        Some("Data object does not exist")
    );
    assert_eq!(
        refusal_message(br#"{"message":"Not Found"}"#),
        None,
        "a gateway's"
    );
    assert_eq!(refusal_message(b"<html><h1>404 Not Found</h1></html>"), None);
}

#[test]
fn content_ranges_are_read_or_refused() {
    let range = |value: &str| ContentRange::of(&headers(&[("content-range", value)]));
    assert_eq!(
        range("bytes 0-99/5000"),
        Some(ContentRange {
            first: 0,
            last: 99,
            size: Some(5000)
        })
    );
    assert_eq!(range("bytes 0-99/5000").unwrap().bytes(), 100);
    assert_eq!(
        range("bytes 5-5/*"),
        Some(ContentRange {
            first: 5,
            last: 5,
            size: None
        })
    );
    for value in [
        "bytes */5000",
        "bytes 9-5/10",
        "bytes 0-10/10",
        "items 0-1/2",
        "bytes 0-18446744073709551616/5",
        "",
    ] {
        assert_eq!(range(value), None, "{value:?}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(status) = ArgusStatus::parse(&body) {
            prop_assert!(!status.version.is_empty() || body.windows(9).any(|part| part == b"\"version\""));
        }
    }

    #[test]
    fn corrupted_status_never_panics(index in 0usize..300, byte in any::<u8>()) {
        let mut body = FULL.as_bytes().to_vec();
        let index = index % body.len();
        body[index] = byte;
        prop_assert!(matches!(ArgusStatus::parse(&body), Ok(_) | Err(BadStatusBody::Json(_) | BadStatusBody::MissingField(_))));
    }

    #[test]
    fn any_asset_id_round_trips(id in any::<u64>()) {
        prop_assert_eq!(AssetId::new(id).to_string().parse::<AssetId>().unwrap().get(), id);
    }
}
