//! What an alert says: `isochrone.alert/1`. Fields are added, none renamed.

mod body;
mod left;
mod names;
mod sentence;

use isochrone_base::words;
use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::incident::Subject;
use crate::judge::{NodeStanding, Telling, What};

use self::body::Bodies;
pub use self::body::{EvidenceBody, IncidentBody, Named};
pub(in crate::alert) use self::left::subject_of;

/// What a message may look up: the name of a node, how it stands, and whose a node or probe is.
pub type Known<'a> = (
    &'a dyn Fn(TargetId) -> Option<String>,
    &'a dyn Fn(TargetId) -> Option<NodeStanding>,
    &'a dyn Fn(Subject) -> Whose,
);

/// Whose a node or probe is, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// Its worker, if one is named.
    pub worker: Option<String>,
    /// Its place, if known.
    pub place: Option<String>,
}

/// The name of this schema.
pub(crate) const SCHEMA: &str = "isochrone.alert/1";

/// One alert, as it is kept in the outbox and sent to the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// `isochrone.alert/1`.
    pub(crate) schema: String,
    /// The same for each delivery of the same alert: drop what you have seen.
    pub id: String,
    /// `store`, or `demo` for what happened in the demo's world.
    #[serde(default = "store")]
    pub source: String,
    /// What happened.
    pub event: Event,
    /// Whether it is meant to wake somebody: the ends of things, and what is only found in the past, are not.
    #[serde(default = "yes")]
    pub pages: bool,
    /// When the collector noticed it, RFC 3339.
    pub at: String,
    /// Which collector speaks.
    pub collector: String,
    /// The whole in a sentence.
    pub summary: String,
    /// What it is about, if an incident; the first of several.
    pub incident: Option<IncidentBody>,
    /// The others that it is about, where something begins or ends for several at once.
    #[serde(default)]
    pub(crate) others: Vec<IncidentBody>,
    /// Where they are very many: those that are named only.
    #[serde(default)]
    pub(crate) rest: Vec<Named>,
    /// Names of nodes that fail as well, not yet long enough for an incident: nothing is told of their beginning, and
    /// `ended` of their end.
    #[serde(default)]
    pub(crate) failing_too: Vec<String>,
    /// What it is about, if something at the gate.
    pub(crate) security: Option<SecurityNotice>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// An incident began.
    Opened,
    /// An incident is over.
    Ended,
    /// Something worse fails in an incident that was told.
    Worse,
    /// A node of which something worse failed can be reached again; its service still fails.
    Better,
    /// A node came back and went away again: nothing more is said until it is steady.
    Flapping,
    /// A flapping node stays down.
    Steady,
    /// An outage of the past, found in rows that came late.
    Late,
    /// The collector's own line is the suspect: it judges nobody.
    OwnLine,
    /// It judges again.
    OwnLineBack,
    /// Something at the gate that the lead should hear of.
    Security,
    /// Rows of the store are not what was written; they are set aside.
    Damage,
    /// The collector's disk is full: nothing is acknowledged.
    DiskFull,
    /// It has room again.
    DiskRoom,
    /// The collector's store cannot be written: nothing is acknowledged.
    CannotStore,
    /// It can be written again.
    CanStore,
    /// What tends the collector's store has failed for hours: it seals and removes nothing, or not all.
    UpkeepFails,
    /// Elasticsearch has taken nothing for minutes; everything is kept here.
    ElasticStops,
    /// It takes what comes again.
    ElasticGoesOn,
    /// Elasticsearch refused documents for their content; they are kept in a file.
    ElasticRefuses,
}

impl Event {
    /// Every one, in the order of the documents.
    pub const ALL: [Self; 19] = [
        Self::Opened,
        Self::Ended,
        Self::Worse,
        Self::Better,
        Self::Flapping,
        Self::Steady,
        Self::Late,
        Self::OwnLine,
        Self::OwnLineBack,
        Self::Security,
        Self::Damage,
        Self::DiskFull,
        Self::DiskRoom,
        Self::CannotStore,
        Self::CanStore,
        Self::UpkeepFails,
        Self::ElasticStops,
        Self::ElasticGoesOn,
        Self::ElasticRefuses,
    ];

    const fn of(what: What) -> Self {
        match what {
            What::Down | What::NoData | What::NobodyMayJudge | What::Silent => Self::Opened,
            What::Up | What::Seen | What::Heard => Self::Ended,
            What::Worse => Self::Worse,
            What::Better => Self::Better,
            What::Flapping => Self::Flapping,
            What::Steady => Self::Steady,
            What::Late => Self::Late,
            What::OwnLine => Self::OwnLine,
            What::OwnLineBack => Self::OwnLineBack,
        }
    }

    /// The word in JSON and in ids.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Ended => "ended",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Flapping => "flapping",
            Self::Steady => "steady",
            Self::Late => "late",
            Self::OwnLine => "own-line",
            Self::OwnLineBack => "own-line-back",
            Self::Security => "security",
            Self::Damage => "damage",
            Self::DiskFull => "disk-full",
            Self::DiskRoom => "disk-room",
            Self::CannotStore => "cannot-store",
            Self::CanStore => "can-store",
            Self::UpkeepFails => "upkeep-fails",
            Self::ElasticStops => "elastic-stops",
            Self::ElasticGoesOn => "elastic-goes-on",
            Self::ElasticRefuses => "elastic-refuses",
        }
    }
}

/// Something at the gate: a token reused, a key live twice, a fork.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityNotice {
    /// `token-reused`, `key-live-twice`, `fork`, `clock`, `own-clock` or `protocol-broken`.
    pub kind: String,
    /// Name of the probe.
    pub probe: String,
    /// What happened and what to do, in sentences.
    pub text: String,
}

impl Alert {
    /// The incidents that it describes.
    pub fn incidents(&self) -> impl Iterator<Item = &IncidentBody> {
        self.incident.iter().chain(&self.others)
    }

    /// Ids of all incidents that it is about.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let described = self.incidents().map(|body| body.id.as_str());
        described.chain(self.rest.iter().map(|named| named.id.as_str()))
    }

    /// What is told. `known`: names of nodes, how they stand, and whose they are.
    #[must_use]
    pub(crate) fn of_telling(telling: &Telling, collector: &str, known: Known<'_>) -> Self {
        let event = Event::of(telling.what);
        let about = telling.incidents.first().map(|incident| incident.id.clone());
        let about = about.unwrap_or_else(|| format!("{:013}-collector", telling.at.0));
        let Bodies { described, named } = Bodies::of(&telling.incidents, known.2);
        let mut described = described.into_iter();
        Self {
            schema: SCHEMA.to_owned(),
            id: format!("{about}-{}", sentence::id_word(telling)),
            source: store(),
            event,
            pages: telling.pages(),
            at: words::rfc3339(telling.at),
            collector: collector.to_owned(),
            summary: sentence::of(telling, known),
            incident: described.next(),
            others: described.collect(),
            rest: named,
            failing_too: telling
                .failing_too
                .iter()
                .filter_map(|&node| known.0(node))
                .collect(),
            security: None,
        }
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
            summary: match &*notice.kind {
                "own-clock" => notice.text.clone(),
                _ => format!("Probe {}: {}", notice.probe, notice.text),
            },
            pages: true,
            incident: None,
            others: Vec::new(),
            rest: Vec::new(),
            failing_too: Vec::new(),
            security: Some(notice),
        }
    }

    /// What is told about the collector itself. `id` is the same whenever the same thing is told.
    #[must_use]
    pub fn of_collector(
        (event, id): (Event, String),
        summary: String,
        collector: &str,
        at: UnixMillis,
    ) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id,
            source: store(),
            event,
            pages: !matches!(
                event,
                Event::DiskRoom
                    | Event::CanStore
                    | Event::ElasticStops
                    | Event::ElasticGoesOn
                    | Event::ElasticRefuses
            ), // nothing is lost while Elasticsearch is away: nobody has to get up
            at: words::rfc3339(at),
            collector: collector.to_owned(),
            summary,
            incident: None,
            others: Vec::new(),
            rest: Vec::new(),
            failing_too: Vec::new(),
            security: None,
        }
    }

    /// The same alert where its receiver was away until long after: it says how things were then.
    pub(super) fn told_late(&self, then: UnixMillis) -> Self {
        let then = words::date_time(then);
        Self {
            summary: format!(
                "{} Told late: so it was at {then} UTC; `status` says how it is now.",
                self.summary
            ),
            ..self.clone()
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

fn yes() -> bool {
    true
}

fn store() -> String {
    "store".to_owned()
}
