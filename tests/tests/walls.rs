//! The walls of the house: which crate may name which, and which library stays in which room.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate of ours, and those that it may depend on. Dependencies point down, never sideways.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("probe", &["proto"]),
    ("collector/coverage", &[]),
    ("collector/base", &["coverage", "proto"]),
    ("collector/borrowed", &["proto"]),
    ("collector/chain", &["base", "coverage", "proto"]),
    ("collector/store", &["base", "borrowed", "coverage", "proto"]),
    ("collector/gate", &["base", "proto", "store"]),
    ("collector/planner", &["base", "gate", "proto", "store"]),
    ("collector/watch", &["base", "proto", "store"]),
    ("collector/elastic", &["base", "coverage", "proto", "store"]),
    (
        "collector/report",
        &["base", "borrowed", "chain", "coverage", "proto", "store", "watch"],
    ),
    ("collector/web", &[]),
    (
        "collector",
        &[
            "base", "borrowed", "chain", "coverage", "elastic", "gate", "planner", "probe", "proto",
            "report", "store", "watch", "web",
        ],
    ),
    (
        "tests",
        &[
            "base",
            "borrowed",
            "chain",
            "collector",
            "coverage",
            "elastic",
            "gate",
            "planner",
            "probe",
            "proto",
            "report",
            "store",
            "watch",
            "web",
        ],
    ),
];

/// Libraries that only one crate may depend on, beside the tests.
const KEPT_IN: &[(&str, &str)] = &[
    ("bincode", "proto"),
    ("zstd", "proto collector/coverage"), // coverage unpacks its table of cities
    ("redb", "collector/store"),
    ("parquet", "collector/store"),
    ("axum", "collector/web"),
    ("elasticsearch", "collector/elastic"),
    ("flate2", "collector collector/borrowed collector/elastic"), // borrowed unpacks, elastic does both, the demo packs a file
    ("comfy-table", "collector/report"),
    ("csv", "collector/coverage collector/report"), // coverage reads, report writes
    ("faer", "collector/coverage"),
    ("good_lp", "collector/coverage"),
    ("maud", "collector/report"),
    ("maxminddb", "collector"),
    ("toml_edit", "collector/planner collector"),
    ("ureq", "collector/chain collector/watch collector"),
];

/// Names that only these places may write.
const WRITTEN_IN: &[(&str, &[&str])] = &[
    (
        "maxminddb::",
        &["collector/src/commands/locate/databases.rs", "tests/"],
    ),
    ("bincode::", &["proto/src/serializer.rs", "tests/"]),
    (
        "elasticsearch::",
        &[
            "collector/elastic/src/client.rs",
            "collector/elastic/src/client/",
            "tests/",
        ],
    ),
    (
        "zstd::",
        &[
            "proto/src/serializer.rs",
            "collector/coverage/src/cities/",
            "tests/",
        ],
    ),
    (
        "isochrone_probe::",
        &[
            "collector/src/up.rs",
            "collector/src/demo.rs",
            "collector/src/demo/",
            "probe/",
            "tests/",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap()
}

/// What a crate depends on: outside its tests (`dependencies`), in them (`dev-dependencies`), or to be built
/// (`build-dependencies`).
fn dependencies(folder: &str, section: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let dependencies = manifest.get(section).and_then(toml::Value::as_table);
    dependencies
        .into_iter()
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// Whether a dependency asks for the feature `testing`.
fn asks_for_testing(dependency: &toml::Value) -> bool {
    let features = dependency.get("features").and_then(toml::Value::as_array);
    features.is_some_and(|features| features.iter().any(|name| name.as_str() == Some("testing")))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn crates_depend_on_what_lies_below_them_and_on_nothing_beside() {
    let members = manifest(".")["workspace"]["members"].as_array().unwrap().clone();
    let members: BTreeSet<_> = members
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let known: BTreeSet<_> = allowed.keys().map(|&folder| folder.to_owned()).collect();
    assert_eq!(
        members, known,
        "a crate came or went: draw its arrows here and in ARCHITECTURE.md"
    );
    for (folder, may) in allowed {
        let may: BTreeSet<_> = may.iter().map(|name| format!("isochrone-{name}")).collect();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ours = dependencies(folder, section)
                .into_iter()
                .filter(|name| name.starts_with("isochrone-"));
            let beyond: Vec<_> = ours.filter(|name| !may.contains(name)).collect();
            assert!(
                beyond.is_empty(),
                "{folder} may not depend on {beyond:?} ({section})"
            );
        }
    }
}

#[test]
fn each_crate_has_its_arrows_once() {
    let mut folders: Vec<_> = ARROWS.iter().map(|(folder, _)| folder).collect();
    folders.sort();
    let count = folders.len();
    folders.dedup();
    assert_eq!(folders.len(), count, "the later entry would win unseen");
}

#[test]
fn helpers_of_tests_are_asked_for_by_tests_alone() {
    for (folder, _) in ARROWS.iter().filter(|(folder, _)| *folder != "tests") {
        for section in ["dependencies", "build-dependencies"] {
            let manifest = manifest(folder);
            let dependencies = manifest.get(section).and_then(toml::Value::as_table);
            let asking = dependencies
                .into_iter()
                .flatten()
                .find(|(_, dependency)| asks_for_testing(dependency));
            assert_eq!(asking, None, "{folder} ships helpers of tests ({section})");
        }
    }
    let workspace = manifest(".")["workspace"]["dependencies"].clone();
    let asking = workspace
        .as_table()
        .unwrap()
        .iter()
        .find(|(_, it)| asks_for_testing(it));
    assert_eq!(asking, None, "every crate would ship helpers of tests");
}

#[test]
fn libraries_stay_in_their_rooms() {
    for (library, homes) in KEPT_IN {
        let homes: Vec<_> = homes.split(' ').collect();
        for (folder, _) in ARROWS {
            let is_home = homes.contains(folder) || *folder == "tests";
            assert!(
                is_home || !dependencies(folder, "dependencies").contains(*library),
                "{folder} names {library}, which belongs to {homes:?}"
            );
        }
    }
}

/// Whether a line has the name by itself, not as the end of a longer one.
fn names(line: &str, name: &str) -> bool {
    let is_of_a_name = |before: char| before.is_alphanumeric() || before == '_';
    let starts_with_one = name.starts_with(is_of_a_name);
    let mut found = line.match_indices(name);
    found.any(|(at, _)| !(starts_with_one && line[..at].ends_with(is_of_a_name)))
}

#[test]
fn name_at_the_end_of_a_longer_one_is_another() {
    assert!(names("use elasticsearch::Elasticsearch;", "elasticsearch::"));
    assert!(names("let it = (elasticsearch::new)();", "elasticsearch::"));
    assert!(!names("from_elasticsearch::carry_out()", "elasticsearch::"));
    assert!(names(
        "from_elasticsearch::of(elasticsearch::new())",
        "elasticsearch::"
    ));
    assert!(names("tokio::time::Instant::now()", "::Instant"));
}

#[test]
fn names_are_written_only_where_they_belong() {
    let root = root().canonicalize().unwrap();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 300, "{}", files.len());
    for file in files {
        let place = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if place == "tests/tests/walls.rs" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (name, homes) in WRITTEN_IN {
            let is_home = homes.iter().any(|home| place.starts_with(home));
            let written = text
                .lines()
                .enumerate()
                .find(|(_, line)| !line.trim_start().starts_with("//") && names(line, name));
            if let Some((number, line)) = written
                && !is_home
            {
                panic!("{place}:{}: {name} belongs to {homes:?}: {line}", number + 1);
            }
        }
    }
}

/// The chain's crate drafts commands. Whatever could sign or send one has no place in it, and one file alone asks an indexer.
#[test]
fn nothing_here_signs_or_sends_an_extrinsic() {
    let folder = root().join("collector/chain");
    let mut files = Vec::new();
    sources(&folder.join("src"), &mut files);
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        let place = file.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        for word in [
            "extrinsic",
            "author_submit",
            "mutation",
            "keypair",
            "seed phrase",
            "Command::new",
        ] {
            assert!(!text.contains(word), "{place}: {word}");
        }
        let is_test = place.starts_with("src/fixture");
        let asks = text.contains("ureq::") || text.contains("TcpStream") || text.contains("TcpListener");
        assert!(
            !asks || is_test || place == "src/client.rs",
            "{place} opens a socket"
        );
    }
    let libraries = dependencies("collector/chain", "dependencies");
    let foreign: Vec<_> = libraries
        .iter()
        .filter(|name| !name.starts_with("isochrone-"))
        .collect();
    assert_eq!(foreign, ["serde", "serde_json", "thiserror", "ureq", "url"]);
}
