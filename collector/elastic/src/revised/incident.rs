//! Incidents as documents: whoever judges fills them in.

use isochrone_proto::units::UnixMillis;
use serde::{Serialize, Serializer};

use crate::document::{Document, DocumentId};
use crate::index::{Family, Names};

/// An outage with what proves it. Words are those of the store's own incidents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// Its own id: the same incident always has the same.
    pub incident: String,
    /// `node` or `probe`.
    pub subject: &'static str,
    /// Name of the node or probe.
    pub target: String,
    /// The worst that failed.
    pub check: &'static str,
    /// Every check that failed.
    pub checks: Vec<&'static str>,
    /// Where the fault seems to be.
    pub cause: &'static str,
    /// `open` or `over`.
    pub state: &'static str,
    /// When it began.
    #[serde(serialize_with = "millis")]
    pub start: UnixMillis,
    /// When the rule found it.
    #[serde(serialize_with = "millis")]
    pub noticed: UnixMillis,
    /// When it was over.
    #[serde(serialize_with = "some_millis", skip_serializing_if = "Option::is_none")]
    pub end: Option<UnixMillis>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
    /// From start to end in seconds; while it is open, absent: it grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// How much of that it really was down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_s: Option<u64>,
    /// How often it went down, of one that comes and goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub falls: Option<u32>,
    /// What the rule could not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The first incident of a shared outage that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// It was found in rows that came too late to act on.
    pub late: bool,
    /// Names of the vantages that saw it.
    pub vantages: Vec<String>,
    /// How many networks they are in.
    pub networks: usize,
    /// What each of them saw.
    pub evidence: Vec<Evidence>,
}

/// What one vantage saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The probe's name.
    pub vantage: String,
    /// Its site.
    pub place: String,
    /// AS number of its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// The check, such as `status4`.
    pub kind: String,
    /// How far it came.
    pub phase: &'static str,
    /// What went wrong.
    pub cause: &'static str,
    /// The error, verbatim.
    pub error: String,
    /// When the newest failure began.
    #[serde(serialize_with = "millis")]
    pub slot: UnixMillis,
    /// Failures in the row.
    pub failures: u32,
}

pub(super) fn document(incident: &Incident, names: &Names) -> Document {
    Document {
        id: DocumentId::of_parts(DOMAIN, &[incident.incident.as_bytes()]),
        index: names.index(Family::Incident, incident.start).into(),
        source: serde_json::to_vec(incident).expect("text and numbers are JSON"),
        version: None,
    }
}

fn millis<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.0)
}

fn some_millis<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_u64(at.0),
        None => serializer.serialize_none(),
    }
}

const DOMAIN: &[u8] = b"isochrone incident document 1";
