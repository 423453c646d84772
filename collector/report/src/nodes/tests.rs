//! The report over made-up logs: what is counted and shared.

mod outages;
mod printed;
mod shares;

use std::collections::BTreeMap;
use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, failed, good, lost, replied, timeout};
use isochrone_base::roster::{NodeEntry, ProbeEntry};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{CacheState, EndpointResult, Measurement, Outcome, Phases};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::plan::{Plan, PlannedCheck};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::Micros;
use isochrone_proto::units::UnixMillis;
use isochrone_store::fixture::stored;
use isochrone_store::ingest::Committed;
use isochrone_store::{Store, StoreOptions, Stored};
use isochrone_watch::incident::{Cause, Flapping, Incident, IncidentCheck, Spell, Subject};
use isochrone_watch::monitor::{OpenSessions, SessionFacts};
use isochrone_watch::replay::Replay;
use proptest::prelude::*;

use super::*;
use crate::golden::check;
use crate::log::{DAY_MS, Window};
use crate::tiers::Fill as _;

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const STATUS6: Kind = Kind::new(Check::Status, Family::V6);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);

fn roster() -> Roster {
    Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
            fixture::probe("oslo", "cyd", Some(3)),
            fixture::probe("osaka", "ken", Some(4)),
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    )
}

fn window(rounds: u64) -> Window {
    Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + rounds * 10_000),
    }
}

/// Every check of every probe in every round, as `outcome` says; `None`: nothing measured.
fn run(
    roster: &Roster,
    window: Window,
    outcome: impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
) -> NodesReport {
    let plan_of = |probe| fixture::plan(roster, probe, &[STATUS4, GET4]);
    run_plans(roster, window, plan_of, outcome)
}

/// What is read, for what is counted and for the engine.
struct Filled<'a>(NodesBuilder<'a>, Replay);

fn builder(roster: &Roster, window: Window) -> Filled<'_> {
    filled(roster, window, Facts::default())
}

fn filled(roster: &Roster, window: Window, facts: Facts) -> Filled<'_> {
    let builder = NodesBuilder::new(roster, window, facts.clocks.clone());
    Filled(
        builder,
        Replay::new(roster, (window.from, window.until)).with_facts(facts),
    )
}

impl Filled<'_> {
    fn add(&mut self, stored: &Stored) {
        self.0.add(stored, crate::tiers::ALWAYS);
        self.1.add(stored);
    }

    fn finish(self, kept: &[Incident]) -> NodesReport {
        self.0.finish(&self.1.finish(), kept)
    }
}

fn run_plans(
    roster: &Roster,
    window: Window,
    plan_of: impl Fn(ProbeId) -> Plan,
    outcome: impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
) -> NodesReport {
    let mut builder = builder(roster, window);
    for probe in roster.probes() {
        let plan = Arc::new(plan_of(probe.id));
        let mut rows: Vec<Measurement> = Vec::new();
        for round in 0..window.until.since(window.from).as_secs() / 10 {
            for index in 0..plan.checks.len() as u16 {
                let (check, target) = plan.target_of(index).unwrap();
                let slot = UnixMillis(window.from.0 + round * 10_000);
                if !is_due(check, round) {
                    continue;
                }
                if let Some(outcome) = outcome(round, &probe.name, &target.name, check.kind) {
                    rows.push(fixture::row(index, slot, outcome));
                }
            }
        }
        for rows in rows.chunks(900) {
            builder.add(&stored(&plan, rows));
        }
    }
    builder.finish(&[])
}

fn is_due(check: &PlannedCheck, round: u64) -> bool {
    (round * 10_000).is_multiple_of(u64::from(check.schedule.interval_ms()))
}

fn usual(kind: Kind) -> Outcome {
    if kind.check.is_endpoint() {
        good(20)
    } else {
        replied(20)
    }
}

fn node<'a>(report: &'a NodesReport, name: &str) -> &'a NodeReport {
    report.nodes.iter().find(|node| node.node == name).unwrap()
}

#[test]
fn server_that_was_invited_again_is_one_vantage_of_the_day() {
    let again = fixture::probe("paris-again", "bob", None);
    let again = ProbeEntry {
        joined: UnixMillis(DAY0 + 300_000),
        ..again
    };
    let roster = Roster::new(
        [fixture::probe("paris", "bob", Some(2)), again],
        [fixture::node("lima", "pia")],
    );
    let vantages = |until: u64, from: u64| {
        let report = run(&roster, window(90), |round, probe, _, kind| {
            let measures = if probe == "paris" {
                round < until
            } else {
                round >= from
            };
            measures.then(|| usual(kind))
        });
        node(&report, "lima").days[0].vantages
    };
    assert_eq!(vantages(30, 31), 1, "one after the other");
    assert_eq!(vantages(90, 31), 2, "beside each other");
}

fn kept(start: UnixMillis, end: Option<UnixMillis>) -> Incident {
    Incident {
        id: "kept".into(),
        subject: Subject::Node(TargetId::of_node("tokyo")),
        target: "tokyo".into(),
        check: IncidentCheck::Connect,
        checks: vec![],
        cause: Cause::Node,
        start,
        noticed: start,
        end,
        ending: None,
        caveat: None,
        evidence: vec![],
        spells: vec![],
        flapping: None,
        group: None,
        told: true,
        late: false,
        end_waits: false,
        worse_waits: false,
    }
}

#[test]
fn node_that_only_connections_fail_for_is_out_and_has_its_share() {
    let connect4 = Kind::new(Check::Connect, Family::V4);
    let roster = roster();
    let plan_of = |probe| fixture::plan(&roster, probe, &[STATUS4, GET4, connect4]);
    let report = run_plans(&roster, window(60), plan_of, |round, _, to, kind| {
        let is_down = to == "tokyo" && (20..30).contains(&round);
        Some(match (kind == connect4, is_down) {
            (true, true) => fixture::unconnected(),
            (true, false) => fixture::connected(20),
            (false, true) if kind.check.is_endpoint() => timeout(),
            _ => usual(kind),
        })
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!(tokyo.outages.len(), 1, "one, not one of each check");
    assert_eq!(tokyo.outages[0].check, IncidentCheck::Connect);
    let day = &tokyo.days[0];
    assert_eq!((day.connect_ok, day.connect_checks), (Some(150.0 / 180.0), 180));
}

#[test]
fn head_that_succeeds_does_not_hide_that_no_asset_is_served() {
    let head4 = Kind::new(Check::AssetHead, Family::V4);
    let roster = roster();
    let plan_of = |probe| fixture::plan(&roster, probe, &[STATUS4, GET4, head4]);
    let report = run_plans(&roster, window(60), plan_of, |_, _, to, kind| {
        let fails = to == "tokyo" && kind == GET4;
        Some(if fails {
            failed(Phase::Verify, FailureCause::BadStatus, Some(500))
        } else {
            usual(kind)
        })
    });
    let day = &node(&report, "tokyo").days[0];
    assert_eq!((day.asset_ok, day.asset_checks), (Some(0.0), 180));
    assert_eq!(day.checks, 540, "HEAD is counted among the checks all the same");
}

/// Start, end, vantages.
type Told = (UnixMillis, UnixMillis, Vec<String>);

#[test]
fn absent_objects_and_uncached_answers_stand_apart() {
    let report = run(&roster(), window(12), |round, _, to, kind| {
        Some(match (to, kind) {
            ("tokyo", GET4) if round % 2 == 0 => failed(Phase::Verify, FailureCause::NotFound, Some(404)),
            ("lima", GET4) => miss(900),
            _ => usual(kind),
        })
    });
    let day = &node(&report, "tokyo").days[0];
    assert_eq!((day.absent, day.asset_checks, day.asset_ok), (18, 18, Some(1.0)));
    let day = &node(&report, "lima").days[0];
    assert_eq!(
        (day.ttfb_samples, day.ttfb_p50_ms),
        (0, None),
        "a miss measures the source"
    );
    assert_eq!(day.asset_ok, Some(1.0));
    assert_eq!(day.status_ttfb_samples, 48);
}

fn miss(first_byte_ms: u64) -> Outcome {
    let phases = Phases {
        first_byte: Micros::new(first_byte_ms * 1_000).unwrap(),
        ..Phases::default()
    };
    let result = EndpointResult::Ok {
        phases,
        body_bytes: 1,
        node_uptime_s: None,
        node_version: String::new(),
    };
    fixture::endpoint(result, Some(200), CacheState::Miss)
}

#[test]
fn days_without_any_check_are_listed() {
    let window = Window {
        from: UnixMillis(DAY0 - 2 * DAY_MS),
        until: UnixMillis(DAY0 + 600_000),
    };
    let report = builder(&roster(), window).finish(&[]);
    let days: Vec<_> = node(&report, "tokyo")
        .days
        .iter()
        .map(|day| day.day.as_str())
        .collect();
    assert_eq!(days, ["2026-11-20", "2026-11-21", "2026-11-22"]);
}

#[test]
fn removed_node_is_told_where_it_was_measured_and_nowhere_else() {
    let gone = |name: &str, worker: &str| NodeEntry {
        removed: true,
        ..fixture::node(name, worker)
    };
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("osaka", "ken", Some(4)),
        ],
        [fixture::node("lima", "pia")],
    )
    .with_nodes([gone("tokyo", "ken"), gone("quito", "ken")]);
    let report = run(&roster, window(6), |_, _, to, kind| {
        (to != "quito").then(|| usual(kind))
    });
    let names: Vec<_> = report.nodes.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(names, ["lima", "tokyo"]);
    assert_eq!(
        node(&report, "tokyo").days[0].vantages,
        1,
        "its worker's probe still does not count"
    );
    assert!(
        report
            .text(100)
            .contains("tokyo · ken · Tokyo, JP · removed since"),
        "{}",
        report.text(100)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The oracle filters and sorts all rows. Failures come with an error page, so every probe is trusted.
    #[test]
    fn figures_agree_with_a_naive_oracle(
        rows in prop::collection::vec((0usize..3, 0u64..400, any::<bool>(), 0u8..6, 1u64..500), 1..150),
    ) {
        let roster = roster();
        let from = UnixMillis(DAY0 + DAY_MS - 2_000_000);
        let window = Window { from, until: UnixMillis(from.0 + 4_000_000) };
        let names = ["berlin", "paris", "oslo"];
        let mut unique = BTreeMap::new();
        for &(probe, slot, is_asset, code, ms) in &rows {
            unique.insert((probe, slot, is_asset), (code, ms));
        }
        let mut builder = builder(&roster, window);
        for (&(probe, slot, is_asset), &(code, ms)) in &unique {
            let plan = Arc::new(fixture::plan(&roster, fixture::probe_id(names[probe]), &[STATUS4, GET4]));
            let kind = if is_asset { GET4 } else { STATUS4 };
            let check = fixture::check(&plan, TargetId::of_node("tokyo"), kind);
            let outcome = match code {
                0 => failed(Phase::Verify, FailureCause::BadStatus, Some(500)),
                1 if is_asset => failed(Phase::Verify, FailureCause::Misdirected, Some(421)),
                2 if is_asset => miss(ms),
                _ => good(ms),
            };
            let slot = UnixMillis(from.0 + slot * 10_000);
            builder.add(&stored(&plan, &[fixture::row(check, slot, outcome)]));
        }
        let report = builder.finish(&[]);
        let tokyo = node(&report, "tokyo");
        prop_assert_eq!(tokyo.days.len(), 2);
        for (number, day) in tokyo.days.iter().enumerate() {
            let of_day: Vec<_> = unique
                .iter()
                .filter(|((_, slot, _), _)| usize::from(slot * 10_000 >= 2_000_000) == number)
                .map(|(&(_, _, is_asset), &(code, ms))| (is_asset, code, ms))
                .collect();
            let share = |is_asset: bool| {
                let judged: Vec<_> = of_day
                    .iter()
                    .filter(|row| row.0 == is_asset && !(is_asset && row.1 == 1))
                    .collect();
                let good = judged.iter().filter(|row| row.1 != 0).count();
                (!judged.is_empty()).then(|| good as f64 / judged.len() as f64)
            };
            prop_assert_eq!(day.checks as usize, of_day.len());
            prop_assert_eq!(day.status_ok, share(false));
            prop_assert_eq!(day.asset_ok, share(true));
            let mut times: Vec<f64> = of_day.iter().filter(|row| row.0 && row.1 > 2).map(|row| row.2 as f64 + 10.0).collect();
            times.sort_by(f64::total_cmp);
            prop_assert_eq!(day.ttfb_samples as usize, times.len());
            for (q, got) in [(0.5, day.ttfb_p50_ms), (0.9, day.ttfb_p90_ms)] {
                let rank = ((q * times.len() as f64).ceil() as usize).max(1);
                let exact = times.get(rank - 1).copied();
                prop_assert_eq!(got.is_some(), exact.is_some());
                if let (Some(got), Some(exact)) = (got, exact) {
                    prop_assert!((got - exact).abs() <= exact * 0.011, "{} {}", got, exact);
                }
            }
        }
    }
}
