//! The smallest set of sites that has an end of every violation: greedy, then exact where that is cheap.

/// Branching of the exact search stops here; then the set is small, but maybe not the smallest.
const MOST_BRANCHES: usize = 50_000;

/// A set of sites that explains all violations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// Ascending.
    pub(super) sites: Vec<usize>,
    /// Whether no smaller one exists.
    pub(super) smallest: bool,
}

/// Of sites of which each fits its place so badly; of sets of one size, the one is taken whose sites have the most
/// violations and, where these are as many, fit worst.
pub(super) fn smallest(misfit: &[f64], violations: &[(usize, usize)]) -> Cover {
    let greedy = greedy(misfit, violations);
    let mut search = Search {
        misfit,
        best: greedy,
        branches: 0,
    };
    search.go(violations, &mut Vec::new());
    let mut sites = search.best;
    sites.sort_unstable();
    Cover {
        sites,
        smallest: search.branches < MOST_BRANCHES,
    }
}

/// Takes the site with the most violations that are left, again and again, then drops those that turned out needless.
fn greedy(misfit: &[f64], violations: &[(usize, usize)]) -> Vec<usize> {
    let mut left = violations.to_vec();
    let mut cover = Vec::new();
    while let Some(worst) = worst(misfit, &left) {
        cover.push(worst);
        left.retain(|&(a, b)| a != worst && b != worst);
    }
    for at in (0..cover.len()).rev() {
        let others = |site: &usize| *site != cover[at] && cover.contains(site);
        if violations.iter().all(|(a, b)| others(a) || others(b)) {
            cover.remove(at);
        }
    }
    cover
}

fn worst(misfit: &[f64], violations: &[(usize, usize)]) -> Option<usize> {
    let mut degree = vec![0_usize; misfit.len()];
    for &(a, b) in violations {
        degree[a] += 1;
        degree[b] += 1;
    }
    let worse = |a: &usize, b: &usize| {
        degree[*a]
            .cmp(&degree[*b])
            .then(misfit[*a].total_cmp(&misfit[*b]))
    };
    // Of equals the first.
    let most = (0..misfit.len()).rev().max_by(worse)?;
    (degree[most] > 0).then_some(most)
}

struct Search<'a> {
    misfit: &'a [f64],
    best: Vec<usize>,
    branches: usize,
}

impl Search<'_> {
    /// Either the site with the most violations is in the set, or all its partners are.
    fn go(&mut self, left: &[(usize, usize)], taken: &mut Vec<usize>) {
        self.branches += 1;
        if self.branches >= MOST_BRANCHES {
            return;
        }
        let Some(worst) = worst(self.misfit, left) else {
            if taken.len() < self.best.len() {
                self.best.clone_from(taken);
            }
            return;
        };
        if taken.len() + disjoint(left) >= self.best.len() {
            return;
        }
        let mut partners: Vec<usize> = left
            .iter()
            .filter_map(|&(a, b)| match worst {
                site if site == a => Some(b),
                site if site == b => Some(a),
                _ => None,
            })
            .collect();
        partners.sort_unstable();
        partners.dedup();
        for choice in [vec![worst], partners] {
            let before = taken.len();
            let rest: Vec<(usize, usize)> = left
                .iter()
                .copied()
                .filter(|(a, b)| !choice.contains(a) && !choice.contains(b))
                .collect();
            taken.extend(choice);
            self.go(&rest, taken);
            taken.truncate(before);
        }
    }
}

/// How many violations share no site: each needs one of its own.
fn disjoint(violations: &[(usize, usize)]) -> usize {
    let mut used: Vec<usize> = Vec::new();
    for &(a, b) in violations {
        if !used.contains(&a) && !used.contains(&b) {
            used.extend([a, b]);
        }
    }
    used.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(set: &[usize], violations: &[(usize, usize)]) -> bool {
        violations.iter().all(|(a, b)| set.contains(a) || set.contains(b))
    }

    #[test]
    fn one_site_that_contradicts_all_others_is_the_suspect() {
        let cover = smallest(&[0.0; 5], &[(0, 3), (1, 3), (2, 3), (3, 4)]);
        assert_eq!((cover.sites, cover.smallest), (vec![3], true));
        assert_eq!(smallest(&[0.0; 5], &[]).sites, Vec::<usize>::new());
    }

    #[test]
    fn of_two_sites_that_contradict_each_other_the_worse_fit_is_the_suspect() {
        assert_eq!(smallest(&[0.1, 0.9], &[(0, 1)]).sites, [1]);
        assert_eq!(smallest(&[0.9, 0.1], &[(0, 1)]).sites, [0]);
    }

    proptest! {
        #[test]
        fn cover_is_as_small_as_the_smallest_of_all_subsets(
            violations in prop::collection::vec((0usize..8, 0usize..8), 0..14)
        ) {
            let violations: Vec<_> = violations.into_iter().filter(|(a, b)| a < b).collect();
            let cover = smallest(&[0.0; 8], &violations);
            prop_assert!(cover.smallest && covers(&cover.sites, &violations));
            let least = (0u32..256)
                .filter(|set| covers(&(0..8).filter(|at| set >> at & 1 == 1).collect::<Vec<_>>(), &violations))
                .map(u32::count_ones)
                .min();
            prop_assert_eq!(Some(cover.sites.len() as u32), least);
        }
    }
}
