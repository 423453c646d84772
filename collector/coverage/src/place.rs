//! Where sites should stand: so many of them that the time to the nearest is least in the weighted mean (p-median), that
//! most weight lies within a budget (maximal covering), or that the longest time is least (p-center).
//!
//! Pure: times, weights and sites in, a set out, with the least that any set could reach beside it. Greedy choice,
//! swaps, restarts and the Lagrangian bound are ours; a proof that a set is the best comes from the bound itself or, up to
//! [`PROOF_SITES`] sites, from an integer program. docs/placement.md says whose work this is.

mod bound;
mod capacity;
mod center;
mod check;
mod costs;
mod exact;
mod gather;
mod local;
mod near;
mod solve;

use rand::Rng;

pub use check::PlaceError;
pub(crate) use costs::Costs;
pub(crate) use local::Game;
pub(crate) use near::Near;

/// Beyond so many sites no integer program is solved, and a set is proven best only where the bound meets it.
pub const PROOF_SITES: usize = 250;
/// Beyond so many demand points they are gathered first: those with the same nearest sites are one.
pub const GATHER_ABOVE: usize = 5_000;

/// Times from demand points to sites, a point at a time, so that nobody needs to hold all of them.
pub trait Times: Sync {
    /// How many demand points.
    fn points(&self) -> usize;
    /// The times of one point to every site, in milliseconds: finite, and not negative.
    fn row(&self, point: usize, into: &mut [f32]);
}

/// Times that are held, point after point.
#[derive(Clone, Debug)]
pub struct Table {
    /// How many sites each point has a time to.
    pub sites: usize,
    /// Milliseconds, point after point.
    pub ms: Vec<f32>,
}

impl Times for Table {
    fn points(&self) -> usize {
        self.ms.len().checked_div(self.sites).unwrap_or(0)
    }

    fn row(&self, point: usize, into: &mut [f32]) {
        into.copy_from_slice(&self.ms[point * self.sites..][..self.sites]);
    }
}

/// A place where a site may stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its name, for errors.
    pub name: String,
    /// What it costs to open it, in the objective's own unit: milliseconds of the mean, or a share of the weight. 0:
    /// nothing.
    pub cost: f64,
    /// The weight it can carry; `None`: any.
    pub capacity: Option<f64>,
}

impl Site {
    /// One that costs nothing and carries any weight.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cost: 0.0,
            capacity: None,
        }
    }
}

/// What is to be best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The weighted mean time to the nearest chosen site, in milliseconds: least.
    Mean,
    /// The share of weight with a chosen site within so many milliseconds: most.
    Cover(f64),
    /// The longest time to the nearest chosen site, in milliseconds: least.
    Max,
}

impl Objective {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cover(_) => "cover",
            Self::Max => "max",
        }
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Times from every demand point to every site.
    pub times: &'a dyn Times,
    /// The weight of every demand point; those without any count for nothing, also for [`Objective::Max`].
    pub weights: &'a [f64],
    /// Every place where a site may stand.
    pub sites: &'a [Site],
    /// Sites that are chosen in any case, by number.
    pub fixed: &'a [usize],
    /// Sites that are not, by number.
    pub forbidden: &'a [usize],
    /// How many in all, the fixed ones among them. Where sites cost something, at most so many.
    pub k: usize,
    /// What is to be best.
    pub objective: Objective,
}

/// How much is done for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Further beginnings, half of them by chance and half near the first result.
    pub restarts: usize,
    /// Rounds in which the bound is raised.
    pub rounds: usize,
    /// An integer program is given up after so many seconds; 0: none is tried.
    pub proof_seconds: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            restarts: 10,
            rounds: 150,
            proof_seconds: 20.0,
        }
    }
}

/// The set that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// By number: the fixed ones first, in their order, then the others by number.
    pub chosen: Vec<usize>,
    /// What it reaches: milliseconds, or a share of the weight.
    pub value: f64,
    /// What its sites cost beside that, in the same unit.
    pub costs: f64,
    /// No set reaches less than this, costs included (for [`Objective::Cover`]: more).
    pub bound: f64,
    /// How far the set is from the bound, as a share of it: at most so much is lost. Infinite if the bound says nothing.
    pub gap: f64,
    /// No other set is better: the bound or an integer program says so.
    pub proven: bool,
    /// Demand points that were left after points with the same nearest sites were made one; `None`: none were.
    pub gathered: Option<usize>,
    /// Swaps of one site that lose least, the least first: sites that may do as well.
    pub rivals: Vec<Rival>,
}

/// Another set, by one site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    /// The chosen site that would not be.
    pub leaves: usize,
    /// The one in its place.
    pub comes: usize,
    /// By how much the set would be worse, in the objective's unit.
    pub worse: f64,
}

/// The best set that is found.
///
/// # Errors
/// The problem contradicts itself; the error says where.
pub fn solve(problem: &Problem<'_>, effort: &Effort, random: &mut impl Rng) -> Result<Solution, PlaceError> {
    check::check(problem)?;
    Ok(solve::solve(problem, effort, random.random()))
}

#[cfg(test)]
mod tests;
