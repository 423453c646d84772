//! The Lagrangian bound: no set adds up to less than this. Each point pays a price for being served; at any prices the sites
//! that earn most make a sum that no set falls below, and prices are raised where nobody serves and lowered where several
//! do (subgradients, after Beasley 1993).

use super::Costs;
use super::local::Game;
use super::near::Near;

/// Prices, and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// No set adds up to less.
    pub(super) least: f64,
    /// By point.
    pub(super) prices: Vec<f32>,
    /// By site: what it costs less what it earns at these prices; the lower the better.
    pub(super) reduced: Vec<f64>,
    /// Sets that these prices would choose, the last ones first.
    pub(super) sets: Vec<Vec<usize>>,
}

/// Rounds without a better bound after which steps are halved.
const PATIENCE: usize = 6;
/// Sets that are handed back.
const SETS: usize = 4;
/// How much of the direction before goes into the next one.
const MEMORY: f32 = 0.5;

/// Raises the bound towards `total`, which some set reaches.
pub(super) fn raise(game: &Game<'_>, set: &[usize], total: f64, rounds: usize) -> Bound {
    raise_to(game, set, (total, total), rounds)
}

/// The same, no further than a second sum.
pub(super) fn raise_to(game: &Game<'_>, set: &[usize], (total, enough): (f64, f64), rounds: usize) -> Bound {
    let start = start(game, set);
    let mut search = Search::new(game, start);
    for _ in 0..rounds {
        if search.round(total) || search.best.0 > enough {
            break;
        }
    }
    search.best()
}

/// Prices to begin with: between what the nearest and the next of a set cost.
fn start(game: &Game<'_>, set: &[usize]) -> Vec<f32> {
    let near = Near::of(game.costs, set);
    let outside = game
        .capacities
        .and_then(|capacities| capacities.outside.as_deref());
    if let Some(outside) = outside {
        return near
            .first
            .iter()
            .zip(outside)
            .map(|(&first, &outside)| first.min(outside))
            .collect();
    }
    let both = near.first.iter().zip(&near.second);
    both.map(|(&first, &second)| match second.is_finite() {
        true => 0.5 * (first + second),
        false => first,
    })
    .collect()
}

struct Search<'a> {
    game: &'a Game<'a>,
    prices: Vec<f32>,
    direction: Vec<f32>,
    /// The best so far: the bound, its prices.
    best: (f64, Vec<f32>),
    sets: Vec<Vec<usize>>,
    step: f64,
    idle: usize,
}

impl<'a> Search<'a> {
    fn new(game: &'a Game<'a>, prices: Vec<f32>) -> Self {
        Self {
            game,
            direction: vec![0.0; prices.len()],
            best: (f64::NEG_INFINITY, prices.clone()),
            prices,
            sets: Vec::new(),
            step: 1.0,
            idle: 0,
        }
    }

    /// One round; `true`: it is enough.
    fn round(&mut self, total: f64) -> bool {
        let reduced = reduced_roughly(self.game, &self.prices);
        let chosen = chosen(self.game, &reduced);
        let bound = sum(&self.prices) + chosen.iter().map(|&site| reduced[site]).sum::<f64>();
        if bound > self.best.0 {
            self.best = (bound, self.prices.clone());
            self.idle = 0;
            self.sets.insert(0, chosen.clone());
            self.sets.truncate(SETS);
        } else {
            self.idle += 1;
            if self.idle == PATIENCE {
                (self.idle, self.step) = (0, 0.5 * self.step);
                self.prices.clone_from(&self.best.1);
                self.direction.fill(0.0);
            }
        }
        if bound >= total * (1.0 - 1e-7) || self.step < 1e-3 {
            return true;
        }
        self.walk(&chosen, (total - bound).max(total * 1e-6));
        false
    }

    /// Raises prices of points that no chosen site serves, and lowers those that several serve.
    fn walk(&mut self, chosen: &[usize], short: f64) {
        let mut served = vec![0.0_f32; self.prices.len()];
        for &site in chosen {
            let column = self.game.costs.column(site);
            for ((served, &price), &cost) in served.iter_mut().zip(&self.prices).zip(column) {
                *served += if cost < price { 1.0 } else { 0.0 };
            }
        }
        let mut squares = 0.0;
        for (direction, served) in self.direction.iter_mut().zip(&served) {
            *direction = MEMORY * *direction + (1.0 - served);
            squares += f64::from(*direction * *direction);
        }
        if squares <= 0.0 {
            return;
        }
        let step = (self.step * short / squares) as f32;
        for (price, direction) in self.prices.iter_mut().zip(&self.direction) {
            *price = (*price + step * direction).max(0.0);
        }
        let outside = self
            .game
            .capacities
            .and_then(|capacities| capacities.outside.as_deref());
        for (price, &outside) in self.prices.iter_mut().zip(outside.unwrap_or_default()) {
            *price = price.min(outside);
        }
    }

    /// The bound of the best prices, summed up exactly.
    fn best(self) -> Bound {
        let prices = self.best.1;
        let reduced = reduced(self.game, &prices);
        let chosen = chosen(self.game, &reduced);
        let least = sum(&prices) + chosen.iter().map(|&site| reduced[site]).sum::<f64>();
        Bound {
            // Roundings of the sums themselves.
            least: least - least.abs() * 1e-12,
            prices,
            reduced,
            sets: self.sets,
        }
    }
}

fn sum(prices: &[f32]) -> f64 {
    prices.iter().map(|&price| f64::from(price)).sum()
}

/// What each site costs less what it earns, quickly.
fn reduced_roughly(game: &Game<'_>, prices: &[f32]) -> Vec<f64> {
    const LANES: usize = super::costs::LANES;
    let of = |site: usize| {
        let mut lanes = [0.0_f32; LANES];
        let chunks = game.costs.column(site).chunks_exact(LANES);
        for (costs, prices) in chunks.zip(prices.chunks_exact(LANES)) {
            for (lane, (cost, price)) in lanes.iter_mut().zip(costs.iter().zip(prices)) {
                *lane += if cost < price { cost - price } else { 0.0 };
            }
        }
        lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + game.opening[site]
    };
    match game.capacities {
        Some(_) => reduced(game, prices),
        None => (0..game.opening.len()).map(of).collect(),
    }
}

/// The same, exactly.
fn reduced(game: &Game<'_>, prices: &[f32]) -> Vec<f64> {
    let of = |site: usize| -> f64 {
        let earned = earned(game.costs, site, prices);
        let sum = match game.capacities {
            None => earned.map(|(_, change)| change).sum(),
            Some(capacities) => {
                let by_weight = |(point, change): (usize, f64)| (capacities.weights[point], change);
                carried(earned.map(by_weight).collect(), capacities.most[site])
            }
        };
        sum + game.opening[site]
    };
    (0..game.opening.len()).map(of).collect()
}

/// The points that a site serves at these prices, and what each changes: less than 0.
fn earned<'a>(costs: &'a Costs, site: usize, prices: &'a [f32]) -> impl Iterator<Item = (usize, f64)> + 'a {
    let both = costs.column(site).iter().zip(prices).enumerate();
    both.filter(|(_, (cost, price))| cost < price)
        .map(|(point, (&cost, &price))| (point, f64::from(cost) - f64::from(price)))
}

/// The most that can be earned with so much capacity, of weights and changes: what earns most for its weight first, the
/// last one in part.
fn carried(mut earned: Vec<(f64, f64)>, mut most: f64) -> f64 {
    earned.sort_by(|a, b| (a.1 * b.0).total_cmp(&(b.1 * a.0)));
    let mut sum = 0.0;
    for (weight, change) in earned {
        if weight >= most {
            return sum + change * (most / weight);
        }
        most -= weight;
        sum += change;
    }
    sum
}

/// The sites that the prices choose: the fixed ones, and those that earn most.
pub(super) fn chosen(game: &Game<'_>, reduced: &[f64]) -> Vec<usize> {
    let more = game.k - game.fixed.len();
    let mut free: Vec<usize> = game.free.to_vec();
    let by_earnings = |a: &usize, b: &usize| reduced[*a].total_cmp(&reduced[*b]).then(a.cmp(b));
    if more < free.len() && more > 0 {
        free.select_nth_unstable_by(more - 1, by_earnings);
    }
    free.truncate(more);
    if game.fewer {
        free.retain(|&site| reduced[site] < 0.0);
    }
    [game.fixed, &free].concat()
}
