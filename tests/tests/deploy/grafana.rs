//! What Grafana is given: data sources, dashboards, and where they lie.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use isochrone_elastic::index::{Family, Names};
use isochrone_elastic::{Period, Prefix};
use serde_json::Value;

use super::compose::{grafana_version, keys, mounted, yaml};
use super::{folder, read};

const SOURCES: &str = "grafana/provisioning/datasources/isochrone.yaml";

/// The data sources' ids.
fn sources() -> BTreeSet<String> {
    let file = yaml(SOURCES);
    let sources = file["datasources"].as_array().unwrap().iter();
    sources
        .map(|source| source["uid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_provisioning_file_has_a_test() {
    for (kind, file) in [
        ("datasources", "isochrone.yaml"),
        ("dashboards", "isochrone.yaml"),
    ] {
        let entries = fs::read_dir(folder().join("grafana/provisioning").join(kind)).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [file]);
    }
    let entries = fs::read_dir(folder().join("grafana/provisioning")).unwrap();
    assert_eq!(entries.count(), 2);
}

#[test]
fn data_sources_read_the_indices_that_the_sink_writes() {
    let file = yaml(SOURCES);
    assert_eq!(file["apiVersion"], 1);
    let names = Names::new(Prefix::default(), Period::Month);
    let mut wanted = BTreeSet::new();
    for (family, time) in [
        (Family::Echo, "slot"),
        (Family::Endpoint, "slot"),
        (Family::Incident, "start"),
        (Family::Ledger, "hour"),
    ] {
        wanted.insert((names.template(family), names.pattern(family), time.to_owned()));
    }
    let services = keys(&yaml("compose.yaml")["services"]);
    let mut found = BTreeSet::new();
    for source in file["datasources"].as_array().unwrap() {
        assert_eq!(source["type"].as_str(), Some("elasticsearch"));
        let url = url::Url::parse(source["url"].as_str().unwrap()).unwrap();
        assert!(services.contains(url.host_str().unwrap()), "{url}");
        let settings = &source["jsonData"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        found.insert((
            text(&source["uid"]),
            text(&settings["index"]),
            text(&settings["timeField"]),
        ));
    }
    assert_eq!(found, wanted);
}

#[test]
fn dashboards_are_found_where_compose_mounts_them() {
    let file = yaml("grafana/provisioning/dashboards/isochrone.yaml");
    assert_eq!(file["apiVersion"], 1);
    let providers = file["providers"].as_array().unwrap();
    let paths: Vec<_> = providers
        .iter()
        .map(|of| of["options"]["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, [mounted("grafana/dashboards")]);
    assert_eq!(mounted("grafana/provisioning"), "/etc/grafana/provisioning");
}

#[test]
fn every_panel_asks_a_data_source_that_there_is() {
    let sources = sources();
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(folder().join("grafana/dashboards")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let dashboard: Value = serde_json::from_str(&read(&format!("grafana/dashboards/{name}"))).unwrap();
        let id = dashboard["uid"].as_str().unwrap();
        assert_eq!(name, format!("{id}.json"));
        ids.insert(id.to_owned());
        let panels = dashboard["panels"].as_array().unwrap();
        let targets = panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().unwrap());
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        for asking in targets.chain(variables).chain(panels) {
            let source = asking["datasource"]["uid"].as_str().unwrap();
            assert!(sources.contains(source), "{name}: {source}");
        }
    }
    let wanted = ["coverage", "incidents", "ledger", "mesh", "nodes"];
    assert_eq!(ids, wanted.map(|name| format!("isochrone-{name}")).into());
}

#[test]
fn builder_is_of_the_version_of_grafana_that_compose_starts() {
    let requirements = read("grafana/requirements.txt");
    let mut pins = requirements.lines().filter(|line| !line.starts_with('#'));
    let version = pins.next().unwrap().split_once('!').unwrap().1;
    let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    assert_eq!(minor(version), minor(&grafana_version()));
}

/// The Python with Grafana's builder.
const PYTHON: &str = "ISOCHRONE_GRAFANA";

#[test]
fn dashboards_are_what_the_generator_writes() {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import grafana_foundation_sdk"])
        .output();
    if !has.is_ok_and(|output| output.status.success()) {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(
            !is_ci,
            "{python} has no grafana-foundation-sdk, and CI allows no skipped test"
        );
        eprintln!(
            "SKIP: {python} has no grafana-foundation-sdk (pip install -r deploy/grafana/requirements.txt)"
        );
        return;
    }
    let checked = Command::new(&python)
        .arg(folder().join("grafana/generate.py"))
        .arg("--check")
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{says}");
}
