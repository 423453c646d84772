//! Placement: how fast sets are chosen with swaps, restarts and bound, and how far they are from the proven best.

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::unpaused;
use isochrone_coverage::place::{self, Effort, Objective, Problem, Site, Solution, Table, Times};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub(super) const FIGURES: &[Figure] = &[
    Figure::quick(&["place.gap"], gap),
    Figure::quick(&["place.1000x1000_ms", "place.1000x1000_cpu_ms"], thousand),
    Figure::quick(
        &[
            "place.100000x1000_s",
            "place.100000x1000_mb",
            "place.100000x1000_gap",
        ],
        hundred_thousand,
    ),
];

/// Cities around which points and sites lie.
const CITIES: usize = 60;
const ROUNDS: usize = 7;
/// For each of these counts of sites some instances.
const COUNTS: [usize; 5] = [3, 5, 8, 12, 20];
const INSTANCES: u64 = 4;
/// As many sites as are proven.
const SITES: usize = 250;

/// Points and sites on a plane, in clusters; a site has a height of its own, so that the nearest is not always best.
struct Plane {
    points: Vec<(f32, f32)>,
    sites: Vec<(f32, f32, f32)>,
    weights: Vec<f64>,
}

impl Plane {
    fn new(points: usize, sites: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let cities: Vec<(f32, f32)> = (0..CITIES).map(|_| (random.random(), random.random())).collect();
        let mut place = || {
            let city = cities[random.random_range(0..CITIES)];
            let mut away = || 0.15 * (random.random::<f32>() - 0.5);
            (city.0 + away(), city.1 + away())
        };
        let points: Vec<(f32, f32)> = (0..points).map(|_| place()).collect();
        let places: Vec<(f32, f32)> = (0..sites).map(|_| place()).collect();
        let height = |(x, y)| (x, y, 2.0 + 10.0 * random.random::<f32>());
        Self {
            sites: places.into_iter().map(height).collect(),
            weights: points
                .iter()
                .map(|(x, y)| f64::from(0.2 + (7.0 * x * y).exp()))
                .collect(),
            points,
        }
    }

    fn table(&self) -> Table {
        let sites = self.sites.len();
        let mut ms = vec![0.0; self.points.len() * sites];
        for (point, row) in ms.chunks_mut(sites).enumerate() {
            self.row(point, row);
        }
        Table { sites, ms }
    }
}

impl Times for Plane {
    fn points(&self) -> usize {
        self.points.len()
    }

    fn row(&self, point: usize, into: &mut [f32]) {
        let (x, y) = self.points[point];
        for (ms, (east, north, height)) in into.iter_mut().zip(&self.sites) {
            let (dx, dy) = (x - east, y - north);
            *ms = height + 300.0 * (dx * dx + dy * dy).sqrt();
        }
    }
}

fn solved(
    times: &dyn Times,
    weights: &[f64],
    (sites, k): (usize, usize),
    effort: &Effort,
) -> Result<Solution> {
    let sites: Vec<Site> = (0..sites).map(|site| Site::new(&site.to_string())).collect();
    let problem = Problem {
        times,
        weights,
        sites: &sites,
        fixed: &[],
        forbidden: &[],
        k,
        objective: Objective::Mean,
    };
    Ok(place::solve(&problem, effort, &mut StdRng::seed_from_u64(1))?)
}

/// Without an integer program, against the optimum that one proves.
fn gap() -> Result<Vec<Measured>> {
    let unproven = Effort {
        proof_seconds: 0.0,
        ..Effort::default()
    };
    let mut gaps: Vec<f64> = Vec::new();
    for k in COUNTS {
        for seed in 0..INSTANCES {
            let plane = Plane::new(SITES, SITES, seed);
            let of = |effort: &Effort| solved(&plane, &plane.weights, (SITES, k), effort);
            let (found, best) = (of(&unproven)?, of(&Effort::default())?);
            ensure!(best.proven, "k = {k}, seed {seed}: not proven");
            gaps.push((found.value - best.value) / best.value);
        }
    }
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    Ok(vec![Measured {
        name: "place.gap".into(),
        value: worst,
        unit: "of the mean",
        how: format!(
            "greedy, swaps, ten restarts against the proven optimum, {SITES} x {SITES}, k = {COUNTS:?}, the worst of {}; mean \
             {:.5}",
            gaps.len(),
            gaps.iter().sum::<f64>() / gaps.len() as f64
        ),
        bound: Some(Bound::AtMost(0.0025)),
    }])
}

fn thousand() -> Result<Vec<Measured>> {
    let plane = Plane::new(1_000, 1_000, 1);
    let table = plane.table();
    let (mut walls, mut cpus, mut gap) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..=ROUNDS {
        let (begun, cpu) = (unpaused(), cpu_ms()?);
        let solution = solved(&table, &plane.weights, (1_000, 15), &Effort::default())?;
        gap = solution.gap;
        if round > 0 {
            walls.push(begun.elapsed().as_secs_f64() * 1e3);
            cpus.push(cpu_ms()? - cpu);
        }
    }
    let how = |what: &str| {
        format!("k = 15, ten restarts and bound on two threads, gap {gap:.4}; {what} of {ROUNDS}")
    };
    Ok(vec![
        Measured {
            name: "place.1000x1000_ms".into(),
            value: median(&walls),
            unit: "ms",
            how: how("median"),
            bound: Some(Bound::AtMost(60.0)),
        },
        Measured {
            name: "place.1000x1000_cpu_ms".into(),
            value: cpus.iter().sum::<f64>() / cpus.len() as f64,
            unit: "ms",
            how: how("processor time, mean"),
            bound: None,
        },
    ])
}

fn hundred_thousand() -> Result<Vec<Measured>> {
    let plane = Plane::new(100_000, 1_000, 1);
    let before = peak_mb(true)?;
    let begun = unpaused();
    let solution = solved(&plane, &plane.weights, (1_000, 30), &Effort::default())?;
    let seconds = begun.elapsed().as_secs_f64();
    let more_mb = (peak_mb(false)? - before).max(0.0);
    let groups = solution.gathered.context("so many points are gathered")?;
    let how = format!("k = 30, gathered into {groups} groups, times made point by point");
    let measured = |name: &'static str, value: f64, unit, bound| Measured {
        name: name.into(),
        value,
        unit,
        how: how.clone(),
        bound,
    };
    Ok(vec![
        measured("place.100000x1000_s", seconds, "s", Some(Bound::AtMost(10.0))),
        measured("place.100000x1000_mb", more_mb, "MB", None),
        measured("place.100000x1000_gap", solution.gap, "of the mean", None),
    ])
}

/// Processor time of this process so far, in milliseconds.
fn cpu_ms() -> Result<f64> {
    use nix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("the process's processor time")?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}

/// The most memory that was resident, in MB (10^6 bytes); `again`: from now on.
fn peak_mb(again: bool) -> Result<f64> {
    if again {
        std::fs::write("/proc/self/clear_refs", "5").context("the peak cannot be taken anew")?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("no VmHWM in /proc/self/status")? * 1024.0 / 1e6)
}
