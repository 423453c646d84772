//! Reports of what lies in Elasticsearch are those of the store, field by field: here the documents themselves, as they are
//! sent and read back; `elasticsearch/reading.rs` does the same with real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{self, Options};
use isochrone_coverage::weights::Weights;
use isochrone_elastic::document::Writer;
use isochrone_elastic::index::Names;
use isochrone_elastic::read::{Batches, ReadError};
use isochrone_elastic::{Period, Prefix};
use isochrone_proto::units::UnixMillis;
use isochrone_report::elsewhere::Elsewhere;
use isochrone_report::kept::Within;
use isochrone_report::locate::LocateReport;
use isochrone_report::log::Window;
use isochrone_report::{Printed as _, coverage, locate, nodes, show};
use isochrone_store::{Records, Scan, ScanRange, Store, Stored, Tier};
use isochrone_tests::figures::report::PatchyMesh;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// Documents in one answer.
const PAGE: usize = 10_000;

/// What the sink would have sent.
struct Documents<'m> {
    mesh: &'m PatchyMesh,
    /// By slot.
    all: Vec<(UnixMillis, String, String)>,
}

impl<'m> Documents<'m> {
    fn of(mesh: &'m PatchyMesh) -> Self {
        let mut writer = Writer::new(Names::new(Prefix::default(), Period::Month));
        let mut all = Vec::new();
        let store = &mesh.filled.store;
        let scanned = store.scan(ScanRange::default(), |stored| {
            let slots: Vec<UnixMillis> = stored.batch.measurements().map(|row| row.slot).collect();
            let mut slots = slots.into_iter();
            writer.documents(&stored, |document| {
                let text = String::from_utf8(document.source).unwrap();
                all.push((slots.next().unwrap(), document.id.to_string(), text));
            });
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        all.sort_unstable();
        Self { mesh, all }
    }
}

impl Scan for Documents<'_> {
    type Error = ReadError;

    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), ReadError> {
        let first = self.all.partition_point(|(slot, ..)| *slot < range.from);
        let last = self.all.partition_point(|(slot, ..)| *slot < range.until);
        let mut batches = Batches::new(&self.mesh.roster);
        for page in self.all[first..last].chunks(PAGE) {
            for (_, id, source) in page {
                batches.add("isochrone-test", id, source);
            }
            batches.take().into_iter().for_each(&mut *each);
        }
        assert_eq!(batches.foreign().documents, 0, "{:?}", batches.foreign());
        Ok(())
    }
}

fn coverage_json(found: coverage::FromStore) -> Value {
    let mut random = StdRng::seed_from_u64(1);
    report::build(&found.observations, &Options::new(Weights::people()), &mut random)
        .unwrap()
        .json()
}

fn locate_json(found: locate::FromStore) -> Value {
    let addresses = format!("{:?}", found.addresses);
    let report = LocateReport {
        surveyed: found.survey.judge(&[]),
        databases: Vec::new(),
        sure: Vec::new(),
    };
    let mut json = report.json();
    json["addresses"] = addresses.into();
    json
}

/// Every report of the store.
fn of_store(mesh: &PatchyMesh, window: Window) -> Vec<(&'static str, Value)> {
    let (store, roster) = (&mesh.filled.store, &mesh.roster);
    let node = &nodes::from_store(store, roster, window, &mut |_| {}).unwrap();
    let name = &node.nodes[0].node;
    let shown = show::from_store(store, roster, name, window, &mut |_| {}).unwrap();
    let covered = coverage::from_store(store, roster, window, Source::Store, &mut |_| {}).unwrap();
    let located = locate::from_store(store, roster, window, Source::Store, &mut |_| {}).unwrap();
    vec![
        ("nodes", node.json()),
        ("show", serde_json::to_value(shown.unwrap()).unwrap()),
        ("coverage", coverage_json(covered)),
        ("locate", locate_json(located)),
    ]
}

/// The same of documents.
fn of_documents(documents: &Documents<'_>, window: Window) -> Vec<(&'static str, Value)> {
    let (store, roster): (&Store, _) = (&documents.mesh.filled.store, &documents.mesh.roster);
    let elsewhere = Elsewhere {
        rows: documents,
        store,
    };
    let within = Within::from(window);
    let node = &nodes::from_elsewhere(elsewhere, roster, within).unwrap();
    let name = &node.nodes[0].node;
    let shown = show::from_elsewhere(elsewhere, roster, name, within).unwrap();
    let covered = coverage::from_elsewhere(elsewhere, roster, within, Source::Elasticsearch).unwrap();
    let located = locate::from_elsewhere(elsewhere, roster, within, Source::Elasticsearch).unwrap();
    vec![
        ("nodes", node.json()),
        ("show", serde_json::to_value(shown.unwrap()).unwrap()),
        ("coverage", coverage_json(covered)),
        ("locate", locate_json(located)),
    ]
}

/// Everything but where it is from.
fn assert_same(store: Vec<(&str, Value)>, elsewhere: Vec<(&str, Value)>, what: &str) {
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

fn window(mesh: &PatchyMesh, from: u64, until: u64) -> Window {
    Window {
        from: UnixMillis(mesh.start.0 + from),
        until: UnixMillis(mesh.start.0 + until),
    }
}

#[test]
fn reports_of_documents_are_those_of_the_store_field_by_field() {
    let mut mesh = PatchyMesh::new(3, (3, 2)).unwrap();
    mesh.bring_late().unwrap();
    let documents = Documents::of(&mesh);
    let all = mesh.now.0 - mesh.start.0;
    for (what, from, until) in [
        ("three hours", 26 * HOUR_MS + 1_234_567, 29 * HOUR_MS + 1_234_567),
        ("a day and its ends", 20 * HOUR_MS + 77_777, 47 * HOUR_MS + 99_999),
        ("whole hours", 24 * HOUR_MS, 34 * HOUR_MS),
        ("all of it", 0, all),
    ] {
        let window = window(&mesh, from, until);
        assert_same(of_store(&mesh, window), of_documents(&documents, window), what);
    }
}

#[test]
fn probe_whose_clock_was_off_is_dated_alike() {
    let mut mesh = PatchyMesh::new(1, (3, 2)).unwrap();
    mesh.bring_late().unwrap();
    let documents = Documents::of(&mesh);
    for ms in [2_000, -2_000, 900_000] {
        let offsets: Records<Value> = Records::new(mesh.filled.store.clone(), "clock_offsets");
        let offset = json!([{ "since": mesh.start.0, "ms": ms }]);
        offsets.put("0000000000000002", &offset).unwrap();
        let window = window(&mesh, HOUR_MS + 12_345, 24 * HOUR_MS + 54_321);
        let what = format!("ahead by {ms} ms");
        assert_same(of_store(&mesh, window), of_documents(&documents, window), &what);
    }
}

#[test]
fn window_that_the_store_keeps_no_longer_is_read_from_documents_as_it_was() {
    let mut mesh = PatchyMesh::new(1, (3, 2)).unwrap();
    mesh.bring_late().unwrap();
    let window = window(&mesh, 2 * HOUR_MS + 5, 7 * HOUR_MS + 7);
    let before = of_store(&mesh, window);
    let kept: Vec<_> = Documents::of(&mesh).all;
    let now = UnixMillis(mesh.now.0 + 31 * DAY_MS);
    let store = &mesh.filled.store;
    while store.seal(now).unwrap().is_some() {}
    while store.retain(now).unwrap().is_some() {}
    assert!(store.whole_from(Tier::Raw).unwrap() > window.until);
    let documents = Documents {
        mesh: &mesh,
        all: kept,
    };
    assert_same(before, of_documents(&documents, window), "removed");
}
