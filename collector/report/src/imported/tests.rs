use isochrone_base::fixture;
use isochrone_base::roster::Roster;
use isochrone_coverage::observations::{Readings, Source};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{
    ImportBatch, Imported, ImportedAsset, ImportedCache, ImportedIndex, ImportedPlace, ImportedRun,
    ImportedSeen, ImportedStatus,
};
use isochrone_store::{Store, StoreOptions};
use rand::SeedableRng as _;

use super::*;
use crate::log::Window;
use crate::{Printed, coverage, nodes};

const DAY: u64 = 86_400_000;
const NOON: u64 = 1_700_654_400_000; // 2023-11-22T12:00:00Z

fn seen(status: ImportedStatus, asset: ImportedAsset) -> ImportedSeen {
    ImportedSeen {
        status,
        asset,
        distributing: true,
    }
}

fn served(ms: u32, cache: ImportedCache) -> ImportedSeen {
    seen(
        ImportedStatus::Ok,
        ImportedAsset::Served {
            us: Some(ms * 1_000),
            cache,
        },
    )
}

fn store(index: ImportedIndex, runs: &[(u64, &str, &str, ImportedSeen)]) -> Store {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    take(&store, index, runs);
    store
}

fn take(store: &Store, index: ImportedIndex, runs: &[(u64, &str, &str, ImportedSeen)]) {
    let runs = runs.iter().map(|&(at, vantage, endpoint, seen)| ImportedRun {
        at: UnixMillis(at),
        vantage: vantage.to_owned(),
        endpoint: endpoint.to_owned(),
        bucket: String::new(),
        seen,
    });
    let batch = ImportBatch {
        index,
        runs: runs.collect(),
        places: vec![],
        reached: None,
    };
    Imported::of(store).take(&batch, false).unwrap();
}

/// Tokyo at its address of the fixture, without its last slash.
fn roster() -> Roster {
    let mut node = fixture::node("tokyo", "ada");
    node.url = "https://tokyo.example.org".to_owned();
    Roster::new([], [node])
}

const TOKYO: &str = "https://tokyo.example.org/";
const OTHER: &str = "https://other.example.org/";

fn window() -> Window {
    Window {
        from: UnixMillis(NOON - DAY),
        until: UnixMillis(NOON + 3 * DAY),
    }
}

#[test]
fn nodes_have_their_names_and_figures_their_counts_and_failures_no_times() {
    let dead = seen(ImportedStatus::Dead, ImportedAsset::NotTried);
    let failed = seen(
        ImportedStatus::Degraded,
        ImportedAsset::Failed { code: Some(500) },
    );
    let absent = seen(ImportedStatus::Ok, ImportedAsset::Absent { code: 404 });
    let off = ImportedSeen {
        distributing: false,
        ..served(9, ImportedCache::Hit)
    };
    let store = store(
        ImportedIndex::OperatorsPing,
        &[
            (NOON, "eu", TOKYO, served(100, ImportedCache::Hit)),
            (NOON + 1, "eu", TOKYO, served(900, ImportedCache::Miss)),
            (NOON + 2, "us", TOKYO, failed),
            (NOON + 3, "us", TOKYO, dead),
            (NOON + DAY, "us", TOKYO, absent),
            (NOON + DAY + 1, "us", TOKYO, off),
            (NOON, "us", OTHER, served(50, ImportedCache::Hit)),
        ],
    );
    let imported = ImportedNodes::read(&store, &roster(), window()).unwrap();
    let names: Vec<_> = imported.nodes.iter().map(ImportedNode::name).collect();
    assert_eq!(names, [OTHER, "tokyo"]);
    let tokyo = &imported.nodes[1];
    let of = &tokyo.whole;
    assert_eq!(
        (of.checks, of.status_ok),
        (6, Some(5.0 / 6.0)),
        "a degraded node answers"
    );
    assert_eq!((of.asset_checks, of.asset_ok), (3, Some(2.0 / 3.0)));
    assert_eq!((of.absent, of.not_distributing), (1, 1));
    assert_eq!(
        of.ttfb_samples, 1,
        "what was fetched first is comparable with nothing"
    );
    assert!((of.ttfb_p50_ms.unwrap() - 100.0).abs() < 1.0);
    assert_eq!((of.answer_samples, of.answer_p50_ms), (0, None));
    let days: Vec<_> = tokyo
        .days
        .iter()
        .map(|day| (day.day.as_str(), day.figures.checks, day.vantages))
        .collect();
    assert_eq!(days, [("2023-11-22", 4, 2), ("2023-11-23", 2, 1)]);
    assert_eq!(
        tokyo
            .vantages
            .iter()
            .map(|of| (of.vantage.as_str(), of.access))
            .collect::<Vec<_>>(),
        [("eu", "imported"), ("us", "imported")]
    );
}

#[test]
fn report_of_nodes_says_imported_beside_each_figure_and_counts_none_of_it_as_ours() {
    let store = store(
        ImportedIndex::DistributorsStatus,
        &[(NOON, "eu", TOKYO, served(412, ImportedCache::Unknown))],
    );
    let report = nodes::from_store(&store, &roster(), window(), &mut |_| ()).unwrap();
    assert!(
        report
            .nodes
            .iter()
            .all(|node| node.days.iter().all(|day| day.checks == 0))
    );
    assert!(
        report
            .nodes
            .iter()
            .all(|node| node.availability.is_none_or(|of| of.share.is_none()) && node.outages.is_empty())
    );
    let json = report.json();
    let node = &json["imported"][0];
    assert_eq!(
        (&node["node"], &node["source"]),
        (&"tokyo".into(), &"distributors-status".into()),
        "{json}"
    );
    assert_eq!(node["days"][0]["checks"], 1);
    assert_eq!(node["vantages"][0]["access"], "imported");
    for text in [report.text(100), report.markdown(), report.html()] {
        assert!(text.contains("Imported, not ours"), "{text}");
        assert!(
            text.contains("tokyo · imported from distributors-status · 1 document"),
            "{text}"
        );
    }
    let csv = report.csv();
    let imported: Vec<_> = csv
        .lines()
        .filter(|line| line.ends_with("imported:distributors-status"))
        .collect();
    assert_eq!(imported.len(), 1, "{csv}");
    assert!(imported[0].starts_with("tokyo,2023-11-22,1,1,1,1,1,"), "{csv}");
    assert!(report.text(100).lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn imported_documents_outside_the_window_are_told_of_and_without_any_nothing_is() {
    let store = store(
        ImportedIndex::OperatorsPing,
        &[(NOON, "eu", TOKYO, served(1, ImportedCache::Hit))],
    );
    let later = Window {
        from: UnixMillis(NOON + DAY),
        until: UnixMillis(NOON + 2 * DAY),
    };
    let text = nodes::from_store(&store, &roster(), later, &mut |_| ())
        .unwrap()
        .text(100);
    assert!(
        text.contains("1 imported documents lie outside this window"),
        "{text}"
    );
    assert!(text.contains("2023-11-22T12:00:00Z"), "{text}");
    let none = Store::in_memory(StoreOptions::default()).unwrap();
    let report = nodes::from_store(&none, &roster(), later, &mut |_| ()).unwrap();
    assert!(!report.text(100).contains("mported") && report.json()["imported"] == serde_json::json!([]));
}

#[test]
fn window_that_begins_before_our_own_log_still_shows_what_was_imported_of_it() {
    let store = store(
        ImportedIndex::OperatorsPing,
        &[(NOON, "eu", TOKYO, served(1, ImportedCache::Hit))],
    );
    let within = window().within(&store, UnixMillis(NOON + 9 * DAY)).unwrap();
    let report = nodes::from_store(&store, &roster(), within, &mut |_| ()).unwrap();
    assert_eq!(report.imported.nodes.len(), 1, "our own log holds nothing of it");
}

fn place(site: &str) -> ImportedPlace {
    let found = isochrone_base::place::find(site).unwrap();
    ImportedPlace {
        site: site.to_owned(),
        latitude: found.latitude,
        longitude: found.longitude,
        country: found.country,
    }
}

#[test]
fn coverage_of_imported_documents_is_of_placed_vantages_and_of_first_bytes_alone() {
    let store = store(
        ImportedIndex::OperatorsPing,
        &[
            (NOON, "eu", TOKYO, served(250, ImportedCache::Hit)),
            (NOON + 1, "eu", TOKYO, served(900, ImportedCache::Miss)),
            (
                NOON + 2,
                "eu",
                TOKYO,
                seen(ImportedStatus::Dead, ImportedAsset::NotTried),
            ),
            (NOON + 3, "nowhere", TOKYO, served(5, ImportedCache::Hit)),
        ],
    );
    take(
        &store,
        ImportedIndex::DistributorsStatus,
        &[(NOON, "old", TOKYO, served(7, ImportedCache::Unknown))],
    );
    let none = observations(&store, &roster(), None).unwrap();
    let words = nothing(&none).unwrap();
    assert!(
        words.contains("eu, nowhere") && words.contains("import place"),
        "{words}"
    );
    let places = vec![("eu".to_owned(), place("Berlin, DE"))];
    let batch = ImportBatch {
        index: ImportedIndex::OperatorsPing,
        runs: vec![],
        places,
        reached: None,
    };
    Imported::of(&store).take(&batch, false).unwrap();

    let of = observations(&store, &roster(), None).unwrap();
    assert_eq!(nothing(&of), None);
    assert_eq!(
        (of.source, of.vantages.len(), of.nodes.len()),
        (Source::Imported, 1, 1)
    );
    assert_eq!(
        (of.vantages[0].name.as_str(), of.nodes[0].name.as_str()),
        ("eu (imported)", "tokyo")
    );
    let Readings::Days(days) = &of.readings else {
        panic!("they have days")
    };
    assert_eq!((days[0].rtt.times.count(), days[0].rtt.lost), (1, 1));
    let later = Window {
        from: UnixMillis(NOON + DAY),
        until: UnixMillis(NOON + 2 * DAY),
    };
    let words = nothing(&observations(&store, &roster(), Some(later)).unwrap()).unwrap();
    assert!(
        words.contains("2023-11-22 12:00") && words.contains("--from"),
        "{words}"
    );
    let empty = Store::in_memory(StoreOptions::default()).unwrap();
    let words = nothing(&observations(&empty, &roster(), None).unwrap()).unwrap();
    assert!(words.contains("Nothing is imported yet"), "{words}");
}

#[test]
fn every_format_of_imported_coverage_says_so_and_our_own_says_that_it_is_apart() {
    let runs: Vec<_> = (0..40)
        .map(|number| {
            (
                NOON + number * 3_600_000,
                "eu",
                TOKYO,
                served(250, ImportedCache::Hit),
            )
        })
        .collect();
    let store = store(ImportedIndex::OperatorsPing, &runs);
    let places = vec![("eu".to_owned(), place("Berlin, DE"))];
    let batch = ImportBatch {
        index: ImportedIndex::OperatorsPing,
        runs: vec![],
        places,
        reached: None,
    };
    Imported::of(&store).take(&batch, false).unwrap();
    let of = observations(&store, &roster(), None).unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let report = isochrone_coverage::report::build(
        &of,
        &isochrone_coverage::report::Options::new(isochrone_coverage::weights::Weights::people()),
        &mut random,
    );
    let report = report.unwrap();
    let json = report.json();
    assert_eq!(
        (&json["source"], &json["basis"]),
        (&"imported".into(), &"ttfb".into())
    );
    for text in [report.text(100), report.markdown(), report.html()] {
        assert!(text.contains("imported, not ours"), "{text}");
        assert!(text.contains("median time to first byte"), "{text}");
        assert!(
            text.contains("eu (imported)") || text.contains("All of it is imported"),
            "{text}"
        );
    }
    assert!(
        report.csv().lines().skip(1).all(|line| line.contains("imported")),
        "{}",
        report.csv()
    );
    let ours = coverage::from_store(&store, &roster(), window(), Source::Store, &mut |_| ()).unwrap();
    let ours = ours.observations;
    assert!(
        matches!(&ours.readings, Readings::Days(days) if days.is_empty()),
        "never mixed in"
    );
    assert!(ours.notes.iter().any(|note| {
        crate::coverage::notes::sentence(note)
            .contains("40 imported documents in the store are in no figure here")
    }));
}

#[test]
fn list_of_vantages_names_places_and_those_without() {
    let store = store(
        ImportedIndex::OperatorsPing,
        &[(NOON, "eu", TOKYO, served(1, ImportedCache::Hit))],
    );
    let report = SourcesReport {
        sources: Imported::of(&store).sources().unwrap(),
        borrowed: Vec::new(),
    };
    let text = sources_text(&report, 80);
    assert!(
        text.contains("eu") && text.contains("not said") && text.contains("1 vantage without a place"),
        "{text}"
    );
    let json = sources_json(&report);
    assert_eq!(json["vantages"][0]["from"], "2023-11-22T12:00:00Z", "{json}");
    let none = SourcesReport {
        sources: vec![],
        borrowed: vec![],
    };
    assert!(sources_text(&none, 80).contains("Nothing is imported yet"));
}

#[test]
fn borrowed_vantages_are_listed_apart_and_those_that_do_not_fit_are_counted() {
    let known = |id: usize, latitude: f64| {
        let json = json!({
            "vantage": {
                "platform": "atlas", "id": id.to_string(), "network_v4": 64_500, "network_v6": null, "access": "eyeball",
                "place": { "latitude": latitude, "longitude": 36.8, "city": null, "country": "KE" },
            },
            "runs": id, "first": NOON, "last": NOON + 86_400_000,
            "moved": [{ "until": NOON, "place": { "latitude": 1.0, "longitude": 2.0, "city": null, "country": null } }],
        });
        serde_json::from_value(json).unwrap()
    };
    let report = SourcesReport {
        sources: vec![],
        borrowed: (1..=42).map(|id| known(id, -1.25)).collect(),
    };
    let text = sources_text(&report, 100);
    assert!(text.contains("Nairobi, KE"), "{text}");
    assert!(text.contains("AS 64500") && text.contains("2023-11-23"), "{text}");
    assert!(text.contains("and 2 further vantages"), "{text}");
    assert!(text.contains("42 vantages stood elsewhere"), "{text}");
    let json = sources_json(&report);
    assert_eq!(json["borrowed"].as_array().unwrap().len(), 42);
    assert_eq!(json["borrowed"][0]["access"], "eyeball");
    assert_eq!(json["borrowed"][0]["moved"][0]["latitude"], 1.0);
}
