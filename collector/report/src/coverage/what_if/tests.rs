use isochrone_coverage::fixture::small_world;
use isochrone_coverage::report::what_if::Change;
use isochrone_coverage::report::{Options, build};
use isochrone_coverage::weights::Weights;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::WhatIfReport;
use crate::Printed as _;

fn report(add: &[&str], remove: &[&str]) -> WhatIfReport {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let options = Options {
        replicates: 40,
        what_if: Some(Change {
            add: names(add),
            remove: names(remove),
        }),
        ..Options::new(Weights::people())
    };
    let mut coverage = build(&small_world(), &options, &mut StdRng::seed_from_u64(3)).unwrap();
    let what_if = coverage.what_if.take().unwrap();
    WhatIfReport { coverage, what_if }
}

#[test]
fn answer_says_what_changes_how_surely_and_what_the_own_city_gets_by_prediction() {
    let report = report(&["Sao Paulo, BR"], &["berlin"]);
    let text = report.text(100).split_whitespace().collect::<Vec<_>>().join(" ");
    let at = |sentence: &str| {
        text.find(sentence)
            .unwrap_or_else(|| panic!("{sentence}: {text}"))
    };
    let sentences = [
        at("Calculation only: no node was moved"),
        at("With São Paulo, BR and without berlin the mean time would be ~"),
        at("The mean time is ~"),
        at("predicted from its neighbours"),
        at("Share of people, with predictions"),
        at("Share of people, as measured"),
        at("Measured pairs that this rests on"),
    ];
    assert!(sentences.is_sorted(), "{sentences:?}: {text}");
    assert!(report.markdown().contains("with predictions") && report.html().contains("as measured"));
}

#[test]
fn json_holds_the_contracts_keys_and_its_shares_add_up() {
    let report = report(&["Hamburg, DE"], &[]);
    let json = report.json();
    assert_eq!(json["schema"], "isochrone.whatif/1");
    for key in ["mean_ms", "low_ms", "high_ms"] {
        assert!(
            json["difference"][key].is_number() && json["today"][key].is_number(),
            "{json}"
        );
    }
    for state in ["today", "then"] {
        for key in ["shares", "shares_predicted"] {
            for share in json[state][key].as_array().unwrap() {
                let part = |key: &str| share[key].as_f64().unwrap();
                assert!(
                    (part("in") + part("out") + part("unknown") - 1.0).abs() < 1e-9,
                    "{share}"
                );
            }
        }
    }
    assert_eq!(json["added"][0]["own_city"]["predicted"], true);
    assert!(!json["rests_on"].as_array().unwrap().is_empty());
    assert!(
        report.csv().contains("own-city,\"Hamburg, DE\",then"),
        "{}",
        report.csv()
    );
}
