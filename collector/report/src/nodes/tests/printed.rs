//! What is printed, in every format.

use super::*;

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
        tiers: Vec::new(),
        before_kept: None,
        schema: "isochrone.nodes/1",
        source: "demo",
        from: UnixMillis(DAY0),
        to: UnixMillis(DAY0 + DAY_MS),
        would_have_paged: 3,
        is_one_place: false,
        measured_from: Some(UnixMillis(DAY0 + DAY_MS - 660_000)),
        nodes: vec![NodeReport {
            node: "tokyo".into(),
            worker: None,
            place: String::new(),
            removed: false,
            days: vec![day],
            outages: Vec::new(),
            nobody_may_judge_s: 0.0,
            nobody_measured_s: 0.0,
            availability: None,
            slices: Vec::new(),
            whole: Whole::default(),
        }],
        imported: crate::imported::ImportedNodes::default(),
        borrowed: Vec::new(),
    };
    let text = report.text(100);
    assert!(text.starts_with("*** DEMO"));
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 100 && !line.contains('…')),
        "{text}"
    );
    assert!(text.contains("99.87 %"), "never rounded up: {text}");
    let pages = super::super::words::pages(&report);
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

#[test]
fn window_that_begins_before_anything_kept_says_so_in_every_format() {
    let before = crate::kept::BeforeKept {
        asked_from: UnixMillis(DAY0 - 9 * DAY_MS),
        kept_from: Some(UnixMillis(DAY0)),
        removed: true,
        is_elsewhere: false,
    };
    let report = NodesReport {
        before_kept: Some(before),
        ..golden_world()
    };
    for printed in [report.text(100), report.markdown(), report.html()] {
        let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&before.sentence()), "{printed}");
    }
    assert_eq!(report.json()["before_kept"]["removed"], true);
    assert_eq!(golden_world().json()["before_kept"], Value::Null);
    assert!(!golden_world().text(100).contains("was asked for"));
}

#[test]
fn borrowed_eyes_stand_below_all_figures_and_only_where_there_are_any() {
    let with = |borrowed| NodesReport {
        borrowed,
        ..run(&roster(), window(6), |_, _, _, kind| Some(usual(kind)))
    };
    let eyes = BorrowedNode {
        node: "tokyo".to_owned(),
        eyes: 24,
        eyeballs: 20,
        data_centres: 4,
        measurements: 72,
        answered: 70,
        newest: UnixMillis(DAY0),
    };
    let (without, with) = (with(Vec::new()), with(vec![eyes]));
    let said =
        "tokyo: 24 borrowed eyes (20 on people's lines, 4 in data centres), 70 of 72 measurements answered";
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [with.text(100), with.markdown()] {
        assert!(flat(text.clone()).contains(said), "{text}");
    }
    assert!(with.html().contains("Borrowed eyes") && !without.html().contains("Borrowed eyes"));
    assert!(!without.text(100).contains("Borrowed eyes"));
    assert_eq!(with.json()["borrowed"][0]["eyes"], 24);
    assert_eq!(with.csv(), without.csv(), "no row of ours");
    assert_eq!(with.nodes, without.nodes);
}
