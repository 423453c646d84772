//! Sets of sites by greedy choice and swaps: the weighted mean of each cell's time to the nearest of the set.

/// Times of cells to sites, none of them unknown.
pub(super) struct Table {
    pub(super) weights: Vec<f64>,
    pub(super) sites: usize,
    /// Cell after cell.
    pub(super) ms: Vec<f64>,
}

/// Swaps that gain less than this share of the mean are not worth another round.
const ENOUGH: f64 = 1e-9;
const MOST_ROUNDS: usize = 50;

/// For a cell: its nearest site's number in the set, and the times to that and to the next.
#[derive(Clone, Copy)]
struct Near {
    site: usize,
    first: f64,
    second: f64,
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

    /// The best sets of 1, 2, … up to `most` of the sites in `from`, each beginning from the one before; `fixed` are
    /// in every one of them and never leave.
    pub(super) fn best_sets(&self, fixed: &[usize], from: &[usize], most: usize) -> Vec<Vec<usize>> {
        let mut set = fixed.to_vec();
        let mut sets = Vec::new();
        while sets.len() < most && set.len() - fixed.len() < from.len() {
            let Some(next) = self.addition(&set, from) else {
                break;
            };
            set.push(next);
            self.swap(&mut set, fixed.len(), from);
            sets.push(set.clone());
        }
        sets
    }

    /// The site whose addition leaves the least mean; the first of several.
    fn addition(&self, set: &[usize], from: &[usize]) -> Option<usize> {
        let gains = self.gains(set, from);
        let best = gains
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        best.map(|(site, _)| site)
    }

    /// What each site of `from` that is not in the set would gain, in milliseconds of the mean.
    pub(super) fn gains(&self, set: &[usize], from: &[usize]) -> Vec<(usize, f64)> {
        let total: f64 = self.weights.iter().sum();
        let near = self.near(set);
        // Of an empty set every site brings the cells from some distance that is the same for all.
        let far = self.ms.iter().copied().fold(0.0, f64::max);
        let others = from.iter().filter(|site| !set.contains(site));
        let gain = |&site: &usize| {
            let of = |(cell, near): (usize, &Near)| {
                self.weights[cell] * (near.first.min(far) - self.row(cell)[site]).max(0.0)
            };
            (site, near.iter().enumerate().map(of).sum::<f64>() / total)
        };
        others.map(gain).collect()
    }

    /// What losing each site of a set would cost, in milliseconds of the mean; of one alone it cannot be said.
    pub(super) fn losses(&self, set: &[usize]) -> Vec<f64> {
        let total: f64 = self.weights.iter().sum();
        let mut losses = vec![0.0; set.len()];
        for (near, weight) in self.near(set).iter().zip(&self.weights) {
            if near.second.is_finite() {
                losses[near.site] += weight * (near.second - near.first) / total;
            }
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

    fn near(&self, set: &[usize]) -> Vec<Near> {
        let of = |cell: usize| {
            let row = self.row(cell);
            let mut near = Near {
                site: 0,
                first: f64::INFINITY,
                second: f64::INFINITY,
            };
            for (number, &site) in set.iter().enumerate() {
                let ms = row[site];
                if ms < near.first {
                    near = Near {
                        site: number,
                        first: ms,
                        second: near.first,
                    };
                } else if ms < near.second {
                    near.second = ms;
                }
            }
            near
        };
        (0..self.weights.len()).map(of).collect()
    }

    /// Swaps a site of the set, but no fixed one, for another while that helps.
    fn swap(&self, set: &mut [usize], fixed: usize, from: &[usize]) {
        if set.len() <= fixed {
            return;
        }
        for _ in 0..MOST_ROUNDS {
            let near = self.near(set);
            let mean: f64 = near
                .iter()
                .zip(&self.weights)
                .map(|(near, weight)| weight * near.first)
                .sum();
            let mut best = (-mean * ENOUGH, None);
            for &site in from.iter().filter(|site| !set.contains(site)) {
                let (number, change) = self.change(&near, set.len(), fixed, site);
                if change < best.0 {
                    best = (change, Some((number, site)));
                }
            }
            match best.1 {
                Some((number, site)) => set[number] = site,
                None => break,
            }
        }
    }

    /// The number in the set whose exchange for a site changes the sum most to the better, and by how much.
    fn change(&self, near: &[Near], size: usize, fixed: usize, site: usize) -> (usize, f64) {
        let (mut shared, mut losses) = (0.0, vec![0.0; size]);
        for (cell, near) in near.iter().enumerate() {
            let (ms, weight) = (self.row(cell)[site], self.weights[cell]);
            if ms < near.first {
                shared += weight * (ms - near.first);
            } else {
                losses[near.site] += weight * (ms.min(near.second) - near.first);
            }
        }
        let least = (fixed..size).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        least.map_or((fixed, f64::INFINITY), |number| (number, shared + losses[number]))
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
                prop_assert!((loss - gain).abs() < 1e-9, "{loss} {gain}");
            }
            let losses = table.losses(&[0, 3, 5]);
            for (lost, rest) in [[3, 5], [0, 5], [0, 3]].iter().enumerate() {
                let cost = table.mean(rest) - table.mean(&[0, 3, 5]);
                prop_assert!((losses[lost] - cost).abs() < 1e-9, "{cost} {losses:?}");
            }
        }
    }
}
