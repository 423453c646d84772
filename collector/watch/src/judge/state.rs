//! The words of a verdict: what one vantage says of a node, and what the mesh says.

use std::fmt;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// What one vantage says of one node, and whether that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It gets through.
    Green,
    /// It does not, and its own line is proven.
    Red,
    /// It does not, and nothing proves its own line.
    Unproven,
    /// It fails alone too often.
    Sick,
    /// It runs on the node's server, or is of its worker.
    Own,
    /// Nothing fresh that says anything.
    Silent,
}

impl Verdict {
    /// Whether it is a judge's.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Green | Self::Red)
    }
}

/// What the mesh says of a node, or of one of its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The judges get what they should.
    Up,
    /// It works, but not well: a family is dead, its status is slow, or a judge fails.
    Degraded,
    /// Some judges fail for long, not enough of them for an outage.
    Partial,
    /// An outage is under way.
    Down,
    /// Nothing fresh is known. Never shown as up.
    NoData,
    /// It is measured, but nobody who measures it may judge it.
    NobodyMayJudge,
    /// The lead said beforehand that it is worked on.
    Maintenance,
    /// The lead paused it.
    Paused,
}

impl State {
    /// Every one, in the order of the documents.
    pub const ALL: [Self; 8] = [
        Self::Up,
        Self::Degraded,
        Self::Partial,
        Self::Down,
        Self::NoData,
        Self::NobodyMayJudge,
        Self::Maintenance,
        Self::Paused,
    ];

    /// In words, for people and for JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Partial => "partial",
            Self::Down => "down",
            Self::NoData => "no-data",
            Self::NobodyMayJudge => "nobody-may-judge",
            Self::Maintenance => "maintenance",
            Self::Paused => "paused",
        }
    }

    /// Whether it says that nothing is known.
    #[must_use]
    #[cfg(test)]
    pub(crate) const fn is_blind(self) -> bool {
        matches!(self, Self::NoData | Self::NobodyMayJudge)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A state with what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The word.
    pub state: State,
    /// Since when; `None` if it never was anything else since the engine started.
    pub since: Option<UnixMillis>,
    /// Judges that see it right.
    pub judges_ok: u32,
    /// Judges.
    pub judges: u32,
    /// Their networks; unknown ones count as one.
    pub networks: u32,
}

impl Standing {
    pub(crate) const fn of(state: State) -> Self {
        Self {
            state,
            since: None,
            judges_ok: 0,
            judges: 0,
            networks: 0,
        }
    }

    /// The same, beginning at `now` unless the word was the same before.
    pub(super) fn after(mut self, before: Option<&Self>, now: UnixMillis) -> Self {
        self.since = match before {
            Some(before) if before.state == self.state => before.since,
            Some(_) => Some(now),
            None => None,
        };
        self
    }
}

/// What is known of a node at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStanding {
    /// The node.
    pub target: TargetId,
    /// Whether it can be reached.
    pub connect: Standing,
    /// Its status, or the page of a plain HTTP endpoint; `None` if nobody asks.
    pub status: Option<Standing>,
    /// Its asset; `None` if nobody asks.
    pub asset: Option<Standing>,
    /// What each vantage says of the way to it.
    pub vantages: Vec<Said>,
}

/// What one vantage says of the way to a node over one family, and whether that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The vantage.
    pub probe: ProbeId,
    /// Over which it asks.
    pub family: Family,
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether it gets through, by its own word, may it judge or not; `None` where nothing fresh is known.
    pub gets_through: Option<bool>,
}
