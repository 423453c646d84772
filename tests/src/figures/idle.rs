//! What a collector uses while nothing happens: ten probes that measure nine nodes, and a month of history in its store.

use std::time::Duration;

use anyhow::{Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;
use isochrone_watch::alert::Outbox;
use isochrone_watch::judge::Patience;
use isochrone_watch::monitor::{Monitor, MonitorParts, rejudge};
use isochrone_watch::past;

use super::fleet::Fleet;
use super::process::binary;
use super::state::State;
use super::store::{endpoints, keep};
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::slow(
    &["collector.idle_cpu_percent", "collector.idle_rss_mb"],
    idle,
)];

const PROBES: usize = 10;
const DAYS: u64 = 30;
/// As a probe closes its batches.
const ROUND: Duration = Duration::from_secs(1);
/// After the start, until everything has been looked at once.
const SETTLE: Duration = Duration::from_secs(75);
const WATCHED: Duration = Duration::from_secs(90);
const PERCENT_MAX: f64 = 1.0;

fn idle() -> Result<Vec<Measured>> {
    let serve = binary("isochrone-collector")?;
    let state = State::with_probes(PROBES)?;
    let nodes = (0..endpoints::NODES).map(|node| {
        format!(
            "[[node]]\nnode = \"node-{node}\"\nkind = \"argus\"\nworker = \"worker-{node}\"\nurl = \"https://node-{node}.example.org/distributor/\"\nlatitude = 52.5\nlongitude = {node}.5\nasset = \"1343\"\n\n"
        )
    });
    state.write_targets(&nodes.collect::<String>())?;
    let rows = fill(&state)?;
    let collector = state.start(&serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (rss_mb, percent) = runtime.block_on(async {
        let fleet = Fleet::of(&state, ROUND);
        let mut members = fleet.spawn(&state, |_| None)?;
        fleet.all_there(&mut members).await?;
        tokio::time::sleep(SETTLE).await;
        let seen = fleet.at_rest(&collector, WATCHED).await?;
        fleet.end(members).await?;
        anyhow::Ok(seen)
    })?;
    collector.stop()?;
    let how = |what: &str| {
        format!(
            "{what}; isochrone-collector serve, {PROBES} probes that send a batch a second, {rows} measurements of {DAYS} days in the store, sealed; {} s",
            WATCHED.as_secs()
        )
    };
    Ok(vec![
        Measured {
            name: "collector.idle_cpu_percent".into(),
            value: percent,
            unit: "%",
            how: how("percent of a core, user and system time"),
            bound: Some(Bound::AtMost(PERCENT_MAX)),
        },
        Measured {
            name: "collector.idle_rss_mb".into(),
            value: rss_mb,
            unit: "MB",
            how: how("highest VmRSS"),
            bound: None,
        },
    ])
}

/// Judges what a collector that has never seen this log would take for rows that came late, in parts beside its other work.
fn judge_late(store: &Store, roster: Roster, now: UnixMillis) -> Result<()> {
    let parts = MonitorParts {
        patience: Patience::default(),
        outbox: Outbox::open(store, vec![], now)?,
        collector: "figures".to_owned(),
        longest_interval: Duration::ZERO,
        roster: roster.clone(),
    };
    let mut monitor = Monitor::open(store, parts, now)?;
    let quiet = now.plus(Duration::from_secs(86_400));
    while let Some(stretch) = monitor.take_late(quiet) {
        let judged = rejudge(store, &roster, stretch)?;
        monitor.take_rejudged(judged, quiet)?;
    }
    Ok(())
}

/// Stores the month, and seals, compacts, folds and judges it as a collector would have done day by day; how many
/// measurements it has.
fn fill(state: &State) -> Result<u64> {
    let roster = state.roster()?; // before the store is open here
    let (store, now) = (state.open_store()?, Clock::system().wall());
    let stretch = Duration::from_secs(endpoints::HOURS * 3_600);
    let stretches = DAYS * 24 / endpoints::HOURS;
    let first = now.minus(stretch * stretches as u32).0 / 3_600_000 * 3_600_000 + 3_600_000;
    let mut rows = 0;
    for number in 0..stretches - 1 {
        let start = UnixMillis(first + number * stretch.as_millis() as u64);
        for identity in &state.probes {
            let (plan, payloads) = endpoints::stretch(identity.probe(), start, number + 1)?;
            keep(&store, &plan, payloads)?;
        }
        while let Some(sealed) = store.seal(start.plus(stretch + Duration::from_secs(86_400)))? {
            rows += sealed.measurements;
        }
    }
    while store.compact(now)?.is_some() {}
    while store.fold_rollups(now)?.is_some() {}
    while past::keep(&store, &roster, now)? {}
    judge_late(&store, roster, now)?;
    ensure!(rows > 0, "nothing was sealed");
    Ok(rows)
}
