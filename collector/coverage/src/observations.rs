//! What was measured: vantages, nodes, and the round-trip times between them.

mod candidates;
mod eyes;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::country::Country;
use crate::geo::Position;
use crate::histogram::LogHistogram;
use crate::note::Note;

pub use candidates::{CandidateSite, CandidateTime};
pub use eyes::{Eye, EyeSource, EyeTime};

/// Everything a report is computed from.
#[derive(Clone, Debug)]
pub struct Observations {
    /// Where the measurements come from.
    pub source: Source,
    /// What the round-trip times were read from.
    pub basis: Basis,
    /// The window of time they lie in; `None` if it is not known (files).
    pub window: Option<Window>,
    /// The nodes, in any order; names are unique.
    pub nodes: Vec<Node>,
    /// The vantages, in any order; names are unique.
    pub vantages: Vec<Vantage>,
    /// The measurements themselves.
    pub readings: Readings,
    /// What vantages measured among each other, day by day: predictions rest on it too.
    pub echoes: Vec<Echo>,
    /// What somebody else's vantages measured of nodes: predictions rest on it, and nothing else does.
    pub eyes: Vec<Eye>,
    /// What a reader of the report must know about how they were read.
    pub notes: Vec<Note>,
}

impl Observations {
    /// The sites that were measured from, those too that are no vantage for want of coordinates.
    pub(crate) fn sites(&self) -> BTreeSet<&str> {
        let left_out = self.notes.iter().flat_map(|note| match note {
            Note::NoCoordinates { sites } | Note::OtherWayRound { sites } => &sites[..],
            _ => &[],
        });
        let vantages = self.vantages.iter().map(|vantage| &*vantage.site);
        vantages.chain(left_out.map(|site| &**site)).collect()
    }
}

/// Where measurements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The collector's own store.
    Store,
    /// Two CSV files.
    Files,
    /// Production's store.
    Elasticsearch,
    /// The demo's simulated world: each output is marked.
    Demo,
    /// What others measured, and was imported: each output says so.
    Imported,
}

impl Source {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Files => "files",
            Self::Elasticsearch => "elasticsearch",
            Self::Demo => "demo",
            Self::Imported => "imported",
        }
    }
}

/// What a round-trip time was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The TCP-connect phase of endpoint checks: one round trip, no DNS, no TLS.
    Connect,
    /// Time to first byte of endpoint checks: name look-up, connect, TLS, request and the server's own time.
    Ttfb,
    /// Mesh echo between probes.
    Echo,
    /// A file that does not say.
    File,
}

impl Basis {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ttfb => "ttfb",
            Self::Echo => "echo",
            Self::File => "file",
        }
    }
}

/// A window of time, from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// What one number says about the times of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// The shortest.
    Min,
    /// The median.
    P50,
    /// Nine of ten are at or below it.
    P90,
    /// Ninety-nine of a hundred are at or below it.
    P99,
    /// A file's `rtt_ms`: it does not say which.
    Unnamed,
}

impl Statistic {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Unnamed => "rtt",
        }
    }

    /// The share of samples at or below it; `None` for the minimum and for what has no name.
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            Self::Min | Self::Unnamed => None,
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P99 => Some(0.99),
        }
    }
}

/// How a vantage is connected. Classes are never pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessClass {
    /// A server: its times hold no last mile.
    DataCentre,
    /// A home or mobile line, as users have.
    Eyeball,
    /// Not known.
    Unknown,
}

impl AccessClass {
    /// Every class, in the order in which reports list them.
    pub(crate) const ALL: [Self; 3] = [Self::DataCentre, Self::Eyeball, Self::Unknown];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataCentre => "data-centre",
            Self::Eyeball => "eyeball",
            Self::Unknown => "unknown",
        }
    }
}

/// An autonomous system's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(pub u32);

/// A distributor server, one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its unique name.
    pub name: String,
    /// The place's name.
    pub site: String,
    /// Where it lies, if known.
    pub position: Option<Position>,
    /// Its country, if known.
    pub country: Option<Country>,
    /// Who runs it: this worker's vantages say nothing about it.
    pub worker: Option<String>,
}

/// A place from which nodes were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Vantage {
    /// Its unique name.
    pub name: String,
    /// The place's name.
    pub site: String,
    /// Where it lies.
    pub position: Position,
    /// Its country; `None`: it speaks for no country's cities.
    pub country: Option<Country>,
    /// The network it sits in; unknown ones count as one network together.
    pub network: Option<Network>,
    /// How it is connected.
    pub access: AccessClass,
    /// Who runs it.
    pub worker: Option<String>,
    /// The node it stands beside, by name: it says nothing about that one.
    pub own_node: Option<String>,
}

impl Vantage {
    /// Whether this vantage may not speak about a node: it stands beside it, or one worker runs both.
    pub fn owns(&self, node: &Node) -> bool {
        let one_worker = self.worker.is_some() && self.worker == node.worker;
        one_worker || self.own_node.as_deref() == Some(node.name.as_str())
    }
}

/// The measurements, as finely as the source holds them.
#[derive(Clone, Debug)]
pub enum Readings {
    /// A histogram for each pair and day.
    Days(Vec<DayReading>),
    /// One value for each pair, all of the same statistic.
    Single {
        /// What the values are.
        statistic: Statistic,
        /// At most one for each pair.
        values: Vec<SingleReading>,
    },
}

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

/// What one vantage saw of one node on one day. Several for the same pair and day are merged.
#[derive(Clone, Debug)]
pub struct DayReading {
    /// Index into [`Observations::vantages`].
    pub vantage: usize,
    /// Index into [`Observations::nodes`].
    pub node: usize,
    /// UTC.
    pub day: Day,
    /// Round-trip times by [`Observations::basis`].
    pub rtt: Samples,
    /// Time to first byte, of one kind only: cached and uncached are never mixed.
    pub ttfb: Option<(TtfbKind, Samples)>,
    /// How long [`THROUGHPUT_MEGABITS`] of an object took that the node held; lost are those of which only a part had come
    /// when their time was over.
    pub throughput: Samples,
}

/// Round-trip times between two vantages on one day, whichever of them measured. Several for the same pair and day are
/// merged.
#[derive(Clone, Debug)]
pub struct Echo {
    /// Index into [`Observations::vantages`].
    pub a: usize,
    /// Index into [`Observations::vantages`]: another one.
    pub b: usize,
    /// UTC.
    pub day: Day,
    /// What arrived.
    pub times: LogHistogram,
}

/// What a throughput is measured over, in megabits: 8 MiB.
pub const THROUGHPUT_MEGABITS: f64 = 67.108_864;

/// Whether a time to first byte includes the node's own fetch of an object it did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TtfbKind {
    /// The status answer or an object the node held.
    Cached,
    /// An object the node had to fetch first.
    Uncached,
}

impl TtfbKind {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Uncached => "uncached",
        }
    }
}

/// Times that arrived and a count of those that did not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// What arrived.
    pub times: LogHistogram,
    /// How many failed: a failure has no time.
    pub lost: u64,
}

impl Samples {
    /// Adds another account of the same pair.
    pub fn merge(&mut self, other: &Self) {
        self.times.merge(&other.times);
        self.lost = self.lost.saturating_add(other.lost);
    }

    /// The time at or below which half of all runs are, in microseconds, where those that did not arrive took longer than
    /// any that did; `None` if nothing was run, or if that half did not arrive.
    pub(crate) fn median_of_all_us(&self) -> Option<f64> {
        let arrived = self.times.count();
        let q = 0.5 * arrived.saturating_add(self.lost) as f64 / arrived as f64;
        (arrived > 0 && q <= 1.0).then(|| self.times.quantile_us(q))?
    }

    /// The share of runs that failed, 0…1; `None` if nothing was run.
    pub fn loss(&self) -> Option<f64> {
        let runs = self.times.count().saturating_add(self.lost);
        (runs > 0).then(|| self.lost as f64 / runs as f64)
    }
}

/// One value for a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingleReading {
    /// Index into [`Observations::vantages`].
    pub vantage: usize,
    /// Index into [`Observations::nodes`].
    pub node: usize,
    /// The round-trip time in milliseconds: finite, not negative.
    pub(crate) rtt_ms: f64,
    /// Measured from the node to the vantage, for want of the other direction.
    pub reversed: bool,
}
