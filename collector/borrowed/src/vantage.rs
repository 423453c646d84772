//! A vantage of a public platform: where it stands, in whose network, and how it is connected.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::family::Family;

/// Whose vantage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// RIPE Atlas.
    Atlas,
    /// Globalping.
    Globalping,
}

/// A place that somebody else measures from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vantage {
    /// Whose it is.
    pub platform: Platform,
    /// Its name on the platform, the same in every file: a probe's number on Atlas; on Globalping, which numbers none,
    /// city, network and access class.
    pub id: String,
    /// Where it stands, as its platform says. Nobody has checked it: about 1.5 % of public probes stand elsewhere.
    pub place: Place,
    /// The AS of its IPv4 address.
    pub network_v4: Option<u32>,
    /// The AS of its IPv6 address.
    pub network_v6: Option<u32>,
    /// How it is connected.
    pub access: Access,
}

/// Where a vantage stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees north, from -90 to 90.
    pub latitude: f64,
    /// Degrees east, from -180 to 180.
    pub longitude: f64,
    /// Its city in English, where the platform says it; 100 characters at most.
    pub city: Option<String>,
    /// ISO 3166 code of its country, in capitals, where the platform says it.
    pub country: Option<String>,
}

/// How a vantage is connected. Never pooled: only eyeballs say something of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// A line that people use.
    Eyeball,
    /// A server among servers.
    DataCentre,
    /// The platform does not say, or says both.
    Unknown,
}

/// Why a vantage is not used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Its host does not want it shown.
    Private,
    /// Its host, or the platform, says that something is wrong with it.
    Broken {
        /// The tag that says so.
        tag: String,
    },
    /// Its host has given it up.
    Abandoned,
    /// The platform says of no point on earth that it stands there.
    NoPlace,
}

impl Platform {
    /// As it is written: `atlas` or `globalping`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Atlas => "atlas",
            Self::Globalping => "globalping",
        }
    }
}

impl Access {
    /// As it is written: `eyeball`, `data-centre` or `unknown`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Eyeball => "eyeball",
            Self::DataCentre => "data-centre",
            Self::Unknown => "unknown",
        }
    }
}

impl Vantage {
    /// The AS that its packets of `family` leave by.
    #[must_use]
    pub fn network(&self, family: Family) -> Option<u32> {
        match family {
            Family::V4 => self.network_v4,
            Family::V6 => self.network_v6,
        }
    }
}

impl Place {
    /// A place on earth; `None`: the numbers are none, or are the (0, 0) of whoever had nothing to say.
    #[must_use]
    pub fn at(latitude: f64, longitude: f64) -> Option<Self> {
        let is_on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        (is_on_earth && (latitude, longitude) != (0.0, 0.0)).then_some(Self {
            latitude,
            longitude,
            city: None,
            country: None,
        })
    }
}

impl LeftOut {
    /// The same without what is the vantage's own, for counting.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Broken { .. } => "tagged as broken",
            Self::Abandoned => "abandoned",
            Self::NoPlace => "without a place",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { tag } => write!(out, "tagged as broken ({tag})"),
            other => out.write_str(other.rule()),
        }
    }
}

/// A country's code in capitals; `None`: it is none.
pub(crate) fn country(code: &str) -> Option<String> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| code.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_that_is_no_point_on_earth_is_none() {
        assert!(Place::at(52.5, 13.4).is_some());
        assert!(Place::at(-90.0, 180.0).is_some());
        for (latitude, longitude) in [(0.0, 0.0), (90.1, 0.0), (1.0, -180.5), (f64::NAN, 1.0)] {
            assert!(Place::at(latitude, longitude).is_none(), "{latitude} {longitude}");
        }
        assert!(Place::at(0.0, 6.6).is_some(), "São Tomé lies on the equator");
    }
}
