//! Where so many nodes should stand, and what another set of nodes would bring: what is asked, and what follows.

use super::count::{Doubtful, Priced, Wanted};
use super::{Interval, Unseen};
use crate::country::Country;
use crate::geo::Position;
use crate::place::{Effort, Objective, PlaceError};

/// What is asked of a placement.
#[derive(Clone, Debug)]
pub struct Ask {
    /// How many nodes in all, the fixed ones among them.
    pub k: usize,
    /// What is to be best.
    pub objective: Objective,
    /// Places that are chosen in any case: nodes, sites, or cities as `City, CC`.
    pub fixed: Vec<String>,
    /// All of today's nodes are fixed.
    pub keep_all: bool,
    /// Places that are not chosen; a country's code forbids all places in it.
    pub forbidden: Vec<String>,
    /// Places that may be chosen beside today's nodes; `None`: the cities that `report count` looks at.
    pub candidates: Option<Vec<GivenPlace>>,
    /// How much is done for it.
    pub effort: Effort,
}

impl Ask {
    /// `k` nodes with the least mean, anywhere.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            objective: Objective::Mean,
            fixed: Vec::new(),
            keep_all: false,
            forbidden: Vec::new(),
            candidates: None,
            effort: Effort::default(),
        }
    }
}

/// A place that somebody names as a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenPlace {
    /// Its name: one of today's nodes, a site, `City, CC`, or any other where a position stands beside it.
    pub name: String,
    /// Where it lies, if that is given.
    pub position: Option<Position>,
    /// What it costs, in the unit of the objective.
    pub cost: f64,
    /// The weight that it can carry.
    pub capacity: Option<f64>,
}

/// Why nothing can be placed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlacementError {
    /// The problem contradicts itself.
    #[error(transparent)]
    Problem(#[from] PlaceError),
    /// A name that nothing has.
    #[error(
        "{option} {name}: neither a node, nor a candidate, nor a city; write a node's name, or a city as City, CC{}",
        example.as_ref().map(|example| format!(", such as {example}")).unwrap_or_default()
    )]
    NoSuchPlace {
        /// The option that names it.
        option: &'static str,
        /// As it was given.
        name: String,
        /// One that there is.
        example: Option<String>,
    },
    /// A candidate of a file without a place.
    #[error(
        "--candidates: {name} has no place: it is no node, and no city is called so; write City, CC, or give it latitude \
         and longitude"
    )]
    NoPlace {
        /// The candidate.
        name: String,
    },
    /// A node of which nothing is known.
    #[error("{option} {name}: nobody who counts measured this node, or it has no coordinates; leave it out")]
    NotPriced {
        /// The option that names it.
        option: &'static str,
        /// The node.
        name: String,
    },
    /// A city to which nothing is predicted.
    #[error(
        "{option} {name}: nothing is predicted towards places that are no nodes; measure from more vantages, or use a prior"
    )]
    NotPredicted {
        /// The option that names it.
        option: &'static str,
        /// The place.
        name: String,
    },
    /// What would be removed is no node.
    #[error("--remove {name}: there is no such node{}", example.as_ref().map(|example| format!("; nodes are called as in `report nodes`, such as {example}")).unwrap_or_default())]
    NoSuchNode {
        /// As it was given.
        name: String,
        /// One that there is.
        example: Option<String>,
    },
    /// No node would be left.
    #[error("--remove leaves no node: keep one, or add a place")]
    NobodyLeft,
    /// Nothing changes.
    #[error("nothing would change: name places with --add, or nodes with --remove")]
    NothingChanges,
    /// Nothing is known.
    #[error("nothing was measured that counts, and nothing is predicted: there is nothing to place by")]
    NothingKnown,
    /// Nothing is believed.
    #[error(
        "times and places contradict each other as a whole: nothing is placed by them; `report coverage` says what is wrong"
    )]
    NotBelieved,
}

/// A figure over joint draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its mean.
    pub value: f64,
    /// Its 90 % interval; `None`: nothing was drawn.
    pub interval: Option<Interval>,
}

/// Where so many nodes should stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// What is best.
    pub objective: Objective,
    /// How many were asked for.
    pub k: usize,
    /// The places: fixed ones first.
    pub chosen: Vec<ChosenPlace>,
    /// What the set reaches by the likeliest times on the days that choose: milliseconds, or a share of the weight.
    pub value: f64,
    /// What its places cost beside, in the same unit.
    pub costs: f64,
    /// No set reaches less by the same times (of a share: more), costs included.
    pub bound: f64,
    /// How far from that the set is at most, as a share of it; infinite: nothing bounds it.
    pub gap: f64,
    /// No set is better by these times.
    pub proven: bool,
    /// What the set comes to on the days that price, over joint draws.
    pub priced: Drawn,
    /// The same of today's nodes; `None`: none can be priced.
    pub today: Option<Drawn>,
    /// By how much the set is better than today's nodes.
    pub better: Option<Drawn>,
    /// Other sets by one place, those that lose least first.
    pub rivals: Vec<RivalPlace>,
    /// Places whose measurement would decide most about the choice: mean and one usual deviation of what they might
    /// gain beyond the chosen ones, the most first.
    pub shortlist: Vec<Shortlisted>,
    /// Where measurements of today's nodes would decide most.
    pub measure: Vec<Wanted>,
    /// Places that might have been chosen.
    pub candidates: usize,
    /// How sets were chosen and priced.
    pub days: Priced,
    /// Whether the days that priced were resampled.
    pub days_resampled: bool,
    /// No time has an interval: places are ranked by the likeliest times alone.
    pub by_point: bool,
    /// Costs and gains rest on predictions.
    pub predicted: bool,
    /// The share of weight that counts: measured or predicted.
    pub known_share: f64,
    /// The part of it that is predicted.
    pub predicted_share: f64,
    /// Demand points after gathering, if there were too many.
    pub gathered: Option<usize>,
    /// Heavy countries in which no site is known.
    pub unpredictable: Vec<Unseen>,
    /// Heavy countries that are predicted worse than others.
    pub doubtful: Vec<Doubtful>,
}

/// A place of the set.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenPlace {
    /// A node's name, or `City, CC`.
    pub name: String,
    /// Whether a node stands there today.
    pub is_node: bool,
    /// Whether it was fixed.
    pub fixed: bool,
    /// The site that was measured there, if it is no node.
    pub site: Option<String>,
    /// How many borrowed eyes measured it.
    pub eyes: usize,
    /// Where, if that is known.
    pub position: Option<Position>,
    /// Its country.
    pub country: Option<Country>,
    /// The share of the weight that is nearest to it.
    pub share: f64,
    /// Times towards it are predicted from all the weight, or from some of it.
    pub predicted: bool,
}

/// Another place instead of a chosen one.
#[derive(Clone, Debug, PartialEq)]
pub struct RivalPlace {
    /// The chosen one.
    pub instead_of: String,
    /// The other.
    pub place: String,
    /// By how much the set would be worse.
    pub worse: Drawn,
    /// Whether it cannot be told from the chosen one: the interval reaches 0, or, where there is none, the difference is
    /// below 5 %.
    pub tied: bool,
}

/// A place whose measurement would decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortlisted {
    /// Its name.
    pub place: String,
    /// Where.
    pub position: Option<Position>,
    /// What it might gain beyond the chosen set (a chosen place: beyond the best set without it): mean and one usual
    /// deviation, in the objective's unit.
    pub hope: f64,
    /// It is in the set.
    pub chosen: bool,
}
