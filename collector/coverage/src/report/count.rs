//! Too many or too few nodes: what each count of nodes gives, what each node is worth, and what the next would bring.

use super::{Interval, Unseen, Widened};
use crate::country::Country;
use crate::geo::Position;

/// Of ten 90 % intervals of means, costs and gains so many held the truth where it was known (`interval.*` of
/// `evaluate where`, docs/coverage.md); said beside such intervals.
pub const HELD_OF_TEN: u8 = 9;

/// Under so many vantages the network-wide verdict is always "cannot tell".
pub const LEAST_VANTAGES: usize = 30;
/// A second node within this is a stand-in.
pub const REDUNDANT_MS: f64 = 100.0;

/// The answer to "too many or too few".
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The network-wide verdict.
    pub verdict: Verdict,
    /// Why it cannot be told; empty if it can.
    pub reasons: Vec<Doubt>,
    /// Load and traffic do not count yet: usage has not joined.
    pub by_latency_alone: bool,
    /// What the lead calls worth it.
    pub thresholds: Thresholds,
    /// How values were chosen and priced.
    pub priced: Priced,
    /// Whether the days that priced were resampled; otherwise intervals hold only what predictions leave open.
    pub days_resampled: bool,
    /// The share of weight the means run over: measured or predicted.
    pub known_share: f64,
    /// The part of it that is predicted.
    pub predicted_share: f64,
    /// Vantages that measured a node.
    pub vantages: usize,
    /// Today's nodes.
    pub nodes: usize,
    /// The mean time with the best `k` nodes: up to today's count of today's nodes that can be priced, beyond it with
    /// further cities.
    pub curve: Vec<CurvePoint>,
    /// Nodes of which no figure can be given; they are in none of the sets.
    pub unpriced: Vec<Unpriced>,
    /// What it costs to lose each node, the costliest first; empty where it must not be said.
    pub drop_one: Vec<DropOne>,
    /// The node whose loss costs most on the days that chose.
    pub worst_loss: Option<DropOne>,
    /// Where the next node belongs.
    pub next: Option<NextNode>,
    /// Heavy countries in which no site is known: they are not predicted, and no further node is guessed there.
    pub unpredictable: Vec<Unseen>,
    /// Heavy countries whose intervals are widened, each with its line.
    pub doubtful: Vec<Doubtful>,
    /// Each vantage's second node, as measured.
    pub redundancy: Vec<Redundancy>,
    /// Where measurements would decide most, the most first.
    pub measure: Vec<Wanted>,
}

/// Of a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some node's loss surely costs less than the lead's threshold.
    TooMany,
    /// The next node surely gains more than the lead's threshold.
    TooFew,
    /// Neither is sure.
    CannotTell,
}

/// A node of which no figure can be given.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpriced {
    /// Its name.
    pub node: String,
    /// Why.
    pub why: WhyUnpriced,
}

/// Why no figure can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUnpriced {
    /// Nobody who counts measured it.
    NotMeasured,
    /// It has no coordinates, so nothing is predicted towards it.
    NoPlace,
}

impl WhyUnpriced {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotMeasured => "not-measured",
            Self::NoPlace => "no-place",
        }
    }
}

impl Count {
    /// Whether its means, costs and gains rest on predictions too.
    pub fn is_predicted(&self) -> bool {
        self.predicted_share > 0.0
    }
}

impl Verdict {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::TooFew => "too-few",
            Self::CannotTell => "cannot-tell",
        }
    }
}

/// Why something cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Fewer than [`LEAST_VANTAGES`].
    FewVantages,
    /// Intervals reach across the thresholds.
    WideIntervals,
    /// There are no predictions, so most weight is unknown.
    NoPredictions,
    /// Fewer vantages than [`LEAST_VANTAGES`] and no prior: what is predicted from them alone says nothing of nodes.
    NoPrior,
    /// Odd and even days cannot be told apart: the same times chose and priced.
    NotByDays,
    /// Too few even days to be resampled.
    FewDays,
    /// Nothing was measured that counts.
    NothingKnown,
    /// Times and places contradict each other as a whole.
    NotBelieved,
}

/// What the lead calls worth a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A node whose loss costs less than so many milliseconds in the mean may go.
    pub drop_ms: f64,
    /// A node that gains more is wanted.
    pub add_ms: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            drop_ms: 1.0,
            add_ms: 2.0,
        }
    }
}

/// On which days sets of nodes were chosen, and on which their value was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priced {
    /// Chosen on odd days, priced on even ones.
    ByDays {
        /// Odd days.
        chosen: usize,
        /// Even days.
        priced: usize,
    },
    /// On the same values: these data hold no days, or only one.
    Alike,
}

/// The best set of so many nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// How many.
    pub k: usize,
    /// The weighted mean time to the nearest of them.
    pub mean_ms: f64,
    /// Its 90 % interval.
    pub interval: Option<Interval>,
    /// Their names; further cities as `City, CC`.
    pub chosen: Vec<String>,
}

/// What a node is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct DropOne {
    /// Its name.
    pub node: String,
    /// How much longer the mean time is without it.
    pub cost_ms: f64,
    /// The 90 % interval of that.
    pub interval: Option<Interval>,
    /// The weight that it is nearest to.
    pub weight: f64,
    /// What follows.
    pub verdict: NodeVerdict,
}

/// What follows for one node.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeVerdict {
    /// Its loss surely costs more than the threshold.
    Needed,
    /// Its loss costs less, as far as is predicted: to be confirmed by measuring from these places.
    MayGo {
        /// The places, heaviest first.
        confirm_with: Vec<String>,
    },
    /// The interval reaches across the threshold.
    CannotTell {
        /// What to measure, heaviest first.
        measure: Vec<String>,
    },
}

impl NodeVerdict {
    /// The word in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::MayGo { .. } => "candidate-to-drop",
            Self::CannotTell { .. } => "cannot-tell",
        }
    }
}

/// Where the next node belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct NextNode {
    /// The best guess.
    pub best: Candidate,
    /// The next ones.
    pub runners_up: Vec<Candidate>,
    /// Whether the intervals of gains are as wide as known truths needed: where they rest on predictions. See
    /// [`HELD_OF_TEN`].
    pub calibrated: bool,
}

/// A city that might get a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `City, CC`.
    pub place: String,
    /// The site that was measured there; `None`: no pair with that city was.
    pub site: Option<String>,
    /// Where.
    pub position: Position,
    /// Its country.
    pub country: Option<Country>,
    /// How much shorter the mean time would be.
    pub gain_ms: f64,
    /// The 90 % interval of that.
    pub interval: Option<Interval>,
    /// Its gain rests on predictions: nobody measured it from all the weight that counts.
    pub predicted: bool,
    /// What the lead calls it, where it is one that they named as a candidate.
    pub candidate: Option<String>,
    /// How many borrowed eyes measured it; its times rest on theirs, and it is in no verdict.
    pub eyes: usize,
}

/// A country that is predicted worse than others.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubtful {
    /// Which, how badly, and by how much its intervals are widened.
    pub how: Widened,
    /// Its best city and what it would gain, if it was priced.
    pub city: Option<Candidate>,
}

/// A vantage's second node, as measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Redundancy {
    /// The vantage.
    pub vantage: String,
    /// How many nodes within [`REDUNDANT_MS`], its own not counted.
    pub within: usize,
    /// The time to its second node.
    pub second_ms: Option<f64>,
}

/// A place from which measurements would decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// `City, CC`.
    pub place: String,
    /// Where.
    pub position: Position,
    /// The weight around it that nobody speaks for.
    pub weight: f64,
    /// The interval of its nearest node's time; `None`: out of reach.
    pub interval: Option<Interval>,
}
