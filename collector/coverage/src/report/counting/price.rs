//! The value of sets, of each node and of each candidate, over joint draws of days and of the predicted field.

use std::ops::Range;

/// What is priced.
pub(super) struct Wares<'a> {
    /// Today's nodes, as far as they can be priced.
    pub(super) nodes: &'a [usize],
    /// Sets of sites.
    pub(super) sets: &'a [Vec<usize>],
    /// Sites that might be added to today's.
    pub(super) further: &'a [usize],
    pub(super) weights: &'a [f64],
}

/// Sums of some draws.
pub(super) struct Prices {
    first: usize,
    pub(super) sets: Vec<Vec<f64>>,
    pub(super) losses: Vec<Vec<f64>>,
    pub(super) gains: Vec<Vec<f64>>,
}

impl Prices {
    pub(super) fn new(draws: &Range<usize>, wares: &Wares<'_>) -> Self {
        Self {
            first: draws.start,
            sets: vec![vec![0.0; wares.sets.len()]; draws.len()],
            losses: vec![vec![0.0; wares.nodes.len()]; draws.len()],
            gains: vec![vec![0.0; wares.further.len()]; draws.len()],
        }
    }

    /// Adds one cell of one draw; times that are not known are farther than all that are.
    pub(super) fn add(&mut self, wares: &Wares<'_>, draw: usize, cell: usize, times: &[f64]) {
        let (draw, weight) = (draw - self.first, wares.weights[cell]);
        let (mut nearest, mut first, mut second) = (0, f64::INFINITY, f64::INFINITY);
        for (at, &node) in wares.nodes.iter().enumerate() {
            let ms = times[node];
            if ms < first {
                (nearest, first, second) = (at, ms, first);
            } else if ms < second {
                second = ms;
            }
        }
        if second.is_finite() {
            self.losses[draw][nearest] += weight * (second - first);
        }
        for (gain, &site) in self.gains[draw].iter_mut().zip(wares.further) {
            *gain += weight * (first - times[site]).max(0.0);
        }
        for (sum, set) in self.sets[draw].iter_mut().zip(wares.sets) {
            // Further cities come after all of today's nodes.
            let (nearest, rest) = match set.len() > wares.nodes.len() {
                true => (first, &set[wares.nodes.len()..]),
                false => (f64::INFINITY, &set[..]),
            };
            *sum += weight * rest.iter().map(|&site| times[site]).fold(nearest, f64::min);
        }
    }

    /// The prices of all draws after each other.
    pub(super) fn joined(mut parts: impl Iterator<Item = Self>) -> Self {
        let empty = Self {
            first: 0,
            sets: Vec::new(),
            losses: Vec::new(),
            gains: Vec::new(),
        };
        let mut all = parts.next().unwrap_or(empty);
        for part in parts {
            all.sets.extend(part.sets);
            all.losses.extend(part.losses);
            all.gains.extend(part.gains);
        }
        all
    }
}
