//! One result of a measurement as it is written: every field as it stands, judged later.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use crate::values::{Number, Text, drain};

/// A vantage, and what it measured.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawItem<'a> {
    #[serde(borrow)]
    pub(super) probe: RawProbe<'a>,
    #[serde(borrow)]
    pub(super) result: RawResult<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProbe<'a> {
    #[serde(borrow)]
    pub(super) country: Text<'a>,
    #[serde(borrow)]
    pub(super) city: Text<'a>,
    pub(super) asn: Number,
    pub(super) latitude: Number,
    pub(super) longitude: Number,
    #[serde(borrow)]
    pub(super) tags: Vec<Text<'a>>,
}

/// `rawOutput`, headers and bodies are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawResult<'a> {
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) resolved_address: Text<'a>,
    pub(super) stats: RawStats,
    pub(super) timings: Timings,
    pub(super) status_code: Number,
    #[serde(borrow)]
    pub(super) hops: Vec<RawHop<'a>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawStats {
    pub(super) min: Number,
    pub(super) total: Number,
    pub(super) rcv: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawHop<'a> {
    #[serde(borrow)]
    pub(super) resolved_address: Text<'a>,
    pub(super) stats: RawStats,
    pub(super) timings: Timings,
}

/// Times of packets, or of the parts of a request.
#[derive(Debug, Default)]
pub(super) struct Timings {
    pub(super) rtts: Vec<f64>,
    pub(super) http: RawHttp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawHttp {
    pub(super) total: Number,
    pub(super) tcp: Number,
    pub(super) tls: Number,
    pub(super) first_byte: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Packet {
    rtt: Number,
}

impl<'de> Deserialize<'de> for Timings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimingsVisitor)
    }
}

struct TimingsVisitor;

impl<'de> Visitor<'de> for TimingsVisitor {
    type Value = Timings;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("times of packets or of a request")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Timings, S::Error> {
        let mut timings = Timings::default();
        while timings.rtts.len() <= PACKETS {
            match seq.next_element::<Packet>()? {
                Some(packet) => timings.rtts.extend(packet.rtt.some()),
                None => return Ok(timings),
            }
        }
        drain(seq)?;
        Ok(timings)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Timings, M::Error> {
        Ok(Timings {
            rtts: Vec::new(),
            http: RawHttp::deserialize(MapAccessDeserializer::new(map))?,
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Timings, E> {
        Ok(Timings::default())
    }
}

/// Globalping sends 16 packets at most.
const PACKETS: usize = 16;
