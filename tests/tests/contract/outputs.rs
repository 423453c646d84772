//! Machine-readable outputs of a small real mesh against their agreed keys.

use std::collections::BTreeSet;
use std::process::Command;

use isochrone_tests::programs::program;
use serde_json::Value;

use crate::book;
use crate::gathered::MESH;
use crate::key_tree;

/// Every JSON output has its keys; those of coverage, count, gaps and locate together with a report on files, which knows more.
#[test]
fn keys_of_every_output_are_the_agreed_ones() {
    for (name, documents) in &MESH.json {
        let mut documents = documents.clone();
        if *name == "coverage" {
            documents.push(of_files(&["report", "coverage"], "berlin,tokyo"));
        }
        if *name == "count" {
            documents.push(of_files(&["report", "count"], "berlin,tokyo"));
            documents.push(of_files(&["report", "count"], "berlin,johannesburg,lagos")); // one that cannot be told
        }
        if *name == "gaps" {
            documents.push(of_files(&["gaps"], "berlin,tokyo"));
        }
        if *name == "locate" {
            documents.push(locate_of_files());
        }
        key_tree::compare(name, &documents);
    }
}

#[test]
fn schemas_and_key_files_are_the_listed_ones() {
    let listed: BTreeSet<(String, String)> = book::table("JSON")
        .into_iter()
        .filter(|row| row[2].contains(".keys"))
        .map(|row| {
            (
                row[2].split(['[', '.']).nth(1).expect("a name").to_owned(),
                row[1].clone(),
            )
        })
        .collect();
    let found: BTreeSet<(String, String)> = MESH
        .json
        .iter()
        .map(|(name, documents)| {
            let schema = documents[0]["schema"].as_str().unwrap_or("");
            ((*name).to_owned(), schema.to_owned())
        })
        .collect();
    assert_eq!(listed, found);
    assert!(listed.iter().all(|(name, _)| key_tree::path(name).exists()));
}

#[test]
fn columns_of_csv_are_the_listed_ones() {
    for (report, text) in &MESH.csv {
        let head = text.lines().next().unwrap();
        let listed = book::names(&format!("CSV of report {report}"));
        assert_eq!(head.split(',').collect::<Vec<_>>(), listed, "report {report}");
    }
}

fn of_files(report: &[&str], nodes: &str) -> Value {
    let example = |name: &str| book::root().join("docs/example").join(name);
    let said = Command::new(program("isochrone-collector"))
        .args(report)
        .args(["--format", "json", "--nodes", nodes])
        .arg("--sites")
        .arg(example("sites.csv"))
        .arg("--rtt")
        .arg(example("rtt.csv"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    serde_json::from_slice(&said.stdout).unwrap()
}

/// A site that lost a sign has what the honest ones do not.
fn locate_of_files() -> Value {
    let example = |name: &str| book::root().join("docs/example").join(name);
    let folder = tempfile::tempdir().unwrap();
    let sites = std::fs::read_to_string(example("sites.csv")).unwrap();
    let sites = sites.replace("34.05,-118.24", "34.05,118.24");
    std::fs::write(folder.path().join("sites.csv"), sites).unwrap();
    let said = Command::new(program("isochrone-collector"))
        .args(["locate", "--format", "json", "--sites"])
        .arg(folder.path().join("sites.csv"))
        .arg("--rtt")
        .arg(example("rtt.csv"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["suspects"], serde_json::json!(["losangeles"]));
    said
}
