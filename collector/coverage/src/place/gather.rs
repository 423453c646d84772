//! Very many demand points as few: those with the same nearest sites are one, and its cost of a site is the sum of theirs.

use std::collections::HashMap;

use super::costs::LANES;
use super::solve::Found;
use super::{Costs, GATHER_ABOVE, Game, Objective, Problem};

/// So many nearest sites must be the same, and fewer where that leaves too many groups.
const NEAREST: usize = 3;

/// Demand points, or groups of them.
pub(super) struct Gathered {
    /// By point: its group.
    group: Vec<u32>,
    /// By group, padded as costs are.
    pub(super) weights: Vec<f64>,
    groups: usize,
}

/// What a set comes to on all points, and the least that any set could.
pub(super) struct Priced {
    pub(super) total: f64,
    pub(super) least: f64,
}

pub(super) fn gather(problem: &Problem<'_>) -> Gathered {
    let points = problem.times.points();
    let group = match points > GATHER_ABOVE {
        false => (0..points as u32).collect(),
        true => groups(&nearest(problem)),
    };
    let groups = group.iter().max().map_or(0, |&most| most as usize + 1);
    let mut weights = vec![0.0; groups.next_multiple_of(LANES)];
    for (&group, &weight) in group.iter().zip(problem.weights) {
        weights[group as usize] += weight;
    }
    Gathered {
        group,
        weights,
        groups,
    }
}

impl Gathered {
    /// Whether points were made one.
    pub(super) fn is_smaller(&self) -> bool {
        self.groups < self.group.len()
    }

    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// The sum over each group of what its points cost.
    pub(super) fn costs(&self, problem: &Problem<'_>) -> Costs {
        let sites = problem.sites.len();
        let mut rows = vec![0.0_f32; self.groups * sites];
        each_row(problem, |point, row| {
            let into = &mut rows[self.group[point] as usize * sites..][..sites];
            let weight = problem.weights[point] as f32;
            match problem.objective {
                Objective::Mean => into
                    .iter_mut()
                    .zip(row)
                    .for_each(|(cost, ms)| *cost += weight * ms),
                Objective::Cover(budget) => {
                    let beyond = |ms: f32| if f64::from(ms) > budget { weight } else { 0.0 };
                    into.iter_mut()
                        .zip(row)
                        .for_each(|(cost, &ms)| *cost += beyond(ms));
                }
                // Of a group the farthest point counts.
                Objective::Max if weight > 0.0 => {
                    into.iter_mut()
                        .zip(row)
                        .for_each(|(cost, &ms)| *cost = cost.max(ms));
                }
                Objective::Max => {}
            }
        });
        Costs::of_rows(&rows, sites)
    }

    /// A set priced on every point. Each point's price is what its nearest site costs it, and what its group pays
    /// beyond that by its weight (within a budget what its group pays as a whole): at any prices no set falls below the
    /// bound.
    pub(super) fn price(&self, problem: &Problem<'_>, game: &Game<'_>, found: &Found) -> Priced {
        let least_of = |group: usize| {
            let costs = found.set.iter().map(|&site| game.costs.at(group, site));
            f64::from(costs.fold(f32::INFINITY, f32::min))
        };
        let beyond = |group: usize| (f64::from(found.prices[group]) - least_of(group)).max(0.0);
        let beyond: Vec<f64> = (0..self.groups).map(beyond).collect();
        let mut reduced = game.opening.to_vec();
        let (mut total, mut prices) = (0.0, 0.0);
        each_row(problem, |point, row| {
            let (weight, group) = (problem.weights[point], self.group[point] as usize);
            let cost = |ms: f32| match problem.objective {
                Objective::Cover(budget) => weight * f64::from(u8::from(f64::from(ms) > budget)),
                Objective::Mean | Objective::Max => weight * f64::from(ms),
            };
            let nearest = found
                .set
                .iter()
                .map(|&site| row[site])
                .fold(f32::INFINITY, f32::min);
            let share = weight / self.weights[group].max(f64::MIN_POSITIVE);
            let price = match problem.objective {
                Objective::Cover(_) => f64::from(found.prices[group]) * share,
                Objective::Mean | Objective::Max => cost(nearest) + beyond[group] * share,
            };
            total += cost(nearest);
            prices += price;
            for (reduced, &ms) in reduced.iter_mut().zip(row) {
                *reduced += (cost(ms) - price).min(0.0);
            }
        });
        let chosen = super::bound::chosen(game, &reduced);
        let earned: f64 = chosen.iter().map(|&site| reduced[site]).sum();
        Priced {
            total: total + game.openings(&found.set),
            least: (prices + earned) * (1.0 - 1e-12),
        }
    }
}

/// Every point's times.
pub(super) fn each_row(problem: &Problem<'_>, mut see: impl FnMut(usize, &[f32])) {
    let mut row = vec![0.0; problem.sites.len()];
    for point in 0..problem.times.points() {
        problem.times.row(point, &mut row);
        see(point, &row);
    }
}

/// By point: the nearest sites that may be chosen, the nearest first.
fn nearest(problem: &Problem<'_>) -> Vec<[u32; NEAREST]> {
    let mut all = Vec::with_capacity(problem.times.points());
    let mut may = vec![true; problem.sites.len()];
    problem.forbidden.iter().for_each(|&site| may[site] = false);
    each_row(problem, |_, row| {
        let (mut sites, mut times) = ([u32::MAX; NEAREST], [f32::INFINITY; NEAREST]);
        for (site, &ms) in row.iter().enumerate() {
            if ms < times[NEAREST - 1] && may[site] {
                let at = times.iter().position(|&other| ms < other).unwrap_or(NEAREST - 1);
                times[at..].rotate_right(1);
                sites[at..].rotate_right(1);
                (times[at], sites[at]) = (ms, site as u32);
            }
        }
        all.push(sites);
    });
    all
}

/// Numbers of groups: by as many nearest sites as leave no more groups than are wanted.
fn groups(nearest: &[[u32; NEAREST]]) -> Vec<u32> {
    let mut count = NEAREST;
    loop {
        let mut numbers: HashMap<&[u32], u32> = HashMap::new();
        let mut group = Vec::with_capacity(nearest.len());
        for sites in nearest {
            let next = numbers.len() as u32;
            group.push(*numbers.entry(&sites[..count]).or_insert(next));
        }
        if numbers.len() <= GATHER_ABOVE || count == 1 {
            return group;
        }
        count -= 1;
    }
}
