//! An outage with what proves it: what is kept, shown and told.

use std::fmt;

use isochrone_base::kinds::{CountsFor, counts_for};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentCheck {
    /// A node's status.
    Status,
    /// A node's asset.
    Asset,
    /// A plain HTTP endpoint.
    Http,
    /// A probe went silent.
    Probe,
    /// Nobody measures a node any more.
    Data,
}

impl IncidentCheck {
    /// The verdict that a check counts for; `None` for what judges no node.
    #[must_use]
    pub const fn of(check: Check) -> Option<Self> {
        match counts_for(check) {
            CountsFor::Status => Some(Self::Status),
            CountsFor::Asset => Some(Self::Asset),
            CountsFor::Http => Some(Self::Http),
            CountsFor::Mesh | CountsFor::Nothing => None,
        }
    }

    /// The word in JSON and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Asset => "asset",
            Self::Http => "http",
            Self::Probe => "probe",
            Self::Data => "data",
        }
    }
}

/// Whom an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A node.
    Node(TargetId),
    /// A probe.
    Probe(ProbeId),
}

/// At most one incident of a key is open at a time.
pub type IncidentKey = (Subject, IncidentCheck);

/// Where the fault seems to be. More is told apart once outages are attributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// At the node: no vantage gets through.
    Node,
    /// Some vantages get through, others do not.
    Path,
    /// At the probe.
    Probe,
    /// Not known.
    Unknown,
}

impl Cause {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Path => "path",
            Self::Probe => "probe",
            Self::Unknown => "unknown",
        }
    }
}

/// What one vantage saw: a cell of the matrix that proves the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceCell {
    /// The probe.
    pub probe: ProbeId,
    /// Its name.
    pub vantage: String,
    /// Its site.
    pub place: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// The check, such as `status4`.
    #[serde(with = "kind_text")]
    pub kind: Kind,
    /// How far the newest failure came.
    pub phase: Phase,
    /// What went wrong.
    pub failure: FailureCause,
    /// The error, verbatim.
    pub error: String,
    /// Slot of the newest failure when this was written.
    pub slot: UnixMillis,
    /// Slot of the first failure in the row.
    pub first_slot: UnixMillis,
    /// Failures in the row when this was written.
    pub failures: u32,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It works again.
    Recovered,
    /// The lead paused the node.
    Paused,
    /// The node left `targets.toml`, or the probe was revoked.
    Removed,
}

/// An outage, as it is kept. JSON that describes itself: fields are added, none renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Start, and a hash of target, check and start: the same incident always has the same id.
    pub id: String,
    /// Whom it is about.
    pub subject: Subject,
    /// Name of the node or probe.
    pub target: String,
    /// What failed.
    pub check: IncidentCheck,
    /// Where the fault seems to be.
    pub cause: Cause,
    /// Slot of the first failure in the evidence; of a silence, when it began.
    pub start: UnixMillis,
    /// When the rule found it.
    pub noticed: UnixMillis,
    /// When it was over; `None` while it goes on.
    pub end: Option<UnixMillis>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// What the rule could not have, in a sentence.
    pub caveat: Option<String>,
    /// The cells that prove it.
    pub evidence: Vec<EvidenceCell>,
}

impl Incident {
    /// The id of an incident: sorts by start, and is the same whoever computes it.
    #[must_use]
    pub fn id_of(target: &str, check: IncidentCheck, start: UnixMillis) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("isochrone incident id 1");
        hasher.update(target.as_bytes()).update(&[0]);
        hasher
            .update(check.word().as_bytes())
            .update(&start.0.to_be_bytes());
        let hash = hasher.finalize();
        format!("{:013}-{}", start.0, &hash.to_hex()[..8])
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> IncidentKey {
        (self.subject, self.check)
    }

    /// From start to end, or to `now`, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self, now: UnixMillis) -> u64 {
        self.end.unwrap_or(now).0.saturating_sub(self.start.0)
    }

    /// How many vantages and networks stand in the evidence; unknown networks count as one.
    #[must_use]
    pub fn witnesses(&self) -> (usize, usize) {
        let vantages: std::collections::BTreeMap<_, _> = self
            .evidence
            .iter()
            .map(|cell| (cell.probe, cell.network))
            .collect();
        (
            vantages.len(),
            isochrone_base::roster::count_networks(vantages.into_values()),
        )
    }
}

impl fmt::Display for IncidentCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A kind as its text, such as `asset-head6`.
pub(crate) mod kind_text {
    use isochrone_proto::kind::Kind;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(kind)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_start_and_tell_checks_apart() {
        let at = |ms| UnixMillis(ms);
        let first = Incident::id_of("tokyo", IncidentCheck::Status, at(1_700_000_000_000));
        let second = Incident::id_of("berlin", IncidentCheck::Status, at(1_700_000_000_001));
        let asset = Incident::id_of("tokyo", IncidentCheck::Asset, at(1_700_000_000_000));
        assert!(first < second);
        assert_ne!(first, asset);
        assert_eq!(
            first,
            Incident::id_of("tokyo", IncidentCheck::Status, at(1_700_000_000_000))
        );
    }

    #[test]
    fn evidence_cell_survives_json_verbatim() {
        let cell = EvidenceCell {
            probe: ProbeId(7),
            vantage: "ada-berlin".into(),
            place: "Berlin, DE".into(),
            network: Some(64_500),
            kind: "asset-head6".parse().unwrap(),
            phase: Phase::FirstByte,
            failure: FailureCause::Timeout,
            error: "no byte within 5 s: \"…\"".into(),
            slot: UnixMillis(20),
            first_slot: UnixMillis(10),
            failures: 3,
        };
        let text = serde_json::to_string(&cell).unwrap();
        assert!(text.contains(r#""kind":"asset-head6""#), "{text}");
        assert!(text.contains(r#""phase":"first-byte""#), "{text}");
        assert_eq!(serde_json::from_str::<EvidenceCell>(&text).unwrap(), cell);
    }
}
