//! From a problem to a set: gather, choose, improve, begin again, bound, prove.

use super::bound;
use super::capacity::Capacities;
use super::gather::{Gathered, each_row, gather};
use super::search::{Found, gap, meets, search};
use super::{Effort, Game, Objective, PROOF_SITES, Problem, Rival, Solution, center, exact};

/// Swaps that are told, for each site that would leave.
const RIVALS: usize = 6;

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
