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
use isochrone_store::{Store, StoreOptions};
use isochrone_watch::alert::Outbox;
use isochrone_watch::incident::{Cause, Flapping, Incident, IncidentCheck, Spell, Subject};
use isochrone_watch::judge::Patience;
use isochrone_watch::monitor::{Monitor, MonitorParts, OpenSessions, SessionFacts};
use proptest::prelude::*;

use super::*;
use crate::golden::check;
use crate::log::{DAY_MS, Fill};

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

fn builder(roster: &Roster, window: Window) -> NodesBuilder<'_> {
    NodesBuilder::new(roster, window, Clocks::default())
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
fn outage_has_start_end_cause_and_vantages() {
    let report = run(&roster(), window(60), |round, _, to, kind| {
        let is_down = to == "tokyo" && kind == STATUS4 && (20..30).contains(&round);
        Some(if is_down { timeout() } else { usual(kind) })
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!(tokyo.outages.len(), 1);
    let outage = &tokyo.outages[0];
    assert_eq!(outage.start, UnixMillis(DAY0 + 200_000));
    assert_eq!(outage.end, Some(UnixMillis(DAY0 + 300_000)));
    assert_eq!((outage.check, outage.cause), (IncidentCheck::Connect, "node"));
    assert_eq!(
        outage.vantages,
        ["berlin", "oslo", "paris"],
        "its own worker's probe is not asked"
    );
    assert!((outage.duration_s - 100.0).abs() < 1e-9);
    assert_eq!(outage.failure.as_deref(), Some("connect: timeout"));
    assert!(node(&report, "lima").outages.is_empty());
    let day = &tokyo.days[0];
    assert_eq!((day.checks, day.status_checks, day.asset_checks), (360, 180, 180));
    assert_eq!(day.status_ok, Some(150.0 / 180.0));
    assert_eq!(day.asset_ok, Some(1.0));
    assert_eq!(day.vantages, 3);
    assert_eq!(
        (report.would_have_paged, report.measured_from),
        (1, Some(UnixMillis(DAY0)))
    );
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
    }
}

#[test]
fn flapping_outage_that_answers_at_the_moment_is_not_called_down() {
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut flapping = kept(at(60), None);
    flapping.flapping = Some(Flapping { openings: 2 });
    flapping.spells = [(60, 70), (90, 94)]
        .map(|(first_red, first_green)| Spell {
            last_green: at(first_red - 10),
            first_red: at(first_red),
            last_red: at(first_green - 1),
            first_green: Some(at(first_green)),
        })
        .to_vec();
    let report = builder(&roster(), window(60)).finish(std::slice::from_ref(&flapping));
    let outage = &node(&report, "tokyo").outages[0];
    assert_eq!((outage.duration_s, outage.up_since), (14.0, Some(at(94))));
    let line = super::words::outage_line(outage);
    assert_eq!(
        line,
        "2026-11-22 00:01:00 to 2026-11-22 00:01:34 (14 s) connect, down 2 times, at the node; watched until it has been \
         up for 10 minutes"
    );
}

#[test]
fn incident_that_was_kept_stands_as_it_was_kept() {
    let roster = roster();
    let mut builder = builder(&roster, window(60));
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[STATUS4]));
        let index = fixture::check(&plan, TargetId::of_node("tokyo"), STATUS4);
        let rows: Vec<_> = (0..60)
            .map(|round| {
                let outcome = if (20..30).contains(&round) {
                    timeout()
                } else {
                    good(20)
                };
                fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome)
            })
            .collect();
        builder.add(&stored(&plan, &rows));
    }
    let live = run(&roster, window(60), |round, _, to, kind| {
        let is_down = to == "tokyo" && (20..30).contains(&round);
        Some(if is_down { timeout() } else { usual(kind) })
    });
    let found = &node(&live, "tokyo").outages[0];
    let kept = kept(UnixMillis(found.start.0 + 10_000), found.end);
    let report = builder.finish(std::slice::from_ref(&kept));
    let outages = &node(&report, "tokyo").outages;
    assert_eq!(outages.len(), 1, "one outage, not one of each");
    assert_eq!((outages[0].id.as_str(), outages[0].start), ("kept", kept.start));
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

/// Checks over both families; endpoints are checked every `rounds` rounds.
fn plan_of_both_families(roster: &Roster, probe: ProbeId, rounds: u32) -> Plan {
    let mut plan = fixture::plan(roster, probe, &[STATUS4, STATUS6, GET4]);
    for check in &mut plan.checks {
        if check.kind.check.is_endpoint() {
            check.schedule = Schedule::new(rounds * 10_000, 0, 5_000).unwrap();
        }
    }
    let echoes: Vec<_> = plan
        .checks
        .iter()
        .filter(|check| !check.kind.check.is_endpoint())
        .cloned()
        .collect();
    plan.checks.extend(echoes.into_iter().map(|echo| PlannedCheck {
        kind: Kind::new(Check::Echo, Family::V6),
        ..echo
    }));
    plan
}

/// Start, end, vantages.
type Told = (UnixMillis, UnixMillis, Vec<String>);

/// What the live rule keeps at the time: fed a second after each slot, asked once a second.
fn kept_live(
    roster: &Roster,
    (rounds, interval): (u64, u32),
    outcome: impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
) -> Vec<Told> {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let parts = MonitorParts {
        patience: Patience::default(),
        outbox: Outbox::open(&store, vec![], UnixMillis(DAY0)).unwrap(),
        collector: "lead".into(),
        longest_interval: std::time::Duration::ZERO,
        roster: roster.clone(),
    };
    let mut monitor = Monitor::open(&store, parts, UnixMillis(DAY0)).unwrap();
    let facts = SessionFacts {
        remote: "192.0.2.9:7470".parse().unwrap(),
        clock_offset_ms: Some(0),
        heard: None,
    };
    let sessions: OpenSessions = roster.probes().map(|probe| (probe.id, facts)).collect();
    let mut commit = 0;
    for second in 0..rounds * 10 {
        let now = UnixMillis(DAY0 + second * 1_000);
        if second % 10 == 1 {
            for probe in roster.probes() {
                commit += 1;
                let committed = commit_of(roster, (probe, second / 10, interval), &outcome, (now, commit));
                monitor.committed(&committed);
            }
        }
        monitor.tick(roster, &sessions, now).unwrap();
    }
    let kept = isochrone_watch::monitor::incidents(&store).list().unwrap();
    let ended = kept.into_iter().filter_map(|(_, incident)| {
        let mut vantages: Vec<_> = incident
            .evidence
            .iter()
            .map(|cell| cell.vantage.clone())
            .collect();
        vantages.sort();
        vantages.dedup();
        Some((incident.start, incident.end?, vantages))
    });
    ended.collect()
}

fn commit_of(
    roster: &Roster,
    (probe, round, interval): (&ProbeEntry, u64, u32),
    outcome: &impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
    (received, commit): (UnixMillis, u64),
) -> Committed {
    let plan = plan_of_both_families(roster, probe.id, interval);
    let mut rows = Vec::new();
    for index in 0..plan.checks.len() as u16 {
        let (check, target) = plan.target_of(index).unwrap();
        if is_due(check, round) {
            let outcome = outcome(round, &probe.name, &target.name, check.kind).unwrap();
            rows.push(fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome));
        }
    }
    Committed {
        probe: probe.id,
        batch: Arc::new(fixture::batch(&plan, &rows)),
        plan: Arc::new(plan),
        received,
        commit,
    }
}

/// What the live rule keeps at the time and what the report finds in the log afterwards, for endpoints that
/// are checked every 10, 30 and 60 seconds, with and without a probe whose IPv6 is dead all the time.
#[test]
fn report_and_live_rule_agree_on_outages_that_were_seen_in_time() {
    const ROUNDS: u64 = 180;
    let roster = roster();
    type Fails = fn(u64, &str) -> bool;
    let cases: [Fails; 4] = [
        |step, _| (10..20).contains(&step),
        |step, from| (10..25).contains(&step) && (from != "oslo" || step < 20),
        |step, from| (10..25).contains(&step) && (from != "paris" || step > 12),
        |step, from| step < 12 && (from == "berlin" || step >= 6),
    ];
    for (number, fails) in cases.into_iter().enumerate() {
        for (interval, is_v6_dead) in [
            (1, false),
            (3, false),
            (6, false),
            (1, true),
            (3, true),
            (6, true),
        ] {
            let outcome = |round: u64, from: &str, to: &str, kind: Kind| {
                let is_dead = is_v6_dead && from == "paris" && kind.family == Family::V6;
                let is_down = to == "tokyo" && kind == STATUS4 && fails(round / u64::from(interval), from);
                Some(match kind.check.is_endpoint() {
                    true if is_dead || is_down => timeout(),
                    false if is_dead => lost(),
                    _ => usual(kind),
                })
            };
            let plan_of = |probe| plan_of_both_families(&roster, probe, interval);
            let report = run_plans(&roster, window(ROUNDS), plan_of, outcome);
            let found: Vec<Told> = node(&report, "tokyo")
                .outages
                .iter()
                .map(|outage| (outage.start, outage.end.unwrap(), outage.vantages.clone()))
                .collect();
            let kept = kept_live(&roster, (ROUNDS, interval), outcome);
            assert_eq!(kept, found, "case {number}, interval {interval}, {is_v6_dead}");
            assert_eq!(kept.len(), 1, "case {number}, interval {interval}, {is_v6_dead}");
        }
    }
}

#[test]
fn outage_after_a_change_of_the_interval_is_found() {
    let roster = roster();
    for (before, after) in [(1, 6), (30, 1)] {
        let mut builder = builder(&roster, window(720));
        for probe in roster.probes() {
            for (rounds, interval) in [(0..360_u64, before), (360..720, after)] {
                let plan = Arc::new(plan_of_both_families(&roster, probe.id, interval));
                for name in ["tokyo", "lima"] {
                    let index = fixture::check(&plan, TargetId::of_node(name), STATUS4);
                    let (check, _) = plan.target_of(index).unwrap();
                    let rows: Vec<_> = rounds
                        .clone()
                        .filter(|round| is_due(check, *round))
                        .map(|round| {
                            let is_down = name == "tokyo" && (480..540).contains(&round);
                            let outcome = if is_down { timeout() } else { good(20) };
                            fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome)
                        })
                        .collect();
                    builder.add(&stored(&plan, &rows));
                }
            }
        }
        let report = builder.finish(&[]);
        let found: Vec<_> = node(&report, "tokyo")
            .outages
            .iter()
            .map(|outage| (outage.start, outage.end))
            .collect();
        let expected = (UnixMillis(DAY0 + 4_800_000), Some(UnixMillis(DAY0 + 5_400_000)));
        assert_eq!(found, [expected], "from {before} rounds to {after}");
    }
}

#[test]
fn revoked_probe_counts_as_a_network_only_while_it_measured() {
    let in_one_network = [
        fixture::probe("berlin", "ada", Some(1)),
        fixture::probe("paris", "bob", Some(1)),
    ];
    let revoked = ProbeEntry {
        active: false,
        ..fixture::probe("oslo", "cyd", Some(3))
    };
    let roster = Roster::new(
        in_one_network.into_iter().chain([revoked]),
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    );
    let outages = |oslo_measures_until: u64| {
        let report = run(&roster, window(60), |round, from, to, kind| {
            let is_down = to == "tokyo" && kind == STATUS4 && (20..30).contains(&round) && from != "oslo";
            let is_there = from != "oslo" || round < oslo_measures_until;
            is_there.then(|| if is_down { timeout() } else { usual(kind) })
        });
        node(&report, "tokyo").outages.len()
    };
    assert_eq!(outages(0), 1, "no second network can judge");
    assert_eq!(outages(10), 1, "it was revoked before");
    assert_eq!(outages(60), 0, "the second network saw the node up");
}

#[test]
fn outage_that_goes_on_has_no_end() {
    let report = run(&roster(), window(60), |round, _, to, kind| {
        Some(if to == "tokyo" && kind == GET4 && round >= 50 {
            failed(Phase::Verify, FailureCause::BadStatus, Some(500))
        } else {
            usual(kind)
        })
    });
    let outage = &node(&report, "tokyo").outages[0];
    assert_eq!((outage.end, outage.cause), (None, "node"));
    assert!((outage.duration_s - 100.0).abs() < 1e-9);
}

#[test]
fn silence_is_no_data_and_no_outage() {
    let report = run(&roster(), window(60), |_, _, to, kind| {
        (to != "tokyo").then(|| usual(kind))
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!((tokyo.days[0].checks, tokyo.days[0].status_ok), (0, None));
    assert!(tokyo.outages.is_empty());
    assert!(report.text(100).contains("no data"));
}

/// Of rounds of ten seconds: every node fails from the first on, a day long if need be.
fn fleet_outage(rounds: std::ops::Range<u64>, window: Window, kept: &[Incident]) -> NodesReport {
    let roster = roster();
    let mut builder = builder(&roster, window);
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[STATUS4]));
        let first = window.from.0 / 10_000;
        let mut rows: Vec<Measurement> = Vec::new();
        for round in first..window.until.0 / 10_000 {
            for index in 0..plan.checks.len() as u16 {
                let (check, _) = plan.target_of(index).unwrap();
                let is_down = rounds.contains(&(round - DAY0 / 10_000)) && check.kind == STATUS4;
                let outcome = if is_down {
                    fixture::unconnected()
                } else {
                    usual(check.kind)
                };
                rows.push(fixture::row(index, UnixMillis(round * 10_000), outcome));
            }
        }
        for rows in rows.chunks(900) {
            builder.add(&stored(&plan, rows));
        }
    }
    builder.finish(kept)
}

#[test]
fn outage_of_all_nodes_counts_in_their_shares_however_long_it_lasts() {
    for (rounds, outage) in [(400, 100..280), (4_000, 200..3_800)] {
        let length = (outage.end - outage.start) as f64;
        let report = fleet_outage(outage, window(rounds), &[]);
        for name in ["tokyo", "lima"] {
            let of_node = node(&report, name);
            assert_eq!(of_node.outages.len(), 1, "{name}");
            let day = &of_node.days[0];
            let share = day.status_ok.unwrap();
            let expected = 1.0 - length / rounds as f64;
            assert!(
                (share - expected).abs() < 0.01,
                "{name}: {share} is not {expected}"
            );
            assert_eq!(day.unjudged, 0, "{name}");
        }
    }
}

#[test]
fn outage_that_began_before_the_window_counts_by_what_was_kept() {
    let mut outage = kept(UnixMillis(DAY0), None);
    outage.checks = vec![isochrone_watch::incident::CheckSpan {
        check: IncidentCheck::Connect,
        start: outage.start,
        end: None,
        cause: Cause::Shared,
    }];
    let later = Window {
        from: UnixMillis(DAY0 + 3_600_000),
        until: UnixMillis(DAY0 + 5_400_000),
    };
    let report = fleet_outage(0..1_000, later, std::slice::from_ref(&outage));
    let day = &node(&report, "tokyo").days[0];
    assert_eq!(
        (day.status_ok, day.unjudged),
        (Some(0.0), 0),
        "it was down all the while"
    );
}

#[test]
fn cut_probe_neither_blames_nor_counts() {
    let report = run(&roster(), window(60), |round, from, _, kind| {
        let is_cut = ["berlin", "paris"].contains(&from) && (18..36).contains(&round);
        Some(match (is_cut, kind.check.is_endpoint()) {
            (true, true) => timeout(),
            (true, false) => lost(),
            _ => usual(kind),
        })
    });
    for name in ["tokyo", "lima"] {
        let node = node(&report, name);
        assert!(node.outages.is_empty(), "{name}: {:?}", node.outages);
        assert_eq!(node.days[0].status_ok, Some(1.0), "{name}");
        assert_eq!(node.days[0].unjudged, 2 * 2 * 18, "{name}");
    }
}

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

#[test]
fn text_json_and_csv_say_the_same() {
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
        ],
        [fixture::node("lima", "pia"), fixture::node("tokyo", "ken")],
    );
    let report = run(&roster, window(12), |round, _, to, kind| {
        Some(if to == "tokyo" && kind == STATUS4 && (4..8).contains(&round) {
            timeout()
        } else {
            usual(kind)
        })
    });
    let text = report.text(100);
    assert!(text.contains("66.66 % (24)") && text.contains("(40 s) connect, at the node; connect: timeout"));
    assert!(text.lines().all(|line| line.chars().count() <= 100));

    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(json["schema"], "isochrone.nodes/1");
    let tokyo = &json["nodes"][1];
    assert_eq!(tokyo["node"], "tokyo");
    let day = &tokyo["days"][0];
    assert_eq!(
        (day["day"].as_str(), day["checks"].as_u64()),
        (Some("2026-11-22"), Some(48))
    );
    assert_eq!(day["status_ok"].as_f64(), Some(16.0 / 24.0), "not rounded");
    assert_eq!(day["asset_ok"].as_f64(), Some(1.0));
    assert!(day["ttfb_p50_ms"].is_f64() && day["ttfb_p90_ms"].is_f64());
    let outage = &tokyo["outages"][0];
    assert_eq!(outage["start"], "2026-11-22T00:00:40Z");
    assert_eq!(outage["end"], "2026-11-22T00:01:20Z");
    assert_eq!(outage["cause"], "node");
    assert_eq!(outage["vantages"], serde_json::json!(["berlin", "paris"]));

    let csv = report.csv();
    let mut lines = csv.lines();
    let fields = lines.next().unwrap().split(',').count();
    assert!(lines.all(|line| line.split(',').count() == fields), "{csv}");
    assert!(
        report.markdown().contains("| 2026-11-22 | 48 | 66.66 % (24) |"),
        "{}",
        report.markdown()
    );
    let html = report.html();
    assert!(
        html.starts_with("<!doctype html>") && !html.contains("<script") && !html.contains("https:"),
        "{html}"
    );
}

/// Two days: a node with an outage of its status, a plain page, a node that nobody measured.
fn golden_world() -> NodesReport {
    const HTTP4: Kind = Kind::new(Check::Http, Family::V4);
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
            fixture::probe("oslo", "cyd", Some(3)),
            fixture::probe("quito", "dan", Some(4)),
            fixture::probe("sofia", "eli", Some(5)),
        ],
        [
            fixture::node("lima", "pia"),
            fixture::node("tokyo", "ken"),
            fixture::node("no, \"data\"|<b>", "eve"),
        ],
    );
    let window = Window {
        from: UnixMillis(DAY0 - 7_200_000),
        until: UnixMillis(DAY0 + 3_600_000),
    };
    let plan_of = |probe| fixture::plan(&roster, probe, &[STATUS4, GET4, HTTP4]);
    run_plans(&roster, window, plan_of, |round, from, to, kind| {
        let outcome = match (to, kind) {
            ("tokyo", HTTP4) | ("lima", STATUS4 | GET4) => return None,
            ("no, \"data\"|<b>", _) => return None,
            ("tokyo", STATUS4) if (400..430).contains(&round) => timeout(),
            ("tokyo", STATUS4) if (900..905).contains(&round) && from != "oslo" => timeout(),
            ("tokyo", GET4) if (950..960).contains(&round) => {
                failed(Phase::Verify, FailureCause::BadStatus, Some(500))
            }
            ("tokyo", GET4) if round % 50 == 0 => failed(Phase::Verify, FailureCause::NotFound, Some(404)),
            ("lima", HTTP4) if round >= 1_070 => timeout(),
            (_, kind) if kind.check.is_endpoint() => good(20 + round % 7),
            _ => replied(20),
        };
        Some(outcome)
    })
}

#[test]
fn report_of_a_fixed_world_says_what_it_said() {
    check("nodes", &golden_world());
}

#[test]
fn overview_marks_outages_and_hours_of_failures_are_not_printed() {
    let page = golden_world().html();
    let (overview, nodes) = page.split_once("<section class=\"node\">").unwrap();
    assert!(overview.contains("<title>Outages of tokyo</title>"), "{overview}");
    for kind in ["\"span\"", "\"span hollow\""] {
        let rect = format!("<rect class={kind}");
        assert!(overview.contains(&rect), "the legend promises {kind}: {overview}");
    }
    let unprinted = nodes.match_indices("class=\"sheet unprinted\"").count()
        + nodes
            .match_indices("class=\"sheet fold newest unprinted\"")
            .count();
    let tables = nodes.matches(">When checks failed</span>").count();
    assert!(tables > 0 && unprinted == tables, "{unprinted} of {tables}");
}

#[test]
fn only_an_outage_on_some_paths_is_drawn_hollow() {
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    for (cause, class) in [
        (Cause::Node, "span"),
        (Cause::Shared, "span"),
        (Cause::Source, "span"),
        (Cause::Path, "span hollow"),
    ] {
        let mut outage = kept(at(60), Some(at(90)));
        outage.cause = cause;
        let page = builder(&roster(), window(60)).finish(&[outage]).html();
        let rect = format!("<rect class=\"{class}\"");
        assert!(page.contains(&rect), "{cause:?}: {page}");
    }
}

#[test]
fn text_of_large_figures_fits_a_hundred_columns() {
    let day = DayReport {
        day: "2026-11-22".into(),
        checks: 123_456,
        status_ok: Some(0.998_76),
        asset_ok: Some(0.998_76),
        ttfb_p50_ms: Some(1_234.5),
        ttfb_p90_ms: Some(12_345.6),
        ttfb_samples: 14_400,
        status_ttfb_p50_ms: Some(1_234.5),
        status_ttfb_p90_ms: Some(4_345.6),
        status_ttfb_samples: 86_400,
        status_checks: 86_400,
        asset_checks: 14_400,
        ..DayReport::default()
    };
    let report = NodesReport {
        schema: "isochrone.nodes/1",
        source: "demo",
        from: UnixMillis(DAY0),
        to: UnixMillis(DAY0 + DAY_MS),
        would_have_paged: 3,
        measured_from: Some(UnixMillis(DAY0 + DAY_MS - 660_000)),
        nodes: vec![NodeReport {
            node: "tokyo".into(),
            worker: None,
            place: String::new(),
            removed: false,
            days: vec![day],
            outages: Vec::new(),
            nobody_may_judge_s: 0.0,
            slices: Vec::new(),
            whole: Whole::default(),
        }],
    };
    let text = report.text(100);
    assert!(text.starts_with("*** DEMO"));
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 100 && !line.contains('…')),
        "{text}"
    );
    assert!(text.contains("99.87 %"), "never rounded up: {text}");
    let pages = super::words::pages(&report);
    assert!(
        pages.ends_with("3 pages about nodes in the 11 min that were measured."),
        "{pages}"
    );
    // A narrow node beside it: all tables of a report have the same columns, and it says which are left out.
    let mut narrow = report.nodes[0].clone();
    narrow.node = "lima".into();
    narrow.days[0] = DayReport {
        day: "2026-11-22".into(),
        ..DayReport::default()
    };
    let both = NodesReport {
        nodes: vec![narrow.clone(), report.nodes[0].clone()],
        ..report.clone()
    };
    let text = both.text(100);
    let heads: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("day (UTC)"))
        .collect();
    assert!(
        heads.len() == 2 && heads.iter().all(|head| !head.contains("vantages")),
        "{text}"
    );
    assert_eq!(text.matches("too wide with it: vantages").count(), 1, "{text}");
    let alone = NodesReport {
        nodes: vec![narrow],
        ..report
    };
    let text = alone.text(100);
    assert!(
        text.contains("  vantages\n") && !text.contains("Left out"),
        "{text}"
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
