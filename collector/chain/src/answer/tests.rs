use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixture::{Manner, answer as told, world};
use crate::query::Dialect;

fn read(families: serde_json::Value) -> Page {
    page(
        json!({ "data": { "distributionBucketFamilies": families } })
            .to_string()
            .as_bytes(),
    )
    .unwrap()
}

fn with_operator(operator: serde_json::Value) -> Page {
    read(json!([{ "id": "0", "buckets": [{ "id": "0:0", "operators": [operator] }] }]))
}

#[test]
fn web_page_cut_answer_and_nonsense_are_named() {
    assert_eq!(page(b" \n<!doctype html>").unwrap_err(), AnswerError::Html);
    assert_eq!(
        page(b"{\"data\":{\"distributionBucketFami").unwrap_err(),
        AnswerError::Cut { bytes: 32 }
    );
    assert_eq!(page(b"").unwrap_err(), AnswerError::Cut { bytes: 0 });
    assert!(matches!(
        page(b"{]").unwrap_err(),
        AnswerError::NotJson { line: 1, column: 2 }
    ));
    assert!(matches!(
        page(b"[1, 2]").unwrap_err(),
        AnswerError::NotAnAnswer { .. } | AnswerError::NoFamilies
    ));
    assert_eq!(page(b"{\"data\":{}}").unwrap_err(), AnswerError::NoFamilies);
    let refused = json!({ "errors": [{ "message": "no\u{1b}[2J such\u{202e} field" }], "data": null });
    let says = "no?[2J such? field".to_owned();
    assert_eq!(
        page(refused.to_string().as_bytes()).unwrap_err(),
        AnswerError::Refused { says }
    );
}

#[test]
fn answer_is_read_bare_too_as_people_keep_it_in_a_file() {
    let bare = b"\xef\xbb\xbf{\"squidStatus\":{\"height\":5},\"distributionBucketFamilies\":[{\"id\":\"3\",\"buckets\":[]}]}";
    let page = page(bare).unwrap();
    assert_eq!((page.block, page.families[0].id), (Some(5), 3));
}

#[test]
fn coordinates_of_200_degrees_are_kept_as_written_for_the_rule_that_names_them() {
    let page = with_operator(json!({ "workerId": 5, "status": "ACTIVE", "metadata": {
        "nodeEndpoint": "https://a.example.org/",
        "nodeLocation": { "countryCode": "DE", "city": "Berlin", "coordinates": { "latitude": 200, "longitude": -200.5 } },
    } }));
    let operator = &page.families[0].buckets[0].operators[0];
    assert_eq!(operator.place.coordinates, Some((200.0, -200.5)));
    assert_eq!(operator.place.position(), None);
    assert_eq!(page.left_out.count, 0);
}

#[test]
fn hostile_names_pass_the_one_door_and_are_bounded() {
    let page = read(json!([{ "id": "1", "metadata": {
        "region": "<script>alert(1)</script>\u{1b}[2J\u{202e}", "description": "y".repeat(2_000),
        "latencyTestTargets": [null, "a\nb"], "areas": null,
    }, "buckets": [] }]));
    let family = &page.families[0];
    assert_eq!(family.region, "<script>alert(1)</script>?[2J?");
    assert_eq!(family.description.len(), TEXT_MAX);
    assert_eq!(family.latency_test_targets, ["a b"]);
    assert!(family.altered);
    assert!(
        page.left_out.first[0].contains("a text of 2000 bytes is cut"),
        "{:?}",
        page.left_out
    );
}

#[test]
fn what_lies_about_itself_is_left_out_by_name() {
    for (families, said) in [
        (
            json!([{ "id": "x", "buckets": [] }]),
            "family \"x\" is left out: its id is no number",
        ),
        (json!([7]), "family number 0 of the answer is left out"),
        (
            json!([{ "id": "1", "buckets": [{ "id": "2:0" }] }]),
            "bucket 2:0 stands in family 1 and is left out",
        ),
        (
            json!([{ "id": "1", "buckets": [{ "id": "zero" }] }]),
            "bucket \"zero\" of family 1 is left out",
        ),
        (
            json!([{ "id": "1", "buckets": [{ "id": "1:0", "distributing": "maybe" }] }]),
            "a bucket of family 1 is left out",
        ),
        (
            json!([{ "id": "1", "buckets": [{ "id": "1:0" }, { "id": "1:0" }] }]),
            "a bucket stands in it twice",
        ),
        (
            json!([{ "id": "1", "buckets": [{ "id": "1:0", "operators": [{ "status": "RETIRED" }] }] }]),
            "an operator of bucket 1:0 is left out: status RETIRED",
        ),
        (
            json!([{ "id": "1", "metadata": { "areas": [{ "__typename": "Moon" }] }, "buckets": [] }]),
            "an area of an unknown kind, \"Moon\"",
        ),
    ] {
        let page = read(families);
        assert!(
            page.left_out.first.iter().any(|one| one.contains(said)),
            "{said}: {:?}",
            page.left_out
        );
    }
}

#[test]
fn worker_that_is_no_number_of_one_is_none() {
    let page = with_operator(json!({ "workerId": -3, "status": "INVITED" }));
    assert_eq!(page.families[0].buckets[0].operators[0].worker, None);
}

#[test]
fn counts_are_bounded() {
    let operators: Vec<_> = (0..500)
        .map(|worker| json!({ "workerId": worker, "status": "ACTIVE" }))
        .collect();
    let areas: Vec<_> = (0..900)
        .map(|_| json!({ "__typename": "GeographicalAreaCountry", "countryCode": "DE" }))
        .collect();
    let page = read(
        json!([{ "id": "0", "metadata": { "areas": areas }, "buckets": [{ "id": "0:0", "operators": operators }] }]),
    );
    assert_eq!(page.families[0].areas.len(), AREAS_MAX);
    assert_eq!(page.families[0].buckets[0].operators.len(), OPERATORS_MAX);
    assert_eq!(page.left_out.count, 2);
}

#[test]
fn objects_that_can_be_none_are_left_out() {
    let answer = json!({ "data": { "o0": [
        { "id": "7", "size": "123", "ipfsHash": "gW7" },
        { "id": "8", "size": 5, "ipfsHash": "gW8" },
        { "id": "../9", "size": 5, "ipfsHash": "gW8" },
        { "id": "9", "size": "-5", "ipfsHash": "gW8" },
        { "id": "9", "size": 5, "ipfsHash": "<b>" },
    ], "o1": null } });
    let objects = objects(answer.to_string().as_bytes()).unwrap();
    let ids: Vec<&str> = objects["o0"].iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["7", "8"]);
    assert!(objects["o1"].is_empty());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(page(&bytes));
        drop(counts(&bytes));
        drop(objects(&bytes));
    }

    #[test]
    fn whole_answer_with_any_damage_or_any_cut_is_read_or_refused(at in 0.0..1.0, byte in any::<u8>(), cuts in any::<bool>()) {
        let mut bytes = told(&world(3, 2).topology, &Dialect::Squid.families(0), Manner::Well).into_bytes();
        let at = ((bytes.len() - 1) as f64 * at) as usize;
        if cuts {
            bytes.truncate(at);
            prop_assert!(page(&bytes).is_err(), "a cut answer is never taken as a whole one");
        } else {
            bytes[at] = byte;
            drop(page(&bytes));
        }
    }
}
