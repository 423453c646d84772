//! Greedy choice, and swaps while they help.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Costs;
use super::capacity::Capacities;
use super::near::Near;

/// What is to be chosen, as sums: the set whose costs and openings add up to least.
#[derive(Clone, Copy)]
pub(crate) struct Game<'a> {
    pub(crate) costs: &'a Costs,
    /// By site: what it costs to open it, in the unit of the costs.
    pub(crate) opening: &'a [f64],
    /// What sites carry, if that ends somewhere.
    pub(crate) capacities: Option<&'a Capacities>,
    /// Chosen in any case.
    pub(crate) fixed: &'a [usize],
    /// Those that may be chosen beside.
    pub(crate) free: &'a [usize],
    /// How many in all.
    pub(crate) k: usize,
    /// Whether fewer may do: where sites cost something.
    pub(crate) fewer: bool,
}

/// Changes below this share of the sum are none.
const ENOUGH: f64 = 1e-9;
/// With capacities: swaps that are tried in full before a round is given up, those that promise most first.
const TRIED: usize = 300;

/// A site by what it might gain, the most first; of equal ones the first.
struct Promise {
    gain: f64,
    site: usize,
    /// The size of the set when the gain was taken.
    at: usize,
}

impl PartialEq for Promise {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Promise {}

impl PartialOrd for Promise {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Promise {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.site.cmp(&self.site))
    }
}

impl Game<'_> {
    /// What a set adds up to: costs, as capacities allow, and openings.
    pub(crate) fn total(&self, set: &[usize]) -> f64 {
        let sum = match self.capacities {
            Some(capacities) => capacities.carry(self.costs, set),
            None => self.costs.sum(set),
        };
        sum + self.openings(set)
    }

    pub(crate) fn openings(&self, set: &[usize]) -> f64 {
        set.iter().map(|&site| self.opening[site]).sum()
    }

    /// The fixed sites and, one after the other, those that gain most. Gains only shrink as the set grows, so that most
    /// sites need not be looked at again.
    pub(crate) fn greedy(&self) -> Vec<usize> {
        let mut set = self.fixed.to_vec();
        self.grow(&mut set);
        set
    }

    /// Adds sites, the one that gains most first, until there are `k`, or none is worth what it costs.
    pub(crate) fn grow(&self, set: &mut Vec<usize>) {
        if set.is_empty() {
            let sum = |site: usize| self.costs.sum(&[site]) + self.opening[site];
            let sums = self.free.iter().map(|&site| (site, sum(site)));
            set.extend(sums.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(site, _)| site));
        }
        let mut near = Near::of(self.costs, set);
        let promise = |site: usize, near: &Near, at: usize| Promise {
            gain: near.gain(self.costs.column(site)) - self.opening[site],
            site,
            at,
        };
        let others = self.free.iter().filter(|site| !set.contains(site));
        let mut heap: BinaryHeap<Promise> = others.map(|&site| promise(site, &near, set.len())).collect();
        while set.len() < self.k {
            let Some(best) = heap.pop() else { break };
            if best.at < set.len() {
                heap.push(promise(best.site, &near, set.len()));
                continue;
            }
            if self.fewer && best.gain <= 0.0 {
                break;
            }
            set.push(best.site);
            near.again(self.costs, set);
        }
    }

    /// Swaps, and where fewer sites may do also adds and leaves out, while that helps; `start` is the free site that is
    /// looked at first.
    pub(crate) fn improve(&self, set: &mut Vec<usize>, start: usize) {
        loop {
            self.swap(set, start);
            if self.capacities.is_some() {
                self.swap_carrying(set);
            }
            if !self.fewer || !(self.add(set) || self.leave(set)) {
                return;
            }
        }
    }

    /// Takes every swap that helps as soon as it is met (FasterPAM).
    fn swap(&self, set: &mut [usize], start: usize) {
        if self.free.is_empty() || set.len() <= self.fixed.len() {
            return;
        }
        let mut near = Near::of(self.costs, set);
        let mut losses = vec![0.0; set.len()];
        let mut changes = vec![0.0; set.len()];
        near.losses(&mut losses);
        let mut enough = near.sum() * ENOUGH;
        let (mut at, mut idle) = (start % self.free.len(), 0);
        while idle < self.free.len() {
            let site = self.free[at];
            at = (at + 1) % self.free.len();
            idle += 1;
            if set.contains(&site) {
                continue;
            }
            let Some((slot, change)) = self.best_swap((set, &near), site, &losses, &mut changes) else {
                continue;
            };
            if change < -enough {
                set[slot] = site;
                near.again(self.costs, set);
                near.losses(&mut losses);
                enough = near.sum() * ENOUGH;
                idle = 0;
            }
        }
    }

    /// The slot of the set whose exchange for a site changes the sum most to the better, and by how much.
    fn best_swap(
        &self,
        (set, near): (&[usize], &Near),
        site: usize,
        losses: &[f64],
        changes: &mut [f64],
    ) -> Option<(usize, f64)> {
        self.changes((set, near), site, losses, changes);
        let slots = self.fixed.len()..set.len();
        let slot = slots.min_by(|&a, &b| changes[a].total_cmp(&changes[b]))?;
        Some((slot, changes[slot]))
    }

    /// By slot of the set: what its exchange for a site changes.
    fn changes(&self, (set, near): (&[usize], &Near), site: usize, losses: &[f64], changes: &mut [f64]) {
        match set {
            // The next nearest of one alone is nowhere.
            [_] => changes[0] = self.costs.sum(&[site]) - near.sum(),
            _ => near.changes(self.costs.column(site), losses, changes),
        }
        for (change, &leaves) in changes.iter_mut().zip(set) {
            *change += self.opening[site] - self.opening[leaves];
        }
    }

    /// Every swap of one site, with what it changes when nobody's capacity ends: slot, site, change.
    pub(crate) fn all_swaps(&self, set: &[usize]) -> Vec<(usize, usize, f64)> {
        let near = Near::of(self.costs, set);
        let mut losses = vec![0.0; set.len()];
        let mut changes = vec![0.0; set.len()];
        near.losses(&mut losses);
        let mut all = Vec::new();
        for &site in self.free.iter().filter(|site| !set.contains(site)) {
            self.changes((set, &near), site, &losses, &mut changes);
            let slots = self.fixed.len()..set.len();
            all.extend(slots.map(|slot| (slot, site, changes[slot])));
        }
        all
    }

    /// Swaps by what they really come to: what they would without capacities bounds that from below.
    fn swap_carrying(&self, set: &mut [usize]) {
        let mut total = self.total(set);
        loop {
            let unbound = self.costs.sum(set) + self.openings(set);
            let mut swaps = self.all_swaps(set);
            swaps.retain(|(_, _, change)| unbound + change < total * (1.0 - ENOUGH));
            swaps.sort_by(|a, b| a.2.total_cmp(&b.2));
            let better = swaps.iter().take(TRIED).find_map(|&(slot, site, _)| {
                let mut other = set.to_vec();
                other[slot] = site;
                let sum = self.total(&other);
                (sum < total * (1.0 - ENOUGH)).then_some((slot, site, sum))
            });
            let Some((slot, site, sum)) = better else { return };
            set[slot] = site;
            total = sum;
        }
    }

    /// Adds the site that gains most, if it is worth what it costs.
    fn add(&self, set: &mut Vec<usize>) -> bool {
        if set.len() >= self.k {
            return false;
        }
        let total = self.total(set);
        let with = |&site: &usize| (site, self.total(&[&set[..], &[site]].concat()));
        let others = self.free.iter().filter(|site| !set.contains(site)).map(with);
        match others.min_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((site, sum)) if sum < total * (1.0 - ENOUGH) => {
                set.push(site);
                true
            }
            _ => false,
        }
    }

    /// Leaves out the site that costs more than it gains.
    fn leave(&self, set: &mut Vec<usize>) -> bool {
        if set.len() <= self.fixed.len().max(1) {
            return false;
        }
        let total = self.total(set);
        let without = |slot: usize| {
            let mut rest = set.clone();
            rest.remove(slot);
            (slot, self.total(&rest))
        };
        let slots = (self.fixed.len()..set.len()).map(without);
        match slots.min_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((slot, sum)) if sum < total * (1.0 - ENOUGH) => {
                set.remove(slot);
                true
            }
            _ => false,
        }
    }
}
