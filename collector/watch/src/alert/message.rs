//! What an alert says: `isochrone.alert/1`. Fields are added, none renamed.

use isochrone_base::words;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::health::Transition;
use crate::incident::{Cause, Ending, Incident, IncidentCheck};

/// The name of this schema.
pub const SCHEMA: &str = "isochrone.alert/1";

/// One alert, as it is kept in the outbox and sent to the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// `isochrone.alert/1`.
    pub schema: String,
    /// The same for each delivery of the same alert: drop what you have seen.
    pub id: String,
    /// `store`, or `demo` for what happened in the demo's world.
    #[serde(default = "store")]
    pub source: String,
    /// What happened.
    pub event: Event,
    /// When the collector noticed it, RFC 3339.
    pub at: String,
    /// Which collector speaks.
    pub collector: String,
    /// The whole in a sentence.
    pub summary: String,
    /// What it is about, if an incident.
    pub incident: Option<IncidentBody>,
    /// What it is about, if something at the gate.
    pub security: Option<SecurityNotice>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// An incident began.
    Opened,
    /// An incident is over.
    Ended,
    /// Something at the gate that the lead should hear of.
    Security,
}

impl Event {
    /// The word in JSON and in ids.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Ended => "ended",
            Self::Security => "security",
        }
    }
}

/// An incident, for receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentBody {
    /// Its id; the alerts of its beginning and its end share it.
    pub id: String,
    /// Name of the node or probe.
    pub target: String,
    /// `status`, `asset`, `http`, `probe` (silent) or `data` (nobody measures it).
    pub check: IncidentCheck,
    /// `node`, `path`, `probe` or `unknown`.
    pub cause: Cause,
    /// Slot of the first failure, RFC 3339.
    pub start: String,
    /// When it was over, RFC 3339.
    pub end: Option<String>,
    /// From start to end in seconds; `null` while it goes on.
    pub duration_s: Option<u64>,
    /// `recovered`, `paused` or `removed`.
    pub ending: Option<Ending>,
    /// What the rule could not have, in a sentence.
    pub caveat: Option<String>,
    /// What each vantage saw.
    pub evidence: Vec<EvidenceBody>,
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
    pub first: String,
    /// Slot of the newest failure, RFC 3339.
    pub last: String,
    /// Failures in the row.
    pub failures: u32,
}

/// Something at the gate: a token reused, a key live twice, a fork.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityNotice {
    /// `token-reused`, `key-live-twice`, `fork` or `protocol-broken`.
    pub kind: String,
    /// Name of the probe.
    pub probe: String,
    /// What happened and what to do, in sentences.
    pub text: String,
}

impl Alert {
    /// What is told about a change; `None` where nobody is told.
    #[must_use]
    pub fn of_transition(transition: &Transition, collector: &str, now: UnixMillis) -> Option<Self> {
        let (event, incident) = match transition {
            Transition::Opened(incident) => (Event::Opened, incident),
            Transition::Ended(incident) => (Event::Ended, incident),
            Transition::Updated(_) => return None,
        };
        Some(Self {
            schema: SCHEMA.to_owned(),
            id: format!("{}-{}", incident.id, event.word()),
            source: store(),
            event,
            at: words::rfc3339(now),
            collector: collector.to_owned(),
            summary: match event {
                Event::Ended => ended(incident),
                _ => opened(incident),
            },
            incident: Some(IncidentBody::of(incident)),
            security: None,
        })
    }

    /// What is told about something at the gate. The same thing is told once an hour at most: the id says so.
    #[must_use]
    pub fn of_security(notice: SecurityNotice, collector: &str, at: UnixMillis) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: format!("{:010}-{}-{}", at.hour().0, notice.kind, notice.probe),
            source: store(),
            event: Event::Security,
            at: words::rfc3339(at),
            collector: collector.to_owned(),
            summary: format!("Probe {}: {}", notice.probe, notice.text),
            incident: None,
            security: Some(notice),
        }
    }

    /// The same alert, marked as the demo's for programs and people.
    pub(super) fn of_demo(self) -> Self {
        Self {
            source: "demo".to_owned(),
            summary: format!("DEMO {}", self.summary),
            ..self
        }
    }
}

fn store() -> String {
    "store".to_owned()
}

impl IncidentBody {
    fn of(incident: &Incident) -> Self {
        let evidence = incident.evidence.iter().map(|cell| EvidenceBody {
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
        });
        Self {
            id: incident.id.clone(),
            target: incident.target.clone(),
            check: incident.check,
            cause: incident.cause,
            start: words::rfc3339(incident.start),
            end: incident.end.map(words::rfc3339),
            duration_s: incident.end.map(|end| incident.duration_ms(end) / 1_000),
            ending: incident.ending,
            caveat: incident.caveat.clone(),
            evidence: evidence.collect(),
        }
    }
}

fn opened(incident: &Incident) -> String {
    let since = words::date_time(incident.start);
    let target = &incident.target;
    match incident.check {
        IncidentCheck::Probe => format!("Probe {target} is silent since {since} UTC."),
        IncidentCheck::Data => format!("{target}: no data since {since} UTC, no probe measures it."),
        check => {
            let (vantages, networks) = incident.witnesses();
            let through = match incident.cause {
                Cause::Node => "Nobody gets through.",
                Cause::Path => "Other vantages still get through.",
                Cause::Probe | Cause::Unknown => "",
            };
            let text = format!(
                "{target}: {check} is down{} since {since} UTC, seen by {} in {}. {through}",
                family(incident),
                words::count(vantages, "vantage"),
                words::count(networks, "network"),
            );
            text.trim_end().to_owned()
        }
    }
}

fn ended(incident: &Incident) -> String {
    let end = incident.end.unwrap_or(incident.start);
    let lasted = words::duration(incident.duration_ms(end));
    let span = format!(
        "{} to {} UTC",
        words::date_time(incident.start),
        words::date_time(end)
    );
    let target = &incident.target;
    match (incident.ending, incident.check) {
        (Some(Ending::Paused), check) => {
            format!("{target}: {check} is no longer watched (paused) after {lasted}, {span}.")
        }
        (Some(Ending::Removed), check) => {
            format!("{target}: {check} is no longer watched (removed) after {lasted}, {span}.")
        }
        (_, IncidentCheck::Probe) => format!("Probe {target} is heard again after {lasted}, {span}."),
        (_, IncidentCheck::Data) => format!("{target}: measured again after {lasted} without data, {span}."),
        (_, check) => format!("{target}: {check} is up again after {lasted}, {span}."),
    }
}

/// Said only where one family alone fails.
fn family(incident: &Incident) -> &'static str {
    let is_only = |family| incident.evidence.iter().all(|cell| cell.kind.family == family);
    match incident.evidence.is_empty() {
        false if is_only(Family::V6) => " over IPv6",
        _ => "",
    }
}
