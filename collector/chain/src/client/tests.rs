use std::error::Error as _;

use super::*;
use crate::fixture::{FakeIndexer, Manner, world};

fn asked(manner: Manner, timeout: Duration) -> (Result<Topology, FetchError<AskError>>, usize) {
    let indexer = FakeIndexer::start(world(30, 2).topology, manner);
    let client = Indexer::new::<&[u8]>(Url::parse(&indexer.url()).unwrap(), &[], timeout);
    (client.topology(), indexer.asked())
}

fn fails(manner: Manner, timeout: Duration) -> String {
    let error = asked(manner, timeout).0.unwrap_err();
    format!("{error}: {}", error.source().unwrap())
}

#[test]
fn indexer_that_answers_is_read_in_both_dialects() {
    let (topology, queries) = asked(Manner::Well, TIMEOUT);
    assert_eq!(topology.unwrap(), world(30, 2).topology);
    assert_eq!(
        queries,
        2 + 3 + 6,
        "two pages, 60 buckets counted, 60 asked for objects"
    );
    let (older, _) = asked(Manner::Older, TIMEOUT);
    assert_eq!(older.unwrap().families, world(30, 2).topology.families);
}

#[test]
fn each_way_to_fail_is_named() {
    for (manner, said) in [
        (Manner::Html, "web page (HTML) instead of JSON"),
        (Manner::Cut, "cut off"),
        (Manner::HalfJson, "cut off after"),
        (Manner::Broken, "answered 500: no database?"),
        (Manner::Endless, "larger than 32 MB"),
    ] {
        let error = fails(manner, TIMEOUT);
        assert!(
            error.contains(said) && !error.contains('\u{1b}'),
            "{manner:?}: {error}"
        );
    }
}

#[test]
fn silent_indexer_is_left_after_the_timeout() {
    let error = fails(Manner::Silent, Duration::from_secs(1));
    assert!(error.contains("no whole answer within 1 s"), "{error}");
}

#[test]
fn nobody_there_is_said() {
    let client = Indexer::new::<&[u8]>(Url::parse("http://127.0.0.1:9/graphql").unwrap(), &[], TIMEOUT);
    let error = client.topology().unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Ask {
                source: AskError::Protocol(_),
                ..
            }
        ),
        "{error:?}"
    );
}
