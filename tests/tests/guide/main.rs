//! Every command that README and guide show, carried out in their order: by a lead and three workers on servers of
//! their own, with two nodes, of which one breaks down, and a receiver of alerts.
//!
//! The servers are network and mount namespaces on one bridge, in a user namespace of whoever runs the test: no rights
//! are needed, nothing leaves it, and nothing of the machine is changed. The binaries are the built ones. What systemd,
//! sudo, ufw and ssh would do is done by the programs in `stubs/`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod document;
mod outside;
mod server;
mod steps;
mod story;

use std::collections::BTreeSet;
use std::process::Command;

use document::Shown;
use isochrone_tests::programs::program;
use steps::{STEPS, Who};

/// Set for the process inside the namespaces.
const INSIDE: &str = "ISOCHRONE_GUIDE_INSIDE";
/// The processes end with `unshare`; the shell in between is the first of them, which takes in orphans.
const NAMESPACES: [&str; 8] = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];
const WHOLE: &str = "every_command_of_readme_and_guide_does_what_it_says";

/// The commands in the order in which they are carried out.
fn shown() -> Vec<Shown> {
    let documents = [
        "README.md",
        "docs/user-guide.md",
        "docs/nodes.md",
        "docs/alerts.md",
    ];
    let commands = documents.into_iter().flat_map(document::commands);
    commands.chain(document::tables("README.md")).collect()
}

#[test]
fn every_command_of_readme_and_guide_does_what_it_says() {
    if std::env::var_os(INSIDE).is_some() {
        return story::tell(&shown());
    }
    for name in ["isochrone-collector", "isochrone-probe"] {
        assert!(program(name).exists(), "built before the world is shut off");
    }
    if let Err(reason) =
        inside("ip link add name wire type bridge && ip link add name a type veth peer name b")
    {
        assert!(
            std::env::var_os("CI").is_none(),
            "{reason}CI allows no skipped test"
        );
        eprintln!("SKIP: {}", reason.trim_end_matches("; "));
        return;
    }
    let test = std::env::current_exe().unwrap();
    let line = format!("{INSIDE}=1 '{}' --exact {WHOLE} --nocapture", test.display());
    match inside(&line) {
        Ok(told) => println!("{told}"),
        Err(told) => panic!("{told}"),
    }
}

/// Carries out a line in namespaces of its own; what it said, also where it failed.
fn inside(line: &str) -> Result<String, String> {
    let whole = format!("{line}; exit $?"); // so that the shell stays
    let mut unshare = Command::new("unshare");
    let output = unshare.args(NAMESPACES).args(["sh", "-c", &whole]).output();
    let output = output.map_err(|error| format!("unshare (apt-get install util-linux): {error}; "))?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    if output.status.success() {
        Ok(told.into_owned())
    } else {
        Err(format!("{line}: {told}; "))
    }
}

#[test]
fn every_command_is_known_and_every_known_one_is_shown() {
    let shown = shown();
    assert!(
        shown.len() >= 70,
        "only {} commands; are the documents read?",
        shown.len()
    );
    let unknown: Vec<_> = shown
        .iter()
        .filter(|shown| steps::of(&shown.line).is_none())
        .collect();
    assert!(unknown.is_empty(), "nobody carries these out: {unknown:#?}");
    let lines: BTreeSet<&str> = shown.iter().map(|shown| shown.line.as_str()).collect();
    let stale: Vec<_> = STEPS.iter().filter(|step| !lines.contains(step.line)).collect();
    assert!(stale.is_empty(), "no document shows these any more: {stale:#?}");
}

#[test]
fn commands_that_are_carried_out_elsewhere_are() {
    let gate = document::read(".ci/run");
    for step in STEPS {
        match step.who {
            Who::Gate(name) => {
                let line = gate
                    .lines()
                    .find(|line| line.starts_with(&format!("step \"{name}\"")));
                let line = line.unwrap_or_else(|| panic!("the gate has no step {name:?}"));
                for word in step.line.split(' ') {
                    assert!(
                        line.contains(word),
                        "{}: not what the gate does: {line}",
                        step.line
                    );
                }
            }
            Who::File(file, text) => {
                assert!(document::read(file).contains(text), "{file} does not hold {text}");
            }
            _ => {}
        }
    }
}
