//! The crates of this workspace, as cargo tells them: a new one joins the figures by itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::process::cargo;

/// A crate of ours.
#[derive(Debug)]
pub(super) struct Member {
    /// Its package's name.
    pub(super) package: String,
    /// Where its manifest lies.
    pub(super) folder: PathBuf,
}

/// Of each crate a file without modules below it. Named, so that a figure stays one of the same file when others come.
const LEAVES: &[(&str, &str)] = &[
    ("base", "src/names.rs"),
    ("borrowed", "src/family.rs"),
    ("chain", "src/endpoint.rs"),
    ("collector", "src/view.rs"),
    ("coverage", "src/geo.rs"),
    ("elastic", "src/cursor.rs"),
    ("gate", "src/audit.rs"),
    ("planner", "src/pace.rs"),
    ("probe", "src/dns.rs"),
    ("proto", "src/units.rs"),
    ("report", "src/charts/bar.rs"),
    ("store", "src/tables.rs"),
    ("tests", "src/nginx.rs"),
    ("watch", "src/incident.rs"),
    ("web", "src/assets.rs"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// All of them, by name.
pub(super) fn members() -> Result<Vec<Member>> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let said = cargo().args(arguments).output()?;
    ensure!(
        said.status.success(),
        "cargo does not tell the workspace's crates"
    );
    let Metadata { packages } = serde_json::from_slice(&said.stdout)?;
    let mut members = Vec::with_capacity(packages.len());
    for Package { name, manifest_path } in packages {
        let folder = manifest_path.parent().context("a manifest lies in a folder")?;
        members.push(Member {
            package: name,
            folder: folder.to_owned(),
        });
    }
    members.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(members)
}

impl Member {
    /// Its name in figures: `coverage` for `isochrone-coverage`.
    pub(super) fn short(&self) -> String {
        let name = self.package.strip_prefix("isochrone-").unwrap_or(&self.package);
        name.replace('-', "_")
    }

    /// Its Rust files: sources, tests, examples and the build script, and none of a crate that lies in its folder.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for part in ["src", "tests", "benches", "examples", "build.rs"] {
            collect(&self.folder.join(part), &mut files)?;
        }
        files.sort();
        Ok(files)
    }

    /// The file that stands for what is touched in it, from [`LEAVES`].
    pub(super) fn leaf(&self) -> Result<PathBuf> {
        let named = LEAVES.iter().find(|(name, _)| *name == self.short());
        let (_, leaf) = named.with_context(|| format!("{} has no leaf file named here", self.package))?;
        Ok(self.folder.join(leaf))
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|ending| ending == "rs") && path.exists() {
        files.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_has_a_leaf_and_no_file_belongs_to_two() {
        let members = members().unwrap();
        let mut all = Vec::new();
        for member in &members {
            let leaf = member.leaf().unwrap();
            assert!(leaf.starts_with(&member.folder) && leaf.is_file(), "{leaf:?}");
            all.extend(member.files().unwrap());
        }
        assert!(members.iter().any(|member| member.short() == "proto"));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
