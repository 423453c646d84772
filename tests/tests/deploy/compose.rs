//! compose.yaml, and the image that it builds.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser as _;
use isochrone_collector::cli::{Cli, Program};
use serde_json::Value;

use super::{folder, read};

/// A file of YAML.
pub(super) fn yaml(name: &str) -> Value {
    serde_norway::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(super) fn keys(of: &Value) -> BTreeSet<String> {
    of.as_object().unwrap().keys().cloned().collect()
}

fn words(of: &Value) -> Vec<&str> {
    let list = of.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|word| word.as_str().unwrap()).collect()
}

/// Image and tag; the tag names one version.
fn pinned(image: &str) -> (&str, &str) {
    let (name, tag) = image
        .rsplit_once(':')
        .unwrap_or_else(|| panic!("{image} has no tag"));
    assert!(
        tag.contains(|c: char| c.is_ascii_digit()) && tag.contains('.'),
        "{image} is no version"
    );
    (name, tag)
}

/// The version of Grafana that compose starts.
pub(super) fn grafana_version() -> String {
    let compose = yaml("compose.yaml");
    pinned(compose["services"]["grafana"]["image"].as_str().unwrap())
        .1
        .to_owned()
}

/// Where compose mounts a folder of deploy/ for Grafana.
pub(super) fn mounted(source: &str) -> String {
    let compose = yaml("compose.yaml");
    let mounts = words(&compose["services"]["grafana"]["volumes"]);
    let mount = mounts
        .iter()
        .find_map(|mount| mount.strip_prefix(&format!("./{source}:")));
    mount.unwrap().trim_end_matches(":ro").to_owned()
}

#[test]
fn services_are_pinned_mount_what_is_there_and_listen_on_this_machine_alone() {
    let compose = yaml("compose.yaml");
    let known = ["name", "services", "volumes"].map(str::to_owned);
    assert_eq!(keys(&compose), BTreeSet::from(known));
    let (services, volumes) = (&compose["services"], keys(&compose["volumes"]));
    let mut used = BTreeSet::new();
    for name in keys(services) {
        let service = &services[name.as_str()];
        for key in keys(service) {
            let known = [
                "build",
                "command",
                "depends_on",
                "environment",
                "image",
                "network_mode",
                "ports",
                "restart",
                "stop_grace_period",
                "volumes",
            ];
            assert!(known.contains(&key.as_str()), "{name}: unknown key {key}");
        }
        pinned(service["image"].as_str().unwrap());
        for port in words(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        for mount in words(&service["volumes"]) {
            let (source, _) = mount.split_once(':').unwrap();
            if source.starts_with('.') {
                assert!(folder().join(source).exists(), "{name}: {source}");
                assert!(mount.ends_with(":ro"), "{name}: {mount}");
            } else {
                assert!(volumes.contains(source), "{name}: {source}");
                used.insert(source.to_owned());
            }
        }
        for other in words(&service["depends_on"]) {
            assert!(keys(services).contains(other), "{name}: {other}");
        }
    }
    assert_eq!(used, volumes);
}

#[test]
fn collector_of_compose_starts_with_a_valid_file_and_sends_to_the_server_beside_it() {
    let compose = yaml("compose.yaml");
    let collector = &compose["services"]["collector"];
    let file = collector["build"]["dockerfile"].as_str().unwrap();
    let context = folder().join(collector["build"]["context"].as_str().unwrap());
    let image = std::fs::read_to_string(context.join(file)).unwrap();
    let line = |word: &str| image.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    let program: Vec<String> = serde_json::from_str(line("ENTRYPOINT ")).unwrap();
    let program = program.iter().map(String::as_str);
    let cli = Cli::try_parse_from(program.chain(words(&collector["command"]))).unwrap();
    assert!(matches!(cli.program, Program::Serve { .. }));
    assert!(line("USER ") != "root");
    for place in line("ENV ").split_whitespace() {
        let (key, path) = place.split_once('=').unwrap();
        assert!(["ISOCHRONE_CONFIG", "ISOCHRONE_STATE"].contains(&key), "{key}");
        let inside = |mount: &&str| mount.split(':').nth(1).is_some_and(|to| path.starts_with(to));
        assert!(
            words(&collector["volumes"]).iter().any(inside),
            "{path} is lost with the container"
        );
    }
    for from in image.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let tag = from.split([' ', ':']).nth(1).unwrap();
        assert!(!tag.starts_with("latest"), "{from}");
    }

    let text = read("compose/collector.toml");
    let config = isochrone_collector::config::Config::parse(&text, Path::new("collector.toml")).unwrap();
    let urls = config.elasticsearch.unwrap().urls;
    let port = words(&compose["services"]["elasticsearch"]["ports"])[0];
    let port = port.strip_suffix(":9200").unwrap();
    assert_eq!(urls[0].as_str(), format!("http://{port}/"));
}
