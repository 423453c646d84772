//! The incidents of a message, as receivers get them: the first with their evidence, then without, then by name. A message
//! about a fleet stays small enough for whoever receives it.

use isochrone_base::words;
use serde::{Deserialize, Serialize};

use super::{Whose, sentence};
use crate::incident::{Cause, EVIDENCE_MAX, Ending, EvidenceCell, Incident, IncidentCheck, Subject};

/// Incidents that a message describes; the rest are named.
const DESCRIBED_MAX: usize = 50;
/// Incidents that it describes with their evidence, all together with no more cells than one incident may have.
const PROVEN_MAX: usize = 4;

/// An incident, for receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentBody {
    /// Its id; the alerts of its beginning and its end share it.
    pub id: String,
    /// Name of the node or probe.
    pub target: String,
    /// Whose it is, if known.
    #[serde(default)]
    pub worker: Option<String>,
    /// Where it stands, if known.
    #[serde(default)]
    pub place: Option<String>,
    /// The worst that failed: `connect`, `name`, `asset`, `status`, `http`, `probe` (silent) or `data` (nothing is
    /// known of it).
    pub check: IncidentCheck,
    /// All that failed.
    #[serde(default)]
    pub checks: Vec<IncidentCheck>,
    /// `node`, `source`, `path`, `probe`, `shared` or `unknown`.
    pub cause: Cause,
    /// Slot of the first failure, RFC 3339.
    pub start: String,
    /// When it was over, RFC 3339.
    pub end: Option<String>,
    /// From start to end in seconds; `null` while it goes on.
    pub(crate) duration_s: Option<u64>,
    /// `recovered`, `paused` or `removed`.
    pub ending: Option<Ending>,
    /// What the rule could not have, in a sentence.
    pub caveat: Option<String>,
    /// How many vantages saw it.
    #[serde(default)]
    pub vantages: u32,
    /// In how many networks; unknown ones count as one.
    #[serde(default)]
    pub networks: u32,
    /// What each vantage saw.
    pub evidence: Vec<EvidenceBody>,
    /// Checks that saw it and are left out of `evidence`.
    #[serde(default)]
    pub evidence_left_out: u32,
}

/// What one vantage saw, for receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceBody {
    /// The probe's name.
    pub vantage: String,
    /// Its site.
    pub place: String,
    /// AS number of its network, if known.
    pub network: Option<u32>,
    /// Such as `status4`.
    pub kind: String,
    /// How far the check came.
    pub phase: String,
    /// What went wrong.
    pub cause: String,
    /// The error, verbatim.
    pub error: String,
    /// Slot of the first failure in the row, RFC 3339.
    pub(crate) first: String,
    /// Slot of the newest failure, RFC 3339.
    pub(crate) last: String,
    /// Failures in the row.
    pub failures: u32,
}

/// An incident that a message only names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Name of the node or probe.
    pub target: String,
}

/// Those of a message, by how much it says of them.
pub(super) struct Bodies {
    pub(super) described: Vec<IncidentBody>,
    pub(super) named: Vec<Named>,
}

impl Bodies {
    pub(super) fn of(incidents: &[Incident], whose: &dyn Fn(Subject) -> Whose) -> Self {
        let (described, named) = incidents.split_at(incidents.len().min(DESCRIBED_MAX));
        let proven = described.len().min(PROVEN_MAX);
        let body = |(place, incident): (usize, &Incident)| {
            let cells = if place < proven { EVIDENCE_MAX / proven } else { 0 };
            IncidentBody::of(incident, whose(incident.subject), cells)
        };
        let name = |incident: &Incident| Named {
            id: incident.id.clone(),
            target: incident.target.clone(),
        };
        Self {
            described: described.iter().enumerate().map(body).collect(),
            named: named.iter().map(name).collect(),
        }
    }
}

impl IncidentBody {
    /// With so many cells of evidence at most.
    fn of(incident: &Incident, whose: Whose, cells: usize) -> Self {
        let (vantages, networks) = incident.witnesses();
        let evidence = incident.evidence.iter().take(cells).map(EvidenceBody::of);
        Self {
            id: incident.id.clone(),
            target: incident.target.clone(),
            worker: whose.worker,
            place: whose.place,
            check: incident.check,
            checks: sentence::checks(incident),
            cause: incident.cause,
            start: words::rfc3339(incident.start),
            end: incident.end.map(words::rfc3339),
            duration_s: incident.end.map(|end| incident.duration_ms(end) / 1_000),
            ending: incident.ending,
            caveat: incident.caveat.clone(),
            vantages: vantages as u32,
            networks: networks as u32,
            evidence: evidence.collect(),
            evidence_left_out: incident.evidence.len().saturating_sub(cells) as u32,
        }
    }
}

impl EvidenceBody {
    fn of(cell: &EvidenceCell) -> Self {
        Self {
            vantage: cell.vantage.clone(),
            place: cell.place.clone(),
            network: cell.network,
            kind: cell.kind.to_string(),
            phase: cell.phase.to_string(),
            cause: cell.failure.to_string(),
            error: cell.error.clone(),
            first: words::rfc3339(cell.first_slot),
            last: words::rfc3339(cell.slot),
            failures: cell.failures,
        }
    }
}
