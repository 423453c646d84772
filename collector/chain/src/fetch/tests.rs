use std::convert::Infallible;

use super::*;
use crate::fixture::{Manner, answer, planted, world};
use crate::topology::Topology;

fn told(topology: &Topology, manner: Manner) -> (Result<Topology, FetchError<Infallible>>, Vec<String>) {
    let mut asked = Vec::new();
    let fetched = fetch(|query| {
        asked.push(query.to_owned());
        Ok(answer(topology, query, manner).into_bytes())
    });
    (fetched, asked)
}

#[test]
fn both_dialects_and_pages_of_any_number_give_the_same_chain() {
    for families in [0, 1, 24, 25, 26, 60] {
        let chain = world(families, 2).topology;
        let (fetched, _) = told(&chain, Manner::Well);
        assert_eq!(fetched.unwrap(), chain, "{families} families");
        let (older, _) = told(&chain, Manner::Older);
        assert_eq!(
            older.unwrap(),
            Topology { block: None, ..chain },
            "{families} families"
        );
    }
}

#[test]
fn every_planted_chain_comes_through_as_it_is() {
    let (_, all) = planted();
    let (fetched, _) = told(&all.world.topology, Manner::Well);
    let fetched = fetched.unwrap();
    for (one, other) in fetched.families.iter().zip(&all.world.topology.families) {
        assert_eq!(one.buckets.len(), other.buckets.len());
        let ids = |family: &Family| {
            family
                .buckets
                .iter()
                .map(|bucket| bucket.operators.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (ids(one), &one.region, &one.areas),
            (ids(other), &other.region, &other.areas)
        );
    }
}

#[test]
fn ten_thousand_buckets_cost_a_bounded_number_of_queries() {
    let chain = world(200, 50).topology;
    let (fetched, asked) = told(&chain, Manner::Well);
    let fetched = fetched.unwrap();
    assert_eq!(fetched.buckets().count(), 10_000);
    assert!(asked.len() <= 9 + 2 * REQUESTS_MAX, "{}", asked.len());
    assert_eq!(
        fetched
            .buckets()
            .filter(|(_, bucket)| bucket.bags.is_some())
            .count(),
        1_000
    );
    assert!(
        fetched
            .left_out
            .first
            .iter()
            .any(|said| said.contains("first 1000 buckets only")),
        "{:?}",
        fetched.left_out
    );
}

#[test]
fn indexer_that_does_not_page_is_seen_through() {
    let chain = world(30, 1).topology;
    let (fetched, asked) = told(&chain, Manner::SamePage);
    assert!(
        matches!(fetched, Err(FetchError::SamePage { offset: 25 })),
        "{fetched:?}"
    );
    assert_eq!(asked.len(), 2);
    let (all_at_once, _) = told(&chain, Manner::NoPages);
    assert_eq!(all_at_once.unwrap(), chain);
}

#[test]
fn half_empty_answers_are_named_and_the_rest_is_taken() {
    let chain = world(8, 2).topology;
    let (fetched, _) = told(&chain, Manner::HalfEmpty);
    let fetched = fetched.unwrap();
    assert_eq!(fetched.families.len(), 8);
    let said = &fetched.left_out.first;
    assert!(
        said.iter()
            .any(|said| said == "family 0: its buckets are missing"),
        "{said:?}"
    );
    assert!(fetched.families[0].partial && !fetched.families[3].partial);
    assert_eq!(fetched.families[1].region, "");
    assert_eq!(fetched.families[3], chain.families[3]);
}

#[test]
fn counts_that_fail_are_missing_and_the_families_are_there() {
    let chain = world(3, 2).topology;
    let (fetched, asked) = told(&chain, Manner::NoCounts);
    let fetched = fetched.unwrap();
    assert!(fetched.buckets().all(|(_, bucket)| bucket.bags.is_none()));
    assert!(
        fetched.left_out.first[0].contains("bags are not counted"),
        "{:?}",
        fetched.left_out
    );
    assert_eq!(
        asked
            .iter()
            .filter(|query| query.contains("BagsConnection"))
            .count(),
        1,
        "it is asked once"
    );
}

#[test]
fn one_family_of_10_mb_is_left_out_by_name_and_the_rest_goes_on() {
    let chain = world(5, 1).topology;
    let (fetched, _) = told(&chain, Manner::HugeFamily);
    let fetched = fetched.unwrap();
    assert_eq!(fetched.families.len(), 4);
    assert!(
        fetched.left_out.first[0].contains("10.0 MB of one family"),
        "{:?}",
        fetched.left_out
    );
}
