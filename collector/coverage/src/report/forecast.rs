//! Predictions beside what one class measured: for cells nobody speaks for, drawn jointly with the resampled days.

mod cells;
mod fit;
mod quantiles;
mod tally;
mod world;

use std::collections::BTreeMap;

use rand::Rng;

pub(crate) use cells::{Cell, DEGREES, Subdivided, gather, subdivided};
pub(crate) use fit::{Fitted, Further, Known};
use quantiles::{Quantiles, Standings};
use tally::{Ground, Tally};
pub(crate) use world::{Toward, World};

use super::by_km::ByKm;
use super::prediction::{ClassPrediction, MeanTime, PredictedCell, PredictedTime};
use super::resample::interval;
use super::trust::Trust;
use super::widening::{self, widened};
use super::{ByKilometres, Interval, Region, RegionPrediction, Share, Standing};
use crate::country::Country;
use crate::predict::{Place, Point};
use crate::subdivision::Subdivision;

/// What one class measured, as far as predictions stand beside it.
pub(super) struct Beside<'a> {
    pub(super) total_weight: f64,
    pub(super) budgets: &'a [f64],
    pub(super) shares: &'a [Share],
    pub(super) survives: &'a [Share],
    /// What is known where a vantage speaks.
    pub(super) spoken: Spoken<'a>,
    pub(super) node_names: &'a [String],
    /// What a user's own line adds in a country.
    pub(super) offset: &'a dyn Fn(Option<Country>) -> f64,
    pub(super) draws: usize,
}

/// What is known of places that a vantage speaks for.
pub(super) enum Spoken<'a> {
    /// Vantages speak for nobody but themselves: what they measured is the truth.
    Themselves {
        /// By budget and draw: the measured share within it; `None`: it is the same in every draw.
        within: Option<Vec<Vec<f64>>>,
        /// By draw: the sum of weight times the measured time to the nearest node. The last: the weight itself.
        sums: (Vec<f64>, f64),
    },
    /// They speak for the cities around them, each of which has networks of its own: drawn around what was measured.
    Cities(&'a Timing<'a>),
}

/// By vantage, node and draw: the time as measured in milliseconds, and by how much the days of the draw change it.
pub(super) type Timing<'a> = dyn Fn(usize, usize, usize) -> Option<(f64, f64)> + Sync + 'a;

/// What is predicted, and for which regions.
pub(super) struct Predicted {
    pub(super) class: ClassPrediction,
    /// By country, of the cells that are within reach.
    countries: Vec<(Parts, Members)>,
    tallies: Vec<Tally>,
    world: World,
    standings: Standings,
    /// The nodes that are predicted, by index among all.
    nodes: Vec<usize>,
    pub(super) by_km: ByKm,
}

/// A country, and a subdivision of it where figures are given by that.
type Parts = (Option<Country>, Option<Subdivision>);

/// Cells, and how much of the weight of each belongs there.
type Members = Vec<(usize, f64)>;

/// The nodes that are predicted: by index among all, with their places.
pub(super) type Sites = Vec<(usize, Place, Point)>;

impl Predicted {
    pub(super) fn new(
        beside: &Beside<'_>,
        (fitted, trust): (&Fitted, &Trust),
        (cells, subdivided): (Vec<Cell>, &Subdivided),
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
        let countries = countries(&world.cells, subdivided);
        let ground = Ground::new(&world, (&sites, &nodes), &countries, beside);
        let tallies = world.draw(
            beside.draws,
            random,
            |range| Tally::new(range, &ground),
            |tally, draw, cell, times| tally.add(&ground, draw, cell, times),
        );
        let quantiles = Quantiles::of(&tallies, &world.cells, complete);
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
        let inside = |(country, subdivision): Parts| region.id.holds(country, subdivision);
        let parts: Vec<usize> = (0..self.countries.len())
            .filter(|&at| inside(self.countries[at].0))
            .collect();
        let cells: Members = parts
            .iter()
            .flat_map(|&at| self.countries[at].1.iter().copied())
            .collect();
        let weight: f64 = cells.iter().map(|(_, weight)| weight).sum();
        if weight <= 0.0 {
            return None;
        }
        let likeliest = |site: usize| -> f64 {
            let sum = |&(cell, weight): &(usize, f64)| weight * self.world.ms(cell, site);
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
                let nearest = &self.standings.nearest[budget];
                let standing = |&(cell, weight): &(usize, f64)| (weight, nearest[cell]);
                cells.iter().map(standing).collect()
            }),
        })
    }
}

/// The cells that nobody speaks for, by country, and by subdivision where it is said how they lie in these.
fn countries(cells: &[Cell], subdivided: &Subdivided) -> Vec<(Parts, Members)> {
    let mut countries: BTreeMap<Parts, Members> = BTreeMap::new();
    let silent = cells.iter().enumerate().filter(|(_, cell)| cell.is_silent());
    for (at, cell) in silent {
        let whole = || vec![(None, cell.weight)];
        let parts = subdivided.get(cell.number).cloned().unwrap_or_else(whole);
        for (subdivision, weight) in parts {
            let members = countries.entry((cell.country, subdivision)).or_default();
            members.push((at, weight));
        }
    }
    countries.into_iter().collect()
}

/// Measured shares of a weight and what cells add to them.
fn combined(measured: &[Share], total: f64, cells: impl Fn(usize) -> Vec<(f64, Standing)>) -> Vec<Share> {
    let with = |(budget, share): (usize, &Share)| {
        let added = super::split::share(share.budget_ms, total, cells(budget));
        // Sums of many cities may exceed the whole by a rounding.
        let within = (share.within + added.within).min(1.0);
        let beyond = (share.beyond + added.beyond).min(1.0 - within);
        let unknown = (1.0 - within - beyond).max(0.0);
        Share {
            within,
            beyond,
            unknown,
            undecided: (share.undecided + added.undecided).min(unknown),
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
        let cells = world.cells.iter().zip(standings[budget].iter().copied());
        let silent = cells.filter(|(cell, _)| cell.is_silent());
        silent.map(|(cell, standing)| (cell.weight, standing)).collect()
    };
    let sum = |cells: &[Cell]| {
        let silent = cells.iter().filter(|cell| cell.is_silent());
        silent.fold(0.0, |sum, cell| sum + cell.weight)
    };
    let (total, unknown_weight) = (beside.total_weight, sum(&world.unknown));
    let mut shares = combined(beside.shares, total, |budget| of(&standings.nearest, budget));
    for (budget, share) in shares.iter_mut().enumerate() {
        let measured = |draw: usize| match &beside.spoken {
            Spoken::Themselves {
                within: Some(within), ..
            } => within[budget][draw],
            Spoken::Themselves { within: None, .. } => beside.shares[budget].within,
            Spoken::Cities(_) => 0.0,
        };
        let drawn = tallies.iter().flat_map(|tally| tally.within(budget));
        let drawn = drawn
            .enumerate()
            .map(|(draw, weight)| measured(draw) + weight / total);
        // What is not predicted may lie within or not, and all that is predicted may where a node's place is not known.
        let most = match nodes.len() == beside.node_names.len() {
            true => world.unknown.iter().map(|cell| cell.weight).sum::<f64>() / total,
            false => 1.0,
        };
        let least_beyond = match &beside.spoken {
            Spoken::Themselves { .. } => beside.shares[budget].beyond,
            Spoken::Cities(_) => 0.0,
        };
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
        mean: mean(beside, tallies, world, weight),
        cells: predicted_cells(beside, world, quantiles, nodes),
    }
}

fn mean(beside: &Beside<'_>, tallies: &[Tally], world: &World, weight: f64) -> Option<MeanTime> {
    let (measured, known) = match &beside.spoken {
        Spoken::Themselves { sums, .. } => (&sums.0[..], sums.1),
        Spoken::Cities(_) => (&[][..], world.spoken_weight()),
    };
    let whole = weight + known;
    let drawn = tallies.iter().flat_map(Tally::means).enumerate();
    let drawn: Vec<f64> = drawn
        .map(|(draw, drawn)| (drawn + measured.get(draw).copied().unwrap_or_default()) / whole)
        .collect();
    if drawn.is_empty() || whole <= 0.0 {
        return None;
    }
    Some(MeanTime {
        ms: drawn.iter().sum::<f64>() / drawn.len() as f64,
        interval: interval(drawn.iter().copied()).map(|drawn| widened(drawn, widening::MEAN)),
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
    let silent = world.cells.iter().enumerate().filter(|(_, one)| one.is_silent());
    let known = silent.map(|(at, one)| {
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
    let unknown = world.unknown.iter().filter(|one| one.is_silent());
    let unknown = unknown.map(|one| cell(one, None));
    let mut cells: Vec<PredictedCell> = known.chain(unknown).collect();
    cells.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    cells
}

/// What is left to say of choosing by kilometres with predictions: measured and predicted together.
pub(super) fn by_km(measured: &ByKm, predicted: &Predicted) -> Option<ByKilometres> {
    measured.clone().and(predicted.by_km.clone()).finish()
}

#[cfg(test)]
mod tests;
