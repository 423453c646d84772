//! From a problem to a set: gather, choose, improve, begin again, bound, prove.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::bound;
use super::capacity::Capacities;
use super::gather::{Gathered, each_row, gather};
use super::{Effort, Game, Objective, PROOF_SITES, Problem, Rival, Solution, center, exact};

/// Swaps that are told, for each site that would leave.
const RIVALS: usize = 6;
/// A bound this near to the sum, as a share of it, meets it.
pub(super) const MEETS: f64 = 1e-6;

/// A set, and the least that any adds up to, in the unit of the sum.
pub(super) struct Found {
    pub(super) set: Vec<usize>,
    pub(super) total: f64,
    pub(super) least: f64,
    pub(super) prices: Vec<f32>,
}

/// The set, of a problem that was checked.
pub(super) fn solve(problem: &Problem<'_>, effort: &Effort, seed: u64) -> Solution {
    let gathered = gather(problem);
    let (fixed, free) = places(problem);
    if problem.objective == Objective::Max {
        return center::solve(problem, &gathered, (&fixed, &free), (effort, seed));
    }
    let weight: f64 = problem.weights.iter().sum();
    let costs = gathered.costs(problem);
    let opening: Vec<f64> = problem.sites.iter().map(|site| site.cost * weight).collect();
    let capacities = capacities(problem, &gathered);
    let game = Game {
        costs: &costs,
        opening: &opening,
        capacities: capacities.as_ref(),
        fixed: &fixed,
        free: &free,
        k: problem.k,
        fewer: opening.iter().any(|cost| *cost > 0.0),
    };
    let mut found = search(&game, effort, seed);
    let small = problem.sites.len() <= PROOF_SITES;
    if small && effort.proof_seconds > 0.0 && !meets(found.total, found.least) {
        let bound = bound::raise(&game, &found.set, found.total, 2 * effort.rounds);
        if let Some(proved) = exact::prove(&game, &bound, found.total, effort.proof_seconds) {
            found.take(&game, proved.set);
            found.least = proved.least.max(found.least);
        }
    }
    told(problem, (&gathered, &game), found)
}

impl Found {
    /// Another set, if it is better.
    fn take(&mut self, game: &Game<'_>, set: Vec<usize>) {
        let total = game.total(&set);
        if total < self.total {
            (self.set, self.total) = (set, total);
        }
    }
}

/// The fixed sites, each once, and those that may be chosen beside.
fn places(problem: &Problem<'_>) -> (Vec<usize>, Vec<usize>) {
    let mut fixed: Vec<usize> = Vec::new();
    for &site in problem.fixed {
        if !fixed.contains(&site) {
            fixed.push(site);
        }
    }
    let may = |site: &usize| !fixed.contains(site) && !problem.forbidden.contains(site);
    let free = (0..problem.sites.len()).filter(may).collect();
    (fixed, free)
}

pub(super) fn capacities(problem: &Problem<'_>, gathered: &Gathered) -> Option<Capacities> {
    if problem.sites.iter().all(|site| site.capacity.is_none()) {
        return None;
    }
    let most = problem
        .sites
        .iter()
        .map(|site| site.capacity.unwrap_or(f64::INFINITY));
    let weights = gathered.weights.clone();
    let cover = matches!(problem.objective, Objective::Cover(_));
    Some(Capacities {
        most: most.collect(),
        outside: cover.then(|| weights.iter().map(|&weight| weight as f32).collect()),
        penalty: 100.0 * longest(problem),
        weights,
    })
}

/// The longest of all times, and 1 at least.
fn longest(problem: &Problem<'_>) -> f64 {
    let mut longest = 1.0_f32;
    each_row(problem, |_, row| {
        longest = row.iter().fold(longest, |most, &ms| most.max(ms))
    });
    f64::from(longest)
}

pub(super) fn meets(total: f64, least: f64) -> bool {
    total - least <= total.abs() * MEETS
}

/// Greedy choice and swaps; then, on two threads, the same from other beginnings, and the bound, whose own sets are
/// beginnings too.
pub(super) fn search(game: &Game<'_>, effort: &Effort, seed: u64) -> Found {
    let mut set = game.greedy();
    game.improve(&mut set, 0);
    let total = game.total(&set);
    let next = AtomicUsize::new(0);
    // Restarts are numbered, and of equal sets the first one counts: which thread took it does not matter.
    let again = || {
        let numbers =
            std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)).filter(|at| *at < effort.restarts));
        let restarts = numbers.map(|restart| {
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(restart as u64));
            let start = random.random_range(0..game.free.len().max(1));
            (
                restart,
                from(game, beginning(game, &set, restart, &mut random), start),
            )
        });
        restarts.collect::<Vec<_>>()
    };
    let bounded = || {
        let bound = bound::raise(game, &set, total, effort.rounds);
        let beginnings = bound.sets.iter().map(|set| from(game, set.clone(), 0));
        (beginnings.collect::<Vec<_>>(), again(), bound)
    };
    let ((own, mut other, bound), more) = std::thread::scope(|scope| {
        let bounded = scope.spawn(bounded);
        let other = again();
        match bounded.join() {
            Ok(bounded) => (bounded, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    other.extend(more);
    other.sort_by_key(|(restart, _)| *restart);
    let other = other.into_iter().map(|(_, found)| found);
    let mut found = Found {
        least: bound.least,
        prices: bound.prices,
        set: set.clone(),
        total,
    };
    for (set, total) in own.into_iter().chain(other) {
        if total < found.total {
            (found.set, found.total) = (set, total);
        }
    }
    found
}

/// What swaps make of a set.
fn from(game: &Game<'_>, mut set: Vec<usize>, start: usize) -> (Vec<usize>, f64) {
    game.grow(&mut set);
    game.improve(&mut set, start);
    let total = game.total(&set);
    (set, total)
}

/// Sites by chance, or a part of a set and others by chance in the place of the rest.
fn beginning(game: &Game<'_>, set: &[usize], restart: usize, random: &mut StdRng) -> Vec<usize> {
    let mut others: Vec<usize> = game.free.to_vec();
    others.shuffle(random);
    let mut kept = game.fixed.to_vec();
    if restart % 2 == 1 {
        let mut own = set[game.fixed.len()..].to_vec();
        own.shuffle(random);
        own.truncate(own.len() - own.len().div_ceil(3));
        kept.extend(own);
    }
    others.retain(|site| !kept.contains(site));
    others.truncate(game.k - kept.len());
    kept.extend(others);
    kept
}

/// The set as it is told, priced on all points.
fn told(problem: &Problem<'_>, (gathered, game): (&Gathered, &Game<'_>), mut found: Found) -> Solution {
    let weight: f64 = problem.weights.iter().sum();
    let rivals = rivals(game, &found.set, found.total, weight);
    let costs = game.openings(&found.set) / weight;
    found.set[game.fixed.len()..].sort_unstable();
    let (mut total, mut least) = (found.total, found.least);
    if gathered.is_smaller() {
        let priced = gathered.price(problem, game, &found);
        least = priced.least;
        // With capacities the nearest may not have room.
        if game.capacities.is_none() {
            total = priced.total;
        }
    }
    let proven = meets(total, least);
    let sum = total / weight - costs;
    let bound = if proven { total } else { least.max(0.0) } / weight;
    let (value, bound) = match problem.objective {
        Objective::Cover(_) => (1.0 - sum, (1.0 - bound).min(1.0)),
        Objective::Mean | Objective::Max => (sum, bound),
    };
    let reached = match problem.objective {
        Objective::Cover(_) => value - costs,
        Objective::Mean | Objective::Max => value + costs,
    };
    Solution {
        chosen: found.set,
        value,
        costs,
        bound,
        gap: if proven {
            0.0
        } else {
            gap(problem.objective, reached, bound)
        },
        proven,
        gathered: gathered.is_smaller().then_some(gathered.groups()),
        rivals,
    }
}

/// How far from the bound, as a share of the best that may be.
pub(super) fn gap(objective: Objective, reached: f64, bound: f64) -> f64 {
    match objective {
        Objective::Cover(_) => (bound - reached).max(0.0) / bound.abs(),
        Objective::Mean | Objective::Max if bound <= 0.0 => f64::INFINITY,
        Objective::Mean | Objective::Max => (reached - bound).max(0.0) / bound,
    }
}

/// For each site that may leave, those that lose least in its place.
fn rivals(game: &Game<'_>, set: &[usize], total: f64, weight: f64) -> Vec<Rival> {
    let mut swaps = game.all_swaps(set);
    swaps.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut told = vec![0; set.len()];
    swaps.retain(|&(slot, _, _)| {
        told[slot] += 1;
        told[slot] <= RIVALS
    });
    let rival = |(slot, comes, change): (usize, usize, f64)| {
        let worse = match game.capacities {
            None => change,
            Some(_) => {
                let mut other = set.to_vec();
                other[slot] = comes;
                game.total(&other) - total
            }
        };
        Rival {
            leaves: set[slot],
            comes,
            worse: worse / weight,
        }
    };
    let mut rivals: Vec<Rival> = swaps.into_iter().map(rival).collect();
    rivals.sort_by(|a, b| a.worse.total_cmp(&b.worse));
    rivals
}
