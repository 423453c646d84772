//! The built programs, for tests that run them as processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Both programs, which bear the names of their packages.
const NAMES: [&str; 2] = ["isochrone-collector", "isochrone-probe"];
/// Where their sources lie.
const ROOMS: [&str; 3] = ["proto", "probe", "collector"];

/// The program of this name, beside the tests' own folder. `cargo test --workspace` has built it; where only this crate's
/// tests were built, and it is missing or older than the sources, cargo builds it now, as that command does.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(up_to_date).join(name)
}

/// The folder of the programs, once they are as new as the sources.
fn up_to_date() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a file");
    let folder = own.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = NAMES.map(|name| changed(&folder.join(name)));
    let sources = ROOMS.map(|room| newest_below(&root.join(room)));
    let is_old = built.iter().min() < sources.iter().max();
    if is_old {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // what cargo told this test of its own package would make libraries be built anew
        let of_test = std::env::vars_os().map(|(name, _)| name);
        let of_test = of_test.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        for name in of_test {
            cargo.env_remove(name);
        }
        cargo
            .current_dir(root)
            .args(["build", "--quiet", "--locked", "--bins"]);
        cargo.args(NAMES.iter().flat_map(|name| ["--package", name]));
        cargo
            .arg("--target-dir")
            .arg(folder.parent().expect("a profile's folder"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "cargo cannot build {}", NAMES.join(" and "));
    }
    folder.to_owned()
}

/// When a file changed; `None`, which is before all else, if it is not there.
fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|found| found.modified()).ok()
}

/// When a source below `folder` changed last.
fn newest_below(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).expect("a folder of the workspace");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| {
            if path.is_dir() {
                newest_below(&path)
            } else {
                changed(&path)
            }
        })
        .max()
        .flatten()
}
