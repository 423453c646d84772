//! Predictions beside what one class measured: for cells nobody speaks for, drawn jointly with the resampled days.

mod cells;
mod fit;
mod tally;
mod world;

use rand::Rng;

pub(crate) use cells::{Cell, DEGREES, gather};
pub(crate) use fit::{Fitted, Known};
use tally::{Ground, Tally};
pub(crate) use world::{Toward, World};

use super::by_km::ByKm;
use super::prediction::{ClassPrediction, MeanTime, PredictedCell, PredictedTime};
use super::resample::interval;
use super::trust::Trust;
use super::{ByKilometres, Interval, Region, RegionId, RegionPrediction, Share, Standing};
use crate::country::Country;
use crate::predict::{Place, Point};

/// What one class measured, as far as predictions stand beside it.
pub(super) struct Beside<'a> {
    pub(super) total_weight: f64,
    pub(super) budgets: &'a [f64],
    pub(super) shares: &'a [Share],
    pub(super) survives: &'a [Share],
    /// By budget and draw: the measured share within it.
    pub(super) within: Option<Vec<Vec<f64>>>,
    /// By draw: the sum of weight times the measured time to the nearest node. The last: the weight itself.
    pub(super) sums: (Vec<f64>, f64),
    pub(super) node_names: &'a [String],
    /// What a user's own line adds in a country.
    pub(super) offset: &'a dyn Fn(Option<Country>) -> f64,
    pub(super) draws: usize,
}

/// What is predicted, and for which regions.
pub(super) struct Predicted {
    pub(super) class: ClassPrediction,
    /// By country, of the cells that are within reach.
    countries: Vec<(Option<Country>, Vec<usize>)>,
    tallies: Vec<Tally>,
    world: World,
    standings: Standings,
    /// The nodes that are predicted, by index among all.
    nodes: Vec<usize>,
    pub(super) by_km: ByKm,
}

/// By budget: how each cell's nearest and next node stand to it.
struct Standings {
    nearest: Vec<Vec<Standing>>,
    next: Vec<Vec<Standing>>,
}

/// The nodes that are predicted: by index among all, with their places.
pub(super) type Sites = Vec<(usize, Place, Point)>;

impl Predicted {
    pub(super) fn new(
        beside: &Beside<'_>,
        (fitted, trust): (&Fitted, &Trust),
        cells: Vec<Cell>,
        random: &mut impl Rng,
    ) -> Self {
        let placed: Sites = fitted.placed();
        let nodes: Vec<usize> = placed.iter().map(|(node, _, _)| *node).collect();
        let complete = nodes.len() == beside.node_names.len();
        let sites: Vec<(Place, Point)> = placed
            .into_iter()
            .map(|(_, place, point)| (place, point))
            .collect();
        // The nodes are measured: only their cells may be in doubt.
        let as_usual = vec![1.0; sites.len()];
        let toward = Toward {
            sites: &sites,
            nodes: sites.len(),
            widened: &as_usual,
        };
        let world = World::new(&fitted.predictor, cells, toward, trust);
        let world = world.with_draws(&fitted.predictor, &sites);
        let countries = countries(&world.cells);
        let ground = Ground::new(&world, &sites, &countries, beside);
        let tallies = world.draw(
            beside.draws,
            random,
            |range| Tally::new(range, &ground),
            |tally, draw, cell, times| tally.add(&ground, draw, cell, times),
        );
        let quantiles = Quantiles::of(&tallies, world.cells.len(), complete);
        let standings = quantiles.standings(&world, beside);
        let class = ClassPrediction {
            unseen: trust.unseen(),
            widened: trust.wide(),
            ..class(beside, &world, (&tallies, &quantiles, &standings), &nodes)
        };
        let by_km = ground.by_km(&tallies, &nodes, beside);
        Self {
            class,
            countries,
            tallies,
            world,
            standings,
            nodes,
            by_km,
        }
    }

    /// What is predicted in one region.
    pub(super) fn region(&self, region: &Region, beside: &Beside<'_>) -> Option<RegionPrediction> {
        let inside = |country: &Option<Country>| match region.id {
            RegionId::Country(of) => *country == Some(of),
            RegionId::Continent(of) => country.and_then(Country::continent) == Some(of),
            RegionId::Elsewhere => country.is_none(),
        };
        let parts: Vec<usize> = (0..self.countries.len())
            .filter(|&at| inside(&self.countries[at].0))
            .collect();
        let cells: Vec<usize> = parts
            .iter()
            .flat_map(|&at| self.countries[at].1.iter().copied())
            .collect();
        let weight: f64 = cells.iter().map(|&cell| self.world.cells[cell].weight).sum();
        if weight <= 0.0 {
            return None;
        }
        let likeliest = |site: usize| -> f64 {
            let sum = |&cell: &usize| self.world.cells[cell].weight * self.world.ms(cell, site);
            cells.iter().map(sum).sum::<f64>() / weight
        };
        let mut order: Vec<(usize, f64)> = (0..self.nodes.len())
            .map(|site| (site, likeliest(site)))
            .filter(|(_, ms)| ms.is_finite())
            .collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1));
        let &(best, ms) = order.first()?;
        let drawn = |site: usize| {
            let sum = move |sums: &[f64]| {
                parts
                    .iter()
                    .map(|&at| sums[at * self.nodes.len() + site])
                    .sum::<f64>()
            };
            self.tallies
                .iter()
                .flat_map(|tally| tally.sums())
                .map(move |sums| sum(sums) / weight)
                .collect::<Vec<_>>()
        };
        let of_best = drawn.clone()(best);
        let tied = |&&(site, other): &&(usize, f64)| {
            let paired = || interval(drawn.clone()(site).iter().zip(&of_best).map(|(a, b)| a - b));
            site == best || super::ranking::ties(false, ms, other - ms, paired)
        };
        let name = |site: usize| beside.node_names[self.nodes[site]].clone();
        Some(RegionPrediction {
            weight,
            best: name(best),
            tie_set: order.iter().filter(tied).map(|&(site, _)| name(site)).collect(),
            ms,
            interval: interval(of_best.iter().copied())?,
            shares: combined(&region.shares, region.weight, |budget| {
                let standing = |&cell: &usize| {
                    (
                        self.world.cells[cell].weight,
                        self.standings.nearest[budget][cell],
                    )
                };
                cells.iter().map(standing).collect()
            }),
        })
    }
}

fn countries(cells: &[Cell]) -> Vec<(Option<Country>, Vec<usize>)> {
    let mut countries: Vec<(Option<Country>, Vec<usize>)> = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        match countries
            .last_mut()
            .filter(|(country, _)| *country == cell.country)
        {
            Some((_, cells)) => cells.push(at),
            None => countries.push((cell.country, vec![at])),
        }
    }
    countries
}

/// Measured shares of a weight and what cells add to them.
fn combined(measured: &[Share], total: f64, cells: impl Fn(usize) -> Vec<(f64, Standing)>) -> Vec<Share> {
    let with = |(budget, share): (usize, &Share)| {
        let added = super::split::share(share.budget_ms, total, cells(budget));
        // Sums of many cities may exceed the whole by a rounding.
        let within = (share.within + added.within).min(1.0);
        let beyond = (share.beyond + added.beyond).min(1.0 - within);
        Share {
            within,
            beyond,
            unknown: (1.0 - within - beyond).max(0.0),
            interval: None,
            ..*share
        }
    };
    measured.iter().enumerate().map(with).collect()
}

fn class(
    beside: &Beside<'_>,
    world: &World,
    (tallies, quantiles, standings): (&[Tally], &Quantiles, &Standings),
    nodes: &[usize],
) -> ClassPrediction {
    let of = |standings: &Vec<Vec<Standing>>, budget: usize| {
        let weights = world.cells.iter().map(|cell| cell.weight);
        weights.zip(standings[budget].iter().copied()).collect()
    };
    let sum = |cells: &[Cell]| cells.iter().fold(0.0, |sum, cell| sum + cell.weight);
    let (total, unknown_weight) = (beside.total_weight, sum(&world.unknown));
    let mut shares = combined(beside.shares, total, |budget| of(&standings.nearest, budget));
    for (budget, share) in shares.iter_mut().enumerate() {
        let measured = |draw: usize| match &beside.within {
            Some(within) => within[budget][draw],
            None => beside.shares[budget].within,
        };
        let drawn = tallies.iter().flat_map(|tally| tally.within(budget));
        let drawn = drawn
            .enumerate()
            .map(|(draw, weight)| measured(draw) + weight / total);
        // What is not predicted may lie within or not, and all that is predicted may where a node's place is not known.
        let most = match nodes.len() == beside.node_names.len() {
            true => unknown_weight / total,
            false => 1.0,
        };
        let least_beyond = beside.shares[budget].beyond;
        share.interval = interval(drawn).map(|drawn| Interval {
            low: drawn.low.min(1.0),
            high: (drawn.high + most)
                .min(1.0 - least_beyond)
                .max(drawn.low.min(1.0)),
        });
    }
    let weight = sum(&world.cells);
    ClassPrediction {
        shares,
        survives: combined(beside.survives, total, |budget| of(&standings.next, budget)),
        weight,
        unknown_weight,
        unseen: Vec::new(),
        widened: Vec::new(),
        mean: mean(beside, tallies, weight),
        cells: predicted_cells(beside, world, quantiles, nodes),
    }
}

fn mean(beside: &Beside<'_>, tallies: &[Tally], weight: f64) -> Option<MeanTime> {
    let (measured, known) = &beside.sums;
    let whole = weight + known;
    let drawn = tallies.iter().flat_map(Tally::means);
    let drawn: Vec<f64> = drawn
        .zip(measured)
        .map(|(drawn, measured)| (drawn + measured) / whole)
        .collect();
    if drawn.is_empty() || whole <= 0.0 {
        return None;
    }
    Some(MeanTime {
        ms: drawn.iter().sum::<f64>() / drawn.len() as f64,
        interval: interval(drawn.iter().copied()),
        weight: whole,
    })
}

fn predicted_cells(
    beside: &Beside<'_>,
    world: &World,
    quantiles: &Quantiles,
    nodes: &[usize],
) -> Vec<PredictedCell> {
    let cell = |cell: &Cell, nearest| PredictedCell {
        position: cell.position,
        country: cell.country,
        weight: cell.weight,
        nearest,
    };
    let known = world.cells.iter().enumerate().map(|(at, one)| {
        let nearest = world.best(at).map(|site| PredictedTime {
            node: beside.node_names[nodes[site]].clone(),
            ms: f64::from(quantiles.nearest[at].middle),
            interval: quantiles.nearest[at].interval(),
            second_ms: quantiles.next[at]
                .middle
                .is_finite()
                .then(|| f64::from(quantiles.next[at].middle)),
        });
        cell(one, nearest)
    });
    let unknown = world.unknown.iter().map(|one| cell(one, None));
    let mut cells: Vec<PredictedCell> = known.chain(unknown).collect();
    cells.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    cells
}

/// The ends and the middle of what was drawn for each cell.
struct Quantiles {
    nearest: Vec<Spread>,
    next: Vec<Spread>,
}

#[derive(Clone, Copy)]
struct Spread {
    low: f32,
    middle: f32,
    high: f32,
}

impl Spread {
    /// Nothing was drawn.
    const NOTHING: Self = Self {
        low: 0.0,
        middle: f32::NAN,
        high: f32::INFINITY,
    };

    fn of(values: &mut [f32], complete: bool) -> Self {
        let count = values.len();
        let mut at = |share: f64| {
            let rank = ((share * count as f64).ceil() as usize).clamp(1, count) - 1;
            *values.select_nth_unstable_by(rank, f32::total_cmp).1
        };
        Self {
            // A node whose place is not known may be nearer than all others.
            low: if complete { at(0.05) } else { 0.0 },
            middle: at(0.5),
            high: at(0.95),
        }
    }

    fn interval(self) -> Interval {
        Interval {
            low: f64::from(self.low),
            high: f64::from(self.high),
        }
    }
}

impl Quantiles {
    fn of(tallies: &[Tally], cells: usize, complete: bool) -> Self {
        let mut values = Vec::new();
        let mut spread = |drawn: &mut dyn Iterator<Item = f32>| {
            values.clear();
            values.extend(drawn);
            match values.is_empty() {
                true => Spread::NOTHING,
                false => Spread::of(&mut values, complete),
            }
        };
        let mut quantiles = Self {
            nearest: Vec::with_capacity(cells),
            next: Vec::with_capacity(cells),
        };
        for cell in 0..cells {
            let nearest = spread(&mut tallies.iter().flat_map(|tally| tally.nearest(cell)));
            quantiles.nearest.push(nearest);
            let next = spread(&mut tallies.iter().flat_map(|tally| tally.next(cell)));
            quantiles.next.push(next);
        }
        quantiles
    }

    fn standings(&self, world: &World, beside: &Beside<'_>) -> Standings {
        let offsets: Vec<f64> = world
            .cells
            .iter()
            .map(|cell| (beside.offset)(cell.country))
            .collect();
        let at = |spreads: &[Spread]| {
            let budget = |&budget: &f64| {
                let standing = |(spread, offset): (&Spread, &f64)| {
                    let time = (f64::from(spread.middle), Some(spread.interval()));
                    Standing::of(Some(time), budget - offset, false)
                };
                spreads.iter().zip(&offsets).map(standing).collect()
            };
            beside.budgets.iter().map(budget).collect()
        };
        Standings {
            nearest: at(&self.nearest),
            next: at(&self.next),
        }
    }
}

/// What is left to say of choosing by kilometres with predictions: measured and predicted together.
pub(super) fn by_km(measured: &ByKm, predicted: &Predicted) -> Option<ByKilometres> {
    measured.clone().and(predicted.by_km.clone()).finish()
}

#[cfg(test)]
mod tests;
