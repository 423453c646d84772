//! Sums over the cells of each draw.

use std::ops::Range;

use super::{Beside, Cell, Members, Parts, Spoken, Timing, World};
use crate::cities;
use crate::predict::{Place, Point};
use crate::report::by_km::{ByKm, misled};
use crate::report::depth::Detour;

/// Cells named among those that choosing by kilometres costs most.
const WORST: usize = 8;

/// What is the same in every draw.
pub(super) struct Ground<'a> {
    world: &'a World,
    cells: &'a [Cell],
    /// By cell: what a user's own line adds, how much of it lies in which country or part of one, and the site nearest by
    /// kilometres.
    offsets: Vec<f64>,
    parts: Vec<Members>,
    by_km: Vec<usize>,
    budgets: &'a [f64],
    countries: usize,
    sites: usize,
    /// The nodes that the sites are, by index among all.
    nodes: &'a [usize],
    all_nodes: usize,
    timing: Option<&'a Timing<'a>>,
}

/// What was counted in some of the draws.
pub(super) struct Tally {
    draws: Range<usize>,
    budgets: usize,
    /// By draw, then budget: the weight within it.
    within: Vec<f64>,
    /// By draw: weight times the time to the nearest node.
    means: Vec<f64>,
    /// By draw, then country, then site: weight times time.
    sums: Vec<f64>,
    row: usize,
    /// By draw, then cell: the time to the nearest node and to the next.
    nearest: Vec<f32>,
    next: Vec<f32>,
    /// By cell: the sums of times to the site nearest by kilometres, to the best, and how often they differ.
    chosen: Vec<(f64, f64, u32)>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(
        world: &'a World,
        (sites, nodes): (&[(Place, Point)], &'a [usize]),
        countries: &[(Parts, Members)],
        beside: &Beside<'a>,
    ) -> Self {
        let cells = &world.cells;
        let mut parts = vec![Vec::new(); cells.len()];
        for (at, (_, members)) in countries.iter().enumerate() {
            members
                .iter()
                .for_each(|&(cell, weight)| parts[cell].push((at, weight)));
        }
        let units: Vec<_> = sites.iter().map(|(place, _)| place.position.unit()).collect();
        let nearest = |cell: &Cell| {
            let here = cell.position.unit();
            let chord = |&site: &usize| units[site].chord_squared(here);
            (0..units.len())
                .min_by(|a, b| chord(a).total_cmp(&chord(b)))
                .unwrap_or(0)
        };
        Self {
            world,
            offsets: cells.iter().map(|cell| (beside.offset)(cell.country)).collect(),
            parts,
            by_km: cells.iter().map(nearest).collect(),
            budgets: beside.budgets,
            countries: countries.len(),
            sites: sites.len(),
            nodes,
            all_nodes: beside.node_names.len(),
            timing: match beside.spoken {
                Spoken::Themselves { .. } => None,
                Spoken::Cities(timing) => Some(timing),
            },
            cells,
        }
    }

    /// The time to the nearest node of a cell for which a vantage speaks: as drawn around what it measured, on the days
    /// of the draw; towards nodes without a place as measured.
    fn spoken(&self, (draw, cell, speaker): (usize, usize, usize), times: &[f32]) -> f64 {
        let Some(timing) = self.timing else {
            return f64::INFINITY;
        };
        let drawn = times
            .iter()
            .zip(self.nodes)
            .enumerate()
            .map(|(site, (time, &node))| {
                let change = timing(speaker, node, draw).map_or(0.0, |(_, change)| change);
                (f64::from(*time) + change).max(self.world.floor(cell, site))
            });
        let unplaced = (0..self.all_nodes).filter(|node| !self.nodes.contains(node));
        let measured =
            unplaced.filter_map(|node| timing(speaker, node, draw).map(|(ms, change)| ms + change));
        drawn.chain(measured).fold(f64::INFINITY, f64::min)
    }

    /// What choosing by kilometres costs where it was predicted.
    pub(super) fn by_km(&self, tallies: &[Tally], nodes: &[usize], beside: &Beside<'_>) -> ByKm {
        let draws: usize = tallies.iter().map(|tally| tally.draws.len()).sum();
        let mut sum = ByKm::default();
        let mut worst: Vec<(f64, usize, f64)> = Vec::new();
        let silent = self.cells.iter().enumerate().filter(|(_, cell)| cell.is_silent());
        for (at, cell) in silent {
            let add =
                |sum: (f64, f64, u32), one: (f64, f64, u32)| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2);
            let of_cell = tallies
                .iter()
                .map(|tally| tally.chosen[at])
                .fold((0.0, 0.0, 0), add);
            let (chosen, best) = (of_cell.0 / draws as f64, of_cell.1 / draws as f64);
            if chosen.is_finite() && best.is_finite() {
                let often = f64::from(of_cell.2) / draws as f64;
                sum.add(cell.weight, (chosen, best), often);
                worst.push((cell.weight * (chosen - best), at, chosen - best));
            }
        }
        worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        for &(_, at, cost_ms) in worst.iter().take(WORST).filter(|(_, _, cost_ms)| *cost_ms > 1.0) {
            let city = cities::table().nearest(self.cells[at].position);
            let Some((city, _)) = city else { continue };
            let Some(best) = self.world.best(at) else { continue };
            if best != self.by_km[at] {
                sum.worst.push(Detour {
                    place: format!("{}, {}", city.name, city.country),
                    chosen: beside.node_names[nodes[self.by_km[at]]].clone(),
                    best: beside.node_names[nodes[best]].clone(),
                    cost_ms,
                    weight: self.cells[at].weight,
                });
            }
        }
        sum
    }
}

impl Tally {
    pub(super) fn new(draws: Range<usize>, ground: &Ground<'_>) -> Self {
        let (count, cells) = (draws.len(), ground.cells.len());
        let row = ground.countries * ground.sites;
        Self {
            budgets: ground.budgets.len(),
            within: vec![0.0; count * ground.budgets.len()],
            means: vec![0.0; count],
            sums: vec![0.0; count * row],
            row,
            nearest: vec![0.0; cells * count],
            next: vec![0.0; cells * count],
            chosen: vec![(0.0, 0.0, 0); cells],
            draws,
        }
    }

    pub(super) fn add(&mut self, ground: &Ground<'_>, draw: usize, cell: usize, times: &[f32]) {
        let weight = ground.cells[cell].weight;
        if let Some(speaker) = ground.cells[cell].speaker {
            let time = ground.spoken((draw, cell, speaker), times) + ground.offsets[cell];
            self.count(draw - self.draws.start, ground, (weight, time));
            return;
        }
        let draw = draw - self.draws.start;
        let (mut best, mut next) = (f32::INFINITY, f32::INFINITY);
        for &(part, weight) in &ground.parts[cell] {
            let sums = &mut self.sums[draw * self.row + part * ground.sites..][..ground.sites];
            for (&time, sum) in times.iter().zip(sums) {
                *sum += weight * f64::from(time);
            }
        }
        for &time in times {
            if time < best {
                (best, next) = (time, best);
            } else if time < next {
                next = time;
            }
        }
        let place = draw * ground.cells.len() + cell;
        (self.nearest[place], self.next[place]) = (best, next);
        let time = f64::from(best) + ground.offsets[cell];
        self.count(draw, ground, (weight, time));
        let (chosen, best) = (f64::from(times[ground.by_km[cell]]), f64::from(best));
        let of_cell = &mut self.chosen[cell];
        of_cell.0 += chosen;
        of_cell.1 += best;
        of_cell.2 += u32::from(misled(chosen, best));
    }

    fn count(&mut self, draw: usize, ground: &Ground<'_>, (weight, time): (f64, f64)) {
        self.means[draw] += weight * time;
        let within = &mut self.within[draw * self.budgets..][..self.budgets];
        for (within, &budget) in within.iter_mut().zip(ground.budgets) {
            if time <= budget {
                *within += weight;
            }
        }
    }

    /// By draw: the weight within a budget.
    pub(super) fn within(&self, budget: usize) -> impl Iterator<Item = f64> {
        self.within.iter().skip(budget).step_by(self.budgets).copied()
    }

    pub(super) fn means(&self) -> impl Iterator<Item = f64> {
        self.means.iter().copied()
    }

    /// By draw: the sums of each country and site.
    pub(super) fn sums(&self) -> impl Iterator<Item = &[f64]> {
        self.sums.chunks(self.row.max(1))
    }

    pub(super) fn nearest(&self, cell: usize) -> impl Iterator<Item = f32> {
        let cells = self.chosen.len();
        self.nearest.iter().skip(cell).step_by(cells).copied()
    }

    pub(super) fn next(&self, cell: usize) -> impl Iterator<Item = f32> {
        let cells = self.chosen.len();
        self.next.iter().skip(cell).step_by(cells).copied()
    }
}
