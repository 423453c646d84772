use std::sync::Arc;

use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{Measurement, Phases};
use isochrone_proto::units::Micros;
use proptest::prelude::*;

use super::*;
use crate::fixture::{self, DAY0, failed, good, lost, replied, timeout};

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
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
    let mut tally = Tally::new(roster, window);
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(roster, probe.id, &[STATUS4, GET4]));
        let mut rows: Vec<Measurement> = Vec::new();
        for round in 0..window.until.since(window.from).as_secs() / 10 {
            for index in 0..plan.checks.len() as u16 {
                let (check, target) = plan.target_of(index).unwrap();
                let slot = UnixMillis(window.from.0 + round * 10_000);
                if let Some(outcome) = outcome(round, &probe.name, &target.name, check.kind) {
                    rows.push(fixture::row(index, slot, outcome));
                }
            }
        }
        for rows in rows.chunks(900) {
            tally.add(&fixture::stored(&plan, rows));
        }
    }
    tally.finish()
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
    let report = run(&roster(), window(60), |round, from, to, kind| {
        let is_down = to == "tokyo" && kind == STATUS4 && (20..30).contains(&round) && from != "oslo";
        Some(if is_down { timeout() } else { usual(kind) })
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!(tokyo.outages.len(), 1);
    let outage = &tokyo.outages[0];
    assert_eq!(outage.start, "2026-11-22T00:03:20Z");
    assert_eq!(outage.end.as_deref(), Some("2026-11-22T00:05:00Z"));
    assert_eq!((outage.check, outage.cause), (IncidentCheck::Status, "path"));
    assert_eq!(
        outage.vantages,
        ["berlin", "paris"],
        "its own worker's probe is not asked"
    );
    assert!((outage.duration_s - 100.0).abs() < 1e-9);
    assert_eq!(outage.failure.as_deref(), Some("connect: timeout"));
    assert!(node(&report, "lima").outages.is_empty());
    let day = &tokyo.days[0];
    assert_eq!((day.checks, day.status_checks, day.asset_checks), (360, 180, 180));
    assert_eq!(day.status_ok, Some(160.0 / 180.0));
    assert_eq!(day.asset_ok, Some(1.0));
    assert_eq!(day.vantages, 3);
}

/// What the live rule tells at the time and what the report finds in the log afterwards.
#[test]
fn report_and_live_rule_agree_on_outages_that_were_seen_in_time() {
    use crate::health::{Health, Rules, Scene, Transition};
    use crate::live::Live;

    let roster = roster();
    let connected = roster.probes().map(|probe| probe.id).collect();
    type Fails = fn(u64, &str) -> bool;
    let cases: [Fails; 5] = [
        |round, _| (10..20).contains(&round),
        |round, from| (10..20).contains(&round) && from != "oslo",
        |round, from| (10..30).contains(&round) && (from != "oslo" || round < 15),
        |round, from| (10..30).contains(&round) && (from == "oslo" || round % 7 != 0),
        |round, from| round < 12 && (from == "berlin" || round >= 6),
    ];
    for (number, fails) in cases.into_iter().enumerate() {
        let outcome = |round: u64, from: &str, to: &str, kind: Kind| {
            Some(if to == "tokyo" && kind == STATUS4 && fails(round, from) {
                timeout()
            } else {
                usual(kind)
            })
        };
        let report = run(&roster, window(60), outcome);
        let told: Vec<_> = node(&report, "tokyo")
            .outages
            .iter()
            .map(|outage| {
                (
                    outage.start.clone(),
                    outage.end.clone().unwrap(),
                    outage.vantages.clone(),
                )
            })
            .collect();

        let mut live = Live::new();
        let mut health = Health::new(Rules::default(), UnixMillis(DAY0), []);
        let mut ended = Vec::new();
        for round in 0..60 {
            let slot = UnixMillis(DAY0 + round * 10_000);
            let now = UnixMillis(slot.0 + 6_000);
            for probe in roster.probes() {
                let plan = fixture::plan(&roster, probe.id, &[STATUS4, GET4]);
                let rows: Vec<_> = (0..plan.checks.len() as u16)
                    .map(|index| {
                        let (check, target) = plan.target_of(index).unwrap();
                        let outcome = outcome(round, &probe.name, &target.name, check.kind).unwrap();
                        fixture::row(index, slot, outcome)
                    })
                    .collect();
                live.apply(probe.id, &plan, &fixture::batch(&plan, &rows), now);
            }
            let scene = Scene {
                live: &live,
                roster: &roster,
                connected: &connected,
                now,
            };
            let judgement = health.judge(&scene);
            for transition in &judgement.transitions {
                if let Transition::Ended(incident) = transition {
                    let mut vantages: Vec<_> = incident
                        .evidence
                        .iter()
                        .map(|cell| cell.vantage.clone())
                        .collect();
                    vantages.sort();
                    let end = words::rfc3339(incident.end.unwrap());
                    ended.push((words::rfc3339(incident.start), end, vantages));
                }
            }
            health.adopt(judgement);
        }
        assert_eq!(ended, told, "case {number}");
        assert_eq!(told.len(), 1, "case {number}");
    }
}

#[test]
fn outage_that_goes_on_has_no_end() {
    let report = run(&roster(), window(60), |round, _, to, kind| {
        Some(if to == "tokyo" && kind == GET4 && round >= 50 {
            timeout()
        } else {
            usual(kind)
        })
    });
    let outage = &node(&report, "tokyo").outages[0];
    assert_eq!((outage.end.clone(), outage.cause), (None, "node"));
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
    assert!(report.text().contains("no data"));
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
    let report = Tally::new(&roster(), window).finish();
    let days: Vec<_> = node(&report, "tokyo")
        .days
        .iter()
        .map(|day| day.day.as_str())
        .collect();
    assert_eq!(days, ["2026-11-20", "2026-11-21", "2026-11-22"]);
}

#[test]
fn golden_text_json_and_csv() {
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
    let text = report.text();
    let expected = "\
Nodes from 2026-11-22 00:00 to 2026-11-22 00:02 UTC
A node's own worker's probe is not counted. Shares are of the judged checks in brackets; 404 and 421
are no failures. TTFB is of cached assets (of a plain HTTP node: its page), from first byte of the
name look-up on; status answers stand apart.

lima · pia · Tokyo, JP
  day (UTC)   checks   status ok   asset ok   TTFB p50/p90 ms    status TTFB ms
  2026-11-22      48  100 % (24)  100 % (24)  30.0 / 30.0 (24)  30.0 / 30.0 (24)
  no outages

tokyo · ken · Tokyo, JP
  day (UTC)   checks     status ok    asset ok   TTFB p50/p90 ms    status TTFB ms
  2026-11-22      48  66.66 % (24)  100 % (24)  30.0 / 30.0 (24)  30.0 / 30.0 (16)
  outages
    2026-11-22 00:00:40 to 2026-11-22 00:01:20 (40 s) status, at the node; connect: timeout
      seen by berlin, paris
";
    let squeeze = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(squeeze(&text), squeeze(expected), "\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100));

    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
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
        html.starts_with("<!doctype html>") && !html.contains("<script") && !html.contains("http"),
        "{html}"
    );
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
        from: "2026-11-22T00:00:00Z".into(),
        to: "2026-11-23T00:00:00Z".into(),
        nodes: vec![NodeReport {
            node: "tokyo".into(),
            worker: None,
            place: String::new(),
            days: vec![day],
            outages: Vec::new(),
        }],
    };
    let text = report.text();
    assert!(text.starts_with("DEMO"));
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 100 && !line.contains('…')),
        "{text}"
    );
    assert!(text.contains("99.87 %"), "never rounded up: {text}");
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
        let mut tally = Tally::new(&roster, window);
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
            tally.add(&fixture::stored(&plan, &[fixture::row(check, slot, outcome)]));
        }
        let report = tally.finish();
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
