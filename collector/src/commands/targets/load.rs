//! What the checks of the nodes cost them, as `target add` and `target list` print it.

use std::collections::BTreeSet;
use std::time::Duration;

use isochrone_planner::draft::{HostPrefixes, Load, Participant, World};
use isochrone_planner::targets::Targets;
use isochrone_report::tables::{Cell, Column, Table};
use serde_json::json;

use crate::commands::CommandContext;

/// The load of every node of `targets`, in their order, by the probes that are in the mesh now. Which of the hosts
/// share a network is known to the running planner alone: where that slows checks down, they are fewer than here.
pub(super) fn loads(context: &CommandContext, targets: &Targets) -> Vec<Load> {
    let probes = context.registry.list().into_iter();
    let probes = probes.filter(|probe| probe.is_active());
    let world = World {
        probes: probes.map(|probe| Participant::new(&probe, None, None)).collect(),
        nodes: targets.nodes.clone(),
        pace: context.config.pace,
        prefixes: HostPrefixes::default(),
        downloads: BTreeSet::new(),
    };
    world.loads()
}

/// The sentence of `target add`.
pub(super) fn sentence(load: &Load) -> String {
    if load.vantages == 0 {
        return format!("Load on {}: none yet, for no probe has joined.", load.node);
    }
    let interval = Duration::from_millis(load.connect_interval_ms.into());
    format!(
        "Load on {}: {} status, {} asset and {} connect calls a minute, evenly spaced, by {} (each connects every {}).",
        load.node,
        number(load.status),
        number(load.asset),
        number(load.connect),
        probes(load.vantages),
        humantime::format_duration(interval),
    )
}

/// The table of `target list`.
pub(super) fn table(loads: &[Load]) -> Table {
    let columns = [
        Column::names("CALLS A MINUTE"),
        Column::figures("STATUS"),
        Column::figures("ASSET"),
        Column::figures("CONNECT"),
        Column::figures("PROBES"),
        Column::figures("CONNECT EVERY"),
    ];
    let rows = loads.iter().map(|load| {
        let every = humantime::format_duration(Duration::from_millis(load.connect_interval_ms.into()));
        let cells = [
            load.node.clone(),
            number(load.status),
            number(load.asset),
            number(load.connect),
            load.vantages.to_string(),
            every.to_string(),
        ];
        cells.map(Cell::from).into()
    });
    Table::new("Load", columns).rows(rows)
}

pub(super) fn as_json(load: &Load) -> serde_json::Value {
    json!({
        "status_per_minute": load.status, "asset_per_minute": load.asset, "connect_per_minute": load.connect,
        "vantages": load.vantages, "connect_interval_s": f64::from(load.connect_interval_ms) / 1_000.0,
    })
}

fn probes(count: usize) -> String {
    if count == 1 {
        "1 probe".to_owned()
    } else {
        format!("{count} probes")
    }
}

/// With a decimal where there is one.
fn number(calls: f64) -> String {
    let text = format!("{calls:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use isochrone_report::lines::Lines;

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
        };
        assert_eq!(
            sentence(&load),
            "Load on berlin: 6 status, 12 asset and 60 connect calls a minute, evenly spaced, by 10 probes (each connects every 10s)."
        );
        load.asset = 3.52;
        let mut lines = Lines::text(100);
        lines.table(&table(&[load.clone()]));
        let printed = lines.finish();
        assert!(
            printed.contains("berlin") && printed.contains(" 3.5 "),
            "{printed}"
        );
        load.vantages = 0;
        assert!(sentence(&load).contains("no probe has joined"));
    }
}
