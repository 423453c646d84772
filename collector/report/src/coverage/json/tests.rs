use std::collections::BTreeSet;

use isochrone_coverage::fixture::{forecast, node, report, single, small_world, vantage};
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::weights::Weights;
use serde_json::Value;

use crate::Printed as _;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys that others build on: each must be there for ever.
fn holds(value: &Value, promised: &[&str]) {
    let keys = keys(value);
    for key in promised {
        assert!(keys.contains(key), "{key} is missing from {keys:?}");
    }
}

#[test]
fn promised_keys_are_there() {
    let json = report(&small_world(), Weights::people()).json();
    let top = [
        "schema",
        "source",
        "statistic",
        "basis",
        "window",
        "nodes",
        "weights",
        "shares",
        "regions",
        "vantages",
    ];
    holds(&json, &top);
    assert_eq!(
        (&json["schema"], &json["source"]),
        (&"isochrone.coverage/1".into(), &"store".into())
    );
    assert_eq!(
        (&json["statistic"], &json["basis"]),
        (&"p50".into(), &"connect".into())
    );
    holds(&json["window"], &["from", "to"]);
    assert_eq!(json["window"]["from"], "1970-01-01T00:00:00Z");
    holds(
        &json["nodes"][0],
        &["node", "site", "country", "latitude", "longitude"],
    );
    holds(&json["weights"], &["kind", "total", "attribution"]);
    assert!(
        json["weights"]["attribution"]
            .as_str()
            .unwrap()
            .contains("GeoNames")
    );
    holds(&json["shares"][0], &["budget_ms", "in", "out", "unknown"]);
    let region = [
        "region",
        "continent",
        "weight",
        "vantages",
        "networks",
        "access",
        "best",
        "tie_set",
        "runner_up",
        "min_ms",
        "p50_ms",
        "p90_ms",
        "low_ms",
        "high_ms",
        "loss",
        "samples",
        "verdict",
    ];
    json["regions"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(|row| holds(row, &region));
    json["vantages"].as_array().unwrap().iter().for_each(|row| {
        holds(
            row,
            &["site", "best", "best_ms", "second", "second_ms", "own_node"],
        );
    });
}

#[test]
fn measured_and_unmeasured_regions_say_what_they_hold() {
    let json = report(&small_world(), Weights::people()).json();
    let region = |code: &str| {
        json["regions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["region"] == code)
            .unwrap()
            .clone()
    };
    let (germany, france, china) = (region("DE"), region("FR"), region("CN"));
    assert_eq!(
        (&germany["best"], &germany["verdict"], &germany["networks"]),
        (&"berlin".into(), &"best".into(), &2.into())
    );
    assert_eq!(
        (&germany["continent"], &germany["access"]),
        (&"EU".into(), &"data-centre".into())
    );
    assert!(germany["low_ms"].as_f64().unwrap() <= germany["high_ms"].as_f64().unwrap());
    assert_eq!(germany["samples"], 60, "two vantages, ten days, three runs each");
    assert_eq!(
        (&france["best"], &france["own_node"]),
        (&"berlin".into(), &true.into())
    );
    assert_eq!(
        (&china["best"], &china["verdict"], &china["vantages"]),
        (&Value::Null, &"unknown".into(), &0.into())
    );
    assert_eq!(china["p50_ms"], Value::Null);
    for share in json["shares"].as_array().unwrap() {
        let sum: f64 = ["in", "out", "unknown"]
            .iter()
            .map(|key| share[key].as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-9, "{share}");
    }
}

#[test]
fn statistic_that_a_file_does_not_hold_is_null_and_numbers_are_not_rounded() {
    let world = single(
        vec![node("berlin", "Berlin, DE")],
        vec![vantage("ada", "Hamburg, DE")],
        &[(0, 0, 12.345678901)],
    );
    let json = report(&world, Weights::sites()).json();
    let region = &json["regions"][0];
    assert_eq!(region["p50_ms"].as_f64(), Some(12.345678901));
    for missing in [
        "min_ms",
        "p90_ms",
        "low_ms",
        "high_ms",
        "loss",
        "samples",
        "runner_up",
    ] {
        assert_eq!(region[missing], Value::Null, "{missing}");
    }
    assert_eq!((&json["window"], &json["basis"]), (&Value::Null, &"file".into()));
    let vantage = &json["vantages"][0];
    assert_eq!(
        (vantage["best_ms"].as_f64(), &vantage["second"]),
        (Some(12.345678901), &Value::Null)
    );
}

#[test]
fn no_number_is_minus_zero() {
    let world = small_world();
    for weights in [Weights::people(), Weights::sites()] {
        let report = report(&world, weights);
        let (json, csv) = (report.json().to_string(), report.csv());
        for text in [&json, &csv] {
            let is_zero = |at: usize| {
                text[at + 4..]
                    .chars()
                    .next()
                    .is_none_or(|next| !next.is_ascii_digit())
            };
            let below = text.match_indices("-0.0").find(|&(at, _)| is_zero(at));
            assert_eq!(below, None, "{text}");
        }
    }
}

#[test]
fn codes_of_countries_and_continents_are_told_apart_in_csv() {
    let csv = report(&small_world(), Weights::people()).csv();
    let rows: Vec<&str> = csv.lines().filter(|line| line.contains(",AF,")).collect();
    let of = |name: &str, level: &str| {
        let named = |row: &&&str| row.contains(&format!(",AF,{name},")) && row.contains(level);
        rows.iter().filter(named).count()
    };
    assert_eq!(
        (of("Afghanistan", ",country,"), of("Africa", ",continent,")),
        (1, 1),
        "{rows:#?}"
    );
}

#[test]
fn demo_is_marked() {
    let json = report(
        &Observations {
            source: Source::Demo,
            ..small_world()
        },
        Weights::people(),
    )
    .json();
    assert_eq!((&json["source"], &json["demo"]), (&"demo".into(), &true.into()));
    assert!(json["caveats"][0].as_str().unwrap().starts_with("DEMO"));
}

#[test]
fn no_last_mile_is_said_in_every_report() {
    for weights in [Weights::people(), Weights::sites()] {
        let report = report(&small_world(), weights);
        for text in [report.json().to_string(), report.text(100), report.html()] {
            assert!(text.replace('\n', " ").contains("no last mile"));
            assert!(text.replace('\n', " ").contains("GeoNames"));
        }
    }
}

#[test]
fn predicted_figures_stand_apart_and_are_marked() {
    let report = forecast(&small_world(), Weights::people());
    let json = report.json();
    assert_eq!(json["prediction"]["made"], true);
    let (measured, with) = (&json["shares"][1], &json["shares_predicted"][1]);
    holds(with, &["budget_ms", "in", "out", "unknown", "in_low", "in_high"]);
    assert!(with["in"].as_f64().unwrap() > measured["in"].as_f64().unwrap());
    let japan = json["regions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["region"] == "JP")
        .unwrap();
    assert_eq!(
        (&japan["best"], &japan["predicted"]["best"]),
        (&Value::Null, &"<tokyo> & co".into())
    );
    holds(
        &japan["predicted"],
        &["weight", "ms", "low_ms", "high_ms", "tie_set", "shares"],
    );
    assert_eq!(
        json["depth"]["targets"][2]["measured"], false,
        "throughput is not measured"
    );
    let text = report.text(100);
    for words in [
        "Measured only, and with predictions (~)",
        "~sure within",
        "~cannot tell",
        "Predicted, where no vantage speaks",
        "~best node",
    ] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert!(report.csv().lines().next().unwrap().contains("predicted_ms"));
}

#[test]
fn subdivisions_stand_in_json_csv_and_text_where_they_were_asked_for() {
    use isochrone_coverage::report::{Options, build};
    use rand::SeedableRng as _;

    let options = Options {
        subdivisions: true,
        replicates: 20,
        ..Options::new(Weights::people())
    };
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let report = build(&small_world(), &options, &mut random).unwrap();
    let json = report.json();
    let of = |code: &str| {
        let all = json["subdivisions"].as_array().unwrap().iter();
        let mut those = all.filter(|region| region["region"] == code);
        those.next().unwrap_or_else(|| panic!("{code}"))
    };
    assert_eq!(
        (&of("DE-HH")["name"], &of("DE-HH")["country"]),
        (&"Hamburg".into(), &"DE".into())
    );
    assert!(of("DE-HH")["known_weight"].as_f64().unwrap() > 0.0);
    assert!(of("US-CA")["predicted"]["weight"].as_f64().unwrap() > 0.0);
    assert_eq!(of("SG-?")["name"], "Singapore, subdivision not known");
    let countries = json["regions"].as_array().unwrap();
    assert!(
        countries.iter().any(|region| region["region"] == "US"),
        "as before"
    );
    let csv = report.csv();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let hamburg = csv.lines().find(|line| line.contains(",DE-HH,")).unwrap();
    assert!(hamburg.contains("subdivision"), "{hamburg}");
    for column in ["budget_ms", "in", "out", "undecided", "unknown", "predicted_in"] {
        assert!(header.contains(&column), "{column}");
    }
    let text = report.text(100);
    assert!(
        text.contains("by subdivision of large countries") && text.contains("US-CA Cali"),
        "{text}"
    );
    assert!(report.html().contains("Subdivisions that a vantage speaks for"));
}

#[test]
fn shares_with_predictions_say_what_cannot_be_told_and_what_is_not_predicted() {
    let report = isochrone_coverage::fixture::forecast(&small_world(), Weights::people());
    let json = report.json();
    let number = |share: &Value, key: &str| share[key].as_f64().unwrap();
    for share in json["shares_predicted"].as_array().unwrap() {
        assert!(
            number(share, "undecided") <= number(share, "unknown") + 1e-9,
            "{share}"
        );
    }
    let text = report.text(100).split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "surely within",
        "surely beyond",
        "it cannot be told",
        "not predicted at all",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let html = report.html();
    assert!(html.contains("cannot be told: the interval of their time reaches across"));
}

#[test]
fn true_share_has_keys_of_its_own_in_json_and_csv() {
    let report = forecast(&small_world(), Weights::people());
    let json = report.json();
    let shares = json["shares_predicted"].as_array().unwrap();
    let number = |share: &Value, key: &str| share[key].as_f64().unwrap();
    for share in shares {
        assert_eq!(share["true_in_low"], share["in_low"]);
        assert_eq!(share["true_in_high"], share["in_high"]);
        assert!(number(share, "true_in_low") <= number(share, "true_in_high"));
    }
    let outside = |share: &&Value| number(share, "in") < number(share, "true_in_low");
    assert!(
        shares.iter().any(|share| outside(&share)),
        "what is sure lies below: {shares:?}"
    );
    let says = json["reading"]["true_in_low"].as_str().unwrap();
    assert!(says.contains("no interval around `in`"), "{says}");
    let csv = report.csv();
    let header = csv.lines().next().unwrap();
    assert!(
        header.ends_with(",true_in_low,true_in_high,predicted_true_in_low,predicted_true_in_high"),
        "{header}"
    );
}
