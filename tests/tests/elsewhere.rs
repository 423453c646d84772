//! Reports of what lies in Elasticsearch are those of the store, field by field: here the documents themselves, as they are
//! sent and read back; `elasticsearch/reading.rs` does the same with real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;

use isochrone_elastic::document::Writer;
use isochrone_elastic::index::Names;
use isochrone_elastic::read::{Batches, ReadError};
use isochrone_elastic::{Period, Prefix};
use isochrone_proto::units::UnixMillis;
use isochrone_report::elsewhere::Elsewhere;
use isochrone_report::log::Window;
use isochrone_store::{Records, Scan, ScanRange, Stored, Tier};
use isochrone_tests::figures::report::PatchyMesh;
use isochrone_tests::same_reports::{Reports, assert_same, of_elsewhere, of_store};
use isochrone_watch::past;
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

impl Documents<'_> {
    fn reports(&self, window: Window) -> Reports {
        let elsewhere = Elsewhere {
            rows: self,
            store: &self.mesh.filled.store,
        };
        of_elsewhere(elsewhere, &self.mesh.roster, window)
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
        assert_same(
            of_store(&mesh.filled.store, &mesh.roster, window),
            documents.reports(window),
            what,
        );
    }
}

/// What is kept of the past knows what came after a window: whether its last failures count.
#[test]
fn window_that_ends_where_the_past_is_judged_already_is_judged_alike() {
    let mut mesh = PatchyMesh::new(1, (3, 2)).unwrap();
    mesh.bring_late().unwrap();
    let documents = Documents::of(&mesh);
    while past::keep(&mesh.filled.store, &mesh.roster, mesh.now).unwrap() {}
    for end in 0..8 {
        let until = 3 * HOUR_MS + end * (31 * 60_000 + 7_000);
        let window = window(&mesh, HOUR_MS + 12_345, until);
        assert_same(
            of_store(&mesh.filled.store, &mesh.roster, window),
            documents.reports(window),
            &format!("until {until} ms"),
        );
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
        assert_same(
            of_store(&mesh.filled.store, &mesh.roster, window),
            documents.reports(window),
            &what,
        );
    }
}

#[test]
fn window_that_the_store_keeps_no_longer_is_read_from_documents_as_it_was() {
    let mut mesh = PatchyMesh::new(1, (3, 2)).unwrap();
    mesh.bring_late().unwrap();
    let window = window(&mesh, 2 * HOUR_MS + 5, 7 * HOUR_MS + 7);
    let before = of_store(&mesh.filled.store, &mesh.roster, window);
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
    assert_same(before, documents.reports(window), "removed");
}
