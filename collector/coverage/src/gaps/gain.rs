//! What each candidate would gain, how unsure that is, and on which times it hangs.

use super::scene::{Pair, Scene};
use super::worth::{above, density};

/// A candidate's gain: how much the weighted mean time to the nearest node falls if it gets one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// Its number as a site.
    pub site: usize,
    /// In milliseconds of the mean.
    pub mean_ms: f64,
    /// Its usual deviation.
    pub deviation_ms: f64,
}

impl Gain {
    /// With one deviation on top: what it may well be.
    #[must_use]
    pub fn optimistic_ms(&self) -> f64 {
        self.mean_ms + self.deviation_ms
    }
}

/// Beyond so many deviations a site is never nearer.
const HARDLY: f64 = 3.0;

/// The candidates against each other.
#[derive(Clone, Debug)]
pub struct Contest {
    /// By candidate, in the order of sites.
    pub gains: Vec<Gain>,
    pub(super) sums: Vec<Sum>,
}

/// A sum of times' errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    /// How much each time counts.
    pub(super) terms: Vec<(Pair, f64)>,
    /// What it has in common with a city of one unit in a column, by column and site.
    columns: Vec<f64>,
    /// By term: what it counts in what its city has to itself.
    own: std::collections::BTreeMap<usize, Vec<(usize, f64)>>,
    level: f64,
}

impl Contest {
    /// Of all candidates; times that are not known count for none.
    #[must_use]
    pub fn new(scene: &Scene<'_>) -> Self {
        let nearest: Vec<Option<usize>> = (0..scene.cities()).map(|city| scene.nearest(city)).collect();
        let total: f64 = scene.weights.iter().sum();
        let (mut gains, mut sums) = (Vec::new(), Vec::new());
        for site in scene.nodes..scene.sites() {
            let (mut mean_ms, mut terms) = (0.0, Vec::new());
            for (city, node) in nearest.iter().enumerate() {
                let Some(node) = *node else { continue };
                let (near, to) = (scene.time(city, node), scene.time(city, site));
                if !to.is_finite() {
                    continue;
                }
                let unsure = scene.deviation(city, node) + scene.deviation(city, site);
                if near - to < -HARDLY * unsure {
                    continue;
                }
                let pairs = [(city, node), (city, site)];
                let own = |at: usize| scene.covariance(pairs[at], pairs[at]);
                let variance = own(0) + own(1) - 2.0 * scene.covariance(pairs[0], pairs[1]);
                let deviation = variance.max(0.0).sqrt().max(1e-6);
                let z = (near - to) / deviation;
                let (share, weight) = (above(-z), scene.weights[city] / total);
                mean_ms += weight * ((near - to) * share + deviation * density(z));
                if share * weight > 1e-9 {
                    terms.push((pairs[0], weight * share));
                    terms.push((pairs[1], -weight * share));
                }
            }
            let sum = Sum::new(scene, terms);
            let deviation_ms = sum.with(scene, &sum).max(0.0).sqrt();
            gains.push(Gain {
                site,
                mean_ms,
                deviation_ms,
            });
            sums.push(sum);
        }
        Self { gains, sums }
    }

    /// The candidates that may well gain most, that is mean and a deviation, the most first; at most so many.
    #[must_use]
    pub fn shortlist(&self, most: usize) -> Vec<usize> {
        let mut all: Vec<&Gain> = self.gains.iter().collect();
        let by = |a: &&Gain, b: &&Gain| b.optimistic_ms().total_cmp(&a.optimistic_ms());
        all.sort_by(by);
        all.iter().take(most).map(|gain| gain.site).collect()
    }

    /// The candidate whose gain is the largest in the mean.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        let best = self.gains.iter().max_by(|a, b| a.mean_ms.total_cmp(&b.mean_ms));
        best.map(|gain| gain.site)
    }
}

impl Sum {
    fn new(scene: &Scene<'_>, terms: Vec<(Pair, f64)>) -> Self {
        let together = scene.together;
        let (columns, sites) = (together.columns(), scene.sites());
        // By column and site: how much the cities' errors towards that site count.
        let mut by_site = vec![0.0; columns * sites];
        let mut sum = Self::default();
        for &(pair, counts) in &terms {
            let (alike, level) = scene.parts(pair);
            sum.level += counts * level;
            let own = counts * alike;
            sum.own.entry(pair.0).or_default().push((pair.1, own));
            for column in 0..columns {
                by_site[column * sites + pair.1] += own * together.factor(pair.0, column);
            }
        }
        sum.columns = vec![0.0; columns * sites];
        for column in 0..columns {
            let of = &by_site[column * sites..][..sites];
            for site in 0..sites {
                let along = of.iter().enumerate().filter(|(_, counts)| **counts != 0.0);
                let value = along.map(|(other, counts)| counts * together.along(column, other, site));
                sum.columns[column * sites + site] = value.sum();
            }
        }
        sum.terms = terms;
        sum
    }

    /// How it goes together with one time's error, in square milliseconds.
    pub(super) fn covariance(&self, scene: &Scene<'_>, pair: Pair) -> f64 {
        let (together, sites) = (scene.together, scene.sites());
        let (alike, level) = scene.parts(pair);
        let mut of: f64 = (0..together.columns())
            .map(|column| together.factor(pair.0, column) * self.columns[column * sites + pair.1])
            .sum();
        if let Some(own) = self.own.get(&pair.0) {
            let along = own
                .iter()
                .map(|(site, counts)| counts * together.whole(*site, pair.1));
            of += together.rest(pair.0) * along.sum::<f64>();
        }
        alike * of + level * self.level
    }

    /// How two sums go together.
    pub(super) fn with(&self, scene: &Scene<'_>, other: &Self) -> f64 {
        let each = other
            .terms
            .iter()
            .map(|(pair, counts)| counts * self.covariance(scene, *pair));
        each.sum()
    }
}
