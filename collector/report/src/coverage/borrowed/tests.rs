use isochrone_base::fixture;
use isochrone_base::roster::{CandidateEntry, NodeEntry, Roster};
use isochrone_borrowed::{
    Access, Answer, Cause, Echoes, Exchange, Failure, Family, Kind, Micros, Outcome, Place, Platform, Vantage,
};
use isochrone_coverage::fixture::{node, report, small_world};
use isochrone_coverage::observations::Observations;
use isochrone_coverage::weights::Weights;
use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::borrowed::{Borrowed, BorrowedBatch, BorrowedRun, BorrowedSeen};
use isochrone_store::{Store, StoreOptions};

use super::*;
use crate::Printed as _;
use crate::eyes::eyes;

const NOON: u64 = 1_795_867_200_000; // 2026-11-28T12:00:00Z
const DAY: u64 = 86_400_000;

fn us(us: u32) -> Micros {
    Micros::try_from(us).unwrap()
}

fn ping(min: u32) -> Outcome {
    Outcome::Answered(Answer::Ping(Echoes {
        min: us(min),
        median: None,
        sent: 3,
        received: 3,
    }))
}

fn http(connect: u32) -> Outcome {
    Outcome::Answered(Answer::Http(Exchange {
        connect: Some(us(connect)),
        tls: None,
        first_byte: None,
        whole: us(connect * 3),
        status: 200,
    }))
}

fn vantage(platform: Platform, id: &str, access: Access) -> Vantage {
    let mut place = Place::at(-1.29, 36.82).unwrap();
    place.country = Some("KE".to_owned());
    Vantage {
        platform,
        id: id.to_owned(),
        place,
        network_v4: Some(64_500),
        network_v6: None,
        access,
    }
}

fn take(store: &Store, vantage: Vantage, runs: &[(&str, u64, Outcome)]) {
    let run = |(host, at, outcome): &(&str, u64, Outcome)| BorrowedRun {
        vantage: 0,
        host: (*host).to_owned(),
        seen: BorrowedSeen {
            at: UnixMillis(*at),
            measurement: "1".to_owned(),
            part: 0,
            kind: match outcome {
                Outcome::Answered(answer) => answer.kind(),
                Outcome::Failed(_) => Kind::Ping,
            },
            family: Some(Family::V4),
            outcome: outcome.clone(),
        },
    };
    let batch = BorrowedBatch {
        vantages: vec![vantage],
        runs: runs.iter().map(run).collect(),
    };
    let taken = Borrowed::of(store).take(&batch, false).unwrap();
    assert_eq!(taken.new, runs.len() as u64);
}

/// A node in Berlin and another one behind the same host.
fn read(store: &Store) -> Vec<Eye> {
    let at = |name: &str, url: &str| NodeEntry {
        url: url.to_owned(),
        ..fixture::node(name, "ada")
    };
    let nodes = [
        at("berlin", "https://Node.example.org:8443/distributor/"),
        at("beside", "https://node.example.org/"),
        at("tokyo", "https://tokyo.example.org/"),
    ];
    let roster = Roster::new([], nodes);
    let nodes = [
        node("tokyo", "Tokyo, JP"),
        node("berlin", "Berlin, DE"),
        node("beside", "Berlin, DE"),
    ];
    eyes(store, (&roster, &nodes), UnixMillis(NOON)).unwrap().eyes
}

#[test]
fn candidate_has_what_eyes_measured_of_it_that_measured_a_node_too() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let both = [
        ("node.example.org", NOON - DAY, ping(150_000)),
        ("test.example.net", NOON - DAY, ping(20_000)),
    ];
    take(&store, vantage(Platform::Atlas, "60001", Access::Eyeball), &both);
    take(
        &store,
        vantage(Platform::Globalping, "b", Access::Eyeball),
        &both[1..],
    );
    let roster = Roster::new(
        [],
        [NodeEntry {
            url: "https://node.example.org/".to_owned(),
            ..fixture::node("berlin", "ada")
        }],
    )
    .with_candidates([CandidateEntry {
        id: TargetId::of_candidate("nairobi-provider"),
        name: "nairobi-provider".to_owned(),
        url: "https://Test.example.net/".to_owned(),
        place: "Nairobi, KE".to_owned(),
        latitude: -1.28,
        longitude: 36.8,
        country: Some("KE".to_owned()),
    }]);
    let nodes = [node("berlin", "Berlin, DE")];
    let seen = eyes(&store, (&roster, &nodes), UnixMillis(NOON)).unwrap();
    assert_eq!(seen.eyes.len(), 1, "one that measured no node compares nothing");
    assert_eq!(seen.eyes[0].times.len(), 1);
    let candidate = &seen.candidates[0];
    assert_eq!(candidate.name, "nairobi-provider");
    let times: Vec<_> = candidate
        .times
        .iter()
        .map(|time| (&*time.eye, time.rtt_ms))
        .collect();
    assert_eq!(times, [("60001", 20.0)]);
}

#[test]
fn eye_has_the_median_of_its_newest_month_by_node_and_failures_have_no_time() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let failed = Outcome::Failed(Failure {
        cause: Cause::NoReply,
        sent: 3,
        words: String::new(),
    });
    let runs = [
        ("node.example.org", NOON - 10 * DAY, ping(150_000)),
        ("node.example.org", NOON - 11 * DAY, ping(140_000)),
        ("node.example.org", NOON - 12 * DAY, ping(190_000)),
        ("node.example.org", NOON - 60 * DAY, ping(9_000)),
        ("node.example.org", NOON - 9 * DAY, failed),
        ("tokyo.example.org", NOON - 400 * DAY, ping(1_000)),
        ("gone.example.org", NOON - DAY, ping(1_000)),
    ];
    take(&store, vantage(Platform::Atlas, "60001", Access::Eyeball), &runs);
    let found = read(&store);
    assert_eq!(found.len(), 1);
    let eye = &found[0];
    assert_eq!((eye.name.as_str(), eye.site.as_str()), ("60001", "Nairobi, KE"));
    assert_eq!((eye.access, eye.source.as_str()), (AccessClass::Eyeball, "atlas"));
    let of: Vec<_> = eye
        .times
        .iter()
        .map(|time| (time.node, time.rtt_ms, time.least_ms, time.answers))
        .collect();
    assert_eq!(of, [(1, 150.0, Some(140.0), 3), (2, 150.0, Some(140.0), 3)]);
    assert!((eye.times[0].age_days - 10.0).abs() < 1e-9);
}

#[test]
fn whole_milliseconds_judge_no_place_and_what_was_measured_from_elsewhere_is_left_out() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let globalping = |access| vantage(Platform::Globalping, "Nairobi, KE", access);
    take(
        &store,
        globalping(Access::DataCentre),
        &[("tokyo.example.org", NOON - DAY, http(12_000))],
    );
    let found = read(&store);
    assert_eq!(
        (found[0].times[0].rtt_ms, found[0].times[0].least_ms),
        (12.0, None)
    );

    let mut moved = globalping(Access::DataCentre);
    moved.place.latitude = 52.5;
    take(
        &store,
        moved,
        &[("node.example.org", NOON - DAY + 1, ping(3_000))],
    );
    let found = read(&store);
    let nodes: Vec<_> = found[0].times.iter().map(|time| time.node).collect();
    assert_eq!(nodes, [1, 2], "Tokyo was measured from Nairobi");
}

#[test]
fn report_shows_eyes_apart_by_access_and_names_those_whose_place_does_not_fit() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let times = [("node.example.org", NOON - 3 * DAY, ping(150_000))];
    take(&store, vantage(Platform::Atlas, "60001", Access::Eyeball), &times);
    take(
        &store,
        vantage(Platform::Atlas, "60002", Access::DataCentre),
        &times,
    );
    let mut found = read(&store);
    found.iter_mut().for_each(|eye| eye.times.truncate(1));
    let mut wrong = found[0].clone();
    wrong.name = "60003".to_owned();
    wrong.times = [0, 2]
        .map(|node| EyeTime {
            node,
            rtt_ms: 5.0,
            least_ms: Some(5.0),
            age_days: 1.0,
            answers: 1,
        })
        .to_vec();
    found.push(wrong);
    let world = Observations {
        eyes: found,
        ..small_world()
    };
    let report = report(&world, Weights::people());
    let text = report.text(100);
    for said in [
        "Borrowed eyes",
        "2 borrowed eyes of public platforms measured these nodes (1 on people's lines, 1 in data centres",
        "Eyes on people's lines",
        "Eyes in data centres",
        "atlas 60001",
        "place does not fit",
        "They never judge who is down",
        "1 borrowed eye left out",
    ] {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(said), "{said}: {text}");
    }
    assert!(
        report.html().contains("Eyes in data centres") && report.markdown().contains("| atlas | 60002 |")
    );
    let json = report.json();
    assert_eq!(json["borrowed"][0]["eye"], "60001");
    assert_eq!(
        (&json["borrowed"][2]["counts"], &json["borrowed"][0]["counts"]),
        (&json!(false), &json!(true))
    );
    assert!((json["borrowed"][0]["times"][0]["weight"].as_f64().unwrap() - 1.0 / 1.05).abs() < 1e-9);
    let vantages = json["vantages"].as_array().unwrap();
    assert!(
        vantages
            .iter()
            .all(|vantage| !vantage["site"].as_str().unwrap().contains("Nairobi")),
        "not ours"
    );
}
