use isochrone_coverage::count::{
    Candidate, Count, CurvePoint, Doubt, Doubtful, DropOne, NextNode, NodeVerdict, Priced, Redundancy,
    Thresholds, Unpriced, Verdict, Wanted, WhyUnpriced,
};
use isochrone_coverage::country::Country;
use isochrone_coverage::fixture::{report, small_world};
use isochrone_coverage::geo::Position;
use isochrone_coverage::report::{Interval, Unseen, Widened};
use isochrone_coverage::weights::Weights;

use super::*;

fn interval(low: f64, high: f64) -> Option<Interval> {
    Some(Interval { low, high })
}

fn city(place: &str, gain_ms: f64) -> Candidate {
    Candidate {
        place: place.to_owned(),
        site: None,
        position: Position::new(6.5, 3.4).unwrap(),
        country: Country::code(&place[place.len() - 2..]),
        gain_ms,
        interval: interval(gain_ms / 2.0, gain_ms * 2.0),
        predicted: true,
        candidate: None,
        eyes: 0,
    }
}

fn lost(node: &str, cost_ms: f64, verdict: NodeVerdict) -> DropOne {
    DropOne {
        node: node.to_owned(),
        cost_ms,
        interval: interval(cost_ms / 4.0, cost_ms * 2.0),
        weight: 9e6,
        verdict,
    }
}

/// Two nodes of which one may go, seen from ten vantages.
fn count() -> Count {
    let needed = lost("tokyo", 31.4, NodeVerdict::Needed);
    let confirm_with = vec!["Lagos, NG".to_owned()];
    let point = |k, mean_ms| CurvePoint {
        k,
        mean_ms,
        interval: interval(mean_ms * 0.9, mean_ms * 1.2),
        chosen: ["tokyo", "berlin", "Lagos, NG", "Lima, PE"][..k]
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
    };
    Count {
        verdict: Verdict::CannotTell,
        reasons: vec![Doubt::FewVantages, Doubt::WideIntervals],
        by_latency_alone: true,
        thresholds: Thresholds::default(),
        priced: Priced::ByDays { chosen: 8, priced: 7 },
        days_resampled: true,
        known_share: 0.8,
        predicted_share: 0.72,
        vantages: 10,
        nodes: 2,
        curve: vec![point(1, 146.0), point(2, 92.0), point(3, 75.0), point(4, 54.0)],
        drop_one: vec![
            needed.clone(),
            lost("berlin", 0.3, NodeVerdict::MayGo { confirm_with }),
        ],
        unpriced: Vec::new(),
        worst_loss: Some(needed),
        next: Some(NextNode {
            best: city("Lagos, NG", 12.0),
            runners_up: vec![city("Lima, PE", 9.0)],
            calibrated: false,
        }),
        unpredictable: vec![Unseen {
            country: Country::code("CN").unwrap(),
            share: 0.18,
        }],
        doubtful: vec![Doubtful {
            how: Widened {
                country: Country::code("IN").unwrap(),
                share: 0.17,
                sites: 3,
                median_ms: 41.0,
                usual_ms: 12.0,
                times: 1.94,
            },
            city: Some(city("Delhi, IN", 14.0)),
        }],
        redundancy: vec![Redundancy {
            vantage: "v-paris".to_owned(),
            within: 1,
            second_ms: Some(210.0),
        }],
        measure: vec![Wanted {
            place: "Lagos, NG".to_owned(),
            position: Position::new(6.5, 3.4).unwrap(),
            weight: 2.1e8,
            interval: None,
        }],
    }
}

fn counted(count: Count) -> CountReport {
    CountReport {
        coverage: report(&small_world(), Weights::people()),
        count,
    }
}

#[test]
fn every_format_of_a_count_is_as_agreed() {
    crate::golden::check("count", &counted(count()));
}

#[test]
fn answer_comes_first_and_says_what_would_decide() {
    let text = counted(count()).text(100);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    let verdict = at(
        "Whether 2 nodes are too many or too few cannot be told, by latency alone: 10 vantages are too few",
    );
    let next = at(
        "Best guess for the next city: Lagos, NG (~12.0 ms less in the mean, 6.00–24.0), not yet measured",
    );
    let china = at("China (18.0 % of people) cannot be predicted: no site is known in it.");
    let india = at(
        "India (17.0 % of people) is predicted badly: its 3 known sites, left out, are predicted 41.0 ms off, where 12.0 ms are usual; its intervals are 1.9 times as wide for that. Its best city would be Delhi, IN (~14.0 ms less",
    );
    let decide = at("Measuring from these places would decide most: Lagos, NG.");
    assert!(verdict < next && next < china && china < india && india < decide);
    at(
        "as wide as known truths needed: such an interval held the truth about 9 of 10 times where it was known, those of means less often in parts of the world.",
    );
    at("candidate to drop, confirm with Lagos, NG");
}

#[test]
fn figures_that_rest_on_predictions_are_marked_in_every_format() {
    let report = counted(count());
    let text = report.text(100);
    for marked in [
        "~cost ms",
        "~mean ms",
        "the mean is ~31.4 ms longer",
        "(~12.0 ms less",
    ] {
        assert!(text.contains(marked), "{marked}: {text}");
    }
    let html = report.html();
    for marked in [
        "~Mean without it, ms more",
        "~31.4",
        "1 nodes: ~146 ms",
        "~mean ms",
    ] {
        assert!(html.contains(marked), "{marked}");
    }
    let csv = report.csv();
    assert!(
        csv.lines().next().unwrap().ends_with("source,predicted,site"),
        "{csv}"
    );
    assert!(csv.lines().skip(1).all(|row| row.contains(",true,")), "{csv}");
    let json = report.json();
    assert_eq!(
        (&json["predicted"], &json["next"]["best"]["site"]),
        (&true.into(), &Value::Null)
    );
    assert!((json["measured_share"].as_f64().unwrap() - 0.08).abs() < 1e-9);

    let measured = counted(Count {
        predicted_share: 0.0,
        ..count()
    });
    assert!(!measured.text(100).contains("~cost ms") && measured.text(100).contains("cost ms"));
}

#[test]
fn places_to_measure_show_times_only_where_there_are_any_and_say_why_otherwise() {
    let why = "No time to the nearest node is predicted for any of these places";
    let none = counted(count());
    for text in [none.text(400), none.html(), none.markdown()] {
        assert!(text.contains(why), "{text}");
        assert!(!text.to_lowercase().contains("~nearest node, "), "{text}");
    }
    let mut some = count();
    let mut second = some.measure[0].clone();
    second.interval = Some(Interval {
        low: 80.0,
        high: 210.0,
    });
    some.measure.push(second);
    let text = counted(some).text(400);
    assert!(
        text.contains("~nearest node, ms") && text.contains("80.0–210"),
        "{text}"
    );
    assert!(text.contains("not predicted") && !text.contains(why), "{text}");
}

#[test]
fn each_set_is_that_of_the_line_above_with_what_is_added_less_what_a_swap_took_out() {
    let mut swapped = count();
    swapped.curve[2].chosen = vec!["tokyo".to_owned(), "Lagos, NG".to_owned(), "Accra, GH".to_owned()];
    let report = counted(swapped.clone());
    let text = report.text(100);
    assert!(text.contains("Lagos, NG; Accra, GH − berlin"), "{text}");
    let html = report.html();
    assert!(html.contains("Lagos, NG; Accra, GH − berlin"), "{html}");
    let json = report.json();
    let mut set: Vec<String> = Vec::new();
    for (point, given) in json["curve"].as_array().unwrap().iter().zip(&swapped.curve) {
        let names = |key: &str| {
            let names = point[key].as_array().unwrap().iter();
            names
                .map(|name| name.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        set.retain(|name| !names("left_out").contains(name));
        set.extend(names("added"));
        let (mut derived, mut whole) = (set.clone(), given.chosen.clone());
        derived.sort();
        whole.sort();
        assert_eq!(derived, whole);
    }
}

#[test]
fn days_that_were_not_resampled_make_figures_provisional() {
    let few = counted(Count {
        priced: Priced::ByDays { chosen: 3, priced: 4 },
        days_resampled: false,
        reasons: vec![Doubt::FewDays],
        ..count()
    });
    let text = few.text(400);
    assert!(
        text.contains("Provisional: 4 even days are too few to be resampled"),
        "{text}"
    );
    assert!(text.contains(
        "the days that price are too few to be resampled, which needs 7 even ones (`--since 15d` has them)"
    ));
    assert_eq!(few.json()["reasons"], serde_json::json!(["few-days"]));
    assert!(!counted(count()).text(400).contains("Provisional"));
}

#[test]
fn node_without_a_price_is_named_and_two_candidates_back_each_other() {
    let may_go = |node: &str| {
        let confirm_with = vec!["Lagos, NG".to_owned()];
        lost(node, 0.3, NodeVerdict::MayGo { confirm_with })
    };
    let report = counted(Count {
        drop_one: vec![may_go("berlin"), may_go("potsdam")],
        unpriced: vec![Unpriced {
            node: "lost".to_owned(),
            why: WhyUnpriced::NoPlace,
        }],
        ..count()
    });
    let text = report.text(400);
    assert!(
        text.contains("What lost is worth cannot be told: it has no coordinates."),
        "{text}"
    );
    assert!(text.contains("drop one and ask again"), "{text}");
    assert!(
        text.contains("cannot tell: it has no coordinates"),
        "in the table: {text}"
    );
    assert_eq!(
        report.json()["unpriced"],
        serde_json::json!([{ "node": "lost", "why": "no-place" }])
    );
    assert!(
        !counted(count()).text(400).contains("ask again"),
        "one candidate alone"
    );
}

#[test]
fn sure_verdicts_are_said_as_such() {
    let of = |verdict| {
        let reasons = Vec::new();
        words::verdict(&Count {
            verdict,
            reasons,
            ..count()
        })
    };
    assert!(of(Verdict::TooMany).starts_with("Too many, by latency alone: of 2 nodes at least one can go"));
    assert!(of(Verdict::TooFew).starts_with("Too few, by latency alone: one more beside the 2 nodes"));
}

#[test]
fn without_predictions_no_node_is_priced_and_the_reader_is_told_why() {
    let bare = Count {
        drop_one: Vec::new(),
        worst_loss: None,
        next: None,
        curve: Vec::new(),
        ..count()
    };
    let report = counted(bare);
    let (text, html) = (report.text(100), report.html());
    assert!(text.contains("What each node is worth is not printed"), "{text}");
    assert!(!text.contains("If one node were gone"), "{text}");
    assert!(!html.contains("class=\"worth\"") && !html.contains("class=\"chart-figure"));
    assert_eq!(report.json()["drop_one"], serde_json::json!([]));
}

#[test]
fn where_no_city_is_guessed_the_first_sentences_say_so_and_why() {
    let first = |reasons, drop_one| {
        let count = Count {
            reasons,
            drop_one,
            next: None,
            ..count()
        };
        let mut coverage = counted(count.clone()).coverage;
        coverage.count = Some(count.clone());
        let said = coverage.json()["answer"][1].as_str().unwrap().to_owned();
        assert_eq!(counted(count).json()["answer"][1], said);
        said
    };
    let needed = || vec![lost("tokyo", 31.4, NodeVerdict::Needed)];
    for (reasons, drop_one, why) in [
        (
            vec![Doubt::FewVantages, Doubt::NoPrior],
            needed(),
            "from so few vantages alone, without a prior, it would be noise",
        ),
        (
            vec![Doubt::NothingKnown],
            Vec::new(),
            "nothing was measured that counts",
        ),
        (
            vec![Doubt::FewVantages],
            Vec::new(),
            "nobody who counts measured a node that has coordinates",
        ),
        (
            vec![Doubt::FewVantages],
            needed(),
            "no city's times to others are measured or predicted",
        ),
    ] {
        let said = first(reasons, drop_one);
        assert_eq!(said, format!("No city can be guessed for the next node: {why}."));
    }
    assert!(!counted(count()).text(400).contains("No city can be guessed"));
}

#[test]
fn city_that_gains_nothing_is_no_runner_up_and_no_best_guess() {
    let mut some = count();
    some.next
        .as_mut()
        .unwrap()
        .runners_up
        .push(city("Oslo, NO", 0.004));
    let both = |count: &Count| {
        let mut coverage = counted(count.clone()).coverage;
        coverage.count = Some(count.clone());
        [
            coverage.json()["answer"].to_string(),
            counted(count.clone()).json()["answer"].to_string(),
        ]
    };
    for said in both(&some) {
        assert!(
            said.contains("runners-up Lima, PE") && !said.contains("Oslo"),
            "{said}"
        );
    }
    some.next.as_mut().unwrap().best.gain_ms = 0.0;
    for said in both(&some) {
        assert!(said.contains(NO_GAIN) && !said.contains("Lima, PE"), "{said}");
    }
}

#[test]
fn order_of_cities_and_what_the_mean_runs_over_are_explained() {
    let mut some = count();
    let text = counted(some.clone()).text(400);
    assert!(
        text.contains("a runner-up may show a larger one than the city before it"),
        "{text}"
    );
    assert!(
        text.contains("The mean runs over 80.0 % of people: 72.0 % are predicted, and 8.0 % measured."),
        "{text}"
    );
    some.next.as_mut().unwrap().runners_up.clear();
    assert!(!counted(some).text(400).contains("a runner-up may show"));
}

#[test]
fn price_of_a_node_on_the_page_of_coverage_is_marked_and_has_its_interval() {
    let mut coverage = counted(count()).coverage;
    let node = coverage.nodes[0].name.clone();
    coverage.count = Some(Count {
        drop_one: vec![lost(&node, 31.4, NodeVerdict::Needed)],
        ..count()
    });
    let html = coverage.html();
    let rows = html.split("Node by node").nth(2).unwrap();
    for said in [
        "~If gone,\u{a0}ms more</th>",
        "~90\u{a0}% interval</th>",
        ">31.4</td>",
        ">7.85–62.8</td>",
        "<td class=\"wraps\" data-label=\"Verdict\">needed",
    ] {
        assert!(rows.contains(said), "{said}: {rows}");
    }
}

#[test]
fn page_draws_the_curve_and_each_nodes_worth() {
    let html = counted(count()).html();
    for drawn in [
        "class=\"whisker\"",
        "class=\"hole\"",
        "class=\"threshold\"",
        "fill needed",
        "fill may-go",
    ] {
        assert!(html.contains(drawn), "{drawn}");
    }
    for outside in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let worth = crate::coverage::count::marks::calibration();
    let figures = html.split("<h2").next().unwrap();
    assert_eq!(
        figures.matches(&worth).count(),
        1,
        "said once beside the figures, and once below"
    );
    let alone = counted(Count {
        curve: Vec::new(),
        ..count()
    })
    .html();
    assert!(alone.split("<h2").next().unwrap().contains(&worth));
}
