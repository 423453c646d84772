//! A game played out: greedy choice and swaps, other beginnings, and the bound.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::{Effort, Game, Objective, bound};

/// A bound this near to the sum, as a share of it, meets it.
pub(super) const MEETS: f64 = 1e-6;

/// A set, and the least that any adds up to, in the unit of the sum.
pub(super) struct Found {
    pub(super) set: Vec<usize>,
    pub(super) total: f64,
    pub(super) least: f64,
    pub(super) prices: Vec<f32>,
}

impl Found {
    /// Another set, if it is better.
    pub(super) fn take(&mut self, game: &Game<'_>, set: Vec<usize>) {
        let total = game.total(&set);
        if total < self.total {
            (self.set, self.total) = (set, total);
        }
    }
}

pub(super) fn meets(total: f64, least: f64) -> bool {
    total - least <= total.abs() * MEETS
}

/// Greedy choice and swaps; then, on two threads, the same from other beginnings, and the bound, whose own sets are
/// beginnings too.
pub(super) fn search(game: &Game<'_>, effort: &Effort, seed: u64) -> Found {
    let mut set = game.greedy();
    game.improve(&mut set, 0);
    let total = game.total(&set);
    let next = AtomicUsize::new(0);
    // Restarts are numbered, and of equal sets the first one counts: which thread took it does not matter.
    let again = || {
        let numbers =
            std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)).filter(|at| *at < effort.restarts));
        let restarts = numbers.map(|restart| {
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(restart as u64));
            let start = random.random_range(0..game.free.len().max(1));
            (
                restart,
                from(game, beginning(game, &set, restart, &mut random), start),
            )
        });
        restarts.collect::<Vec<_>>()
    };
    let bounded = || {
        let bound = bound::raise(game, &set, total, effort.rounds);
        let beginnings = bound.sets.iter().map(|set| from(game, set.clone(), 0));
        (beginnings.collect::<Vec<_>>(), again(), bound)
    };
    let ((own, mut other, bound), more) = std::thread::scope(|scope| {
        let bounded = scope.spawn(bounded);
        let other = again();
        match bounded.join() {
            Ok(bounded) => (bounded, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    other.extend(more);
    other.sort_by_key(|(restart, _)| *restart);
    let other = other.into_iter().map(|(_, found)| found);
    let mut found = Found {
        least: bound.least,
        prices: bound.prices,
        set: set.clone(),
        total,
    };
    for (set, total) in own.into_iter().chain(other) {
        if total < found.total {
            (found.set, found.total) = (set, total);
        }
    }
    found
}

/// What swaps make of a set.
fn from(game: &Game<'_>, mut set: Vec<usize>, start: usize) -> (Vec<usize>, f64) {
    game.grow(&mut set);
    game.improve(&mut set, start);
    let total = game.total(&set);
    (set, total)
}

/// Sites by chance, or a part of a set and others by chance in the place of the rest.
fn beginning(game: &Game<'_>, set: &[usize], restart: usize, random: &mut StdRng) -> Vec<usize> {
    let mut others: Vec<usize> = game.free.to_vec();
    others.shuffle(random);
    let mut kept = game.fixed.to_vec();
    if restart % 2 == 1 {
        let mut own = set[game.fixed.len()..].to_vec();
        own.shuffle(random);
        own.truncate(own.len() - own.len().div_ceil(3));
        kept.extend(own);
    }
    others.retain(|site| !kept.contains(site));
    others.truncate(game.k - kept.len());
    kept.extend(others);
    kept
}

/// How far from the bound, as a share of the best that may be.
pub(super) fn gap(objective: Objective, reached: f64, bound: f64) -> f64 {
    match objective {
        Objective::Cover(_) => (bound - reached).max(0.0) / bound.abs(),
        Objective::Mean | Objective::Max if bound <= 0.0 => f64::INFINITY,
        Objective::Mean | Objective::Max => (reached - bound).max(0.0) / bound,
    }
}
