//! Keys of the configuration files: those that the programs take, those that the document lists, and their defaults.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use isochrone_tests::programs::program;

use crate::book;

/// A file that holds every key once.
const COLLECTOR: &str = r#"
listen = ["127.0.0.1:0"]
web = "127.0.0.1:0"
web_token = "9f86d081884c7d65"
public_addresses = ["lead.example.org:7470"]
echo_interval = "5s"
status_per_minute = 3
asset_per_minute = 6
connect_per_minute = 60
throughput_bytes_per_day = "320MiB"
plan_lifetime = "1day"
disk_reserve = "2MiB"
coverage_target_ms = 80
extra_roots = []

[health]
silent_after = "2m"
no_data_after = "4m"

[retention]
raw = "20days"
hours = "90days"
days = "2years"
total = "10GiB"

[coverage]
target_ttfb_ms = 300
target_mbps = 25
access_offset = { NG = 30, "*" = 5 }
prior = "none"

[topology]
url = "https://query.example.org/graphql"
interval = "5min"

[elasticsearch]
urls = ["https://es1.example.org:9200"]
ca = "es-ca.pem"
user = "isochrone"
password_file = "es-password"
prefix = "mesh"
period = "day"

[alerts]
webhook = "https://alerts.example.org/isochrone"
webhook_after = "30s"
discord = "https://discord.example.org/api/webhooks/1/a"
discord_after = "1m"
heartbeat_url = "https://heartbeat.example.org/ping/1"
heartbeat_interval = "2m"
heartbeat_method = "post"
"#;
const PROBE: &str = r#"
echo_listen = ["127.0.0.1:0"]
allow_private = ["127.0.0.0/8"]
spool_bytes = "2MiB"
collectors = ["lead.example.org:7470"]
advertise = ["203.0.113.7:7472"]
extra_roots = []
"#;
const TARGETS: &str = r#"
[[node]]
node = "berlin"
kind = "argus"
url = "https://node.example.org/distributor/"
worker = "ada"
place = "Berlin, DE"
latitude = 52.5
longitude = 13.4
network = 64500
buckets = ["0:0"]
asset = "1343"
interval = "20s"
families = [4, 6]
paused = true
[[candidate]]
name = "nairobi-provider"
url = "https://test.example.org/"
place = "Nairobi, KE"
latitude = -1.3
longitude = 36.8
"#;

/// One of the three files.
#[derive(Clone, Copy)]
struct Settings {
    /// Its name, and its heading in the document.
    file: &'static str,
    /// Every key of it.
    whole: &'static str,
    /// The sections in which an unknown key is asked about.
    sections: &'static [&'static str],
}

const ALL: [Settings; 3] = [
    Settings {
        file: "collector.toml",
        whole: COLLECTOR,
        sections: &[
            "",
            "[health]",
            "[retention]",
            "[coverage]",
            "[topology]",
            "[elasticsearch]",
            "[alerts]",
        ],
    },
    Settings {
        file: "probe.toml",
        whole: PROBE,
        sections: &[""],
    },
    Settings {
        file: "targets.toml",
        whole: TARGETS,
        sections: &["", "[[node]]", "[[candidate]]"],
    },
];

impl Settings {
    /// Runs a command that reads the file, with this text in it.
    fn read(&self, text: &str) -> Output {
        let folder = tempfile::tempdir().unwrap();
        for file in ["collector.toml", "probe.toml"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        std::fs::write(folder.path().join(self.file), text).unwrap();
        let (name, config, arguments) = match self.file {
            "probe.toml" => ("isochrone-probe", "probe.toml", ["measure", "ftp://refused/"]),
            _ => ("isochrone-collector", "collector.toml", ["target", "list"]),
        };
        let mut command = Command::new(program(name));
        command.arg("--config").arg(folder.path().join(config));
        command.arg("--state").arg(folder.path().join("state"));
        command.args(arguments).output().unwrap()
    }

    /// The code of that command where the file is right. The probe's is one that it reaches only with a right file.
    fn accepted(&self) -> i32 {
        if self.file == "probe.toml" { 2 } else { 0 }
    }

    /// Keys that cannot stand in the whole file, for others stand there in their place.
    fn instead(&self) -> Option<String> {
        let is_collectors = self.file == "collector.toml";
        is_collectors.then(|| "elasticsearch.api_key_file".to_owned())
    }

    /// Every key of the whole file with its value; those of a section with the section before them.
    fn keys(&self) -> BTreeMap<String, toml::Value> {
        let table: toml::Table = self.whole.parse().unwrap();
        let mut keys = BTreeMap::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(section) => {
                    keys.extend(
                        section
                            .into_iter()
                            .map(|(below, value)| (format!("{key}.{below}"), value)),
                    );
                }
                toml::Value::Array(mut items) if items.first().is_some_and(toml::Value::is_table) => {
                    let node = items.swap_remove(0);
                    let node = node.as_table().expect("it was looked at").clone();
                    keys.extend(
                        node.into_iter()
                            .map(|(below, value)| (format!("{key}.{below}"), value)),
                    );
                }
                value => {
                    keys.insert(key, value);
                }
            }
        }
        keys
    }

    /// The keys that the program says it knows, when it meets one it does not know.
    fn known_keys(&self) -> Vec<String> {
        let mut known = Vec::new();
        for section in self.sections {
            let said = self.read(&format!("{section}\nunknown_key = 1\n"));
            let text = String::from_utf8(said.stderr).unwrap();
            let (_, list) = text
                .split_once("expected ")
                .unwrap_or_else(|| panic!("{}: {text}", self.file));
            let prefix = section.trim_matches(['[', ']']);
            let names = list.split('`').skip(1).step_by(2).map(|key| match prefix {
                "" => key.to_owned(),
                prefix => format!("{prefix}.{key}"),
            });
            let is_section = |name: &String| {
                self.sections
                    .iter()
                    .any(|section| section.trim_matches(['[', ']']) == name)
            };
            known.extend(names.filter(|name| !is_section(name)));
        }
        known.sort();
        known
    }
}

#[test]
fn file_with_every_key_is_accepted_and_each_key_misspelt_is_refused_by_name() {
    for settings in ALL {
        let said = settings.read(settings.whole);
        assert_eq!(
            said.status.code(),
            Some(settings.accepted()),
            "{}: {said:?}",
            settings.file
        );
        for key in settings.keys().keys() {
            let name = key.rsplit('.').next().expect("a last part");
            let misspelt = settings
                .whole
                .replacen(&format!("\n{name} ="), &format!("\n{name}x ="), 1);
            let said = settings.read(&misspelt);
            assert_eq!(
                said.status.code(),
                Some(64),
                "{} with {name}x: {said:?}",
                settings.file
            );
            let text = String::from_utf8_lossy(&said.stderr);
            assert!(
                text.contains(&format!("{name}x")) && text.contains(settings.file),
                "{text}"
            );
        }
    }
}

#[test]
fn keys_that_the_programs_know_are_the_listed_ones() {
    for settings in ALL {
        let mut listed = book::names(settings.file);
        listed.sort();
        assert_eq!(settings.known_keys(), listed, "{}", settings.file);
        let mut tried: Vec<String> = settings.keys().into_keys().collect();
        tried.extend(settings.instead());
        tried.sort();
        assert_eq!(tried, listed, "{}: the file with every key", settings.file);
    }
}

#[test]
fn types_are_the_listed_ones() {
    for settings in ALL {
        let values = settings.keys();
        for row in book::table(settings.file) {
            let (key, word) = (&row[0], row[1].as_str());
            let Some(value) = values.get(key) else {
                assert_eq!(settings.instead().as_ref(), Some(key));
                continue;
            };
            let is_so = match word.split([',', ' ']).next().expect("a first word") {
                "list" => value.is_array(),
                "table" => value.is_table(),
                "whole" => value.is_integer(),
                "number" => value.is_float() || value.is_integer(),
                "true" => value.is_bool(),
                _ => value.is_str(),
            };
            assert!(is_so, "{} {key} is {value:?}, listed as {word:?}", settings.file);
        }
    }
}

/// A file of the listed defaults means the same as an empty one.
#[test]
fn defaults_are_the_listed_ones() {
    let defaults = |file: &str| {
        let mut rows: Vec<_> = book::table(file)
            .into_iter()
            .filter(|row| is_value(&row[2]))
            .collect();
        rows.sort_by_key(|row| row[0].contains('.')); // sections come last
        rows.iter()
            .map(|row| format!("{} = {}\n", row[0], row[2]))
            .collect::<String>()
    };
    let collector = |text: &str| {
        let config = isochrone_collector::config::Config::parse(text, Path::new("collector.toml"));
        format!("{:#?}", config.unwrap())
    };
    assert_eq!(collector(&defaults("collector.toml")), collector(""));
    let probe = |text: &str| {
        let config = isochrone_probe::config::Config::parse(text, Path::new("probe.toml"));
        format!("{:#?}", config.unwrap())
    };
    assert_eq!(probe(&defaults("probe.toml")), probe(""));
    let node = "[[node]]\nnode = \"a\"\nkind = \"http\"\nurl = \"https://a.example.org/\"\nworker = \"w\"\nplace = \"Berlin, DE\"\n";
    let targets = |text: &str| {
        let targets = isochrone_planner::targets::Targets::parse(text, Path::new("targets.toml"));
        format!("{:#?}", targets.unwrap())
    };
    let of_node = defaults("targets.toml").replace("node.", "");
    assert!(!of_node.is_empty());
    assert_eq!(targets(&format!("{node}{of_node}")), targets(node));
}

/// Whether a default is a value, and not words such as "none" or "required".
fn is_value(default: &str) -> bool {
    default.starts_with(['"', '[']) || default.parse::<f64>().is_ok() || matches!(default, "true" | "false")
}

/// A file that was pasted from anywhere is quoted, not obeyed.
#[test]
fn hostile_keys_and_values_are_named_without_moving_a_cursor() {
    for settings in ALL {
        for hostile in [
            "\"a\u{202e}b\\u001b[2J\" = 1\n",
            "unknown\u{202e} = 1\n",
            "listen = \"\u{2066}\\u001b[2J\u{9b}1A\"\n[[node]]\nnode = \"\u{202e}\"\n",
        ] {
            let said = settings.read(hostile);
            let text = String::from_utf8(said.stderr).unwrap();
            assert!(
                !said.status.success() && !text.is_empty(),
                "{}: {hostile:?}",
                settings.file
            );
            assert!(
                text.lines().all(isochrone_proto::text::is_clean),
                "{}: {text:?}",
                settings.file
            );
        }
    }
}
