//! State folders that earlier formats left: every build opens them, and finds in them what was found then.
//!
//! `cargo test -p isochrone-collector --lib make_kept_state -- --ignored` makes the one of the present format anew.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

const PRESENT: &str = "format-8";
/// What was printed then, by the name of its file.
const SAID: [(&str, &str); 5] = [
    ("ledger.json", "ledger --format json"),
    ("measurements.ndjson", "export ndjson"),
    ("hours.ndjson", "export ndjson --tier hour"),
    ("days.csv", "export csv --tier day"),
    (
        "nodes.json",
        "report nodes --format json --from 2026-11-22T10:00:00Z --to 2026-11-22T13:00:00Z",
    ),
];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/kept")
}

fn copy(from: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copy(&path, &into.join(name)),
            false => drop(fs::copy(&path, into.join(name)).unwrap()),
        }
    }
}

/// A copy of a kept folder, opened.
pub(super) fn opened(format: &Path) -> (TempDir, CommandContext) {
    let folder = tempfile::tempdir().unwrap();
    copy(&format.join("folder"), folder.path());
    let config = Some(folder.path().join("collector.toml"));
    let paths = Paths::find(config, Some(folder.path().join("state")));
    let context = CommandContext::open(&paths).unwrap();
    (folder, context)
}

pub(super) fn present() -> PathBuf {
    kept().join(PRESENT)
}

/// Whether everything that was said then is said now: there may be more by now.
fn is_said(then: &Value, now: &Value) -> bool {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => then
            .iter()
            .all(|(key, value)| now.get(key).is_some_and(|now| is_said(value, now))),
        (Value::Array(then), Value::Array(now)) => {
            then.len() == now.len() && then.iter().zip(now).all(|(then, now)| is_said(then, now))
        }
        (then, now) => then == now,
    }
}

/// Lines of JSON; of a ledger, the hours in which anything was measured: what is planned goes on.
fn parsed(text: &str) -> Vec<Value> {
    let values = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut values: Vec<Value> = values.collect();
    for rows in values.iter_mut().filter_map(|value| value["rows"].as_array_mut()) {
        rows.retain(|row| row["run"].as_u64() != Some(0));
    }
    values
}

#[test]
fn state_of_every_kept_format_is_opened_and_says_what_it_said() {
    let mut formats = 0;
    for entry in fs::read_dir(kept()).unwrap() {
        let format = entry.unwrap().path();
        let (_folder, context) = opened(&format);
        for (file, line) in SAID {
            let then = fs::read_to_string(format.join(file)).unwrap();
            let (code, now) = said(&context, line);
            assert_eq!(code, 0, "{line}");
            let what = format!("{}: {line}\nthen {then}\nnow {now}", format.display());
            match file.ends_with(".csv") {
                true => assert_eq!(then, now, "{what}"),
                false => assert!(is_said(&parsed(&then).into(), &parsed(&now).into()), "{what}"),
            }
        }
        let (code, text) = said(&context, "ledger --verify");
        assert_eq!(code, 0, "{}: {text}", format.display());
        formats += 1;
    }
    assert!(formats > 0);
}

#[test]
#[ignore = "makes the kept folder of the present format anew"]
fn make_kept_state() {
    let format = present();
    fs::remove_dir_all(&format).ok();
    let folder = format.join("folder");
    fs::create_dir_all(&folder).unwrap();
    let paths = Paths::find(Some(folder.join("collector.toml")), Some(folder.join("state")));
    fs::write(&paths.config, CONFIG).unwrap();
    fs::write(&paths.targets, NODES).unwrap();
    let context = CommandContext::open(&paths).unwrap();
    let store = &context.store;
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(store), EPOCH, 100);
    Records::new(store.clone(), "probes")
        .put(&ADA.to_string(), &ada())
        .unwrap();
    let later = UnixMillis(START.0 + 2 * 3_600_000 + 1_800_000);
    while store.seal(later).unwrap().is_some() {}
    let in_segments: u64 = store
        .segment_files(isochrone_store::Tier::Raw)
        .unwrap()
        .iter()
        .map(|file| file.rows)
        .sum();
    assert!(
        in_segments > 0 && in_segments < 100 * ROWS,
        "a part of it is in the log: {in_segments}"
    );
    drop(context);
    let context = CommandContext::open(&paths).unwrap(); // who is in the mesh is read at start
    for (file, line) in SAID {
        let (code, text) = said(&context, line);
        assert_eq!(code, 0, "{line}");
        fs::write(format.join(file), text).unwrap();
    }
}
