//! What the report says of fixed worlds, byte for byte. `GOLDEN=write` writes the files anew.

use std::path::Path;

use isochrone_coverage::fixture::{beside_its_node, report, small_world};
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::report::CoverageReport;
use isochrone_coverage::weights::Weights;

use crate::Printed as _;

fn worlds() -> Vec<(&'static str, CoverageReport)> {
    let demo = Observations {
        source: Source::Demo,
        ..small_world()
    };
    vec![
        ("days_sites", report(&small_world(), Weights::sites())),
        ("days_people", report(&small_world(), Weights::people())),
        ("values_sites", report(&beside_its_node(), Weights::sites())),
        ("values_people", report(&beside_its_node(), Weights::people())),
        ("demo_sites", report(&demo, Weights::sites())),
    ]
}

#[test]
fn reports_of_fixed_worlds_say_what_they_said() {
    for (name, report) in worlds() {
        if name.ends_with("sites") {
            let json = serde_json::to_string_pretty(&report.json()).unwrap() + "\n";
            check(&format!("{name}.json"), &json);
        }
        check(&format!("{name}.csv"), &report.csv());
        check(&format!("{name}.txt"), &report.text(100));
        check(&format!("{name}.md"), &report.markdown());
    }
}

fn check(name: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/coverage/golden")
        .join(name);
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, said).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(said == expected, "{name} differs; it says now:\n{said}");
}
