//! What to measure next, so that it is surer which city should get the next node.

use super::{Interval, Unseen};
use crate::country::Country;
use crate::geo::Position;
use crate::observations::Network;

/// What to measure next.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaps {
    /// Today's nodes.
    pub nodes: usize,
    /// Vantages that measured a node.
    pub vantages: usize,
    /// Borrowed eyes that count.
    pub known_eyes: usize,
    /// The cities that may well be the best for the next node, the most gain that they may well have first.
    pub contenders: Vec<Contender>,
    /// Where an eye would tell most, each given those before it.
    pub eyes: Vec<WantedEye>,
    /// Heavy countries in which no site is known: until an eye stands there they are in no figure.
    pub unseen: Vec<Unseen>,
    /// Why nothing can be ranked.
    pub why_not: Option<NothingToRank>,
}

/// Why nothing can be ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NothingToRank {
    /// Nobody who counts measured a node.
    NotMeasured,
    /// Nothing can be predicted: too little was measured, and there is no prior.
    NotPredicted,
    /// Times and places contradict each other as a whole.
    NotBelieved,
    /// No city is left that might get a node.
    NoCandidate,
}

impl NothingToRank {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMeasured => "not-measured",
            Self::NotPredicted => "not-predicted",
            Self::NotBelieved => "not-believed",
            Self::NoCandidate => "no-candidate",
        }
    }
}

/// A city that may be the best for the next node.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// `City, CC`.
    pub place: String,
    /// Where.
    pub position: Position,
    /// Its country.
    pub country: Option<Country>,
    /// What it would gain, in milliseconds of the mean.
    pub gain_ms: f64,
    /// One usual deviation of that.
    pub deviation_ms: f64,
    /// What the lead calls it, where it stands in targets.toml.
    pub candidate: Option<String>,
    /// How many borrowed eyes measured it.
    pub eyes: usize,
}

/// A place where an eye would tell much.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedEye {
    /// `City, CC`.
    pub place: String,
    /// Its city alone.
    pub city: String,
    /// Where.
    pub position: Position,
    /// Its country.
    pub country: Country,
    /// The share of all weight that lies around it, 0…1.
    pub share: f64,
    /// What its times would take off what choosing the next city may lose, in milliseconds of the mean.
    pub worth_ms: f64,
    /// The two cities between which it would decide most: the best by today's knowledge, and a rival.
    pub between: [String; 2],
    /// The one of them towards which its time is less sure, by its place in `between`.
    pub toward: usize,
    /// Within what that time is now, in milliseconds.
    pub now: Interval,
    /// Networks that are known there already; another one tells more.
    pub known_networks: Vec<Network>,
    /// Networks near it in which a platform lends vantages and nothing was measured, the best to ask first; empty where no
    /// list of them was given.
    pub networks: Vec<NetworkThere>,
}

/// A network in which a platform lends vantages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkThere {
    /// Which.
    pub network: Network,
    /// How many vantages.
    pub vantages: u32,
}
