//! What a vantage measured, in one form for all platforms. A failure has no time.

use std::fmt;
use std::net::IpAddr;

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::vantage::Vantage;

/// One measurement of one vantage. Its identity is platform, measurement, vantage, target and time: the same file again
/// gives the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<'a> {
    /// Who measured.
    pub vantage: &'a Vantage,
    /// What the platform calls the measurement.
    pub measurement: MeasurementId<'a>,
    /// Which of the measurement's results it is, where several of one vantage have one time; 0 elsewhere.
    pub part: u16,
    /// When, as the platform says: to the second.
    pub at: UnixMillis,
    /// What was done.
    pub kind: Kind,
    /// Over which family; `None`: no address was found.
    pub family: Option<Family>,
    /// Which of the wanted targets it was.
    pub target: &'a str,
    /// The address that was measured.
    pub address: Option<IpAddr>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a platform calls a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeasurementId<'a> {
    /// On Atlas.
    Number(u64),
    /// On Globalping: 64 letters, digits and marks at most.
    Name(&'a str),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Echo requests of ICMP, or what the platform sends in their place.
    Ping,
    /// A handshake of TLS, for the certificate.
    Tls,
    /// A request of HTTP.
    Http,
}

/// A time that something took: 1 µs to 10 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Micros(u32);

/// Microseconds that nothing takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} µs is no time that anything took: above 0 and ten minutes at most are")]
pub struct NoTime(u32);

/// What became of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The target answered.
    Answered(Answer),
    /// It did not, or was never asked.
    Failed(Failure),
}

/// What was measured of a target that answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Of [`Kind::Ping`].
    Ping(Echoes),
    /// Of [`Kind::Tls`].
    Tls(Handshake),
    /// Of [`Kind::Http`].
    Http(Exchange),
}

/// Some echo requests, of which one at least was answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Echoes {
    /// The shortest round trip.
    pub min: Micros,
    /// The middle one, or the mean of the middle two; `None`: the platform told only the shortest.
    pub median: Option<Micros>,
    /// Requests.
    pub sent: u16,
    /// Requests that were answered, from 1.
    pub received: u16,
}

/// A handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handshake {
    /// TCP's part of it: one round trip.
    pub connect: Option<Micros>,
    /// From the start of TCP's until the certificate was there: two round trips at least.
    pub whole: Micros,
}

/// A request of HTTP, and the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// TCP's handshake: one round trip. Globalping gives whole milliseconds.
    pub connect: Option<Micros>,
    /// TLS's handshake after it.
    pub tls: Option<Micros>,
    /// From the request to the first byte of the answer.
    pub first_byte: Option<Micros>,
    /// All of it; on Globalping with the name's resolving.
    pub whole: Micros,
    /// The status, 100 to 599: an answer in any case, and served only where it says so.
    pub status: u16,
}

/// A measurement without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed.
    pub cause: Cause,
    /// Echo requests that were sent; 0 where nothing is known of them.
    pub sent: u16,
    /// The platform's words: cleaned, 60 characters at most; empty where it said nothing.
    pub words: String,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing came back.
    NoReply,
    /// The name was not resolved: says nothing of the node.
    Resolve,
    /// TCP was refused, reset or not answered.
    Connect,
    /// TLS was not agreed on.
    Tls,
    /// The platform does not say, or says something else.
    Other,
}

impl Micros {
    /// Milliseconds as platforms write them; `None`: nothing takes that long, or that short.
    #[must_use]
    pub fn of_millis(millis: f64) -> Option<Self> {
        let us = (millis * 1_000.0).round();
        (millis > 0.0 && us <= LONGEST_US).then_some(Self((us as u32).max(1)))
    }

    /// The middle of some times in milliseconds, or the mean of the middle two; `None`: there are none, more than any
    /// platform gives, or it is no time.
    #[must_use]
    pub fn median(millis: &[f64]) -> Option<Self> {
        let mut sorted = [0.0; MEDIAN_OF];
        let sorted = sorted.get_mut(..millis.len())?;
        sorted.copy_from_slice(millis);
        sorted.sort_unstable_by(f64::total_cmp);
        let last = millis.len().checked_sub(1)?;
        Self::of_millis(f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]))
    }

    /// In microseconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// In milliseconds.
    #[must_use]
    pub fn millis(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl TryFrom<u32> for Micros {
    type Error = NoTime;

    fn try_from(us: u32) -> Result<Self, NoTime> {
        match us > 0 && f64::from(us) <= LONGEST_US {
            true => Ok(Self(us)),
            false => Err(NoTime(us)),
        }
    }
}

impl From<Micros> for u32 {
    fn from(micros: Micros) -> Self {
        micros.0
    }
}

impl Answer {
    /// What was done.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Ping(_) => Kind::Ping,
            Self::Tls(_) => Kind::Tls,
            Self::Http(_) => Kind::Http,
        }
    }

    /// One round trip: the shortest echo, or TCP's handshake; `None`: no single round trip was told.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Micros> {
        match self {
            Self::Ping(echoes) => Some(echoes.min),
            Self::Tls(handshake) => handshake.connect,
            Self::Http(exchange) => exchange.connect,
        }
    }
}

impl Kind {
    /// As it is written: `ping`, `tls` or `http`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for MeasurementId<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Name(name) => out.write_str(name),
        }
    }
}

/// No platform sends more packets at once.
const MEDIAN_OF: usize = 64;
/// Ten minutes.
const LONGEST_US: f64 = 6e8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_nothing_takes_is_none() {
        assert_eq!(Micros::of_millis(12.3456).map(Micros::get), Some(12_346));
        assert_eq!(Micros::of_millis(0.0001).map(Micros::get), Some(1));
        assert_eq!(Micros::of_millis(600_000.0).map(Micros::get), Some(600_000_000));
        for none in [0.0, -1.0, 600_000.1, f64::INFINITY, f64::NAN] {
            assert_eq!(Micros::of_millis(none), None, "{none}");
        }
    }
    #[test]
    fn median_is_the_middle_or_the_mean_of_the_middle_two() {
        let of = |millis: &[f64]| Micros::median(millis).map(Micros::millis);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[7.0]), Some(7.0));
        assert_eq!(
            (of(&[]), of(&[1.0; MEDIAN_OF + 1]), of(&[-1.0])),
            (None, None, None)
        );
    }
}
