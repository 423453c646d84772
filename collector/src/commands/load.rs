//! What the checks of the nodes cost them, and which plans have no room for them, as `target add`, `target list` and
//! `probe list` print it.

use std::collections::BTreeSet;
use std::time::Duration;

use isochrone_planner::draft::{CandidateLoad, HostPrefixes, LeftOut, Load, Participant, PlanInput, Seats};
use isochrone_planner::pace::Pace;
use isochrone_planner::plans::PeerAddresses;
use isochrone_planner::targets::Targets;
use isochrone_proto::limits::THROUGHPUT_BYTES;
use isochrone_report::targets::{TargetLoad, calls};

use crate::commands::CommandContext;

/// The load of everything in `targets.toml`, in its order.
pub(super) struct Loads {
    /// Of the nodes.
    pub(super) nodes: Vec<Load>,
    /// Of the candidates.
    pub(super) candidates: Vec<CandidateLoad>,
}

impl Loads {
    fn of(input: &PlanInput) -> Self {
        Self {
            nodes: input.loads(),
            candidates: input.candidate_loads(),
        }
    }
}

/// The load of `targets` by the probes that are in the mesh now. Which of the hosts share a network is known to the
/// running planner alone: where that slows checks down, they are fewer than here.
pub(super) fn loads(context: &CommandContext, targets: &Targets) -> Loads {
    Loads::of(&input(context, targets))
}

/// The probes whose plans have no room for all nodes of `targets`, by the probes that are in the mesh now.
pub(super) fn left_out(context: &CommandContext, targets: &Targets) -> Vec<LeftOut> {
    input(context, targets).draft(&Seats::default()).limits.left_out
}

/// The load where nobody checks anything yet.
pub(super) fn loads_of_none(targets: &Targets, pace: Pace) -> Loads {
    Loads::of(&input_of(Vec::new(), targets, pace))
}

fn input(context: &CommandContext, targets: &Targets) -> PlanInput {
    let probes = context.registry.list().into_iter();
    let probes = probes.filter(|probe| probe.is_active()).map(|probe| {
        let PeerAddresses { v4, v6 } = context.addresses.of(probe.id);
        Participant::new(&probe, v4, v6)
    });
    input_of(probes.collect(), targets, context.config.pace)
}

fn input_of(probes: Vec<Participant>, targets: &Targets, pace: Pace) -> PlanInput {
    PlanInput {
        probes,
        nodes: targets.nodes.clone(),
        candidates: targets.candidates.clone(),
        pace,
        prefixes: HostPrefixes::default(),
        downloads: BTreeSet::new(),
    }
}

/// The sentence of `target add`.
pub(super) fn sentence(load: &Load, is_paused: bool) -> String {
    if is_paused {
        return format!("Load on {}: none, for it is paused.", load.node);
    }
    if load.vantages == 0 {
        return format!(
            "Load on {}: none yet, for no probe that can check it has joined.",
            load.node
        );
    }
    let interval = Duration::from_millis(load.connect_interval_ms.into());
    let throughput = match load.throughput > 0.0 {
        true => format!(" Throughput: {} a day.", bytes(load)),
        false => String::new(),
    };
    format!(
        "Load on {}: {} status, {} asset and {} connect calls a minute, evenly spaced, by {} (each connects every {}).{throughput}",
        load.node,
        calls(load.status),
        calls(load.asset),
        calls(load.connect),
        probes(load.vantages),
        humantime::format_duration(interval),
    )
}

/// As `target list` prints it.
pub(super) fn told(load: &Load) -> TargetLoad {
    TargetLoad {
        status_per_minute: load.status,
        asset_per_minute: load.asset,
        connect_per_minute: load.connect,
        throughput_bytes_per_day: throughput_bytes(load),
        vantages: load.vantages,
        connect_interval: Duration::from_millis(load.connect_interval_ms.into()),
    }
}

/// Bytes a day.
fn throughput_bytes(load: &Load) -> u64 {
    (load.throughput * f64::from(THROUGHPUT_BYTES)).round() as u64
}

fn bytes(load: &Load) -> bytesize::ByteSize {
    bytesize::ByteSize(throughput_bytes(load))
}

fn probes(count: usize) -> String {
    if count == 1 {
        "1 probe".to_owned()
    } else {
        format!("{count} probes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_told_in_numbers_a_person_reads() {
        let mut load = Load {
            node: "berlin".to_owned(),
            vantages: 10,
            connect_interval_ms: 10_000,
            status: 6.0,
            asset: 11.96,
            connect: 60.0,
            throughput: 0.0,
        };
        assert_eq!(
            sentence(&load, false),
            "Load on berlin: 6 status, 12 asset and 60 connect calls a minute, evenly spaced, by 10 probes (each connects every 10s)."
        );
        load.throughput = 40.0;
        assert!(sentence(&load, false).ends_with(" Throughput: 320.0 MiB a day."));
        load.vantages = 0;
        assert!(sentence(&load, false).contains("no probe that can check it has joined"));
        assert_eq!(
            sentence(&load, true),
            "Load on berlin: none, for it is paused.",
            "whoever joined"
        );
    }
}
