//! Places that might get a node, with a server there that answers, and what borrowed eyes measured of it.

use super::EyeSource;
use super::eyes::doubt;
use crate::country::Country;
use crate::geo::Position;

/// A place that might get a node.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateSite {
    /// What it is called.
    pub name: String,
    /// Its city, as it was written; empty: only its coordinates are known.
    pub place: String,
    /// Where it stands.
    pub position: Position,
    /// Its country, if known.
    pub country: Option<Country>,
    /// What eyes measured of it, at most once for each eye.
    pub times: Vec<CandidateTime>,
}

/// What an eye measured of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateTime {
    /// Whose the eye is.
    pub source: EyeSource,
    /// What its platform calls it.
    pub eye: String,
    /// One round trip in milliseconds, the median of those that count.
    pub rtt_ms: f64,
    /// Days from the newest of them to the report's end.
    pub age_days: f64,
    /// How many there are.
    pub answers: u64,
}

impl CandidateTime {
    /// How old it is, in times after which it is doubted as much as the prior's old ones: 0 to 4.
    #[must_use]
    pub fn doubt(&self) -> f64 {
        doubt(self.age_days)
    }
}
