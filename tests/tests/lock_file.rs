//! The lock file against deny.toml's bans: the gate's own tool says the same, and may be missing.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::Path;

/// A ban: of all versions, or of those below one.
#[derive(Debug, PartialEq)]
struct Ban {
    name: String,
    below: Option<Vec<u64>>,
}

impl Ban {
    /// `name`, or `name:<1.2.3`. Another form is a mistake here: it would ban nothing.
    fn parse(text: &str) -> Self {
        let (name, below) = match text.split_once(':') {
            None => (text, None),
            Some((name, range)) => {
                let version = range
                    .strip_prefix('<')
                    .unwrap_or_else(|| panic!("{text}: write NAME:<VERSION"));
                (name, Some(numbers(version)))
            }
        };
        assert!(!name.contains(['@', ' ']), "{text}: write NAME:<VERSION");
        Self {
            name: name.to_owned(),
            below,
        }
    }

    fn forbids(&self, name: &str, version: &str) -> bool {
        let is_below = |below: &Vec<u64>| numbers(version) < *below;
        self.name == name && self.below.as_ref().is_none_or(is_below)
    }
}

/// Major, minor and patch. What stands behind them is left out: a release candidate counts as its release.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap();
    release.split('.').map(|part| part.parse().unwrap()).collect()
}

fn read(file: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn bans() -> Vec<Ban> {
    let deny = read("deny.toml")["bans"]["deny"].as_array().unwrap().clone();
    let crates = deny.iter().map(|entry| entry["crate"].as_str().unwrap());
    crates.map(Ban::parse).collect()
}

#[test]
fn lock_file_holds_no_version_that_is_banned() {
    let (bans, lock) = (bans(), read("Cargo.lock"));
    let packages = lock["package"].as_array().unwrap();
    assert!(bans.len() > 5 && packages.len() > 100);
    for package in packages {
        let (name, version) = (
            package["name"].as_str().unwrap(),
            package["version"].as_str().unwrap(),
        );
        let ban = bans.iter().find(|ban| ban.forbids(name, version));
        assert_eq!(ban, None, "{name} {version}");
    }
}

#[test]
fn lock_file_names_one_registry_and_no_other_source() {
    let lock = read("Cargo.lock");
    for package in lock["package"].as_array().unwrap() {
        let source = package.get("source").and_then(toml::Value::as_str);
        let is_known = source
            .is_none_or(|source| source.starts_with("registry+https://github.com/rust-lang/crates.io-index"));
        assert!(is_known, "{package}");
    }
}

#[test]
fn version_below_a_bans_edge_is_forbidden_and_the_edge_is_not() {
    let ban = Ban::parse("h2:<0.4.16");
    for (version, forbidden) in [
        ("0.4.9", true),
        ("0.4.15", true),
        ("0.4.16", false),
        ("0.10.0", false),
        ("1.0.0-rc.1", false),
    ] {
        assert_eq!(ban.forbids("h2", version), forbidden, "{version}");
    }
    assert!(!ban.forbids("h3", "0.1.0"));
    assert!(Ban::parse("openssl").forbids("openssl", "9.0.0"));
}
