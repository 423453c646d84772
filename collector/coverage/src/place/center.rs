//! The longest time as short as can be: the least budget within which a set has everybody. Each budget is a game of its
//! own, in which a point costs 1 that no chosen site has within it.

use super::bound;
use super::capacity::Capacities;
use super::gather::Gathered;
use super::solve::{self, gap};
use super::{Costs, Effort, Game, PROOF_SITES, Problem, Rival, Solution, exact};

/// Swaps that are told, for each site that would leave.
const RIVALS: usize = 6;

/// What is looked for.
struct Search<'a> {
    problem: &'a Problem<'a>,
    /// Times, not weighted; of a group the longest.
    times: Costs,
    weights: &'a [f64],
    fixed: &'a [usize],
    free: &'a [usize],
    effort: &'a Effort,
    seed: u64,
}

pub(super) fn solve(
    problem: &Problem<'_>,
    gathered: &Gathered,
    (fixed, free): (&[usize], &[usize]),
    (effort, seed): (&Effort, u64),
) -> Solution {
    let search = Search {
        problem,
        times: gathered.costs(problem),
        weights: &gathered.weights,
        fixed,
        free,
        effort,
        seed,
    };
    let budgets = search.budgets();
    // The last budget is the longest time of all: any set that can carry everybody has all within it.
    let mut set = search.any(budgets[budgets.len() - 1]);
    let at = |set: &[usize], most: usize| budgets.partition_point(|&ms| ms < search.longest(set)).min(most);
    let mut high = at(&set, budgets.len() - 1);
    // First what the bound says alone, which is quick; then what sets are found in what it leaves open.
    let mut refuted = first(0, high, |middle| !search.is_refuted(budgets[middle]));
    let mut low = refuted;
    while low < high {
        let middle = low + (high - low) / 2;
        match search.within(budgets[middle]) {
            Some(better) => (high, set) = (at(&better, middle), better),
            None => low = middle + 1,
        }
    }
    // A program decides what is still open, where it may.
    while refuted < high && search.may_prove() {
        let middle = refuted + (high - refuted) / 2;
        match search.by_program(budgets[middle]) {
            Decided::Set(better) => (high, set) = (at(&better, middle), better),
            Decided::None => refuted = middle + 1,
            Decided::Open => break,
        }
    }
    let value = f64::from(budgets[high]);
    let bound = f64::from(budgets[refuted]);
    // The bound is of groups: of their points it says nothing.
    let bound = if gathered.is_smaller() { 0.0 } else { bound };
    let rivals = search.rivals(&set, budgets[high]);
    set[fixed.len()..].sort_unstable();
    Solution {
        chosen: set,
        value,
        costs: 0.0,
        bound,
        gap: gap(problem.objective, value, bound),
        proven: refuted == high && !gathered.is_smaller(),
        gathered: gathered.is_smaller().then_some(gathered.groups()),
        rivals,
    }
}

/// The first of a range of which something holds, that holds of all after it; the end if of none.
fn first(mut low: usize, mut high: usize, holds: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        match holds(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    low
}

/// What a program says of one budget.
enum Decided {
    /// This set has everybody within it.
    Set(Vec<usize>),
    /// No set has.
    None,
    /// It did not end.
    Open,
}

impl Search<'_> {
    fn points(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.weights.len()).filter(|&point| self.weights[point] > 0.0)
    }

    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.fixed.iter().chain(self.free).copied()
    }

    /// Every time that may be the longest, the shortest first: none below what the point that is worst off has to its
    /// nearest place.
    fn budgets(&self) -> Vec<f32> {
        let nearest = |point: usize| {
            self.places()
                .map(|site| self.times.at(point, site))
                .fold(f32::INFINITY, f32::min)
        };
        let least = self.points().map(nearest).fold(0.0, f32::max);
        let mut all: Vec<f32> = self
            .points()
            .flat_map(|point| self.places().map(move |site| self.times.at(point, site)))
            .filter(|ms| *ms >= least)
            .collect();
        all.sort_by(f32::total_cmp);
        all.dedup();
        all
    }

    fn costs(&self, budget: f32) -> Costs {
        let sites = self.problem.sites.len();
        let mut costs = Costs::new(self.weights.len(), sites);
        for site in self.places() {
            for point in self.points() {
                if self.times.at(point, site) > budget {
                    costs.set(point, site, self.unit(point));
                }
            }
        }
        costs
    }

    /// What a point costs that is out of reach: 1, or its weight where capacities part points.
    fn unit(&self, point: usize) -> f32 {
        match self.carries() {
            true => self.weights[point] as f32,
            false => 1.0,
        }
    }

    fn carries(&self) -> bool {
        self.problem.sites.iter().any(|site| site.capacity.is_some())
    }

    fn capacities(&self) -> Option<Capacities> {
        self.carries().then(|| Capacities {
            most: self
                .problem
                .sites
                .iter()
                .map(|site| site.capacity.unwrap_or(f64::INFINITY))
                .collect(),
            weights: self.weights.to_vec(),
            outside: Some(self.weights.iter().map(|&weight| weight as f32).collect()),
            penalty: 0.0,
        })
    }

    /// Below this nobody is out of reach.
    fn nobody(&self) -> f64 {
        match self.carries() {
            true => self.weights.iter().sum::<f64>() * 1e-6,
            false => 0.5,
        }
    }

    fn with<T>(&self, budget: f32, work: impl FnOnce(&Game<'_>) -> T) -> T {
        let costs = self.costs(budget);
        let capacities = self.capacities();
        let opening = vec![0.0; self.problem.sites.len()];
        work(&Game {
            costs: &costs,
            opening: &opening,
            capacities: capacities.as_ref(),
            fixed: self.fixed,
            free: self.free,
            k: self.problem.k,
            fewer: false,
        })
    }

    fn any(&self, budget: f32) -> Vec<usize> {
        self.with(budget, |game| solve::search(game, self.effort, self.seed).set)
    }

    /// Whether the bound says that no set has everybody.
    fn is_refuted(&self, budget: f32) -> bool {
        self.with(budget, |game| {
            let mut set = game.greedy();
            game.improve(&mut set, 0);
            let total = game.total(&set);
            let enough = self.nobody() * 1e-3;
            total >= self.nobody()
                && bound::raise_to(game, &set, (total, enough), self.effort.rounds).least > enough
        })
    }

    /// A set that has everybody, if one is found.
    fn within(&self, budget: f32) -> Option<Vec<usize>> {
        self.with(budget, |game| {
            let found = solve::search(game, self.effort, self.seed);
            (found.total < self.nobody()).then_some(found.set)
        })
    }

    fn may_prove(&self) -> bool {
        self.problem.sites.len() <= PROOF_SITES && self.effort.proof_seconds > 0.0
    }

    fn by_program(&self, budget: f32) -> Decided {
        self.with(budget, |game| {
            let found = solve::search(game, self.effort, self.seed);
            let bound = bound::raise(game, &found.set, found.total, self.effort.rounds);
            match exact::prove(game, &bound, found.total, self.effort.proof_seconds) {
                Some(proved) if game.total(&proved.set) < self.nobody() => Decided::Set(proved.set),
                Some(_) => Decided::None,
                None => Decided::Open,
            }
        })
    }

    /// The longest time to the nearest of a set; where capacities part points it may be longer.
    fn longest(&self, set: &[usize]) -> f32 {
        if self.carries() {
            return f32::INFINITY;
        }
        let nearest = |point: usize| {
            set.iter()
                .map(|&site| self.times.at(point, site))
                .fold(f32::INFINITY, f32::min)
        };
        self.points().map(nearest).fold(0.0, f32::max)
    }

    fn rivals(&self, set: &[usize], budget: f32) -> Vec<Rival> {
        if self.carries() {
            return Vec::new();
        }
        let mut all = Vec::new();
        for slot in self.fixed.len()..set.len() {
            let mut swaps: Vec<Rival> = Vec::new();
            for &comes in self.free.iter().filter(|site| !set.contains(site)) {
                let mut other = set.to_vec();
                other[slot] = comes;
                swaps.push(Rival {
                    leaves: set[slot],
                    comes,
                    worse: f64::from(self.longest(&other)) - f64::from(budget),
                });
            }
            swaps.sort_by(|a, b| a.worse.total_cmp(&b.worse));
            all.extend(swaps.into_iter().take(RIVALS));
        }
        all.sort_by(|a, b| a.worse.total_cmp(&b.worse));
        all
    }
}
