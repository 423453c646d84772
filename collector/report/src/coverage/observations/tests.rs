use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, failed, good, timeout};
use isochrone_base::roster::CandidateEntry;
use isochrone_coverage::report::{Options, build};
use isochrone_coverage::weights::Weights;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{FailureCause, Outcome};
use isochrone_store::fixture::stored;
use rand::SeedableRng;

use crate::tiers;

use super::*;
use crate::Printed as _;
use crate::coverage::notes::sentence;

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);
const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);

fn roster() -> Roster {
    Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("osaka", "ken", Some(4)),
            ProbeEntry {
                active: false,
                ..fixture::probe("berlin-before", "ada", Some(1))
            },
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    )
}

#[test]
fn server_that_was_invited_again_is_one_vantage_whatever_was_written_of_it() {
    let again = ProbeEntry {
        joined: UnixMillis(DAY0 + 9_000),
        network: Some(2),
        latitude: Some(52.4),
        site: "Potsdam, DE".into(),
        ..fixture::probe("berlin", "ada", None)
    };
    let before = ProbeEntry {
        active: false,
        ..fixture::probe("berlin-before", "ada", Some(1))
    };
    let roster = Roster::new([again, before], [fixture::node("tokyo", "ken")]);
    let rows = [
        ("berlin-before", "tokyo", CONNECT4, 0, connected(250)),
        ("berlin", "tokyo", CONNECT4, 10_000, connected(252)),
    ];
    let observations = observe_by(&roster, &rows);
    let names: Vec<&str> = observations
        .vantages
        .iter()
        .map(|vantage| vantage.name.as_str())
        .collect();
    assert_eq!(names, ["berlin"], "no second vantage takes the caveat away");
    let day = reading(&observations, "berlin", "tokyo", 0).expect("of both");
    assert_eq!(day.rtt.times.count(), 2);
    let old = [("berlin-before", "tokyo", CONNECT4, 0, connected(250))];
    let since = |probe: &ProbeEntry| if probe.active { DAY0 + 20 * DAY_MS } else { 0 };
    let probes = roster.probes().map(|probe| ProbeEntry {
        joined: UnixMillis(since(probe)),
        ..probe.clone()
    });
    let later = Roster::new(probes, roster.nodes().cloned());
    let vantages = observe_by(&later, &old).vantages;
    assert_eq!(vantages.len(), 1);
    assert_eq!(vantages[0].name, "berlin-before", "a window shows who was there");
    let at_once = [
        ("berlin-before", "tokyo", CONNECT4, 2 * DAY_MS, connected(250)),
        ("berlin", "tokyo", CONNECT4, DAY_MS, connected(252)),
    ];
    assert_eq!(
        observe_by(&roster, &at_once).vantages.len(),
        2,
        "two servers beside each other"
    );
}

fn observe(rows: &[(&str, &str, Kind, u64, Outcome)]) -> Observations {
    observe_by(&roster(), rows)
}

fn observe_by(roster: &Roster, rows: &[(&str, &str, Kind, u64, Outcome)]) -> Observations {
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 10 * DAY_MS),
    };
    let mut tally = ObservationsBuilder::new(roster, window);
    for (from, to, kind, slot, outcome) in rows {
        let plan = Arc::new(fixture::plan(
            roster,
            fixture::probe_id(from),
            &[STATUS4, GET4, CONNECT4],
        ));
        let check = fixture::check(&plan, TargetId::of_node(to), *kind);
        let row = fixture::row(check, UnixMillis(DAY0 + slot), outcome.clone());
        tally.add(&stored(&plan, &[row]), tiers::ALWAYS);
    }
    tally.finish(Source::Store)
}

fn reading<'a>(
    observations: &'a Observations,
    vantage: &str,
    node: &str,
    day: i32,
) -> Option<&'a DayReading> {
    let Readings::Days(days) = &observations.readings else {
        panic!("days");
    };
    let first = i32::try_from(DAY0 / DAY_MS).unwrap();
    days.iter().find(|reading| {
        observations.vantages[reading.vantage].name == vantage
            && observations.nodes[reading.node].name == node
            && reading.day == Day(first + day)
    })
}

#[test]
fn connect_phase_is_the_rtt_by_vantage_node_and_day() {
    let observations = observe(&[
        ("berlin", "tokyo", STATUS4, 0, good(250)),
        ("berlin", "tokyo", GET4, 10_000, good(252)),
        ("berlin", "tokyo", STATUS4, 20_000, timeout()),
        (
            "berlin",
            "tokyo",
            STATUS4,
            30_000,
            failed(Phase::Verify, FailureCause::BadStatus, Some(500)),
        ),
        ("berlin", "tokyo", STATUS4, DAY_MS, good(260)),
        ("osaka", "lima", STATUS4, 0, good(180)),
        ("berlin", "tokyo", STATUS4, 11 * DAY_MS, good(1)),
    ]);
    let first = reading(&observations, "berlin", "tokyo", 0).unwrap();
    assert_eq!(
        (first.rtt.times.count(), first.rtt.lost),
        (2, 1),
        "an error page is no lost connect"
    );
    assert_eq!(first.rtt.times.min_us(), Some(250_000.0));
    let (kind, ttfb) = first.ttfb.as_ref().unwrap();
    assert_eq!(
        (*kind, ttfb.times.count()),
        (TtfbKind::Cached, 1),
        "status answers are not mixed in"
    );
    assert_eq!(
        reading(&observations, "berlin", "tokyo", 1)
            .unwrap()
            .rtt
            .times
            .count(),
        1
    );
    assert!(reading(&observations, "osaka", "lima", 0).is_some());
    assert!(
        reading(&observations, "berlin", "tokyo", 11).is_none(),
        "outside the window"
    );
    assert_eq!(observations.basis, Basis::Connect);
}

#[test]
fn connection_is_a_round_trip_time_and_a_failed_one_a_loss() {
    let observations = observe(&[
        ("berlin", "tokyo", CONNECT4, 10_000, fixture::connected(100)),
        ("berlin", "tokyo", CONNECT4, 20_000, fixture::unconnected()),
    ]);
    let reading = reading(&observations, "berlin", "tokyo", 0).unwrap();
    assert_eq!((reading.rtt.times.count(), reading.rtt.lost), (1, 1));
    assert!(reading.ttfb.is_none(), "nothing was asked for");
}

#[test]
fn own_workers_vantage_is_marked_by_its_worker() {
    let observations = observe(&[
        ("osaka", "tokyo", STATUS4, 0, good(2)),
        ("osaka", "lima", STATUS4, 0, good(150)),
    ]);
    let osaka = observations
        .vantages
        .iter()
        .find(|vantage| vantage.name == "osaka")
        .unwrap();
    let tokyo = observations
        .nodes
        .iter()
        .find(|node| node.name == "tokyo")
        .unwrap();
    assert!(osaka.owns(tokyo));
}

#[test]
fn report_can_be_built_from_the_store() {
    let rows: Vec<_> = (0..9)
        .flat_map(|day| {
            [
                ("berlin", "tokyo", STATUS4, day * DAY_MS, good(240 + day)),
                ("berlin", "lima", STATUS4, day * DAY_MS, good(200 + day)),
            ]
        })
        .collect();
    let observations = observe(&rows);
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let report = build(&observations, &Options::new(Weights::people()), &mut random).unwrap();
    let json = report.json();
    assert_eq!(json["schema"], "isochrone.coverage/1");
    assert_eq!(
        (json["source"].as_str(), json["basis"].as_str()),
        (Some("store"), Some("connect"))
    );
    let berlin = json["vantages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vantage| vantage["best"] == "lima");
    assert!(berlin.is_some(), "{json}");
}

#[test]
fn probe_without_coordinates_is_left_out_and_named() {
    let lost = isochrone_base::roster::ProbeEntry {
        latitude: None,
        ..fixture::probe("nowhere", "eve", None)
    };
    let roster = Roster::new([lost], [fixture::node("tokyo", "ken")]);
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + DAY_MS),
    };
    let observations = ObservationsBuilder::new(&roster, window).finish(Source::Demo);
    assert!(observations.vantages.is_empty());
    assert!(
        observations
            .notes
            .iter()
            .any(|note| matches!(note, Note::ProbeUnplaced { probe } if probe == "nowhere"))
    );
}

#[test]
fn paused_or_removed_node_counts_in_a_window_to_whose_end_it_was_measured() {
    let gone = |paused, removed| NodeEntry {
        paused,
        removed,
        ..fixture::node("tokyo", "ken")
    };
    for (node, word) in [(gone(true, false), "paused"), (gone(false, true), "removed")] {
        let berlin = fixture::probe("berlin", "ada", Some(1));
        let roster = Roster::new([berlin], [fixture::node("lima", "pia"), node]);
        let nodes_until = |until: u64| {
            let window = Window {
                from: UnixMillis(DAY0),
                until: UnixMillis(DAY0 + until),
            };
            let mut tally = ObservationsBuilder::new(&roster, window);
            let plan = Arc::new(fixture::plan(&roster, fixture::probe_id("berlin"), &[STATUS4]));
            let check = fixture::check(&plan, TargetId::of_node("tokyo"), STATUS4);
            let rows: Vec<_> = (0..100)
                .map(|round| fixture::row(check, UnixMillis(DAY0 + round * 10_000), good(250)))
                .collect();
            tally.add(&stored(&plan, &rows), tiers::ALWAYS);
            let observations = tally.finish(Source::Store);
            let is_noted = observations
                .notes
                .iter()
                .any(|note| sentence(note).contains(word));
            (observations.nodes.len(), is_noted)
        };
        assert_eq!(
            nodes_until(900_000),
            (2, false),
            "{word}: it was there to the end"
        );
        assert_eq!(
            nodes_until(DAY_MS),
            (1, true),
            "{word}: it is gone, and the report says so"
        );
    }
}

const ECHO4: Kind = Kind::new(Check::Echo, Family::V4);

#[test]
fn echoes_between_probes_are_the_same_from_rows_hours_and_days() {
    let roster = roster();
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 10 * DAY_MS),
    };
    let rows = [
        ("berlin", "osaka", 0, fixture::replied(250)),
        ("berlin", "osaka", HOUR_MS, fixture::replied(252)),
        ("berlin", "osaka", 2 * HOUR_MS, fixture::lost()),
        ("osaka", "berlin", 0, fixture::replied(254)),
        ("osaka", "berlin", DAY_MS, fixture::replied(260)),
        ("berlin", "berlin-before", 0, fixture::replied(1)),
    ];
    let read = |tier: Option<Period>| {
        let mut builder = ObservationsBuilder::new(&roster, window);
        for (from, to, after, outcome) in &rows {
            let plan = Arc::new(fixture::plan(&roster, fixture::probe_id(from), &[CONNECT4]));
            let target = TargetId::of_peer(fixture::probe_id(to));
            let check = fixture::check(&plan, target, ECHO4);
            let row = fixture::row(check, UnixMillis(DAY0 + after), outcome.clone());
            match tier {
                None => builder.add(&stored(&plan, &[row]), tiers::ALWAYS),
                Some(period) => isochrone_store::fixture::rolled(period, &plan, &[row])
                    .iter()
                    .for_each(|rollup| builder.add_sums(rollup, period)),
            }
        }
        let seen = builder.finish(Source::Store);
        let first = i32::try_from(DAY0 / DAY_MS).unwrap();
        let name = |vantage: usize| seen.vantages[vantage].name.clone();
        let echo = |echo: &Echo| {
            let times = (echo.times.count(), echo.times.min_us());
            (name(echo.a), name(echo.b), echo.day.0 - first, times)
        };
        seen.echoes.iter().map(echo).collect::<Vec<_>>()
    };
    let pair = |day, times| ("berlin".to_owned(), "osaka".to_owned(), day, times);
    let both = [pair(0, (3, Some(250_000.0))), pair(1, (1, Some(260_000.0)))];
    for tier in [None, Some(Period::Hour), Some(Period::Day)] {
        assert_eq!(read(tier), both, "{tier:?}");
    }
}

#[test]
fn candidate_has_the_median_of_what_each_vantage_measured_and_is_no_node() {
    let candidate = |name: &str| CandidateEntry {
        id: TargetId::of_candidate(name),
        name: name.to_owned(),
        url: "https://test.example.org/".to_owned(),
        place: "Nairobi, KE".to_owned(),
        latitude: -1.28,
        longitude: 36.8,
        country: Some("KE".to_owned()),
    };
    let plain = roster();
    let named = roster().with_candidates([candidate("nairobi"), candidate("lagos")]);
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 10 * DAY_MS),
    };
    let rows = [
        ("berlin", 0, connected(150)),
        ("berlin", HOUR_MS, connected(152)),
        ("berlin", 26 * HOUR_MS, connected(170)),
        ("osaka", 0, fixture::unconnected()),
        ("berlin", 11 * 24 * HOUR_MS, connected(1)), // after the window
    ];
    let read = |roster: &Roster, tier: Option<Period>| {
        let mut builder = ObservationsBuilder::new(roster, window);
        for (from, after, outcome) in &rows {
            let mut plan = fixture::plan(&plain, fixture::probe_id(from), &[CONNECT4]);
            let mut targets = plan.targets.iter_mut();
            let tokyo = targets
                .find(|target| target.id == TargetId::of_node("tokyo"))
                .unwrap();
            tokyo.id = TargetId::of_candidate("nairobi");
            let plan = Arc::new(plan);
            let check = fixture::check(&plan, TargetId::of_candidate("nairobi"), CONNECT4);
            let row = fixture::row(check, UnixMillis(DAY0 + after), outcome.clone());
            match tier {
                None => builder.add(&stored(&plan, &[row]), tiers::ALWAYS),
                Some(period) if *after < 10 * DAY_MS => {
                    isochrone_store::fixture::rolled(period, &plan, &[row])
                        .iter()
                        .for_each(|rollup| builder.add_sums(rollup, period));
                }
                Some(_) => {} // a reader gives only sums of the window
            }
        }
        let own = builder.of_candidates();
        let seen = builder.finish(Source::Store);
        let Readings::Days(days) = seen.readings else {
            panic!("days");
        };
        assert!(days.is_empty(), "it is in no reading of a node: {days:?}");
        assert!(seen.nodes.iter().all(|node| node.name != "nairobi"));
        own
    };
    for tier in [None, Some(Period::Hour), Some(Period::Day)] {
        let own = read(&named, tier);
        assert_eq!(own.keys().collect::<Vec<_>>(), ["nairobi"], "{tier:?}");
        let [time] = &own["nairobi"][..] else {
            panic!("{own:?}");
        };
        assert_eq!((&*time.vantage, time.answers), ("berlin", 3));
        assert!((time.rtt_ms - 152.0).abs() < 1.0, "{}", time.rtt_ms);
        assert_eq!(read(&plain, tier).len(), 0, "nobody named it");
    }
}
