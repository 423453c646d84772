use isochrone_coverage::fixture::{beside_its_node, report, small_world};
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::weights::Weights;

use crate::Printed as _;
use crate::golden::{check, check_text};

#[test]
fn report_of_fixed_worlds_says_what_it_said() {
    let demo = Observations {
        source: Source::Demo,
        ..small_world()
    };
    for (name, world, weights) in [
        ("days_sites", small_world(), Weights::sites()),
        ("values_sites", beside_its_node(), Weights::sites()),
        ("demo_sites", demo, Weights::sites()),
    ] {
        check(&format!("coverage_{name}"), &report(&world, weights));
    }
    for (name, world) in [
        ("days_people", small_world()),
        ("values_people", beside_its_node()),
    ] {
        let report = report(&world, Weights::people());
        check_text(&format!("coverage_{name}.csv"), &report.csv());
        check_text(&format!("coverage_{name}.txt"), &report.text(100));
        check_text(&format!("coverage_{name}.md"), &report.markdown());
    }
}
