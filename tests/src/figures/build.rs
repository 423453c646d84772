//! How long both binaries take to build from nothing, and the tests of a crate after one of its files was touched:
//! minutes, so only when asked by name or `--all`.

use std::process::Command;

use anyhow::{Result, ensure};
use isochrone_base::clock::Clock;

use super::process::{BOTH, cargo, children_processor_seconds, folder};
use super::workspace::{Member, members};
use super::{Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::slow(&["build.cold_seconds", "build.cold_cpu_seconds"], cold),
    Figure::slow(&["build.touch_…_seconds"], touch),
];

/// Touches of each crate.
const ROUNDS: usize = 3;

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
            name: "build.cold_seconds".into(),
            value: wall,
            unit: "s",
            how: how("wall time, whatever else the machine does"),
            bound: None,
        },
        Measured {
            name: "build.cold_cpu_seconds".into(),
            value: cpu,
            unit: "s",
            how: how("user and system time of cargo and all compilers"),
            bound: None,
        },
    ])
}

fn touch() -> Result<Vec<Measured>> {
    members()?.iter().map(touched).collect()
}

/// Builds the tests of a crate after one of its leaf files was touched, as who works on it does: in the workspace's own
/// target folder, incrementally, everything else built before.
fn touched(member: &Member) -> Result<Measured> {
    let build = || -> Result<(f64, f64)> {
        let clock = Clock::system();
        let (cpu, start) = (children_processor_seconds()?, clock.now());
        let arguments = ["test", "--quiet", "--no-run", "--package", &member.package];
        let status = cargo().args(arguments).env("CARGO_INCREMENTAL", "1").status()?;
        ensure!(
            status.success(),
            "cargo could not build the tests of {}",
            member.package
        );
        let wall = (clock.now() - start).as_secs_f64();
        Ok((wall, children_processor_seconds()? - cpu))
    };
    build()?;
    let leaf = member.leaf()?;
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let status = Command::new("touch").arg(&leaf).status()?;
        ensure!(status.success(), "cannot touch {}", leaf.display());
        let (wall, cpu) = build()?;
        walls.push(wall);
        cpus.push(cpu);
    }
    Ok(Measured {
        name: format!("build.touch_{}_seconds", member.short()).into(),
        value: median(&walls),
        unit: "s",
        how: format!(
            "wall time; touch {}, cargo test -p {} --no-run; median of {ROUNDS}, {:.1} s of processor time",
            leaf.strip_prefix(&member.folder)?.display(),
            member.package,
            median(&cpus)
        ),
        bound: None,
    })
}
