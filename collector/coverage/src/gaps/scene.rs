//! What is known before anything more is measured: times between cities and sites, how unsure they are, and how errors
//! of them go together.

use crate::predict::Together;

/// Cities, sites, and the times between them: nodes are the first sites, candidates the rest.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// By city: how much it counts.
    pub weights: &'a [f64],
    /// How many of the sites are nodes.
    pub nodes: usize,
    /// City after city, a time to each site in milliseconds; NaN where nothing is known.
    pub ms: &'a [f64],
    /// The usual deviation of each, in milliseconds; 0 where it was measured.
    pub deviation: &'a [f64],
    /// The share of its variance that is everybody's error alike, 0…1.
    pub shared: &'a [f64],
    /// How the rest of the errors goes together: cities are its places, sites its points.
    pub together: &'a Together,
}

/// A time's number of city and site.
pub(super) type Pair = (usize, usize);

impl Scene<'_> {
    /// How many sites there are.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.together.points()
    }

    /// How many cities.
    #[must_use]
    pub fn cities(&self) -> usize {
        self.weights.len()
    }

    /// The time between a city and a site in milliseconds; NaN: not known.
    #[must_use]
    pub fn time(&self, city: usize, site: usize) -> f64 {
        self.ms[city * self.sites() + site]
    }

    /// Its usual deviation in milliseconds.
    #[must_use]
    pub fn deviation(&self, city: usize, site: usize) -> f64 {
        match self.deviation[city * self.sites() + site] {
            known if known.is_finite() => known,
            _ => 0.0,
        }
    }

    /// What a pair's error has in common with others near it, and with all.
    pub(super) fn parts(&self, (city, site): Pair) -> (f64, f64) {
        let deviation = self.deviation(city, site);
        let shared = self.shared[city * self.sites() + site].clamp(0.0, 1.0);
        let alike = deviation * (1.0 - shared).sqrt() * self.together.scale(city, site);
        (alike, deviation * shared.sqrt())
    }

    /// How two errors go together, in square milliseconds.
    pub(super) fn covariance(&self, a: Pair, b: Pair) -> f64 {
        let ((alike_a, level_a), (alike_b, level_b)) = (self.parts(a), self.parts(b));
        let together = self.together;
        let open = together.open_columns();
        let dot = |columns: std::ops::Range<usize>| -> f64 {
            let each = columns.map(|column| together.factor(a.0, column) * together.factor(b.0, column));
            each.sum()
        };
        let mut alike = 0.0;
        if open > 0 {
            alike += dot(0..open) * together.along(0, a.1, b.1);
        }
        if together.columns() > open {
            alike += dot(open..together.columns()) * together.along(open, a.1, b.1);
        }
        if a.0 == b.0 {
            alike += together.rest(a.0) * together.whole(a.1, b.1);
        }
        alike_a * alike_b * alike + level_a * level_b
    }

    /// The nearest node of a city, by the likeliest times.
    #[must_use]
    pub fn nearest(&self, city: usize) -> Option<usize> {
        let known = (0..self.nodes).filter(|&node| self.time(city, node).is_finite());
        known.min_by(|&a, &b| self.time(city, a).total_cmp(&self.time(city, b)))
    }
}
