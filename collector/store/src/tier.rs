//! What a segment holds: measurements, or what they add up to.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// How far what a segment holds is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Every measurement by itself.
    #[default]
    Raw,
    /// The measurements of an hour.
    Hour,
    /// The measurements of a UTC day.
    Day,
}

impl Tier {
    /// Every tier, the finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Hour, Self::Day];

    /// As it is written: `raw`, `hour`, `day`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// With which the names of its files begin: those of measurements begin with their kind.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Raw => "",
            Self::Hour => "hours-",
            Self::Day => "days-",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let known = Self::ALL.into_iter().find(|tier| tier.word() == text);
        known.ok_or_else(|| UnknownTier(text.chars().take(40).collect()))
    }
}

/// A text that names no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tier of the store; tiers are raw, hour and day")]
pub struct UnknownTier(String);
