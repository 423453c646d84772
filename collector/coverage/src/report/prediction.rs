//! What stands beside the measured figures where nobody measured: times with an interval, marked as predicted.

use super::{Interval, Share};
use crate::country::Country;
use crate::geo::Position;

/// Whether predictions stand beside what was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Forecast {
    /// They do.
    Made(Method),
    /// They do not.
    Missing(WhyNot),
}

/// What predictions rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Where the prior's times come from; `None`: predicted without one.
    pub prior: Option<String>,
    /// Pairs measured here that they rest on, each once.
    pub own_pairs: usize,
    /// Farther than this from any measured site nothing is predicted.
    pub reach_km: f64,
    /// The share of truths that an interval of one pair is to hold.
    pub covered: f64,
    /// How often the whole field was drawn.
    pub draws: usize,
}

/// Why nothing is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// Nobody asked for it.
    NotAsked,
    /// No node has a place.
    NoPlacedNode,
    /// Nothing was measured, and there is no prior.
    Nothing,
    /// Too few vantages for an interval, and no prior.
    TooFewVantages,
    /// Places and times contradict each other as a whole.
    Contradicted,
    /// The times and places cannot be solved.
    Degenerate,
}

/// What is predicted for one access class, beside what it measured.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassPrediction {
    /// Shares of all weight: by measurement where a vantage speaks, by prediction elsewhere. Intervals hold both
    /// resampled days and joint draws of the predicted field.
    pub shares: Vec<Share>,
    /// The same if any one node dies.
    pub survives: Vec<Share>,
    /// The weight that only a prediction speaks for.
    pub weight: f64,
    /// The weight that nobody measured and that is not predicted: out of reach, or in an unseen country.
    pub unknown_weight: f64,
    /// Heavy countries without any known site: they are not predicted. The heaviest first.
    pub unseen: Vec<Unseen>,
    /// Heavy countries whose intervals are widened. The heaviest first.
    pub widened: Vec<Widened>,
    /// The mean time to the nearest node, over what is measured or predicted.
    pub mean: Option<MeanTime>,
    /// Places nobody speaks for, gathered into cells of about 200 km within a country; heaviest first.
    pub cells: Vec<PredictedCell>,
}

/// A country with at least 1 % of all weight in which no site is known, neither here nor by the prior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unseen {
    /// Which.
    pub country: Country,
    /// Its share of all weight.
    pub share: f64,
}

/// A country whose known sites, when they are left out, are predicted twice as badly as usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Widened {
    /// Which.
    pub country: Country,
    /// Its share of all weight.
    pub share: f64,
    /// The prior's sites in it.
    pub sites: usize,
    /// The median error of their pairs.
    pub median_ms: f64,
    /// The same of all countries.
    pub usual_ms: f64,
    /// So many times as wide as elsewhere its intervals are: as wide as these pairs would have needed.
    pub times: f64,
}

/// A weighted mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanTime {
    /// In milliseconds.
    pub ms: f64,
    /// Its 90 % interval.
    pub interval: Option<Interval>,
    /// The weight behind it.
    pub weight: f64,
}

/// Some cities of one country that lie together and that no vantage speaks for.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedCell {
    /// Their weighted middle.
    pub position: Position,
    /// Their country.
    pub country: Option<Country>,
    /// Their weight.
    pub weight: f64,
    /// What is predicted there; `None`: unknown.
    pub nearest: Option<PredictedTime>,
}

/// The nearest node of a cell, as predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedTime {
    /// The likeliest nearest node.
    pub node: String,
    /// The time to the nearest node, whichever it is, in milliseconds.
    pub ms: f64,
    /// Its 90 % interval.
    pub interval: Interval,
    /// The time to the next one, if there is another node.
    pub second_ms: Option<f64>,
}

/// What is predicted for the part of a region that no vantage speaks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionPrediction {
    /// That part's weight.
    pub weight: f64,
    /// The node with the lowest predicted mean there.
    pub best: String,
    /// Nodes that cannot be told from it, the best first.
    pub tie_set: Vec<String>,
    /// The mean time to the best node over the predicted weight.
    pub ms: f64,
    /// Its 90 % interval, from joint draws.
    pub interval: Interval,
    /// Shares of the whole region's weight, measured and predicted.
    pub shares: Vec<Share>,
}
