//! An outage with what proves it: what is kept, shown and told. One a node, with its checks inside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use isochrone_base::roster::count_networks;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// Cells that one incident keeps.
pub(crate) const EVIDENCE_MAX: usize = 64;
/// Spells of a flapping incident that are kept; the rest are counted.
const SPELLS_MAX: usize = 64;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentCheck {
    /// A node cannot be reached.
    Connect,
    /// A node's name gives no address.
    Name,
    /// A node's asset is not served.
    Asset,
    /// A node's status is not fine.
    Status,
    /// The page of a plain HTTP endpoint does not answer.
    Http,
    /// A probe went silent.
    Probe,
    /// Nobody measures a node any more, or nobody who does may judge it.
    Data,
}

impl IncidentCheck {
    /// Every one, in the order of the documents.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Name,
        Self::Asset,
        Self::Status,
        Self::Http,
        Self::Probe,
        Self::Data,
    ];

    /// What the runs of a check count for in shares. HEAD is answered from chain data and counts for nothing: it would
    /// hide that no asset is served.
    #[must_use]
    pub const fn of(check: Check) -> Option<Self> {
        match check {
            Check::Connect => Some(Self::Connect),
            Check::Status => Some(Self::Status),
            Check::AssetGet => Some(Self::Asset),
            Check::Http => Some(Self::Http),
            Check::AssetHead | Check::Throughput | Check::Echo => None,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Name => "name",
            Self::Asset => "asset",
            Self::Status => "status",
            Self::Http => "http",
            Self::Probe => "probe",
            Self::Data => "data",
        }
    }

    /// The word for people, the same in alerts, reports and on the page.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Http => "page",
            _ => self.word(),
        }
    }

    /// Whether it is one of an outage of a node's.
    #[must_use]
    pub const fn is_outage(self) -> bool {
        !matches!(self, Self::Probe | Self::Data)
    }
}

impl fmt::Display for IncidentCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
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

/// Where the fault seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// At the node: no judge gets through.
    Node,
    /// At a storage source, by the node's own word.
    Source,
    /// Most judges fail, others get through all along.
    Path,
    /// At the probe.
    Probe,
    /// Half of the nodes or more, at once.
    Shared,
    /// Not known.
    Unknown,
}

impl Cause {
    /// Every one, in the order of the documents.
    pub const ALL: [Self; 6] = [
        Self::Node,
        Self::Source,
        Self::Path,
        Self::Probe,
        Self::Shared,
        Self::Unknown,
    ];

    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Source => "source",
            Self::Path => "path",
            Self::Probe => "probe",
            Self::Shared => "shared",
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
    /// When the newest failure began, when this was written.
    pub slot: UnixMillis,
    /// When the first failure in the row began.
    pub(crate) first_slot: UnixMillis,
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

/// One check of an incident: from its first failure to the first answer after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpan {
    /// What failed.
    pub check: IncidentCheck,
    /// First failure.
    pub start: UnixMillis,
    /// First answer after it; `None` while it fails.
    pub end: Option<UnixMillis>,
    /// Where the fault seems to be.
    pub cause: Cause,
}

/// One time down of an incident, with the bounds of what was seen. All begin instants of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// The last answer before the first failure.
    pub last_green: UnixMillis,
    /// The first failure.
    pub first_red: UnixMillis,
    /// The newest failure.
    pub last_red: UnixMillis,
    /// The first answer after the last failure; `None` while it is down.
    pub first_green: Option<UnixMillis>,
    /// Half of the nodes or more failed with it since then; `None` where it failed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_since: Option<UnixMillis>,
}

/// Up and down and up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flapping {
    /// Times it went down, the one before this incident included.
    pub openings: u32,
    /// When it did for the first of these times; 0 where that was not noted.
    pub first: UnixMillis,
    /// When it did for the last.
    pub last: UnixMillis,
    /// How many of them there were when people were told last.
    pub said: u32,
    /// The worst that they were told comes and goes: nothing more is said of it, nor of less, until it was steady.
    pub said_of: Option<IncidentCheck>,
    /// They were told, or need not be, that it stays down this time.
    pub is_steady_said: bool,
}

impl Flapping {
    /// How often an hour it goes down; `None` where it is not known when it did first, or that is less than five minutes
    /// ago: two falls within half a minute are no hundred an hour.
    #[must_use]
    pub fn per_hour(&self) -> Option<f64> {
        const HOUR_MS: f64 = 3_600_000.0;
        const LEAST_MS: u64 = 300_000;
        let between_ms = self
            .last
            .0
            .checked_sub(self.first.0)
            .filter(|ms| *ms >= LEAST_MS)?;
        let is_known = self.first.0 > 0 && self.openings > 1;
        is_known.then(|| f64::from(self.openings - 1) * HOUR_MS / between_ms as f64)
    }

    /// Whether people know that this comes and goes.
    pub(crate) fn covers(&self, check: IncidentCheck) -> bool {
        self.said_of.is_some_and(|said| said <= check)
    }

    /// It went down since people were told last.
    pub(crate) const fn is_muted(&self) -> bool {
        self.openings > self.said
    }
}

/// An outage, as it is kept. JSON that describes itself: fields are added, none renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Start, and a hash of subject, check and start: the same incident always has the same id.
    pub id: String,
    /// Whom it is about.
    pub subject: Subject,
    /// Name of the node or probe.
    pub target: String,
    /// The worst that failed.
    pub check: IncidentCheck,
    /// Every check that failed.
    pub checks: Vec<CheckSpan>,
    /// Where the fault seems to be.
    pub cause: Cause,
    /// When the first failure in the evidence began; of a silence, when it began.
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
    /// Its times down, oldest first: several only where it flaps. Times in which nothing but its status failed
    /// are among them.
    pub spells: Vec<Spell>,
    /// The mark of one that comes and goes.
    pub flapping: Option<Flapping>,
    /// Id of the first incident of a shared outage that this is part of.
    pub group: Option<String>,
    /// People were told that it began.
    pub told: bool,
    /// It was found in rows that came too late to act on: it pages nobody.
    #[serde(default)]
    pub late: bool,
    /// It is over, and people are about to be told, with others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_waits: bool,
    /// Something worse fails, or it failed again, and people are about to be told, with others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worse_waits: bool,
}

impl Incident {
    /// The id of an incident: sorts by start, and is the same whoever computes it.
    #[must_use]
    pub fn id_of(target: &str, check: IncidentCheck, start: UnixMillis) -> String {
        let word = if check.is_outage() { "outage" } else { check.word() };
        let mut hasher = blake3::Hasher::new_derive_key("isochrone incident id 2");
        hasher.update(target.as_bytes()).update(&[0]);
        hasher.update(word.as_bytes()).update(&start.0.to_be_bytes());
        let hash = hasher.finalize();
        format!("{:013}-{}", start.0, &hash.to_hex()[..8])
    }

    /// From start to end, or to `now`, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self, now: UnixMillis) -> u64 {
        self.end.unwrap_or(now).0.saturating_sub(self.start.0)
    }

    /// How long it really was down until `now`, in milliseconds: the sum of its spells, where it flaps.
    #[must_use]
    pub fn down_ms(&self, now: UnixMillis) -> u64 {
        if self.flapping.is_none() {
            return self.duration_ms(now);
        }
        let until = |spell: &Spell| spell.first_green.or(self.end).unwrap_or(now);
        let spells = self.spells.iter();
        spells
            .map(|spell| until(spell).0.saturating_sub(spell.first_red.0))
            .sum()
    }

    /// How often it went down within its own time, if it comes and goes: the outage before, by which it does, is another
    /// incident.
    #[must_use]
    pub fn falls(&self) -> Option<u32> {
        let flapping = self.flapping?;
        let falls = match flapping.first {
            UnixMillis(0) => flapping.openings, // not noted when
            first => flapping.openings.saturating_sub(u32::from(first < self.start)),
        };
        Some(falls.max(1))
    }

    /// When one of its checks failed or answered last.
    #[must_use]
    pub fn changed(&self) -> UnixMillis {
        let spans = self.checks.iter().flat_map(|span| [Some(span.start), span.end]);
        let spells = self.spells.iter();
        let spells = spells.flat_map(|spell| [Some(spell.first_red), spell.first_green]);
        spans.chain(spells).flatten().max().unwrap_or(self.start)
    }

    /// When it went down last.
    #[must_use]
    pub(crate) fn last_fall(&self) -> UnixMillis {
        self.spells.last().map_or(self.start, |spell| spell.first_red)
    }

    /// Of one that comes and goes and answers at the moment: since when. It stays open until that has lasted.
    #[must_use]
    pub fn up_since(&self) -> Option<UnixMillis> {
        let is_open = self.end.is_none() && self.flapping.is_some();
        let newest = self.spells.last().filter(|_| is_open && !self.is_failing());
        newest.and_then(|spell| spell.first_green)
    }

    /// Whether one of its checks is failing now.
    #[must_use]
    pub(crate) fn is_failing(&self) -> bool {
        self.checks.iter().any(|span| span.end.is_none())
    }

    /// The worst that is failing now.
    #[must_use]
    pub(crate) fn worst_open(&self) -> Option<&CheckSpan> {
        let open = self.checks.iter().filter(|span| span.end.is_none());
        open.min_by_key(|span| span.check)
    }

    /// Names of the vantages in the evidence, in order.
    #[must_use]
    pub fn vantages(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.evidence.iter().map(|cell| &cell.vantage).collect();
        names.into_iter().cloned().collect()
    }

    /// How many vantages and networks stand in the evidence; unknown networks count as one.
    #[must_use]
    pub fn witnesses(&self) -> (usize, usize) {
        let vantages: BTreeMap<_, _> = self
            .evidence
            .iter()
            .map(|cell| (cell.probe, cell.network))
            .collect();
        (vantages.len(), count_networks(vantages.into_values()))
    }

    pub(crate) fn open_span(&mut self, check: IncidentCheck) -> Option<&mut CheckSpan> {
        self.checks
            .iter_mut()
            .find(|span| span.check == check && span.end.is_none())
    }

    /// Adds evidence that is new; true if some was.
    pub(crate) fn add_evidence(&mut self, cells: impl IntoIterator<Item = EvidenceCell>) -> bool {
        let before = self.evidence.len();
        for cell in cells {
            let key = |of: &EvidenceCell| (of.probe, of.kind);
            let is_known = self.evidence.iter().any(|known| key(known) == key(&cell));
            if !is_known && self.evidence.len() < EVIDENCE_MAX {
                self.evidence.push(cell);
            }
        }
        self.evidence.len() > before
    }

    /// Begins another time down. The oldest but the first make room.
    pub(crate) fn add_spell(&mut self, spell: Spell) {
        if self.spells.len() == SPELLS_MAX {
            self.spells.remove(1);
        }
        self.spells.push(spell);
    }
}

/// A kind as its text, such as `asset-head6`.
mod kind_text {
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
pub(crate) mod tests {
    use isochrone_proto::kind::Family;

    use super::*;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(ms)
    }

    pub(crate) fn incident(start: u64, end: Option<u64>) -> Incident {
        Incident {
            id: Incident::id_of("tokyo", IncidentCheck::Connect, at(start)),
            subject: Subject::Node(TargetId::of_node("tokyo")),
            target: "tokyo".into(),
            check: IncidentCheck::Connect,
            checks: vec![],
            cause: Cause::Node,
            start: at(start),
            noticed: at(start),
            end: end.map(at),
            ending: end.map(|_| Ending::Recovered),
            caveat: None,
            evidence: vec![],
            spells: vec![],
            flapping: None,
            group: None,
            told: true,
            late: false,
            end_waits: false,
            worse_waits: false,
        }
    }

    #[test]
    fn ids_sort_by_start_and_checks_of_one_outage_share_them() {
        let first = Incident::id_of("tokyo", IncidentCheck::Connect, at(1_700_000_000_000));
        let second = Incident::id_of("berlin", IncidentCheck::Connect, at(1_700_000_000_001));
        let asset = Incident::id_of("tokyo", IncidentCheck::Asset, at(1_700_000_000_000));
        let data = Incident::id_of("tokyo", IncidentCheck::Data, at(1_700_000_000_000));
        assert!(first < second);
        assert_eq!(first, asset);
        assert_ne!(first, data);
    }

    #[test]
    fn outage_before_is_no_fall_of_the_incident_that_comes_and_goes() {
        let mut flapping = incident(10_000, None);
        assert_eq!(flapping.falls(), None);
        let times = |openings, first| {
            Some(Flapping {
                openings,
                first: at(first),
                ..Flapping::default()
            })
        };
        for (openings, first, falls) in [(2, 5_000, 1), (3, 5_000, 2), (3, 10_000, 3)] {
            flapping.flapping = times(openings, first);
            assert_eq!(flapping.falls(), Some(falls));
        }
    }

    #[test]
    fn flapping_incident_was_down_only_in_its_spells() {
        let spell = |first_red, first_green: Option<u64>| Spell {
            last_green: at(first_red),
            first_red: at(first_red),
            last_red: at(first_red),
            first_green: first_green.map(at),
            shared_since: None,
        };
        let mut flapping = incident(10_000, None);
        flapping.flapping = Some(Flapping {
            openings: 3,
            ..Flapping::default()
        });
        flapping.spells = vec![spell(10_000, Some(15_000)), spell(30_000, None)];
        assert_eq!(flapping.down_ms(at(32_000)), 7_000);
        assert_eq!(flapping.duration_ms(at(32_000)), 22_000);
    }

    #[test]
    fn flapping_incident_that_answers_is_up_since_its_newest_answer_until_it_ends_or_fails() {
        let spell = Spell {
            last_green: at(1),
            first_red: at(2),
            last_red: at(3),
            first_green: Some(at(4)),
            shared_since: None,
        };
        let mut flapping = incident(2, None);
        flapping.spells = vec![spell];
        assert_eq!(flapping.up_since(), None, "it does not flap");
        flapping.flapping = Some(Flapping {
            openings: 2,
            ..Flapping::default()
        });
        assert_eq!(flapping.up_since(), Some(at(4)));
        flapping.checks = vec![CheckSpan {
            check: IncidentCheck::Connect,
            start: at(5),
            end: None,
            cause: Cause::Node,
        }];
        assert_eq!(flapping.up_since(), None, "it fails");
        flapping.checks.clear();
        flapping.end = Some(at(9));
        assert_eq!(flapping.up_since(), None, "it is over");
    }

    #[test]
    fn evidence_of_one_cell_is_kept_once() {
        let cell = EvidenceCell {
            probe: ProbeId(7),
            vantage: "ada-berlin".into(),
            place: "Berlin, DE".into(),
            network: Some(64_500),
            kind: Kind::new(Check::Connect, Family::V4),
            phase: Phase::Connect,
            failure: FailureCause::Timeout,
            error: "no answer within 4 s: \"…\"".into(),
            slot: at(20),
            first_slot: at(10),
            failures: 3,
        };
        let mut incident = incident(10, None);
        assert!(incident.add_evidence([cell.clone()]));
        assert!(!incident.add_evidence([cell.clone()]));
        let text = serde_json::to_string(&incident).unwrap();
        assert_eq!(
            serde_json::from_str::<Incident>(&text).unwrap(),
            incident,
            "{text}"
        );
        assert_eq!(incident.witnesses(), (1, 1));
    }
}
