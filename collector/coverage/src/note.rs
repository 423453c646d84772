//! What a reader must know of how the observations were read.

use jiff::Timestamp;

use crate::country::Country;

/// What a reader must know of how the observations were read: what was taken instead, and what was left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The file holds several statistics; one of them was read.
    OtherTimes {
        /// Its path, as it was given.
        file: String,
        /// The column that was read.
        read: &'static str,
        /// The headers that the column could also have had.
        others: Vec<&'static str>,
    },
    /// Rows from a site to itself were not used.
    OwnRows {
        /// How many.
        rows: usize,
    },
    /// Of two directions the lower minimum was taken.
    LowerDirection,
    /// Pairs that were measured only from the node to the vantage.
    Reversed {
        /// How many.
        pairs: usize,
        /// How many pairs there are.
        of: usize,
    },
    /// Sites without coordinates: they are no vantages, and nothing is predicted towards them.
    NoCoordinates {
        /// Their names.
        sites: Vec<String>,
    },
    /// Sites whose coordinates can be read only the other way round: left out like those without any.
    OtherWayRound {
        /// Their names.
        sites: Vec<String>,
    },
    /// Latitude and longitude look swapped as a whole.
    LooksSwapped {
        /// The file's path, as it was given.
        file: String,
        /// Sites that lie near a city of their country as they are given.
        fit: usize,
        /// The same the other way round.
        fit_swapped: usize,
        /// How many sites there are.
        of: usize,
    },
    /// Times look like another unit.
    LooksLikeUnit {
        /// The file's path, as it was given.
        file: String,
        /// Which.
        unit: Unit,
        /// The median of the times over what light in fibre needs.
        median: f64,
    },
    /// A pair that is given twice with different times: not used.
    GivenTwice {
        /// The file's path, as it was given.
        file: String,
        /// The first such pair, as `berlin to paris`.
        pair: String,
        /// The lines in which it stands.
        lines: (u64, u64),
        /// How many more such pairs there are.
        more: usize,
    },
    /// Rows without a time: these pairs were not measured.
    WithoutTime {
        /// The file's path, as it was given.
        file: String,
        /// The first such line.
        line: u64,
        /// How many rows.
        rows: usize,
    },
    /// A file of weights that gives none to any place.
    NoWeight {
        /// Its name.
        file: String,
    },
    /// Rows that name sites which the other file does not hold: not used.
    UnknownSites {
        /// The file's path, as it was given.
        file: String,
        /// The first such line.
        line: u64,
        /// The sites' names.
        sites: Vec<String>,
        /// How many rows.
        rows: usize,
        /// The file of sites.
        known_from: String,
    },
    /// Sites without a country lie in that of the nearest city.
    NearestCity {
        /// How many.
        sites: usize,
    },
    /// A country that nobody knows: that of the nearest city was taken.
    UnknownCountry {
        /// As written.
        given: String,
        /// What was taken.
        taken: Country,
    },
    /// Sites without a country and far from any city speak for no one.
    Nowhere {
        /// The first.
        site: String,
        /// How many more there are.
        more: usize,
        /// How near a city would have to lie.
        within_km: f64,
    },
    /// A node that was measured and is not there any more.
    NodeGone {
        /// Its name.
        node: String,
        /// What became of it.
        now: Gone,
    },
    /// Its claimed place cannot be: light contradicts it. Left out.
    Impossible {
        /// Nodes and vantages, by name.
        names: Vec<String>,
    },
    /// Claimed places that contradict each other, and nobody decides which is wrong: none is left out.
    Undecided {
        /// Nodes and vantages, by name.
        names: Vec<String>,
    },
    /// Light contradicts the claimed places of all nodes, or of all vantages: none is left out.
    PlacesContradict,
    /// Nodes without coordinates: nothing is predicted towards them, nor chosen by kilometres.
    NodesUnplaced {
        /// Their names.
        nodes: Vec<String>,
    },
    /// Only one vantage measured.
    OneVantage,
    /// Vantages that measured some node with very few runs.
    FewRuns {
        /// Their names.
        vantages: Vec<String>,
        /// Fewer than so many.
        least: u64,
    },
    /// All of it was imported.
    Imported(ImportedSpan),
    /// Imported vantages of which nobody said where they stand: left out.
    ImportedUnplaced {
        /// Their names.
        vantages: Vec<String>,
    },
    /// Imported documents, which are in no figure of this report.
    ImportedApart {
        /// How many.
        documents: u64,
    },
    /// Borrowed eyes, which whoever asked wanted in no figure of this report.
    WithoutBorrowed {
        /// How many.
        eyes: usize,
    },
    /// A probe whose place is not known.
    ProbeUnplaced {
        /// Its name.
        probe: String,
    },
    /// Times and places contradict each other as a whole: nobody is left out for that.
    AllContradict {
        /// Sites whose places would be impossible.
        sites: usize,
    },
    /// A node whose place is not known.
    NodeUnplaced {
        /// Its name.
        node: String,
    },
    /// What each stretch of the window was read from, in order of time.
    ReadFrom(Vec<ReadFrom>),
    /// The window that was asked for begins before anything that is kept.
    BeforeKept(BeforeKept),
    /// A probe whose clock was off and whose rows are gone: its sums stand by its own clock.
    ClockOff {
        /// Its name.
        probe: String,
    },
}

/// Since when anything is kept, where more was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeKept {
    /// Where the window begins that was asked for.
    pub asked_from: Timestamp,
    /// Since when something is kept; `None`: nothing is stored yet.
    pub kept_from: Option<Timestamp>,
    /// Retention removed what was before.
    pub removed: bool,
    /// Kept in Elasticsearch, not in the store.
    pub is_elsewhere: bool,
}

/// What a file's times look like instead of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A thousand times too short.
    Seconds,
    /// A thousand times too long.
    Microseconds,
}

/// Documents that were imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedSpan {
    /// In the window, of those that can hold times to first byte.
    pub documents: u64,
    /// In the window, of those that cannot.
    pub without_times: u64,
    /// From when to when there are any; `None`: there are none.
    pub ever: Option<(Timestamp, Timestamp)>,
}

impl Note {
    /// Whether the input contradicts itself or lacks something, so that figures change: told before them.
    #[must_use]
    pub fn is_told_first(&self) -> bool {
        match self {
            Self::Reversed { pairs, of } => pairs == of && *pairs > 1,
            Self::NoCoordinates { .. }
            | Self::OtherWayRound { .. }
            | Self::NodesUnplaced { .. }
            | Self::NodeUnplaced { .. }
            | Self::ProbeUnplaced { .. }
            | Self::ImportedUnplaced { .. }
            | Self::GivenTwice { .. }
            | Self::UnknownSites { .. }
            | Self::WithoutTime { .. }
            | Self::Impossible { .. }
            | Self::Undecided { .. }
            | Self::OneVantage
            | Self::NoWeight { .. }
            | Self::FewRuns { .. } => true,
            Self::AllContradict { .. }
            | Self::PlacesContradict
            | Self::LooksSwapped { .. }
            | Self::LooksLikeUnit { .. } => true,
            Self::OtherTimes { .. }
            | Self::OwnRows { .. }
            | Self::LowerDirection
            | Self::NearestCity { .. }
            | Self::UnknownCountry { .. }
            | Self::Nowhere { .. }
            | Self::NodeGone { .. }
            | Self::Imported(_)
            | Self::ImportedApart { .. }
            | Self::WithoutBorrowed { .. }
            | Self::ReadFrom(_)
            | Self::BeforeKept(_)
            | Self::ClockOff { .. } => false,
        }
    }

    /// Whether places and times contradict each other as a whole, so that nothing may be predicted from them.
    #[must_use]
    pub fn is_grave(&self) -> bool {
        matches!(
            self,
            Self::AllContradict { .. }
                | Self::PlacesContradict
                | Self::LooksSwapped { .. }
                | Self::LooksLikeUnit { .. }
        )
    }
}

/// A stretch of the window, and what was read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFrom {
    /// What.
    pub tier: Tier,
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// How far what is read is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Every measurement by itself.
    Raw,
    /// Hours.
    Hour,
    /// UTC days.
    Day,
}

impl Tier {
    /// As it is written: `raw`, `hour`, `day`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is not checked for now.
    Paused,
    /// It is no target any more.
    Removed,
}
