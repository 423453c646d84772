use isochrone_coverage::fixture::small_world;
use isochrone_coverage::place::Objective;
use isochrone_coverage::report::placement::Ask;
use isochrone_coverage::report::{Options, build};
use isochrone_coverage::weights::Weights;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::PlaceReport;
use crate::Printed as _;

fn report(ask: Ask) -> PlaceReport {
    let options = Options {
        replicates: 40,
        place: Some(ask),
        ..Options::new(Weights::people())
    };
    let mut coverage = build(&small_world(), &options, &mut StdRng::seed_from_u64(3)).unwrap();
    let placement = coverage.placement.take().unwrap();
    PlaceReport { coverage, placement }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn answer_says_the_places_how_surely_what_cannot_be_told_apart_and_what_to_measure() {
    let report = report(Ask {
        keep_all: true,
        ..Ask::new(4)
    });
    let text = words(&report.text(100));
    let at = |sentence: &str| {
        text.find(sentence)
            .unwrap_or_else(|| panic!("{sentence}: {text}"))
    };
    let sentences = [
        at("The mean time is ~"),
        at("Today's nodes give ~"),
        at("By these numbers no other set is better: proven."),
        at("Cannot be told apart from this:"),
        at("Before deciding, measure towards these places"),
        at("The places"),
        at("The next best, by one place"),
        at("Calculation only"),
    ];
    assert!(sentences.is_sorted(), "{sentences:?}: {text}");
    assert!(report.text(100).lines().all(|line| line.chars().count() <= 100));
    assert!(report.markdown().contains("## The places") && report.html().contains("The next best"));
}

#[test]
fn json_holds_the_contracts_keys_and_csv_a_line_for_each_place() {
    let report = report(Ask {
        objective: Objective::Cover(100.0),
        ..Ask::new(2)
    });
    let json = report.json();
    assert_eq!(json["schema"], "isochrone.placement/1");
    assert_eq!(
        (&json["objective"], &json["budget_ms"]),
        (&"cover".into(), &100.0.into())
    );
    assert_eq!(json["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(json["value"].as_f64(), Some(report.placement.value));
    assert_eq!(json["lower_bound"].as_f64(), Some(report.placement.bound));
    assert_eq!(json["proven_optimal"], report.placement.proven);
    assert!(json["priced"]["low"].as_f64().unwrap() <= json["priced"]["high"].as_f64().unwrap());
    let csv = report.csv();
    assert_eq!(
        csv.lines().filter(|line| line.starts_with("chosen,")).count(),
        2,
        "{csv}"
    );
}

#[test]
fn set_that_is_not_proven_says_its_gap_and_never_the_word_proven() {
    let mut report = report(Ask::new(3));
    (report.placement.proven, report.placement.gap) = (false, 0.021);
    let text = words(&report.text(100));
    assert!(
        text.contains("By these numbers no set is more than 2.1 % better (the gap); this one is not proven to be the best."),
        "{text}"
    );
    assert!(!text.contains("better: proven"));
}
