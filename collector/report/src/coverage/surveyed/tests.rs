use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, replied};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_coverage::locate::{impossible, impossible_by};
use isochrone_proto::ids::TargetId;
use isochrone_proto::measurement::{CacheState, EndpointResult, Phases};
use isochrone_proto::units::{Micros, UnixMillis};
use isochrone_store::fixture::stored;

use super::*;
use crate::tiers::ALWAYS;

fn probe(name: &str, worker: &str, at: (f64, f64)) -> ProbeEntry {
    ProbeEntry {
        latitude: Some(at.0),
        longitude: Some(at.1),
        ..fixture::probe(name, worker, Some(u32::try_from(name.len()).unwrap()))
    }
}

/// Three probes measure a node in Lima; the third says that it stands in Sydney, and stands in Europe.
fn roster() -> Roster {
    let lima = NodeEntry {
        latitude: Some(-12.0),
        longitude: Some(-77.0),
        ..fixture::node("lima", "jack")
    };
    Roster::new(
        [
            probe("berlin", "ada", (52.5, 13.4)),
            probe("newyork", "ben", (40.7, -74.0)),
            probe("sydney", "pia", (-33.9, 151.2)),
        ],
        [lima],
    )
}

#[test]
fn coverage_leaves_out_exactly_what_locate_calls_impossible() {
    let roster = roster();
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 86_400_000),
    };
    let mut both = Both {
        observations: ObservationsBuilder::new(&roster, window),
        survey: SurveyBuilder::new(&roster, window),
    };
    let (lima, peer) = (TargetId::of_node("lima"), |name: &str| {
        TargetId::of_peer(fixture::probe_id(name))
    });
    let rows = [
        ("berlin", lima, "connect4", connected(210)),
        ("newyork", lima, "connect4", connected(110)),
        ("sydney", lima, "connect4", connected(205)),
        ("berlin", peer("newyork"), "echo4", replied(90)),
        ("berlin", peer("sydney"), "echo4", replied(8)),
        ("newyork", peer("sydney"), "echo4", replied(85)),
    ];
    for (from, to, kind, outcome) in rows {
        let plan = Arc::new(fixture::plan(
            &roster,
            fixture::probe_id(from),
            &["connect4".parse().unwrap()],
        ));
        let check = fixture::check(&plan, to, kind.parse().unwrap());
        let row = fixture::row(check, UnixMillis(DAY0), outcome);
        both.add(&stored(&plan, &[row]), ALWAYS);
    }
    let observations = both.observations.finish(Source::Store);
    let survey = both.survey.finish(Source::Store).survey;
    let by_nodes_alone = impossible(&observations, None);
    assert!(by_nodes_alone.vantages.is_empty(), "no time to the node tells");
    let found = impossible_by(&observations, &survey);
    let left_out: Vec<&str> = found
        .vantages
        .iter()
        .map(|&vantage| observations.vantages[vantage].name.as_str())
        .collect();
    let judged = survey.judge(&[]);
    let said: Vec<&str> = judged
        .impossible
        .keys()
        .map(|&site| judged.survey.sites[site].name.as_str())
        .collect();
    assert_eq!(left_out, ["sydney"]);
    assert_eq!(left_out, said);
    assert!(found.nodes.is_empty() && found.too_many == 0, "{found:?}");
}

/// What a report names in [`Fill::TIMINGS`] is all that it needs of files, and no more than that.
#[test]
fn sums_with_the_times_that_are_asked_for_say_all_and_each_of_them_says_something() {
    let roster = roster();
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 86_400_000),
    };
    let ok = |cache, bytes| {
        let result = EndpointResult::Ok {
            phases: Phases {
                connect: Micros::new(20_000).unwrap(),
                first_byte: Micros::new(7_000).unwrap(),
                transfer: Micros::new(900_000).unwrap(),
                ..Phases::default()
            },
            body_bytes: bytes,
            node_uptime_s: None,
            node_version: String::new(),
        };
        fixture::endpoint(result, Some(206), cache)
    };
    let kinds = ["connect4", "asset-get4", "throughput4"].map(|kind| kind.parse().unwrap());
    let plan = fixture::plan(&roster, fixture::probe_id("berlin"), &kinds);
    let lima = TargetId::of_node("lima");
    let rows = [
        (lima, "connect4", connected(210)),
        (lima, "asset-get4", ok(CacheState::Hit, 100)),
        (lima, "throughput4", ok(CacheState::Hit, 8 << 20)),
        (
            TargetId::of_peer(fixture::probe_id("newyork")),
            "echo4",
            replied(90),
        ),
    ];
    let rows = rows.map(|(to, kind, outcome)| {
        fixture::row(
            fixture::check(&plan, to, kind.parse().unwrap()),
            UnixMillis(DAY0),
            outcome,
        )
    });
    let sums = isochrone_store::fixture::rolled(Period::Day, &plan, &rows);
    let read = |timings: &[Timing]| {
        let mut both = Both {
            observations: ObservationsBuilder::new(&roster, window),
            survey: SurveyBuilder::new(&roster, window),
        };
        for rollup in &sums {
            let sums = rollup.sums.clone().only(timings);
            both.add_sums(
                &Rollup {
                    sums,
                    ..rollup.clone()
                },
                Period::Day,
            );
        }
        let survey = both.survey.finish(Source::Store).survey;
        format!("{:?} {:?}", both.observations.finish(Source::Store), survey)
    };
    assert_eq!(read(Both::TIMINGS), read(&Timing::ALL));
    for left_out in Both::TIMINGS {
        let others: Vec<Timing> = Both::TIMINGS
            .iter()
            .copied()
            .filter(|timing| timing != left_out)
            .collect();
        assert_ne!(read(&others), read(&Timing::ALL), "{left_out:?}");
    }
}
