//! Every report, from the store and of measurements that lie elsewhere: field by field the same, or the first that is not.

use isochrone_base::roster::Roster;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{self, Options};
use isochrone_coverage::weights::Weights;
use isochrone_report::elsewhere::Elsewhere;
use isochrone_report::kept::Within;
use isochrone_report::locate::{EyesLocated, LocateReport};
use isochrone_report::log::Window;
use isochrone_report::{Printed as _, coverage, locate, nodes, show};
use isochrone_store::{Scan, Store};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

/// Reports as JSON, by name.
pub type Reports = Vec<(&'static str, Value)>;

fn coverage_json(found: coverage::FromStore) -> Value {
    let mut random = StdRng::seed_from_u64(1);
    report::build(&found.observations, &Options::new(Weights::people()), &mut random)
        .expect("made data can be reported")
        .json()
}

fn locate_json(found: locate::FromStore) -> Value {
    let addresses = format!("{:?}", found.addresses);
    let surveyed = found.survey.judge(&[]);
    let report = LocateReport {
        eyes: EyesLocated::judged(found.eyes, found.eyed, &surveyed),
        surveyed,
        databases: Vec::new(),
        sure: Vec::new(),
    };
    let mut json = report.json();
    json["addresses"] = addresses.into();
    json
}

/// Every report of the store.
///
/// # Panics
/// When one cannot be made.
#[must_use]
pub fn of_store(store: &Store, roster: &Roster, window: Window) -> Reports {
    let node = &nodes::from_store(store, roster, window, &mut |_| {}).expect("made data can be reported");
    let name = &node.nodes[0].node;
    let shown =
        show::from_store(store, roster, name, window, &mut |_| {}).expect("made data can be reported");
    let covered = coverage::from_store(store, roster, window, Source::Store, &mut |_| {})
        .expect("made data can be reported");
    let located = locate::from_store(store, roster, window, Source::Store, &mut |_| {})
        .expect("made data can be reported");
    vec![
        ("nodes", node.json()),
        (
            "show",
            serde_json::to_value(shown.expect("made data can be reported")).expect("JSON"),
        ),
        ("coverage", coverage_json(covered)),
        ("locate", locate_json(located)),
    ]
}

/// The same of measurements that lie elsewhere.
///
/// # Panics
/// When one cannot be made.
#[must_use]
pub fn of_elsewhere<S: Scan<Error: std::fmt::Debug>>(
    elsewhere: Elsewhere<'_, S>,
    roster: &Roster,
    window: Window,
) -> Reports {
    let within = Within::from(window);
    let node = &nodes::from_elsewhere(elsewhere, roster, within).expect("made data can be reported");
    let name = &node.nodes[0].node;
    let shown = show::from_elsewhere(elsewhere, roster, name, within).expect("made data can be reported");
    let covered = coverage::from_elsewhere(elsewhere, roster, within, Source::Elasticsearch)
        .expect("made data can be reported");
    let located = locate::from_elsewhere(elsewhere, roster, within, Source::Elasticsearch)
        .expect("made data can be reported");
    vec![
        ("nodes", node.json()),
        (
            "show",
            serde_json::to_value(shown.expect("made data can be reported")).expect("JSON"),
        ),
        ("coverage", coverage_json(covered)),
        ("locate", locate_json(located)),
    ]
}

/// Compares everything but where it is from.
///
/// # Panics
/// At the first field that differs.
pub fn assert_same(store: Reports, elsewhere: Reports, what: &str) {
    for ((report, mut ours), (_, mut theirs)) in store.into_iter().zip(elsewhere) {
        let said = theirs["source"].take();
        assert!(said.is_null() || said == "elasticsearch", "{said}");
        ours["source"].take();
        differing("", &ours, &theirs, &format!("{what}: {report}"));
    }
}

/// Names the first field that differs.
fn differing(path: &str, ours: &Value, theirs: &Value, what: &str) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(one), keys(other), "{what}{path}");
            for (key, value) in one {
                differing(&format!("{path}.{key}"), value, &other[key], what);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len(), "{what}{path}");
            for (at, value) in one.iter().enumerate() {
                differing(&format!("{path}[{at}]"), value, &other[at], what);
            }
        }
        (one, other) => assert_eq!(one, other, "{what}{path}"),
    }
}
