use std::net::{IpAddr, Ipv4Addr};

use isochrone_proto::measurement::{CacheState, ConnectOutcome, ConnectPhases, ConnectResult};
use serde_json::{Value, json};

use super::*;
use crate::fixture;

fn micros(us: u64) -> Micros {
    Micros::new(us).unwrap()
}

fn connection(result: ConnectResult) -> Outcome {
    Outcome::Connect(Box::new(ConnectOutcome {
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        certificate_expires: Some(1_800_000_000),
        result,
    }))
}

fn connected() -> Outcome {
    connection(ConnectResult::Connected(ConnectPhases {
        resolve: micros(1),
        connect: micros(2),
        tls: micros(3),
        unattributed: micros(4),
    }))
}

fn failed(cause: FailureCause) -> Outcome {
    connection(ConnectResult::Failed {
        phase: Phase::Tls,
        cause,
        text: "verbatim".into(),
    })
}

fn written(outcome: &Outcome) -> Value {
    serde_json::to_value(OutcomeJson::of(outcome)).unwrap()
}

#[test]
fn connection_is_written_without_the_fields_it_cannot_have() {
    assert_eq!(
        written(&connected()),
        json!({
            "outcome": "ok", "address": "192.0.2.1", "certificate_expires_s": 1_800_000_000,
            "resolve_us": 1, "connect_us": 2, "tls_us": 3, "unattributed_us": 4,
        })
    );
    assert_eq!(
        written(&failed(FailureCause::CertificateExpired)),
        json!({
            "outcome": "failed", "address": "192.0.2.1", "certificate_expires_s": 1_800_000_000,
            "phase": "tls", "cause": "certificate-expired", "text": "verbatim",
        })
    );
    assert_eq!(
        written(&Outcome::unsent(Check::Connect, SendFailure::NoRoute)),
        json!({ "outcome": "unsent", "cause": "no-route" })
    );
}

/// `show` counts it as unsent; so does every other output.
#[test]
fn run_that_the_probes_own_rules_forbid_is_written_as_unsent() {
    assert_eq!(
        written(&failed(FailureCause::ForbiddenAddress)),
        json!({
            "outcome": "unsent", "address": "192.0.2.1", "certificate_expires_s": 1_800_000_000,
            "cause": "forbidden-address", "text": "verbatim",
        })
    );
    assert_eq!(
        written(&fixture::failed(
            Phase::Resolve,
            FailureCause::ForbiddenAddress,
            None
        )),
        json!({
            "outcome": "unsent", "address": "192.0.2.1",
            "cause": "forbidden-address", "text": "forbidden-address in resolve, verbatim",
        })
    );
}

#[test]
fn only_an_answer_says_whether_it_came_from_a_cache() {
    let cache = |outcome: &Outcome| written(outcome).get("cache").cloned();
    assert_eq!(cache(&Outcome::unsent(Check::Http, SendFailure::NoRoute)), None);
    assert_eq!(cache(&fixture::timeout()), None);
    let page = fixture::failed(Phase::Verify, FailureCause::BadStatus, Some(500));
    assert_eq!(cache(&page), Some(json!("absent")));
    assert_eq!(cache(&fixture::good(1)), Some(json!("hit")));
}

#[test]
fn every_kind_counts_for_something() {
    assert_eq!(counts_for(Check::Connect), CountsFor::Connect);
    let mut all = Check::ALL.into_iter();
    assert!(all.all(|check| counts_for(check) != CountsFor::Nothing));
}

#[test]
fn how_fast_a_node_sends_is_judged_by_nothing() {
    let unjudged = Check::ALL
        .into_iter()
        .filter(|check| !counts_for(*check).is_judged());
    assert_eq!(unjudged.collect::<Vec<_>>(), [Check::Throughput]);
    assert!(!CountsFor::Nothing.is_judged());
}

#[test]
fn run_of_a_connection_says_what_a_request_would_but_has_no_first_byte() {
    let outcome = connected();
    let run = EndpointRun::of(Check::Connect, &outcome).unwrap();
    let ended = Ended::Ok {
        connect: micros(2),
        ttfb_us: None,
    };
    assert_eq!((run.finding(), run.ended), (Finding::Good, ended));
    assert_eq!(run.certificate_expires, Some(1_800_000_000));
    assert_eq!(address_of(&outcome), "192.0.2.1".parse().ok());
    for (cause, seen) in [
        (FailureCause::Timeout, Finding::Bad),
        (FailureCause::ForbiddenAddress, Finding::Nothing),
    ] {
        let outcome = failed(cause);
        assert_eq!(EndpointRun::of(Check::Connect, &outcome).unwrap().finding(), seen);
    }
    let unsent = Outcome::unsent(Check::Connect, SendFailure::Resources);
    assert_eq!(
        EndpointRun::of(Check::Connect, &unsent).unwrap().finding(),
        Finding::Nothing
    );
}

#[test]
fn first_byte_of_an_asset_is_comparable_only_from_the_cache() {
    let ttfb = |check, cache| {
        let Outcome::Endpoint(mut outcome) = fixture::good(20) else {
            panic!("a request's outcome");
        };
        outcome.cache = cache;
        let outcome = Outcome::Endpoint(outcome);
        match EndpointRun::of(check, &outcome).map(|run| run.ended) {
            Some(Ended::Ok { ttfb_us, .. }) => ttfb_us,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ttfb(Check::AssetGet, CacheState::Hit), Some(30_000));
    assert_eq!(ttfb(Check::AssetGet, CacheState::Miss), None);
    assert_eq!(ttfb(Check::Status, CacheState::Absent), Some(30_000));
}

#[test]
fn missing_object_is_an_answer_and_an_echo_is_no_endpoints_run() {
    let absent = fixture::failed(Phase::Verify, FailureCause::Misdirected, Some(421));
    let run = EndpointRun::of(Check::AssetGet, &absent).unwrap();
    assert_eq!((run.finding(), run.answered), (Finding::Absent, true));
    assert_eq!(EndpointRun::of(Check::Echo, &fixture::lost()), None);
}
