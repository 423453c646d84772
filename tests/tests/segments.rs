//! Programs of others read what is sealed: the line of the user guide, with DuckDB.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::process::Command;

use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture::{EPOCH, START, inline, plan, signed, store_honest};
use isochrone_store::{Store, StoreOptions};
use isochrone_tests::programs::program;

/// Names a Python that has DuckDB, or says `none`: the gate could not get it, and has said so.
const PYTHON: &str = "ISOCHRONE_DUCKDB";

fn python() -> Option<String> {
    let named = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let mut has = Command::new(&named);
    let has = has.args(["-c", "import duckdb"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    if !has {
        let is_said = named == "none" || std::env::var_os("CI").is_none();
        assert!(is_said, "{named} has no DuckDB, and CI allows no skipped test");
        eprintln!("SKIP: {named} has no DuckDB (pip install duckdb)");
    }
    has.then_some(named)
}

/// The one line of the user guide that asks DuckDB.
fn line_of_the_guide() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/user-guide.md");
    let guide = fs::read_to_string(guide).unwrap();
    let line = guide.lines().find(|line| line.contains("import duckdb"));
    line.unwrap().to_owned()
}

#[test]
fn line_of_the_guide_reads_sealed_measurements_with_duckdb() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let config = folder.path().join("collector.toml");
    fs::write(&config, "public_addresses = [\"lead.example.org:7470\"]\n").unwrap();
    fs::write(folder.path().join("targets.toml"), "").unwrap();
    let store = Store::open(&state.join("store.redb"), StoreOptions::default()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 25);
    store.seal(UnixMillis(START.0 + 3 * 3_600_000)).unwrap().unwrap();
    drop(store);

    let collector = format!(
        "{} --config {} --state {}",
        program("isochrone-collector").display(),
        config.display(),
        state.display()
    );
    let line = line_of_the_guide()
        .replace("sudo isochrone-collector", &collector)
        .replace("python3", &python);
    let said = Command::new("sh").args(["-c", &line]).output().unwrap();
    let printed = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{line}: {said:?}");
    let row = |target: &str| {
        let row = printed.lines().find(|row| row.contains(target));
        let cells = row
            .unwrap_or_else(|| panic!("{target}: {printed}"))
            .split(['│', '|']);
        let cells = cells.map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("bob-1"), ["ada-1", "bob-1", "150", "150", "20000.0"]);
    assert_eq!(row("eve-1"), ["ada-1", "eve-1", "125", "0", "NULL"]);
}
