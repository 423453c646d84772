//! Exit codes, and the variables of the environment, by running the programs.

use std::path::Path;
use std::process::{Command, Output};

use isochrone_tests::programs::program;

use crate::book;

/// A program in a folder of its own: what it is told by options, nothing else.
fn run(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let file = if name == "isochrone-probe" {
        "probe.toml"
    } else {
        "collector.toml"
    };
    let mut command = Command::new(program(name));
    command.arg("--config").arg(folder.join(file));
    command.arg("--state").arg(folder.join(format!("{name}.state")));
    command.args(arguments).output().unwrap()
}

/// A folder with empty configurations.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["collector.toml", "probe.toml"] {
        std::fs::write(folder.path().join(file), "").unwrap();
    }
    folder
}

#[test]
fn both_programs_use_the_listed_codes() {
    let folder = folder();
    let mut used = std::collections::BTreeSet::new();
    let mut code = |name: &str, arguments: &[&str], code: i32| {
        let said = run(folder.path(), name, arguments);
        assert_eq!(said.status.code(), Some(code), "{name} {arguments:?}: {said:?}");
        used.insert(code.to_string());
    };
    code("isochrone-collector", &["target", "list"], 0);
    code("isochrone-collector", &["target", "remove", "nowhere"], 1);
    code("isochrone-collector", &["lost"], 2);
    code("isochrone-collector", &["status"], 3);
    code(
        "isochrone-collector",
        &["probe", "invite", "--worker", "ada", "--site", "Nowhere"],
        2,
    );
    code("isochrone-probe", &["status"], 1);
    code("isochrone-probe", &["run"], 1);
    code("isochrone-probe", &["join", "no token"], 2);
    code("isochrone-probe", &["measure", "ftp://node.example.org/"], 2);
    code("isochrone-probe", &["measure", "http://127.0.0.1:9/"], 1);
    for file in ["collector.toml", "probe.toml"] {
        std::fs::write(folder.path().join(file), "unknown = 1\n").unwrap();
    }
    code("isochrone-collector", &["target", "list"], 64);
    code("isochrone-collector", &["serve"], 64);
    code("isochrone-probe", &["run"], 64);
    code("isochrone-probe", &["status"], 64);
    let listed: std::collections::BTreeSet<String> = book::names("Exit codes").into_iter().collect();
    assert_eq!(used, listed);
}

#[test]
fn environment_names_configuration_and_state() {
    let folder = folder();
    for (name, file) in [
        ("isochrone-collector", "collector.toml"),
        ("isochrone-probe", "probe.toml"),
    ] {
        std::fs::write(folder.path().join(file), "unknown = 1\n").unwrap();
        let said = Command::new(program(name))
            .env("ISOCHRONE_CONFIG", folder.path().join(file))
            .env("ISOCHRONE_STATE", folder.path().join("state"))
            .args(if name == "isochrone-probe" {
                ["status", "--format=json"]
            } else {
                ["target", "list"]
            })
            .output()
            .unwrap();
        assert_eq!(said.status.code(), Some(64), "{said:?}");
    }
    std::fs::write(folder.path().join("collector.toml"), "").unwrap();
    let said = Command::new(program("isochrone-collector"))
        .env("ISOCHRONE_CONFIG", folder.path().join("collector.toml"))
        .env("ISOCHRONE_STATE", folder.path().join("state"))
        .args(["probe", "invite", "--worker", "ada", "--site", "Berlin, DE"])
        .output()
        .unwrap();
    assert!(
        said.status.success() && folder.path().join("state/store.redb").exists(),
        "{said:?}"
    );
    let listed = book::names("Environment");
    for variable in ["ISOCHRONE_CONFIG", "ISOCHRONE_STATE"] {
        assert!(listed.contains(&variable.to_owned()), "{variable} is not listed");
    }
}
