use isochrone_base::fixture;
use isochrone_base::roster::Roster;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{CacheState, EndpointResult, FailureCause, Phase};
use serde_json::{Value, json};

use super::*;
use crate::{Period, Prefix};

fn written(
    kinds: &[Kind],
    rows: impl Fn(&isochrone_proto::plan::Plan) -> Vec<isochrone_proto::measurement::Measurement>,
) -> Vec<Document> {
    let probes = [
        fixture::probe("ada-berlin", "ada", Some(64_500)),
        fixture::probe("bob-\"osaka\"", "bob", Some(64_501)),
    ];
    let roster = Roster::new(probes, [fixture::node("tokyo", "eve")]);
    let plan = Arc::new(fixture::plan(&roster, fixture::probe_id("ada-berlin"), kinds));
    let stored = isochrone_store::fixture::stored(&plan, &rows(&plan));
    let mut documents = Vec::new();
    Writer::new(Names::new(Prefix::default(), Period::Month))
        .documents(&stored, |document| documents.push(document));
    documents
}

#[test]
fn echo_is_a_document_with_the_keys_of_an_export() {
    let echo: Kind = "echo4".parse().unwrap();
    let documents = written(&[], |plan| {
        let peer = plan
            .targets
            .iter()
            .find(|target| target.name.contains("osaka"))
            .unwrap();
        let check = fixture::check(plan, peer.id, echo);
        let slot = UnixMillis(fixture::DAY0);
        vec![
            fixture::row(check, slot, fixture::replied(17)),
            fixture::row(check, UnixMillis(slot.0 + 10_000), fixture::lost()),
        ]
    });
    let read = |at: usize| serde_json::from_slice::<Value>(&documents[at].source).unwrap();
    let first = read(0);
    assert_eq!(first["probe"], "probe"); // as the plan names it
    assert_eq!(first["target"], "bob-\"osaka\"");
    assert_eq!(first["kind"], "echo4");
    assert_eq!(first["slot"], fixture::DAY0);
    assert_eq!(first["outcome"], "replied");
    assert_eq!(first["rtt_us"], 17_000);
    assert!(
        first.get("stamp").is_none() && first.get("suspect").is_none(),
        "{first}"
    );
    assert_eq!(read(1)["outcome"], "timed-out");
    assert!(read(1).get("rtt_us").is_none(), "a loss carries no time");
    assert_eq!(&*documents[0].index, "isochrone-echo-2026.11");
    assert_ne!(documents[0].id, documents[1].id);
}

#[test]
fn every_key_of_a_document_is_mapped() {
    let kinds: Vec<Kind> = ["connect4", "status4", "asset-get4", "http4"]
        .iter()
        .filter_map(|kind| kind.parse().ok())
        .collect();
    let documents = written(&kinds, |plan| {
        let mut rows = Vec::new();
        for (at, check) in plan.checks.iter().enumerate() {
            let at = u16::try_from(at).unwrap();
            let slot = UnixMillis(fixture::DAY0 + u64::from(at) * 10_000);
            let outcomes = match check.kind.check {
                Check::Echo => vec![fixture::replied(3), fixture::lost()],
                Check::Connect => vec![fixture::connected(3), fixture::unconnected()],
                _ => vec![
                    fixture::good(3),
                    fixture::failed(Phase::FirstByte, FailureCause::Timeout, None),
                    fixture::endpoint(
                        EndpointResult::Unsent(isochrone_proto::measurement::SendFailure::Resources),
                        None,
                        CacheState::Absent,
                    ),
                ],
            };
            for (step, outcome) in outcomes.into_iter().enumerate() {
                rows.push(fixture::row(at, UnixMillis(slot.0 + step as u64), outcome));
            }
        }
        rows
    });
    let names = Names::new(Prefix::default(), Period::Month);
    let mapped =
        |family| names.body(family, crate::index::Layout::default())["mappings"]["properties"].clone();
    let (echo, endpoint) = (mapped(Family::Echo), mapped(Family::Endpoint));
    assert!(documents.len() > 6, "{}", documents.len());
    for document in &documents {
        let fields = if document.index.contains("-echo-") {
            &echo
        } else {
            &endpoint
        };
        let value: Value = serde_json::from_slice(&document.source).unwrap();
        for key in value.as_object().unwrap().keys() {
            assert!(fields.get(key).is_some(), "{key} in {}", document.index);
        }
        for key in value.as_object().unwrap().keys() {
            let foreign = ["commit", "received", "collector", "host", "sequence"];
            assert!(
                !foreign.contains(&key.as_str()),
                "{key} says whose disk it came from"
            );
        }
    }
}

#[test]
fn id_is_frozen_and_differs_with_every_part() {
    let id = MeasurementId {
        probe: ProbeId(1),
        epoch: EpochId([2; 16]),
        kind: "echo4".parse().unwrap(),
        target: TargetId(3),
        slot: UnixMillis(fixture::DAY0),
    };
    let text = DocumentId::of(&id).to_string();
    assert_eq!(
        text, "dkqJF4RCWcyJyCYnFS3i1A",
        "documents that lie in clusters would double"
    );
    assert_eq!(DocumentId::parse(&text), Some(DocumentId::of(&id)));
    let others = [
        MeasurementId {
            probe: ProbeId(2),
            ..id
        },
        MeasurementId {
            epoch: EpochId([3; 16]),
            ..id
        },
        MeasurementId {
            kind: "echo6".parse().unwrap(),
            ..id
        },
        MeasurementId {
            target: TargetId(4),
            ..id
        },
        MeasurementId {
            slot: UnixMillis(fixture::DAY0 + 1),
            ..id
        },
    ];
    for other in others {
        assert_ne!(DocumentId::of(&other), DocumentId::of(&id), "{other:?}");
    }
    assert_eq!(json!(text.len()), 22);
}

#[test]
fn echo_says_what_is_so_of_few() {
    let echo: Kind = "echo4".parse().unwrap();
    let documents = written(&[], |plan| {
        let check = plan.checks.iter().position(|check| check.kind == echo).unwrap();
        let mut row = fixture::row(
            u16::try_from(check).unwrap(),
            UnixMillis(fixture::DAY0),
            fixture::replied(17),
        );
        let Outcome::Echo(EchoOutcome::Replied { stamp, suspect, .. }) = &mut row.outcome else {
            panic!("replied");
        };
        (*stamp, *suspect) = (Stamp::User, true);
        vec![row]
    });
    let read: Value = serde_json::from_slice(&documents[0].source).unwrap();
    assert_eq!((&read["stamp"], &read["suspect"]), (&json!("user"), &json!(true)));
}

#[test]
fn numbers_are_written_in_digits() {
    for value in [0, 7, 10, 1_795_344_000_000, u64::MAX] {
        let mut text = Vec::new();
        number(&mut text, value);
        assert_eq!(text, value.to_string().into_bytes());
    }
}
