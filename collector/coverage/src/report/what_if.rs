//! What another set of nodes would bring.

use super::count::Priced;
use super::placement::Drawn;
use super::{Interval, Share, Unseen};
use crate::country::Country;
use crate::geo::Position;

/// What would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Places that would get a node: a vantage or another site by its name, a city as `City, CC`, or `LAT,LON`.
    pub add: Vec<String>,
    /// Nodes that would go, by name.
    pub remove: Vec<String>,
}

/// What another set of nodes would bring: a calculation only.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Places that would get a node.
    pub added: Vec<AddedPlace>,
    /// Nodes that would go.
    pub removed: Vec<String>,
    /// Today's nodes.
    pub today: State,
    /// Those that there would be.
    pub then: State,
    /// By how much longer the mean would be, in milliseconds; below 0: shorter.
    pub difference: Drawn,
    /// What was measured that the answer hangs on most.
    pub rests_on: Vec<Rest>,
    /// All days count.
    pub days: Priced,
    /// Whether they were resampled.
    pub days_resampled: bool,
    /// No predicted time has an interval.
    pub by_point: bool,
    /// The share of weight that the means run over: measured or predicted.
    pub known_share: f64,
    /// The part of it that is predicted.
    pub predicted_share: f64,
    /// Vantages that measured a node.
    pub vantages: usize,
    /// Heavy countries in which no site is known: in no figure here.
    pub unpredictable: Vec<Unseen>,
}

/// A set of nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Their names.
    pub nodes: Vec<String>,
    /// The mean time to the nearest of them, in milliseconds, over all weight that is known.
    pub mean: Drawn,
    /// Shares by budget, as measured: what an added place would do is unknown here, unless it was measured.
    pub shares: Vec<Share>,
    /// The same with predictions.
    pub shares_predicted: Vec<Share>,
}

/// A place that would get a node.
#[derive(Clone, Debug, PartialEq)]
pub struct AddedPlace {
    /// Its name.
    pub name: String,
    /// The site that was measured there.
    pub site: Option<String>,
    /// How many borrowed eyes measured it.
    pub eyes: usize,
    /// Where.
    pub position: Position,
    /// Its country.
    pub country: Option<Country>,
    /// The share of weight that would be nearest to it.
    pub share: f64,
    /// What it would do for its own city; `None`: no weight lies there.
    pub own_city: Option<OwnCity>,
}

/// A city that would have a node: its time to that is predicted from its neighbours, never taken for nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnCity {
    /// The weight's share.
    pub share: f64,
    /// The time to the nearest of today's nodes.
    pub today: Drawn,
    /// The time to the nearest then.
    pub then: Drawn,
}

/// What an answer hangs on.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    /// Why it matters.
    pub why: Why,
    /// The place or node that it matters to.
    pub place: String,
    /// Who measured.
    pub vantage: String,
    /// Which node.
    pub node: String,
    /// The time.
    pub ms: f64,
    /// Its 90 % interval over days.
    pub interval: Option<Interval>,
    /// How far the vantage stands from the place.
    pub km: Option<f64>,
}

/// Why a pair matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its vantage stands near a place that would be added, whose times are predicted from it.
    NearAdded,
    /// It is what the vantage has now, to a node that would go.
    Removed,
    /// It is what the vantage would have instead.
    Instead,
}

impl Why {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NearAdded => "near-added",
            Self::Removed => "removed",
            Self::Instead => "instead",
        }
    }
}
