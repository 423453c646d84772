//! What sets of sites come to, over joint draws: by the mean, by what lies within a budget, or by the longest time.

use std::ops::Range;

use rand::Rng;

use super::scene::Scene;
use super::stage::Stage;
use crate::place::Objective;
use crate::report::Interval;
use crate::report::placement::Drawn;
use crate::report::resample::interval;

/// By draw: what each set comes to.
pub(super) struct Purse {
    first: usize,
    pub(super) sums: Vec<Vec<f64>>,
}

/// What is priced, and what a user's own line adds by cell.
struct Goods<'a> {
    sets: &'a [Vec<usize>],
    weights: &'a [f64],
    lines: Vec<f64>,
    objective: Objective,
}

impl Purse {
    pub(super) fn new(
        (stage, scene): (&Stage, &Scene<'_>),
        sets: &[Vec<usize>],
        objective: Objective,
        random: &mut impl Rng,
    ) -> Self {
        let goods = Goods {
            sets,
            weights: stage.weights(),
            lines: scene.own_lines(stage.cells()),
            objective,
        };
        let parts = stage.each_draw(
            scene.draws(),
            random,
            |range: Range<usize>| Self {
                first: range.start,
                sums: vec![vec![0.0; sets.len()]; range.len()],
            },
            |purse, draw, cell, times| purse.add(&goods, draw, (cell, times)),
        );
        let mut sums: Vec<Vec<f64>> = parts.into_iter().flat_map(|part| part.sums).collect();
        let total: f64 = goods.weights.iter().sum();
        if objective != Objective::Max {
            sums.iter_mut().flatten().for_each(|sum| *sum /= total);
        }
        Self { first: 0, sums }
    }

    fn add(&mut self, goods: &Goods<'_>, draw: usize, (cell, times): (usize, &[f64])) {
        let weight = goods.weights[cell];
        for (sum, set) in self.sums[draw - self.first].iter_mut().zip(goods.sets) {
            let nearest = set.iter().map(|&site| times[site]).fold(f64::INFINITY, f64::min);
            let ms = nearest + goods.lines[cell];
            match goods.objective {
                Objective::Mean => *sum += weight * ms,
                Objective::Cover(budget) if ms <= budget => *sum += weight,
                Objective::Cover(_) => {}
                Objective::Max => *sum = sum.max(ms),
            }
        }
    }

    /// What a set comes to, its interval so many times as wide.
    pub(super) fn of(&self, set: usize, times: f64) -> Drawn {
        drawn(self.sums.iter().map(|sums| sums[set]).collect(), times)
    }

    /// How much more the one comes to than the other.
    pub(super) fn more(&self, one: usize, other: usize, times: f64) -> Drawn {
        drawn(
            self.sums.iter().map(|sums| sums[one] - sums[other]).collect(),
            times,
        )
    }

    /// The usual deviation of how much more the one comes to than the other.
    pub(super) fn deviation(&self, one: usize, other: usize) -> f64 {
        let differences = || self.sums.iter().map(|sums| sums[one] - sums[other]);
        let count = self.sums.len() as f64;
        let mean = differences().sum::<f64>() / count;
        (differences().map(|more| (more - mean).powi(2)).sum::<f64>() / count).sqrt()
    }
}

/// The mean of what was drawn, and its interval, so many times as wide about its middle; it may begin below 0.
pub(super) fn drawn(all: Vec<f64>, times: f64) -> Drawn {
    let value = all.iter().sum::<f64>() / all.len() as f64;
    let several = all.len() > 1;
    let interval = several.then(|| interval(all)).flatten().map(|drawn| {
        let (middle, half) = (
            0.5 * (drawn.low + drawn.high),
            0.5 * times * (drawn.high - drawn.low),
        );
        Interval {
            low: middle - half,
            high: middle + half,
        }
    });
    Drawn { value, interval }
}
