//! Borrowed eyes: what somebody else's vantages measured of nodes. They are no vantages of a report: they speak for nobody,
//! and are in no share. Predictions rest on them too, the less the older a time is.

use super::{AccessClass, Network};
use crate::country::Country;
use crate::geo::Position;

/// After so many days a time is doubted as much as the prior's old ones.
const OLD_DAYS: f64 = 60.0;
/// It is never doubted more than so many times as much.
const OLDEST: f64 = 4.0;

/// Somebody else's vantage.
#[derive(Clone, Debug, PartialEq)]
pub struct Eye {
    /// What its platform calls it; unique among those of its source.
    pub name: String,
    /// Whose it is.
    pub source: EyeSource,
    /// The place's name.
    pub site: String,
    /// Where it says that it stands.
    pub position: Position,
    /// The network it sits in, if known.
    pub network: Option<Network>,
    /// Its country, if known.
    pub country: Option<Country>,
    /// How it is connected.
    pub access: AccessClass,
    /// What it measured, at most once for each node.
    pub times: Vec<EyeTime>,
}

/// Whose an eye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EyeSource {
    /// RIPE Atlas.
    Atlas,
    /// Globalping.
    Globalping,
}

/// What an eye measured of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EyeTime {
    /// Index into [`Observations::nodes`](super::Observations::nodes).
    pub node: usize,
    /// One round trip in milliseconds, the median of those that count.
    pub rtt_ms: f64,
    /// The shortest in milliseconds that is told well enough to judge a place by; `None`: none is.
    pub least_ms: Option<f64>,
    /// Days from the newest of them to the report's end.
    pub age_days: f64,
    /// How many there are.
    pub answers: u64,
}

impl EyeSource {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Atlas => "atlas",
            Self::Globalping => "globalping",
        }
    }
}

impl EyeTime {
    /// How old it is, in times after which it is doubted as much as the prior's old ones: 0 to 4.
    #[must_use]
    pub fn doubt(&self) -> f64 {
        doubt(self.age_days)
    }

    /// How much it counts beside one of today, 0.2 to 1.
    #[must_use]
    pub fn weight(&self) -> f64 {
        1.0 / (1.0 + self.doubt())
    }
}

/// How much a time of so many days ago is doubted.
pub(super) fn doubt(age_days: f64) -> f64 {
    (age_days.max(0.0) / OLD_DAYS).min(OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_time_counts_less_and_never_nothing() {
        let of = |age_days| {
            let time = EyeTime {
                node: 0,
                rtt_ms: 1.0,
                least_ms: None,
                age_days,
                answers: 1,
            };
            time.weight()
        };
        assert_eq!([of(0.0), of(60.0), of(240.0), of(9_000.0)], [1.0, 0.5, 0.2, 0.2]);
        assert_eq!(of(-3.0), 1.0, "a clock that is ahead makes it no better than new");
    }
}
