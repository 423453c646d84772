//! Coverage: what a whole report with predictions takes.

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::unpaused;
use isochrone_coverage::cities;
use isochrone_coverage::count::Thresholds;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_coverage::observations::{
    AccessClass, Basis, Day, DayReading, Network, Node, Observations, Readings, Samples, Source, Vantage,
};
use isochrone_coverage::report::{self, CoverageReport, Options};
use isochrone_coverage::weights::Weights;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub(super) const FIGURES: &[Figure] = &[Figure::quick(
    &["coverage.predicted_ms", "coverage.first_ms"],
    predicted,
)];

/// Vantages; the first nine also have a node.
const PLACES: [&str; 10] = [
    "Nuremberg, DE",
    "Tokyo, JP",
    "Sao Paulo, BR",
    "Mumbai, IN",
    "Johannesburg, ZA",
    "Singapore, SG",
    "Sydney, AU",
    "New York City, US",
    "Kyiv, UA",
    "Los Angeles, US",
];
const NODES: usize = 9;
const DAYS: i32 = 15;
const RUNS_A_DAY: usize = 400;
const ROUNDS: usize = 7;

fn predicted() -> Result<Vec<Measured>> {
    let observations = observations()?;
    // As `report coverage` makes it.
    let options = Options {
        count: Some(Thresholds::default()),
        ..Options::new(Weights::people())
    };
    let (mut times, mut first_ms) = (Vec::new(), 0.0);
    let mut cells = 0;
    for round in 0..=ROUNDS {
        let begun = unpaused();
        let report = report::build(&observations, &options, &mut StdRng::seed_from_u64(7))?;
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        match round {
            0 => first_ms = ms,
            _ => times.push(ms),
        }
        cells = checked(&report)?;
    }
    let cities = report::build(
        &observations,
        &Options {
            predict: false,
            count: None,
            ..options.clone()
        },
        &mut StdRng::seed_from_u64(7),
    )?
    .classes
    .first()
    .map_or(0, |class| class.places.len());
    let measured = Measured {
        name: "coverage.predicted_ms".into(),
        value: median(&times),
        unit: "ms",
        how: format!(
            "wall time of a whole report, too many or too few included: {} vantages, {NODES} nodes, {DAYS} days, {cities} \
             cities in {cells} cells that no vantage speaks for, {} resamples and joint draws on two threads; median of \
             {ROUNDS}; the first round of the process took {first_ms:.0} ms",
            PLACES.len(),
            options.replicates
        ),
        bound: Some(Bound::AtMost(500.0)),
    };
    let first = Measured {
        name: "coverage.first_ms".into(),
        value: first_ms,
        unit: "ms",
        how:
            "the same for the first time in a process: it also unpacks the cities and solves the prior; once"
                .to_owned(),
        bound: None,
    };
    Ok(vec![measured, first])
}

/// The report holds what was asked for; how many cells it predicted.
fn checked(report: &CoverageReport) -> Result<usize> {
    let class = report.classes.first().context("one class")?;
    let predicted = class.predicted.as_ref().context("predictions")?;
    ensure!(
        predicted.shares.iter().all(|share| share.interval.is_some()),
        "an interval each"
    );
    let count = report.count.as_ref().context("too many or too few")?;
    ensure!(
        !count.drop_one.is_empty() && count.next.is_some(),
        "what nodes are worth"
    );
    ensure!(
        predicted.weight > class.total_weight / 2.0,
        "most people are predicted"
    );
    Ok(predicted.cells.len())
}

fn observations() -> Result<Observations> {
    let mut random = StdRng::seed_from_u64(5);
    let mut found = Vec::new();
    for place in PLACES {
        found.push(cities::find(place).with_context(|| place.to_owned())?);
    }
    let vantage = |(at, city): (usize, &cities::City)| Vantage {
        name: format!("v{at}"),
        site: PLACES[at].to_owned(),
        position: city.position,
        country: Some(city.country),
        network: Some(Network(64_500 + at as u32)),
        access: AccessClass::DataCentre,
        worker: Some(format!("w{at}")),
        own_node: None,
    };
    let node = |(at, city): (usize, &cities::City)| Node {
        name: format!("n{at}"),
        site: PLACES[at].to_owned(),
        position: Some(city.position),
        country: Some(city.country),
        worker: Some(format!("w{at}")),
    };
    let mut readings = Vec::new();
    for (v, from) in found.iter().enumerate() {
        for (n, to) in found.iter().take(NODES).enumerate().filter(|(n, _)| *n != v) {
            let usual_ms = 2.0 + from.position.distance_km(to.position) * 0.016;
            for day in 0..DAYS {
                let mut times = LogHistogram::new();
                for _ in 0..RUNS_A_DAY {
                    let us = usual_ms * random.random_range(1.0..1.1) * 1e3;
                    ensure!(times.record_us(us), "a time");
                }
                readings.push(DayReading {
                    vantage: v,
                    node: n,
                    day: Day(day),
                    rtt: Samples { times, lost: 1 },
                    ttfb: None,
                    throughput: Samples::default(),
                });
            }
        }
    }
    Ok(Observations {
        source: Source::Store,
        basis: Basis::Connect,
        window: None,
        nodes: found.iter().take(NODES).enumerate().map(node).collect(),
        vantages: found.iter().enumerate().map(vantage).collect(),
        readings: Readings::Days(readings),
        echoes: Vec::new(),
        eyes: Vec::new(),
        notes: Vec::new(),
    })
}
