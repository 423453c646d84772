//! How long reports over a fortnight take, by what is kept beside the measurements.

mod mesh;

use std::time::Duration;

use anyhow::{Result, ensure};
use isochrone_base::clock::unpaused;
use isochrone_base::roster::Roster;
use isochrone_coverage::count::Thresholds;
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{Options, build};
use isochrone_coverage::weights::Weights;
use isochrone_proto::units::UnixMillis;
use isochrone_report::log::Window;
use isochrone_report::{Printed as _, coverage, nodes};
use isochrone_watch::past;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use self::mesh::Mesh;
use super::store::{Coming, Filled};
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::quick(
    &[
        "report.coverage_15d_ms",
        "report.coverage_15d_measured_ms",
        "report.nodes_15d_ms",
    ],
    reports,
)];

/// What issue 11 asks for.
const REPORT_MS_MAX: f64 = 100.0;
const DAYS: u64 = 15;
const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// Since the collector last looked whether there is anything to judge.
const SINCE_LOOK: Duration = Duration::from_secs(60);
const SEALED_EVERY: Duration = Duration::from_secs(6 * 3_600);
const RUNS: usize = 7;
const SEED: u64 = 7;

fn reports() -> Result<Vec<Measured>> {
    let (filled, roster, now) = sealed_mesh(DAYS, mesh::WHOLE)?;
    let window = Window {
        from: now.minus(Duration::from_millis(DAYS * DAY_MS)),
        until: now,
    };
    let coverage_ms = |is_whole: bool| {
        median_ms(|| {
            let window = window.within(&filled.store, now)?;
            let seen = coverage::from_store(&filled.store, &roster, window, Source::Store, &mut |_| {})?;
            let seen = seen.observations;
            let mut random = StdRng::seed_from_u64(SEED);
            let options = Options {
                predict: is_whole,
                count: is_whole.then(Thresholds::default), // as `report coverage` makes it
                ..Options::new(Weights::people())
            };
            let report = build(&seen, &options, &mut random)?;
            ensure!(!report.text(100).is_empty());
            Ok(())
        })
    };
    let (measured_ms, predicted_ms) = (coverage_ms(false)?, coverage_ms(true)?);
    let nodes_ms = median_ms(|| {
        let window = window.within(&filled.store, now)?;
        let report = nodes::from_store(&filled.store, &roster, window, &mut |_| {})?;
        let outages: usize = report.nodes.iter().map(|node| node.outages.len()).sum();
        ensure!(outages == mesh::OUTAGES, "{outages} outages");
        ensure!(!report.text(100).is_empty());
        Ok(())
    })?;
    let how = format!(
        "15 days of ten probes and nine nodes, connect every 10 s: sealed, compacted and judged, an hour and more in the \
         log; median of {RUNS}"
    );
    let figure = |name: &'static str, value: f64, what: &str, bound| Measured {
        name: name.into(),
        value,
        unit: "ms",
        how: format!("{what}; {how}"),
        bound,
    };
    let at_most = Some(Bound::AtMost(REPORT_MS_MAX));
    Ok(vec![
        figure(
            "report.coverage_15d_ms",
            predicted_ms,
            "as `report coverage` makes it, predictions and the count of nodes included, as text",
            at_most,
        ),
        figure(
            "report.coverage_15d_measured_ms",
            measured_ms,
            "reading and what was measured alone, as text",
            None,
        ),
        figure("report.nodes_15d_ms", nodes_ms, "as text", at_most),
    ])
}

/// A store with so many days and some hours of the mesh's first probes and nodes, sealed, compacted and judged as `serve` would, with who is who
/// and the instant at which it stands so.
///
/// # Errors
/// When the store failed.
pub fn sealed_mesh(days: u64, size: (usize, usize)) -> Result<(Filled, Roster, UnixMillis)> {
    let (start, now) = stretch(days);
    let mut mesh = Mesh::new(start, size, &mesh::CONNECT)?;
    let filled = Filled::from(start)?;
    for plan in mesh.plans() {
        filled.keep(plan)?;
    }
    for day in 0..=days {
        let from = UnixMillis(start.0 + day * DAY_MS);
        let until = UnixMillis(from.0 + DAY_MS).min(now);
        filled.store_all(&mesh.coming(from, until)?)?;
        filled.seal_all(until)?;
        filled.compact_all(until)?;
    }
    let roster = mesh.roster();
    while past::keep(&filled.store, &roster, now.minus(SINCE_LOOK))? {}
    Ok((filled, roster, now))
}

/// A mesh of which one probe was away.
pub struct PatchyMesh {
    /// The store.
    pub filled: Filled,
    /// Who is who.
    pub roster: Roster,
    /// Since when it measures.
    pub start: UnixMillis,
    /// The instant at which it stands so.
    pub now: UnixMillis,
    late: Vec<Coming>,
}

impl PatchyMesh {
    /// So many days and some hours of the mesh's first probes and nodes, each node checked in every way: sealed every six
    /// hours, and not compacted. The last probe's batches have not come yet.
    ///
    /// # Errors
    /// When the store failed.
    pub fn new(days: u64, size: (usize, usize)) -> Result<Self> {
        let (start, now) = stretch(days);
        let mut mesh = Mesh::new(start, size, &mesh::ALL)?;
        let filled = Filled::from(start)?;
        for plan in mesh.plans() {
            filled.keep(plan)?;
        }
        let roster = mesh.roster();
        let last = roster.probes().map(|probe| probe.id).max();
        let (mut late, mut from) = (Vec::new(), start);
        while from < now {
            let until = from.plus(SEALED_EVERY).min(now);
            let coming = mesh.coming(from, until)?;
            let is_last = |coming: &Coming| Some(coming.0) == last;
            let (away, here): (Vec<Coming>, Vec<Coming>) = coming.into_iter().partition(is_last);
            filled.store_all(&here)?;
            filled.seal_all(until)?;
            late.extend(away);
            from = until;
        }
        Ok(Self {
            filled,
            roster,
            start,
            now,
            late,
        })
    }

    /// The last probe is back, and sends all that it measured.
    ///
    /// # Errors
    /// When the store failed.
    pub fn bring_late(&mut self) -> Result<()> {
        let coming = std::mem::take(&mut self.late).into_iter();
        let coming = coming.map(|(probe, payload, _)| (probe, payload, self.now));
        self.filled.store_all(&coming.collect::<Vec<_>>())
    }
}

/// So many days and some hours.
fn stretch(days: u64) -> (UnixMillis, UnixMillis) {
    let start = UnixMillis(20_500 * DAY_MS);
    (start, UnixMillis(start.0 + days * DAY_MS + 220 * MINUTE_MS))
}

fn median_ms(mut once: impl FnMut() -> Result<()>) -> Result<f64> {
    once()?; // warm
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = unpaused();
        once()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}
