//! The first half of the window against the second.

use rand::Rng;

use super::depth::{Half, Trend};
use super::matrix::Matrix;
use super::prepare::Prepared;
use super::resample::{DayDraws, interval};
use super::shares::lowest;
use super::top::TERM_DAYS;
use super::{ClassReport, Ground, Interval, Region, VantageReport};
use crate::observations::{AccessClass, Day, Statistic};

/// Two halves, measured apart.
pub(super) struct Halves<'a> {
    parts: [Prepared<'a>; 2],
    matrices: [Matrix; 2],
    days: [Vec<Day>; 2],
}

impl<'a> Halves<'a> {
    /// `None` where days are not told apart, or there is only one.
    pub(super) fn new(
        prepared: &Prepared<'a>,
        statistic: Statistic,
        replicates: usize,
        random: &mut impl Rng,
    ) -> Option<Self> {
        let days = prepared.days.as_deref()?;
        let (first, last) = (days.first()?, days.last()?);
        let middle = Day(first.0 + (last.0 - first.0 + 1) / 2);
        let parts = [
            prepared.only(|day| day < middle),
            prepared.only(|day| day >= middle),
        ];
        let days = [0, 1].map(|at| parts[at].days.clone().unwrap_or_default());
        if days.iter().any(Vec::is_empty) {
            return None;
        }
        let mut matrix = |at: usize| {
            let draws = DayDraws::new(&days[at], replicates, random);
            Matrix::new(&parts[at], statistic, draws.as_ref())
        };
        let matrices = [matrix(0), matrix(1)];
        Some(Self {
            parts,
            matrices,
            days,
        })
    }

    /// Whether each half holds a whole term.
    pub(super) fn are_terms(&self) -> bool {
        let length = |days: &Vec<Day>| {
            days.last()
                .zip(days.first())
                .map_or(0, |(last, first)| last.0 - first.0 + 1)
        };
        self.days.iter().all(|days| length(days) >= TERM_DAYS)
    }

    /// The halves of one class: the trend, and each half's countries.
    pub(super) fn class(
        &self,
        ground: &Ground<'_>,
        (access, whole): (AccessClass, &ClassReport),
        random: &mut impl Rng,
    ) -> Option<(Trend, [Vec<Region>; 2])> {
        let mut half = |at: usize| {
            let ground = Ground {
                prepared: &self.parts[at],
                matrix: &self.matrices[at],
                ..*ground
            };
            ground.measured(access, random)
        };
        let (first, second) = (half(0)?, half(1)?);
        let (change_ms, interval) = self.change(whole, [&first, &second]);
        let of = |class: &ClassReport, days: &[Day]| {
            Some(Half {
                from: *days.first()?,
                to: *days.last()?,
                days: days.len(),
                mean_ms: mean(class),
                shares: class.shares.clone(),
            })
        };
        let trend = Trend {
            first: of(&first, &self.days[0])?,
            second: of(&second, &self.days[1])?,
            change_ms,
            interval,
        };
        Some((trend, [first.regions, second.regions]))
    }

    /// How much longer the second half takes, over the vantages that measured in both.
    fn change(&self, whole: &ClassReport, halves: [&ClassReport; 2]) -> (Option<f64>, Option<Interval>) {
        let best = |half: usize, at: usize| halves[half].vantages[at].best.as_ref().map(|best| best.ms);
        let common: Vec<(usize, f64)> = (0..whole.vantages.len())
            .filter(|&at| whole.vantages[at].weight > 0.0)
            .filter_map(|at| Some((at, best(1, at)? - best(0, at)?)))
            .collect();
        let weight_of = |at: usize| whole.vantages[at].weight;
        let total: f64 = common.iter().map(|&(at, _)| weight_of(at)).sum();
        if total <= 0.0 {
            return (None, None);
        }
        let change = common.iter().map(|&(at, ms)| weight_of(at) * ms).sum::<f64>() / total;
        let replicates = self
            .matrices
            .iter()
            .map(|matrix| matrix.replicates)
            .min()
            .unwrap_or(0);
        let number = |name: &str| {
            self.parts[0]
                .vantages
                .iter()
                .position(|vantage| vantage.name == name)
        };
        let members: Vec<(usize, f64)> = common
            .iter()
            .filter_map(|&(at, _)| Some((number(&whole.vantages[at].name)?, weight_of(at))))
            .collect();
        let drawn = (0..replicates).map(|replicate| {
            let low = |half: usize, vantage| lowest(&self.matrices[half], vantage, replicate);
            let change = |&(vantage, weight): &(usize, f64)| weight * (low(1, vantage) - low(0, vantage));
            let sum: f64 = members.iter().map(change).sum();
            sum / total
        });
        (Some(change), interval(drawn))
    }
}

fn mean(class: &ClassReport) -> Option<f64> {
    let known = || {
        let known = |vantage: &VantageReport| Some((vantage.weight, vantage.best.as_ref()?.ms));
        class.vantages.iter().filter_map(known)
    };
    let weight: f64 = known().map(|(weight, _)| weight).sum();
    (weight > 0.0).then(|| known().map(|(weight, ms)| weight * ms).sum::<f64>() / weight)
}
