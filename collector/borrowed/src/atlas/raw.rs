//! A result as it is written, by any firmware: every field as it stands, judged later.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::values::{Number, Present, Text, Words, drain_map};

/// A result. Its kind often stands behind what it is the kind of, so all kinds' fields are read at once.
#[derive(Debug, Default)]
pub(super) struct RawResult<'a> {
    pub(super) kind: Text<'a>,
    pub(super) msm_name: Text<'a>,
    pub(super) fw: Number,
    pub(super) msm_id: Number,
    pub(super) prb_id: Number,
    pub(super) timestamp: Number,
    pub(super) af: Number,
    /// Also called `name`.
    pub(super) dst_name: Text<'a>,
    /// Also called `addr`.
    pub(super) dst_addr: Text<'a>,
    pub(super) uri: Text<'a>,
    pub(super) min: Number,
    pub(super) sent: Number,
    pub(super) rcvd: Number,
    pub(super) result: Parts<'a>,
    pub(super) rt: Number,
    pub(super) ttc: Number,
    pub(super) err: Words<'a>,
    pub(super) dnserr: Words<'a>,
    pub(super) error: Words<'a>,
    pub(super) alert: Present,
    /// It has what only a list of probes or of measurements has.
    pub(super) is_listing: bool,
    /// It has the ids that a request is answered with.
    pub(super) is_receipt: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawResult<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ResultVisitor)
    }
}

/// Keys of a result that are read. A derived reader compares each key with every field's name, which took a third of the
/// time: most of a result's keys are others.
#[derive(Clone, Copy)]
enum Field {
    Kind,
    MsmName,
    Fw,
    MsmId,
    PrbId,
    Timestamp,
    Af,
    DstName,
    DstAddr,
    Uri,
    Min,
    Sent,
    Rcvd,
    Result,
    Rt,
    Ttc,
    Err,
    Dnserr,
    Error,
    Alert,
    Listing,
    Receipt,
    Other,
}

impl Field {
    fn of(key: &str) -> Self {
        match key.len() {
            2 => match key {
                "fw" => Self::Fw,
                "af" => Self::Af,
                "rt" => Self::Rt,
                _ => Self::Other,
            },
            3 => match key {
                "min" => Self::Min,
                "uri" => Self::Uri,
                "ttc" => Self::Ttc,
                "err" => Self::Err,
                _ => Self::Other,
            },
            4 => match key {
                "type" => Self::Kind,
                "sent" => Self::Sent,
                "rcvd" => Self::Rcvd,
                "name" => Self::DstName,
                "addr" => Self::DstAddr,
                _ => Self::Other,
            },
            5 => match key {
                "error" => Self::Error,
                "alert" => Self::Alert,
                _ => Self::Other,
            },
            6 => match key {
                "result" => Self::Result,
                "msm_id" => Self::MsmId,
                "prb_id" => Self::PrbId,
                "dnserr" => Self::Dnserr,
                _ => Self::Other,
            },
            7 => match key {
                "results" | "objects" => Self::Listing,
                _ => Self::Other,
            },
            8 => match key {
                "dst_name" => Self::DstName,
                "dst_addr" => Self::DstAddr,
                "msm_name" => Self::MsmName,
                "geometry" => Self::Listing,
                _ => Self::Other,
            },
            9 if key == "timestamp" => Self::Timestamp,
            12 if key == "measurements" => Self::Receipt,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl Visitor<'_> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Field, E> {
                Ok(Field::of(key))
            }
        }

        deserializer.deserialize_identifier(FieldVisitor)
    }
}

struct ResultVisitor;

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = RawResult<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a result")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut raw = RawResult::default();
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Kind => raw.kind = map.next_value()?,
                Field::MsmName => raw.msm_name = map.next_value()?,
                Field::Fw => raw.fw = map.next_value()?,
                Field::MsmId => raw.msm_id = map.next_value()?,
                Field::PrbId => raw.prb_id = map.next_value()?,
                Field::Timestamp => raw.timestamp = map.next_value()?,
                Field::Af => raw.af = map.next_value()?,
                Field::DstName => raw.dst_name = map.next_value()?,
                Field::DstAddr => raw.dst_addr = map.next_value()?,
                Field::Uri => raw.uri = map.next_value()?,
                Field::Min => raw.min = map.next_value()?,
                Field::Sent => raw.sent = map.next_value()?,
                Field::Rcvd => raw.rcvd = map.next_value()?,
                Field::Result => raw.result = map.next_value()?,
                Field::Rt => raw.rt = map.next_value()?,
                Field::Ttc => raw.ttc = map.next_value()?,
                Field::Err => raw.err = map.next_value()?,
                Field::Dnserr => raw.dnserr = map.next_value()?,
                Field::Error => raw.error = map.next_value()?,
                Field::Alert => raw.alert = map.next_value()?,
                Field::Listing => raw.is_listing = map.next_value::<Present>()?.0,
                Field::Receipt => raw.is_receipt = map.next_value::<Present>()?.0,
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(raw)
    }
}

/// `result`: packets of a ping, or answers to a request of HTTP.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// Firmware 1 wrote a line of text.
    pub(super) is_text: bool,
    /// Round trips of packets that are no duplicates.
    rtts: [f64; PACKETS],
    count: usize,
    /// More than [`PACKETS`] were answered.
    pub(super) is_more: bool,
    /// Something stands as a round trip that is no number.
    pub(super) is_wrong: bool,
    /// What went wrong with a packet.
    pub(super) error: Words<'a>,
    /// The first answer of HTTP.
    http: Option<Box<RawHttp<'a>>>,
}

/// An answer to a request of HTTP.
#[derive(Debug, Default)]
pub(super) struct RawHttp<'a> {
    pub(super) af: Number,
    pub(super) dst_addr: Text<'a>,
    pub(super) res: Number,
    pub(super) rt: Number,
    pub(super) ttc: Number,
    pub(super) ttfb: Number,
    pub(super) err: Words<'a>,
    pub(super) dnserr: Words<'a>,
}

impl Parts<'_> {
    pub(super) fn rtts(&self) -> &[f64] {
        &self.rtts[..self.count]
    }
}

impl<'a> Parts<'a> {
    pub(super) fn http(&self) -> Option<&RawHttp<'a>> {
        self.http.as_deref()
    }
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Self {
            is_text: false,
            rtts: [0.0; PACKETS],
            count: 0,
            is_more: false,
            is_wrong: false,
            error: Words::default(),
            http: None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("packets or answers")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let mut parts = Parts::default();
        let mut is_first = true;
        while let Some(part) = seq.next_element::<Part<'de>>()? {
            match part.rtt {
                Number::Is(_) if part.is_duplicate => {}
                Number::Is(rtt) if parts.count < PACKETS => {
                    parts.rtts[parts.count] = rtt;
                    parts.count += 1;
                }
                Number::Is(_) => parts.is_more = true,
                Number::Wrong => parts.is_wrong = true,
                Number::Absent => {}
            }
            if part.error.some().is_some() {
                parts.error = part.error;
            }
            if is_first {
                parts.http = part.http;
            }
            is_first = false;
        }
        Ok(parts)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        drain_map(map)?; // an answer of DNS
        Ok(Parts::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Parts {
            is_text: true,
            ..Parts::default()
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Parts::default())
    }
}

/// A packet of a ping, an answer of HTTP, or a hop of a traceroute.
#[derive(Default)]
struct Part<'a> {
    rtt: Number,
    is_duplicate: bool,
    error: Words<'a>,
    http: Option<Box<RawHttp<'a>>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Rtt,
    Dup,
    Error,
    Af,
    DstAddr,
    Addr,
    Res,
    Rt,
    Ttc,
    Ttfb,
    Err,
    Dnserr,
    #[serde(other)]
    Other,
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a packet or an answer")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut part = Part::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Rtt => part.rtt = map.next_value()?,
                Key::Dup => part.is_duplicate = map.next_value::<Present>()?.0,
                Key::Error => part.error = map.next_value()?,
                Key::Other => drop(map.next_value::<Present>()?),
                http => part.http.get_or_insert_default().take(http, &mut map)?,
            }
        }
        Ok(part)
    }
}

impl<'de> RawHttp<'de> {
    fn take<M: MapAccess<'de>>(&mut self, key: Key, map: &mut M) -> Result<(), M::Error> {
        match key {
            Key::Af => self.af = map.next_value()?,
            Key::DstAddr | Key::Addr => self.dst_addr = map.next_value()?,
            Key::Res => self.res = map.next_value()?,
            Key::Rt => self.rt = map.next_value()?,
            Key::Ttc => self.ttc = map.next_value()?,
            Key::Ttfb => self.ttfb = map.next_value()?,
            Key::Err => self.err = map.next_value()?,
            Key::Dnserr => self.dnserr = map.next_value()?,
            Key::Rtt | Key::Dup | Key::Error | Key::Other => drop(map.next_value::<Present>()?),
        }
        Ok(())
    }
}

/// Packets of one ping whose times are kept: Atlas sends 16 at most.
const PACKETS: usize = 16;
