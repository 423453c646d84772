//! Every file in deploy/ is read by what reads it in production, or by a parser that is at least as strict.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "deploy/compose.rs"]
mod compose;
#[path = "deploy/grafana.rs"]
mod grafana;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use isochrone_planner::targets::Targets;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A sample with its keys in force: every commented line that is a key or a section is uncommented.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with('[') || rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

fn collector_config(text: &str) -> Result<(), String> {
    let parsed = isochrone_collector::config::Config::parse(text, Path::new("collector.toml"));
    parsed.map(drop).map_err(|error| error.to_string())
}

fn probe_config(text: &str) -> Result<(), String> {
    let parsed = isochrone_probe::config::Config::parse(text, Path::new("probe.toml"));
    parsed.map(drop).map_err(|error| error.to_string())
}

#[test]
fn every_file_has_a_test() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let tested = [
        "Dockerfile",
        "collector.toml",
        "compose",
        "compose.yaml",
        "grafana",
        "isochrone-collector.service",
        "isochrone-probe.service",
        "probe.toml",
        "targets.toml",
    ];
    assert_eq!(names, tested, "a new file in deploy/ needs a test here");
}

#[test]
fn sample_of_the_collector_is_valid_as_it_stands_and_with_every_key() {
    let text = read("collector.toml");
    collector_config(&text).unwrap();
    // "…" marks what only the reader knows; a token of the needed length stands in for it
    let whole = uncommented(&text).replace('…', "9f86d081884c7d65");
    collector_config(&whole).unwrap();
    let typo = whole.replacen("echo_interval", "echo_intervall", 1);
    assert!(collector_config(&typo).unwrap_err().contains("echo_intervall"));
}

#[test]
fn sample_of_the_probe_is_valid_as_it_stands_and_with_every_key() {
    let text = read("probe.toml");
    probe_config(&text).unwrap();
    let whole = uncommented(&text);
    for key in [
        "echo_listen",
        "allow_private",
        "spool_bytes",
        "collectors",
        "advertise",
        "extra_roots",
    ] {
        assert!(whole.contains(&format!("\n{key} = ")), "the sample lacks {key}");
    }
    probe_config(&whole).unwrap();
    let typo = whole.replacen("spool_bytes", "spool_byte", 1);
    assert!(probe_config(&typo).unwrap_err().contains("spool_byte"));
}

#[test]
fn sample_of_the_targets_is_valid_as_it_stands_and_with_every_key() {
    let read_from = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.toml");
        fs::write(&file, text).unwrap();
        Targets::read(&file).map_err(|error| error.to_string())
    };
    let text = read("targets.toml");
    assert_eq!(
        read_from(&text).unwrap().nodes.len(),
        0,
        "an example checks nothing"
    );
    let whole = uncommented(&text);
    assert!(read_from(&whole).unwrap().nodes[0].paused);
    assert!(
        read_from(&whole.replace("worker =", "worke ="))
            .unwrap_err()
            .contains("worke")
    );
}

/// A unit file: section and key to its values, in order.
type Unit = BTreeMap<(String, String), Vec<String>>;

/// Stricter than systemd, which ignores what it does not know.
fn unit(text: &str) -> Result<Unit, String> {
    let mut unit = Unit::new();
    let mut section = None;
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| Err(format!("line {}: {what}: {line}", number + 1));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !["Unit", "Service", "Install"].contains(&name) {
                return wrong("unknown section");
            }
            section = Some(name.to_owned());
            continue;
        }
        let (Some(section), Some((key, value))) = (&section, line.split_once('=')) else {
            return wrong("not KEY=VALUE in a section");
        };
        if !known_keys(section).contains(&key) {
            return wrong("unknown key");
        }
        unit.entry((section.clone(), key.to_owned()))
            .or_default()
            .push(value.to_owned());
    }
    Ok(unit)
}

fn known_keys(section: &str) -> &'static [&'static str] {
    match section {
        "Unit" => &["Description", "Wants", "After", "StartLimitIntervalSec"],
        "Install" => &["WantedBy"],
        _ => &[
            "AmbientCapabilities",
            "CapabilityBoundingSet",
            "DynamicUser",
            "Environment",
            "ExecReload",
            "ExecStart",
            "ExecStartPre",
            "Group",
            "LimitNOFILE",
            "LockPersonality",
            "MemoryDenyWriteExecute",
            "MemoryMax",
            "NoNewPrivileges",
            "PrivateDevices",
            "PrivateTmp",
            "ProtectClock",
            "ProtectControlGroups",
            "ProtectHome",
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelModules",
            "ProtectKernelTunables",
            "ProtectProc",
            "ProtectSystem",
            "ReadWritePaths",
            "RemoveIPC",
            "Restart",
            "RestartPreventExitStatus",
            "RestartSec",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "StateDirectory",
            "StateDirectoryMode",
            "SystemCallArchitectures",
            "SystemCallErrorNumber",
            "SystemCallFilter",
            "TasksMax",
            "TimeoutStopSec",
            "Type",
            "UMask",
            "User",
        ],
    }
}

fn one<'a>(unit: &'a Unit, section: &str, key: &str) -> &'a str {
    let values = unit.get(&(section.to_owned(), key.to_owned()));
    match values.map(Vec::as_slice) {
        Some([value]) => value,
        other => panic!("[{section}] {key}: {other:?}"),
    }
}

/// The program and its arguments, which must not need a shell.
fn exec_start(unit: &Unit) -> Vec<String> {
    let line = one(unit, "Service", "ExecStart");
    assert!(!line.contains(['\'', '"', '$', '%', ';', '|']), "{line}");
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn unit_of_the_collector_starts_what_the_command_line_knows() {
    use isochrone_collector::cli::{Cli, Program};

    let unit = unit(&read("isochrone-collector.service")).unwrap();
    let words = exec_start(&unit);
    assert_eq!(words[0], "/usr/local/bin/isochrone-collector");
    let cli = Cli::try_parse_from(&words).unwrap();
    assert!(matches!(cli.program, Program::Serve { .. }));
    let state = Path::new("/var/lib").join(one(&unit, "Service", "StateDirectory"));
    assert_eq!(cli.state.as_deref(), Some(state.as_path()));
    let config = cli.config.unwrap();
    assert!(
        config.starts_with(one(&unit, "Service", "ReadWritePaths")),
        "`target add` writes beside the config"
    );
}

#[test]
fn unit_of_the_probe_starts_what_the_command_line_knows() {
    use isochrone_probe::cli::{Cli, Command};

    let unit = unit(&read("isochrone-probe.service")).unwrap();
    let words = exec_start(&unit);
    assert_eq!(words[0], "/usr/local/bin/isochrone-probe");
    let cli = Cli::try_parse_from(&words).unwrap();
    assert!(matches!(cli.command, Command::Run));
    let state = Path::new("/var/lib").join(one(&unit, "Service", "StateDirectory"));
    assert_eq!(cli.state.as_deref(), Some(state.as_path()));
    assert_eq!(
        one(&unit, "Service", "Environment"),
        "XDG_CONFIG_HOME=/etc",
        "probe.toml is optional"
    );
}

#[test]
fn units_run_without_rights_and_come_back() {
    for name in ["isochrone-collector.service", "isochrone-probe.service"] {
        let unit = unit(&read(name)).unwrap();
        let service = |key| one(&unit, "Service", key);
        assert_eq!(
            service("CapabilityBoundingSet"),
            "",
            "{name}: no port below 1024, no raw socket"
        );
        assert_eq!(service("ProtectSystem"), "strict");
        assert_eq!(service("NoNewPrivileges"), "yes");
        assert_eq!(service("StateDirectoryMode"), "0700", "{name}: keys lie there");
        assert_eq!(service("Restart"), "always");
        assert_eq!(service("RestartPreventExitStatus"), "2 64");
        assert_eq!(one(&unit, "Install", "WantedBy"), "multi-user.target");
        let seconds: u64 = service("TimeoutStopSec").parse().unwrap();
        assert!(seconds > 5, "{name}: SIGKILL would come before the drain is over");
        let is_root = !unit.contains_key(&("Service".into(), "User".into()))
            && !unit.contains_key(&("Service".into(), "DynamicUser".into()));
        assert!(!is_root, "{name} would run as root");
    }
}

#[test]
fn unit_with_a_typo_is_refused() {
    let text = read("isochrone-probe.service").replace("NoNewPrivileges", "NoNewPrivilege");
    assert!(unit(&text).unwrap_err().contains("unknown key"));
    assert!(unit("Restart=always\n").unwrap_err().contains("line 1"));
}
