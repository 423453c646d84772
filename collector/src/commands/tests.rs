//! What commands print, and how it is marked.

mod chain;
mod from_elasticsearch;
mod hostile;
mod kept;
mod operations;
mod without_borrowed;

use std::fs;

use clap::Parser as _;
use isochrone_gate::registry::{ProbeRecord, ProbeState};
use isochrone_proto::ids::KeyHash;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture::{ADA, EPOCH, ROWS, START, inline, plan, signed, store_honest};
use isochrone_store::{Part, Records};
use tempfile::TempDir;

use super::*;
use crate::cli::{Cli, Program};
use crate::config::Paths;

const CONFIG: &str = "disk_reserve = \"1MiB\"\npublic_addresses = [\"lead.example.org:7470\"]\n";
const NODES: &str = "[[node]]\nnode = \"berlin\"\nkind = \"argus\"\nurl = \"https://node.example.org/\"\nworker = \"w\"\nplace = \"Berlin, DE\"\nasset = \"1\"\n";
const WINDOW: &str = "--from 2026-11-22T10:00:00Z --to 2026-11-22T11:00:00Z";

/// A collector that does not run, with five minutes of one probe in its store.
fn context(demo: bool) -> (TempDir, CommandContext) {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    fs::write(&paths.config, CONFIG).unwrap();
    fs::write(&paths.targets, NODES).unwrap();
    let context = CommandContext::open(&paths).unwrap();
    if demo {
        context.store.mark_demo().unwrap();
    }
    context.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&context.store), EPOCH, 5);
    Records::new(context.store.clone(), "probes")
        .put(&ADA.to_string(), &ada())
        .unwrap();
    drop(context);
    (folder, CommandContext::open(&paths).unwrap())
}

fn ada() -> ProbeRecord {
    ProbeRecord {
        id: ADA,
        name: "ada-1".to_owned(),
        worker: "ada".to_owned(),
        site: "Paris, FR".to_owned(),
        latitude: 48.85,
        longitude: 2.35,
        country: Some("FR".to_owned()),
        network: Some(64_501),
        access: isochrone_gate::registry::Access::DataCentre,
        key: KeyHash([1; 32]),
        state: ProbeState::Active,
        joined: START,
        leaf_expires: UnixMillis(u64::MAX),
        secrets: Vec::new(),
        announced: None,
        known_secret: None,
    }
}

/// Carries out a command line; returns its exit code and what it printed on standard output.
fn said(context: &CommandContext, line: &str) -> (u8, String) {
    let arguments = std::iter::once("isochrone-collector").chain(line.split_whitespace());
    let Program::Command(command) = Cli::try_parse_from(arguments).unwrap().program else {
        panic!("a command: {line}")
    };
    let (answers, mut waiting) = tokio::sync::mpsc::channel(16);
    let mut printed = String::new();
    let collect = async {
        while let Some(answer) = waiting.recv().await {
            if let Answer::Out(text) = answer {
                printed.push_str(&text);
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let carried_out = async { tokio::join!(carry_out(context.clone(), command, answers), collect).0 };
    let code = runtime.block_on(carried_out);
    (code, printed)
}

/// Every command that prints, in every format it has.
fn commands() -> Vec<String> {
    let mut commands = Vec::new();
    let mut each = |command: &str, formats: &[&str]| {
        commands.extend(
            formats
                .iter()
                .map(|format| format!("{command} --format {format}")),
        );
    };
    each("probe invite --worker ada --site Berlin,DE", &["text", "json"]);
    each("probe list", &["text", "json"]);
    each("target list", &["text", "json"]);
    each("audit", &["text", "json"]);
    each("store files", &["json"]);
    each("ledger", &["text", "json"]);
    each("ledger --verify", &["text", "json"]);
    each("ledger --accept-damage all", &["text", "json"]);
    each(&format!("show berlin {WINDOW}"), &["text", "json"]);
    each(
        &format!("report nodes {WINDOW}"),
        &["text", "json", "html", "md", "csv"],
    );
    each(
        &format!("report coverage {WINDOW}"),
        &["text", "json", "html", "md", "csv"],
    );
    each(
        &format!("report count {WINDOW}"),
        &["text", "json", "html", "md", "csv"],
    );
    each(
        &format!("locate {WINDOW}"),
        &["text", "json", "html", "md", "csv"],
    );
    commands.push("target set berlin --interval 20s".to_owned());
    commands
        .push("target add oslo --url https://oslo.example.org/ --worker w --location 59.9,10.7".to_owned());
    commands.push("target pause berlin".to_owned());
    commands.push("export ndjson".to_owned());
    commands.push("target remove berlin".to_owned());
    commands.push("probe revoke ada-1".to_owned());
    commands
}

fn is_marked(command: &str, printed: &str) -> bool {
    let is_demo = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["source"] == "demo")
    };
    match command {
        command if command.ends_with("json") => printed.lines().all(is_demo),
        command if command.ends_with("html") => printed.contains("DEMO"),
        command if command.ends_with("csv") => printed
            .lines()
            .skip(1)
            .all(|line| line.split(',').any(|cell| cell == "demo")),
        _ => printed.lines().next().unwrap_or_default().contains("DEMO"),
    }
}

#[test]
fn demo_is_marked_on_every_output_of_every_command() {
    let (_folder, context) = context(true);
    for command in commands() {
        let (code, printed) = said(&context, &command);
        assert_eq!(code, 0, "{command}: {printed}");
        assert!(
            !printed.is_empty() && is_marked(&command, &printed),
            "{command}:\n{printed}"
        );
    }
}

#[test]
fn real_mesh_is_never_marked_as_a_demo() {
    let (_folder, context) = context(false);
    for command in commands() {
        let (code, printed) = said(&context, &command);
        assert_eq!(code, 0, "{command}: {printed}");
        assert!(
            !printed.contains("DEMO") && !is_marked(&command, &printed),
            "{command}"
        );
        if command.ends_with("--format json") {
            assert!(printed.contains("\"source\":\"store\""), "{command}: {printed}");
        }
    }
}

#[test]
fn export_since_holds_the_slots_from_then_on() {
    let (_folder, mut context) = context(false);
    let slots = |context: &CommandContext, line: &str| -> Vec<String> {
        let (code, printed) = said(context, line);
        assert_eq!(code, 0, "{printed}");
        let slot = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["slot"].as_str().unwrap().to_owned()
        };
        printed.lines().map(slot).collect()
    };
    let all = slots(&context, "export ndjson");
    let newest = all.iter().max().unwrap();
    let now: jiff::Timestamp = newest.parse().unwrap();
    let now = u64::try_from(now.as_millisecond()).unwrap() + 5_000; // between two slots, and the clock runs on
    context.clock = Clock::virtual_from(UnixMillis(now));
    let begin = jiff::Timestamp::from_millisecond((now - 60_000) as i64).unwrap();
    let expected: Vec<String> = all
        .iter()
        .filter(|slot| slot.parse::<jiff::Timestamp>().unwrap() >= begin)
        .cloned()
        .collect();
    assert!(!expected.is_empty() && expected.len() < all.len());
    assert_eq!(slots(&context, "export ndjson --since 1m"), expected);
    assert_eq!(slots(&context, "export ndjson --since 1day"), all);
    let (code, _) = said(&context, "export ndjson --since yesterday");
    assert_eq!(code, 2);
}

#[test]
fn count_looks_back_over_fifteen_days_unless_told_otherwise_and_coverage_over_seven() {
    let (_folder, mut context) = context(false);
    // Long after the first measurement: no window begins before it.
    let now: jiff::Timestamp = "2026-12-20T12:00:00Z".parse().unwrap();
    context.clock = Clock::virtual_from(UnixMillis(u64::try_from(now.as_millisecond()).unwrap()));
    let days = |line: &str| {
        let (code, printed) = said(&context, line);
        assert_eq!(code, 0, "{printed}");
        let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let at = |key: &str| -> jiff::Timestamp { json["window"][key].as_str().unwrap().parse().unwrap() };
        (at("to").as_second() - at("from").as_second()) / 86_400
    };
    assert_eq!(days("report count --format json"), 15);
    assert_eq!(days("report count --since 3d --format json"), 3);
    assert_eq!(days("report coverage --format json"), 7);
}

#[test]
fn load_on_a_node_is_told_when_it_is_added_and_listed() {
    let (_folder, context) = context(false);
    let add =
        "target add oslo --url https://oslo.example.org/ --worker w --location 59.9,10.7 --interval 20s";
    let (code, printed) = said(&context, add);
    assert_eq!(code, 0, "{printed}");
    let load = "Load on oslo: 6 status, 0 asset and 3 connect calls a minute, evenly spaced, by 1 probe (each connects every 20s).";
    assert!(printed.contains(load), "{printed}");

    let (_, printed) = said(&context, "target list --format json");
    let listed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let expected = serde_json::json!({
        "status_per_minute": 6.0, "asset_per_minute": 12.0, "connect_per_minute": 6.0,
        "throughput_bytes_per_day": 0, "vantages": 1, "connect_interval_s": 10.0,
    });
    assert_eq!(listed["nodes"][0]["load"], expected);
    let (_, printed) = said(&context, "target list");
    let row =
        |line: &&str| line.split_whitespace().collect::<Vec<_>>() == ["berlin", "6", "12", "6", "1", "10s"];
    assert!(printed.lines().any(|line| row(&line)), "{printed}");
}

#[test]
fn full_plan_is_told_when_a_node_is_added_and_in_the_list_of_probes() {
    let (folder, context) = context(false);
    let (_, listed) = said(&context, "probe list --format json");
    assert!(listed.contains("\"left_out\":null"), "{listed}");
    drop(context);
    let node = |number: usize| {
        format!(
            "[[node]]\nnode = \"n{number}\"\nkind = \"http\"\nurl = \"https://n{number}.example.org/\"\n\
             worker = \"w{number}\"\nlatitude = 52.5\nlongitude = 13.4\ninterval = \"1s\"\n"
        )
    };
    let nodes: String = (0..1_000).map(node).collect();
    fs::write(folder.path().join("targets.toml"), nodes).unwrap();
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    let context = CommandContext::open(&paths).unwrap();
    let add = "target add oslo --url https://oslo.example.org/ --worker w --location 59.9,10.7";
    let (code, added) = said(&context, add);
    assert_eq!(code, 0, "{added}");
    assert!(
        added.contains("The plan of 1 probe is full: ada-1 does not check") && added.contains("Remove nodes"),
        "{added}"
    );
    let (_, listed) = said(&context, "probe list --format json");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert!(
        listed["probes"][0]["left_out"]["nodes"].as_u64() > Some(0),
        "{listed}"
    );
    let (_, listed) = said(&context, "probe list");
    assert!(listed.contains("The plan of ada-1 is full"), "{listed}");
}

#[test]
fn mark_of_a_demo_outlives_its_collector_and_refuses_a_store_of_real_measurements() {
    let (folder, context) = context(true);
    drop(context);
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    let again = CommandContext::open(&paths).unwrap();
    assert!(again.store.is_demo());
    let (_, printed) = said(&again, "ledger --format json");
    assert!(printed.contains("\"source\":\"demo\""), "{printed}");

    let (_folder, real) = self::context(false);
    assert!(matches!(
        real.store.mark_demo(),
        Err(isochrone_store::StoreError::NotForTheDemo)
    ));
    assert!(!real.store.is_demo());
}

#[test]
fn damaged_batch_ends_no_command_and_all_of_them_say_the_same() {
    let (folder, context) = context(false);
    assert!(context.store.flip_bit("log", 2, Part::Value, 900).unwrap());
    drop(context);
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    let context = CommandContext::open(&paths).unwrap();
    for line in [
        format!("show berlin {WINDOW}"),
        format!("report nodes {WINDOW}"),
        format!("report coverage {WINDOW}"),
    ] {
        let (code, printed) = said(&context, &line);
        assert!(code == 0 && !printed.is_empty(), "{line}: {printed}");
    }
    let (code, lines) = said(&context, "export ndjson");
    assert_eq!((code, lines.lines().count() as u64), (0, 4 * ROWS));
    let (code, ledger) = said(&context, "ledger --format json");
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    let row = &ledger["rows"][0];
    let expected = (&(4 * ROWS).into(), &ROWS.into(), &true.into());
    assert_eq!((&row["stored"], &row["damaged"], &row["balanced"]), expected);
    assert_eq!(
        (code, &ledger["damage"]["set_aside"][0]["commit"]),
        (0, &3.into())
    );
    let (code, verified) = said(&context, "ledger --verify");
    assert_eq!(code, 1);
    let verified = verified.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(verified.contains("FAULT: table log, batch 3"), "{verified}");
    assert!(
        verified.contains("0 lost, 0 counted twice, 1 rows damaged"),
        "{verified}"
    );
}

#[test]
fn store_files_names_each_sealed_measurement_once() {
    let (_folder, context) = context(false);
    let (code, printed) = said(&context, "store files");
    assert_eq!((code, printed.as_str()), (0, ""), "nothing is sealed yet");
    let sealed = context
        .store
        .seal(UnixMillis(START.0 + 3 * 3_600_000))
        .unwrap()
        .unwrap();
    let (_, printed) = said(&context, "store files");
    let paths: Vec<&str> = printed.lines().collect();
    assert_eq!(paths.len(), 2, "of measurements");
    assert!(paths.iter().all(|path| fs::metadata(path).is_ok()), "{paths:?}");
    let (_, printed) = said(&context, "store files --format json");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let files = json["files"].as_array().unwrap();
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!((rows, sealed.measurements), (5 * ROWS, 5 * ROWS));
    let file = &files[0];
    let expected = serde_json::json!({
        "path": paths[0],
        "tier": "raw",
        "kind": "echo4",
        "day": "2026-11-22",
        "rows": 5 * 11,
        "bytes": fs::metadata(paths[0]).unwrap().len(),
        "first_commit": 1,
        "last_commit": 5,
        "generation": 1,
    });
    assert_eq!((file, &json["schema"]), (&expected, &"isochrone.files/1".into()));
    let bytes_of = |tier: &str| -> u64 {
        let (_, printed) = said(&context, &format!("store files --tier {tier} --format json"));
        let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let files = json["files"].as_array().unwrap();
        files.iter().map(|file| file["bytes"].as_u64().unwrap()).sum()
    };
    let bytes: u64 = ["raw", "hour", "day"].map(bytes_of).into_iter().sum();
    assert_eq!(
        context.store_bytes(),
        fs::metadata(&context.store_file).unwrap().len() + bytes
    );
    let exported = |context: &CommandContext| said(context, "export ndjson").1.lines().count() as u64;
    assert_eq!(exported(&context), 5 * ROWS);
}

#[test]
fn verify_that_finds_damage_prints_sums_that_know_of_it() {
    for format in ["text", "json"] {
        let (_folder, context) = context(false);
        assert!(context.store.flip_bit("log", 2, Part::Value, 900).unwrap());
        let (code, printed) = said(&context, &format!("ledger --verify --format {format}"));
        assert_eq!(code, 1);
        if format == "text" {
            let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                printed.contains("Damage: 1 rows of the store were damaged"),
                "{printed}"
            );
            assert!(
                printed.contains(&format!("{ROWS} of the dropped ones were stored")),
                "{printed}"
            );
            assert!(
                printed.contains("0 lost, 0 counted twice, 1 rows damaged"),
                "{printed}"
            );
        } else {
            let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
            let row = &json["rows"][0];
            let expected = (&(4 * ROWS).into(), &ROWS.into());
            assert_eq!((&row["stored"], &row["damaged"]), expected);
            let audit = &json["audit"];
            assert_eq!(
                (&audit["sound"], &audit["damaged"], &audit["lost"]),
                (&false.into(), &1.into(), &0.into())
            );
            let finding = audit["findings"][0].as_str().unwrap();
            assert!(finding.starts_with("table log, batch 3"), "{finding}");
        }
    }
}

#[test]
fn accepted_damage_is_complained_of_no_more_and_new_damage_is_told_apart() {
    let (_folder, context) = context(false);
    assert!(context.store.flip_bit("log", 2, Part::Value, 900).unwrap());
    let (code, _) = said(&context, "ledger --verify");
    assert_eq!(code, 1);
    let (code, printed) = said(&context, "ledger --accept-damage 7");
    assert_eq!((code, printed.as_str()), (2, ""), "there is no such row");
    let (code, printed) = said(&context, "ledger --accept-damage all");
    assert_eq!(code, 0);
    assert!(
        printed.starts_with("accepted: 1. table log, batch 3"),
        "{printed}"
    );
    let (_, audit) = said(&context, "audit --format json");
    assert!(
        audit.contains("damaged rows accepted: 1 (table log, batch 3"),
        "{audit}"
    );

    let (code, printed) = said(&context, "ledger --verify");
    assert_eq!(code, 0, "{printed}");
    let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("1 of them for good (1 of these accepted)"),
        "{printed}"
    );
    assert!(
        words.contains("0 rows damaged (1 others are accepted)"),
        "{printed}"
    );
    let damage = context.store.damage().unwrap();
    assert_eq!(
        (damage.lost, damage.open(), damage.open_measurements()),
        (1, 0, 0)
    );

    assert!(context.store.flip_bit("log", 0, Part::Value, 900).unwrap());
    let (code, printed) = said(&context, "ledger --verify --format json");
    assert_eq!(code, 1, "{printed}");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let audit = &json["audit"];
    assert_eq!((&audit["damaged"], &audit["accepted"]), (&1.into(), &1.into()));
    let findings = audit["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].as_str().unwrap().contains("batch 1 of epoch"),
        "{findings:?}"
    );
    let (code, printed) = said(&context, "ledger --accept-damage 2 --format json");
    assert_eq!(
        (code, printed.trim()),
        (0, r#"{"accepted":[2],"source":"store"}"#)
    );
    assert_eq!(said(&context, "ledger --verify").0, 0);
}
