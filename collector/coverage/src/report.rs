//! The region coverage report: from where each node is near, how surely, and what is not measured.

mod build;
mod by_km;
pub mod count;
pub(crate) mod counting;
mod depth;
mod eyes;
mod forecast;
pub mod gaps;
mod headline;
mod matrix;
mod notes;
mod offsets;
mod options;
mod prediction;
mod prepare;
mod ranking;
mod regions;
mod resample;
mod shares;
mod speakers;
mod split;
mod sum;
mod top;
mod trend;
mod trust;
mod widening;
mod withdraw;

use build::Ground;
pub use build::ReportError;
pub use build::{build, build_with};
pub use counting::what_to_measure;
pub use depth::{Aim, Backup, ByKilometres, Depth, Detour, Half, TargetShare, Trend};
pub use eyes::EyeReport;
pub use offsets::{OffsetError, Offsets};
pub use options::{LeftOut, Options};
pub use prediction::{
    ClassPrediction, Forecast, MeanTime, Method, PredictedCell, PredictedTime, RegionPrediction, Unseen,
    WhyNot, Widened,
};
pub use top::{Meets, TopCountries, TopCountry, TopVerdict};

use crate::country::{Continent, Country};
use crate::geo::Position;
use crate::note::Note;
use crate::observations::{AccessClass, Basis, Node, Source, Statistic, TtfbKind, Window};
use crate::subdivision::Subdivision;
use crate::weights::{InternetSummary, WeightKind, WeightSource};
use count::Count;

/// A vantage speaks for its country's cities up to this distance.
pub const SPEAKS_FOR_KM: f64 = 300.0;
/// The budgets every report answers, in milliseconds.
pub(crate) const BUDGETS_MS: [f64; 5] = [20.0, 50.0, 100.0, 150.0, 200.0];
/// The budget that is shown first where the lead configured none: the documented default of
/// `coverage_target_ms`.
pub(crate) const DEFAULT_TARGET_MS: f64 = 100.0;
/// Fewer days than this: figures are provisional and have no interval.
pub const LEAST_DAYS: usize = 7;

/// A finished report: figures only.
#[derive(Clone, Debug)]
pub struct CoverageReport {
    /// Where the measurements come from.
    pub source: Source,
    /// The statistic by which nodes are compared.
    pub statistic: Statistic,
    /// What it was read from.
    pub basis: Basis,
    /// The window of time, if known.
    pub window: Option<Window>,
    /// How many days hold measurements; `None` if the source does not say.
    pub days: Option<usize>,
    /// What time to first byte stands beside the round-trip times, if any.
    pub ttfb: Option<TtfbKind>,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
    /// What counts how much.
    pub weights: WeightSummary,
    /// The lead's own budget, if one is configured; it is among the shares' budgets then.
    pub target_ms: Option<f64>,
    /// The lead's other targets.
    pub targets: Targets,
    /// One part for each access class that has a vantage; the one with most vantages first.
    pub classes: Vec<ClassReport>,
    /// Whether predictions stand beside the first class's measurements.
    pub forecast: Forecast,
    /// The first class by further weights, side by side.
    pub beside: Vec<Beside>,
    /// The heaviest countries against the targets, if the lead's rule is asked for.
    pub top_countries: Option<TopCountries>,
    /// What a user's own line adds to every time from a data centre, as the lead configured it; regions by code.
    pub offsets: Offsets,
    /// Too many or too few nodes, by the first class; `None`: not asked for.
    pub count: Option<Count>,
    /// Somebody else's vantages that measured nodes: predictions rest on those that count, and nothing else does.
    pub eyes: Vec<EyeReport>,
    /// What a reader must know about how the measurements were read.
    pub notes: Vec<Note>,
}

/// What counts how much, in one line.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSummary {
    /// Whether people or numbers from a file.
    pub kind: WeightKind,
    /// Their sum for the first class.
    pub total: f64,
    /// Whom they come from.
    pub source: WeightSource,
    /// The shares of people who use the internet that people were multiplied by.
    pub internet: Option<InternetSummary>,
}

/// The lead's targets beside round-trip time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets {
    /// The median time to first byte of the best node, at most so many milliseconds.
    pub ttfb_ms: f64,
    /// Its throughput, at least so many megabits a second.
    pub mbps: f64,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            ttfb_ms: 350.0,
            mbps: 20.0,
        }
    }
}

/// The same class by other weights.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Which.
    pub weights: WeightSummary,
    /// The share that some vantage speaks for.
    pub known_share: f64,
    /// Shares as measured.
    pub shares: Vec<Share>,
    /// Shares with predictions.
    pub shares_predicted: Option<Vec<Share>>,
}

/// The report of one access class: classes are never pooled.
#[derive(Clone, Debug)]
pub struct ClassReport {
    /// What kind of line its vantages sit on.
    pub access: AccessClass,
    /// Its vantages, measured or not.
    pub witnesses: Witnesses,
    /// Those of them that measured a node that counts.
    pub measuring: Witnesses,
    /// The sum of all weights.
    pub total_weight: f64,
    /// The weight that some vantage speaks for.
    pub known_weight: f64,
    /// The vantage that speaks for most: index into `vantages`.
    pub heaviest: Option<usize>,
    /// Why the shares make no headline; empty: they do.
    pub withheld: Vec<Withheld>,
    /// Shares of weight by budget.
    pub shares: Vec<Share>,
    /// The same if any one node dies: by each place's second node.
    pub survives: Vec<Share>,
    /// For each budget the node whose death costs most.
    pub worst_losses: Vec<WorstLoss>,
    /// Countries, heaviest first.
    pub regions: Vec<Region>,
    /// Continents, heaviest first.
    pub continents: Vec<Region>,
    /// Subdivisions, heaviest first; empty unless asked for.
    pub subdivisions: Vec<Region>,
    /// Vantages, by name.
    pub vantages: Vec<VantageReport>,
    /// The places whose weights were summed.
    pub places: Vec<WeightedPlace>,
    /// What is predicted where no vantage speaks.
    pub predicted: Option<ClassPrediction>,
    /// Backup distances, further targets, choosing by kilometres, trend.
    pub depth: Depth,
}

/// Why no headline share is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Withheld {
    /// Less than 30 % of weight is measured.
    TooLittleKnown,
    /// One vantage speaks for more than a quarter of what is measured.
    OneVantageDominates,
    /// Times and places contradict each other as a whole, so no share is given.
    NotBelieved,
}

/// How a weight splits at a budget. The three add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The budget in milliseconds.
    pub budget_ms: f64,
    /// The share within it.
    pub within: f64,
    /// The share beyond it.
    pub beyond: f64,
    /// The share that is not measured, or not surely enough.
    pub unknown: f64,
    /// The part of `unknown` that is measured or predicted, but by a time whose interval reaches across the budget: it
    /// cannot be told. The rest of `unknown` is neither measured nor predicted, or in `own_node`.
    pub undecided: f64,
    /// The part of `unknown` whose vantage stands beside a node of its own, and whose next node is beyond.
    pub own_node: f64,
    /// The 90 % interval of `within` over resampled days and networks.
    pub interval: Option<Interval>,
}

/// A 90 % interval over resampled whole days, and networks within a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What is left within a budget when the most needed node dies.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstLoss {
    /// Name of the node that dies.
    pub node: String,
    /// The shares without it.
    pub share: Share,
}

/// Which region a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegionId {
    /// By its ISO 3166 code.
    Country(Country),
    /// By its ISO 3166-2 code.
    Subdivision(Subdivision),
    /// What of a country lies in no subdivision that is known.
    NoSubdivision(Country),
    /// A continent: the sum of its countries.
    Continent(Continent),
    /// Places without a known country.
    Elsewhere,
}

/// One region: a sum of cities, never a pool of samples.
#[derive(Clone, Debug)]
pub struct Region {
    /// A country or a continent: the codes of the two overlap.
    pub id: RegionId,
    /// The continent it lies in.
    pub continent: Option<Continent>,
    /// The sum of its weights.
    pub weight: f64,
    /// The part of it that some vantage speaks for.
    pub known_weight: f64,
    /// The vantages in it, measured or not.
    pub witnesses: Witnesses,
    /// What was measured; `None`: nothing that counts.
    pub measured: Option<RegionFigures>,
    /// Shares of the region's weight by budget.
    pub shares: Vec<Share>,
    /// What is predicted for the part that no vantage speaks for; `None`: nothing, or there is no such part.
    pub predicted: Option<RegionPrediction>,
}

/// How many say something, and how far apart they sit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// How many probes or sites measured.
    pub vantages: usize,
    /// Networks they sit in; unknown ones count as one.
    pub networks: usize,
    /// At least one vantage's network is known.
    pub networks_given: bool,
}

/// What was measured in a region. Times are means over its measured weight, each place represented by its
/// vantage's statistic.
#[derive(Clone, Debug)]
pub struct RegionFigures {
    /// The node with the lowest time.
    pub best: String,
    /// All nodes that cannot be told from the best, the best first.
    pub tie_set: Vec<String>,
    /// The next node after the best, of those that at least half of its measured weight can compare with the best.
    pub runner_up: Option<String>,
    /// The statistic by which nodes are compared, of the best node.
    pub value_ms: f64,
    /// `value_ms` and how far the runner-up is behind over the vantages that measured both: never below `value_ms`
    /// because other vantages measured it.
    pub runner_up_ms: Option<f64>,
    /// The interval of `value_ms`.
    pub interval: Option<Interval>,
    /// All statistics of the best node.
    pub figures: Figures,
    /// The same of every node that was measured there, by name.
    pub nodes: Vec<(String, Figures)>,
    /// Some of its vantages stand beside a node: that one does not count, so the best is a backup there.
    pub own_node: bool,
    /// The vantages that speak for some of its weight and measured the best node.
    pub witnesses: Witnesses,
}

/// The statistics of one node from one place or region. What the data does not hold is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Shortest round-trip time in milliseconds.
    pub min_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// A file's `rtt_ms`.
    pub unnamed_ms: Option<f64>,
    /// The share of runs that failed, 0…1.
    pub loss: Option<f64>,
    /// Runs that arrived.
    pub samples: Option<u64>,
    /// Median time to first byte.
    pub ttfb_p50_ms: Option<f64>,
    /// 90th percentile of time to first byte.
    pub ttfb_p90_ms: Option<f64>,
    /// Times to first byte counted.
    pub ttfb_samples: Option<u64>,
    /// Median throughput of large cached answers, in megabits a second; `None`: not measured, or more than half of them
    /// did not come whole in their time.
    pub mbps: Option<f64>,
    /// Answers that came whole.
    pub mbps_samples: Option<u64>,
    /// Answers of which only a part had come when their time was over: slower than the others.
    pub mbps_lost: Option<u64>,
}

impl Figures {
    /// Whether the throughput is at least `mbps`; `None`: not measured. Where most did not come whole in a minute, it is
    /// not: that is 1.1 megabits a second.
    fn sends_at(&self, mbps: f64) -> Option<bool> {
        let is_slow = self.mbps_lost.is_some_and(|lost| lost > 0);
        let whole = self.mbps.map(|measured| measured >= mbps);
        whole.or_else(|| is_slow.then_some(false))
    }
}

/// What one vantage saw.
#[derive(Clone, Debug)]
pub struct VantageReport {
    /// Its unique name.
    pub name: String,
    /// The place's name.
    pub site: String,
    /// Where it lies.
    pub position: Position,
    /// ISO 3166 code, where it is known.
    pub country: Option<Country>,
    /// The weight it speaks for.
    pub weight: f64,
    /// It stands beside a node, or its worker runs one: that node does not count.
    pub own_node: bool,
    /// The nearest node that counts.
    pub best: Option<NodeTime>,
    /// All nodes that cannot be told from the best.
    pub tie_set: Vec<String>,
    /// The next one.
    pub second: Option<NodeTime>,
    /// All statistics of the best node.
    pub figures: Figures,
    /// What a user's own line adds to times here.
    pub offset_ms: f64,
}

/// A node and the time to it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTime {
    /// The node's name.
    pub node: String,
    /// The compared statistic in milliseconds.
    pub ms: f64,
    /// From day to day, 95 %; none under seven days.
    pub interval: Option<Interval>,
    /// Measured from the node to the vantage, for want of the other direction.
    pub reversed: bool,
}

/// A place that carries weight.
#[derive(Clone, Copy, Debug)]
pub struct WeightedPlace {
    /// Where it lies.
    pub position: Position,
    /// How much it counts.
    pub weight: f64,
    /// Index into the class's vantages: who speaks for it.
    pub speaker: Option<usize>,
    /// Its country, if it is known.
    pub country: Option<Country>,
    /// Its subdivision, if it is known.
    pub subdivision: Option<Subdivision>,
}

impl CoverageReport {
    /// Too few days for intervals, from a source that counts days.
    pub fn provisional(&self) -> bool {
        self.days.is_some_and(|days| days < LEAST_DAYS)
    }

    /// The index of the budget that is shown first: the lead's own, or the default.
    pub fn first_budget(&self, class: &ClassReport) -> usize {
        first_budget(self.target_ms, &class.shares)
    }
}

fn first_budget(target_ms: Option<f64>, shares: &[Share]) -> usize {
    let wanted = target_ms.unwrap_or(DEFAULT_TARGET_MS);
    let at = shares.iter().position(|share| share.budget_ms == wanted);
    at.unwrap_or(0)
}

impl ClassReport {
    /// The share of weight that some vantage speaks for, 0…1.
    pub fn known_share(&self) -> f64 {
        part(self.known_weight, self.total_weight)
    }

    /// The heaviest vantage's share of what is known.
    pub fn heaviest_share(&self) -> Option<f64> {
        self.heaviest
            .map(|index| self.vantages[index].weight / self.known_weight)
    }

    /// Countries in which something is not measured, the heaviest unmeasured weight first.
    pub fn unmeasured(&self) -> Vec<(&Region, f64)> {
        let missing = |region: &Region| region.weight - region.known_weight;
        let mut regions: Vec<(&Region, f64)> = self
            .regions
            .iter()
            .map(|region| (region, missing(region)))
            .collect();
        regions.retain(|(_, missing)| *missing > self.total_weight * 1e-9);
        regions.sort_by(|a, b| b.1.total_cmp(&a.1));
        regions
    }
}

impl RegionId {
    /// Whether a place of a country and subdivision lies in it.
    pub(crate) fn holds(self, country: Option<Country>, subdivision: Option<Subdivision>) -> bool {
        match self {
            Self::Country(of) => country == Some(of),
            Self::Continent(of) => country.and_then(Country::continent) == Some(of),
            Self::Subdivision(of) => subdivision == Some(of),
            Self::NoSubdivision(of) => country == Some(of) && subdivision.is_none(),
            Self::Elsewhere => country.is_none(),
        }
    }

    /// The country that it is, or is part of.
    #[must_use]
    pub fn country(self) -> Option<Country> {
        match self {
            Self::Country(country) | Self::NoSubdivision(country) => Some(country),
            Self::Subdivision(subdivision) => Some(subdivision.country()),
            Self::Continent(_) | Self::Elsewhere => None,
        }
    }
}

impl Region {
    /// The share of its weight that some vantage speaks for, 0…1.
    pub fn known_share(&self) -> f64 {
        part(self.known_weight, self.weight)
    }
}

/// A part of nothing is nothing.
fn part(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl VantageReport {
    /// Whether the best node is within a budget, for sure.
    pub fn standing(&self, budget_ms: f64) -> Standing {
        Standing::of(
            self.best.as_ref().map(|best| (best.ms, best.interval)),
            budget_ms - self.offset_ms,
            self.own_node,
        )
    }

    /// The same if any one node dies.
    pub(crate) fn standing_after_any_loss(&self, budget_ms: f64) -> Standing {
        Standing::of(
            self.second.as_ref().map(|second| (second.ms, second.interval)),
            budget_ms - self.offset_ms,
            self.own_node,
        )
    }
}

/// How a place stands to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// For sure within it.
    Within,
    /// For sure beyond it.
    Beyond,
    /// It has its own node, which no one else judges there, and the next one is beyond: not measured, but
    /// not blank either.
    OwnNode,
    /// By a time whose interval reaches across it.
    Unknown,
    /// By no time at all.
    Unmeasured,
}

impl Standing {
    /// Within only if the interval's upper end is, beyond only if its lower end is. Beside an own node,
    /// which no one else judges here, nothing is beyond.
    pub(crate) fn of(time: Option<(f64, Option<Interval>)>, budget_ms: f64, own_node: bool) -> Self {
        let Some((ms, interval)) = time else {
            return Self::Unmeasured;
        };
        let interval = interval.unwrap_or(Interval { low: ms, high: ms });
        if interval.high <= budget_ms {
            Self::Within
        } else if interval.low > budget_ms {
            if own_node { Self::OwnNode } else { Self::Beyond }
        } else {
            Self::Unknown
        }
    }
}
