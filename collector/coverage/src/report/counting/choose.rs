//! Sets of sites by greedy choice and swaps: the weighted mean of each cell's time to the nearest of the set.

use crate::place::{Costs, Game, Near};

/// Times of cells to sites, none of them unknown.
pub(super) struct Table {
    pub(super) weights: Vec<f64>,
    pub(super) sites: usize,
    /// Cell after cell.
    pub(super) ms: Vec<f64>,
}

impl Table {
    fn row(&self, cell: usize) -> &[f64] {
        &self.ms[cell * self.sites..][..self.sites]
    }

    /// The weighted mean time to the nearest site of a set.
    #[cfg(test)]
    fn mean(&self, set: &[usize]) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let nearest = |cell: usize| {
            set.iter()
                .map(|&site| self.row(cell)[site])
                .fold(f64::INFINITY, f64::min)
        };
        let sum: f64 = self
            .weights
            .iter()
            .enumerate()
            .map(|(cell, weight)| weight * nearest(cell))
            .sum();
        sum / total
    }

    fn costs(&self) -> Costs {
        let weighted = (0..self.weights.len()).flat_map(|cell| {
            self.row(cell)
                .iter()
                .map(move |ms| (self.weights[cell] * ms) as f32)
        });
        Costs::of_rows(&weighted.collect::<Vec<f32>>(), self.sites)
    }

    /// The best sets of 1, 2, … up to `most` of the sites in `from`, each beginning from the one before; `fixed` are
    /// in every one of them and never leave.
    pub(super) fn best_sets(&self, fixed: &[usize], from: &[usize], most: usize) -> Vec<Vec<usize>> {
        let (costs, opening) = (self.costs(), vec![0.0; self.sites]);
        let mut set = fixed.to_vec();
        let mut sets = Vec::new();
        while sets.len() < most && set.len() - fixed.len() < from.len() {
            let game = Game {
                costs: &costs,
                opening: &opening,
                capacities: None,
                fixed,
                free: from,
                k: set.len() + 1,
                fewer: false,
            };
            game.grow(&mut set);
            game.improve(&mut set, 0);
            sets.push(set.clone());
        }
        sets
    }

    /// What each site of `from` that is not in the set would gain, in milliseconds of the mean.
    pub(super) fn gains(&self, set: &[usize], from: &[usize]) -> Vec<(usize, f64)> {
        let total: f64 = self.weights.iter().sum();
        let costs = self.costs();
        let near = Near::of(&costs, set);
        // Of an empty set every site brings the cells from some distance that is the same for all.
        let far = self.ms.iter().copied().fold(0.0, f64::max);
        let others = from.iter().filter(|site| !set.contains(site));
        let gain = |&site: &usize| match set {
            [] => (site, far - costs.sum(&[site]) / total),
            _ => (site, near.gain(costs.column(site)) / total),
        };
        others.map(gain).collect()
    }

    /// What losing each site of a set would cost, in milliseconds of the mean; of one alone it cannot be said.
    pub(super) fn losses(&self, set: &[usize]) -> Vec<f64> {
        let total: f64 = self.weights.iter().sum();
        let mut losses = vec![0.0; set.len()];
        if set.len() > 1 {
            Near::of(&self.costs(), set).losses(&mut losses);
            losses.iter_mut().for_each(|loss| *loss /= total);
        }
        losses
    }

    /// How far a cell is from each site, and from the nearest of a set.
    pub(super) fn nearest(&self, cell: usize, set: &[usize]) -> (&[f64], f64) {
        let row = self.row(cell);
        (
            row,
            set.iter().map(|&site| row[site]).fold(f64::INFINITY, f64::min),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subsets(sites: usize, size: usize) -> Vec<Vec<usize>> {
        (0..1_u32 << sites)
            .filter(|bits| bits.count_ones() as usize == size)
            .map(|bits| (0..sites).filter(|site| bits >> site & 1 == 1).collect())
            .collect()
    }

    proptest! {
        /// The oracle tries every set; greedy and swap may be a little off, and no set is ever better than the best.
        #[test]
        fn chosen_sets_are_nearly_the_best(
            weights in prop::collection::vec(0.1..10.0f64, 12),
            cells in prop::collection::vec((0.0..100.0f64, 0.0..100.0f64), 12),
            sites in prop::collection::vec((0.0..100.0f64, 0.0..100.0f64), 7),
        ) {
            let away = |a: &(f64, f64), b: &(f64, f64)| 5.0 + (a.0 - b.0).hypot(a.1 - b.1);
            let ms = cells.iter().flat_map(|cell| sites.iter().map(move |site| away(cell, site))).collect();
            let table = Table { weights, sites: 7, ms };
            let all: Vec<usize> = (0..7).collect();
            let sets = table.best_sets(&[], &all, 7);
            prop_assert_eq!(sets.len(), 7);
            for (at, set) in sets.iter().enumerate() {
                prop_assert_eq!(set.len(), at + 1);
                let best = subsets(7, at + 1).iter().map(|set| table.mean(set)).fold(f64::INFINITY, f64::min);
                prop_assert!(table.mean(set) >= best - 1e-9);
                prop_assert!(table.mean(set) <= best * 1.3 + 1e-9, "{} of {}", table.mean(set), best);
            }
        }

        #[test]
        fn fixed_sites_stay_and_gains_are_what_the_mean_loses(
            weights in prop::collection::vec(0.1..10.0f64, 9),
            ms in prop::collection::vec(1.0..200.0f64, 9 * 6),
        ) {
            let table = Table { weights, sites: 6, ms };
            let sets = table.best_sets(&[0, 1], &[2, 3, 4, 5], 3);
            for set in &sets {
                prop_assert!(set.starts_with(&[0, 1]));
            }
            for (site, gain) in table.gains(&[0, 1], &[2, 3, 4, 5]) {
                let loss = table.mean(&[0, 1]) - table.mean(&[0, 1, site]);
                prop_assert!((loss - gain).abs() < 1e-4, "{loss} {gain}");
            }
            let losses = table.losses(&[0, 3, 5]);
            for (lost, rest) in [[3, 5], [0, 5], [0, 3]].iter().enumerate() {
                let cost = table.mean(rest) - table.mean(&[0, 3, 5]);
                prop_assert!((losses[lost] - cost).abs() < 1e-4, "{cost} {losses:?}");
            }
        }
    }
}
