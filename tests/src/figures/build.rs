//! How long both binaries take to build from nothing: minutes, so only when asked by name or `--all`.

use anyhow::{Result, ensure};
use isochrone_base::clock::Clock;

use super::process::{BOTH, cargo, children_processor_seconds, folder};
use super::{Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::slow(
    &["build.cold_seconds", "build.cold_cpu_seconds"],
    cold,
)];

fn cold() -> Result<Vec<Measured>> {
    let target = tempfile::Builder::new()
        .prefix("figures-")
        .tempdir_in(folder()?)?;
    let clock = Clock::system();
    let (cpu, start) = (children_processor_seconds()?, clock.now());
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--bins"]).args(BOTH);
    build.arg("--target-dir").arg(target.path());
    let built = build.status()?;
    ensure!(built.success(), "cargo could not build the binaries");
    let wall = (clock.now() - start).as_secs_f64();
    let cpu = children_processor_seconds()? - cpu;
    let how = |what: &str| {
        format!(
            "{what}; cargo build --release of both binaries into an empty target folder, crates downloaded before; one run"
        )
    };
    Ok(vec![
        Measured {
            name: "build.cold_seconds",
            value: wall,
            unit: "s",
            how: how("wall time, whatever else the machine does"),
            bound: None,
        },
        Measured {
            name: "build.cold_cpu_seconds",
            value: cpu,
            unit: "s",
            how: how("user and system time of cargo and all compilers"),
            bound: None,
        },
    ])
}
