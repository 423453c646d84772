//! Both sides' counts, and what differs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use isochrone_base::words;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use serde::Serialize;

use super::{Example, HOUR_MS};
use crate::document::DocumentId;
use crate::index::Family;

/// What documents are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Measurements of a kind.
    Kind(Kind),
    /// What may be revised.
    Revised(Family),
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(out),
            Self::Revised(family) => out.write_str(family.word()),
        }
    }
}

/// What documents are about, and one hour, by its first instant.
pub(super) type Part = (What, UnixMillis);

/// What is counted of each part.
pub(super) type Hours = BTreeMap<Part, Tally>;

/// A count, and sums that hardly any other set of documents has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Of measurements how late they left, in microseconds; else the first of the numbers that `revised` gives.
    pub(super) first: u64,
    /// Of echoes their round trips, of connections and requests their handshakes; else the second of these numbers.
    pub(super) second: u64,
}

/// The ids of an hour's documents in the cluster.
#[derive(Debug, Default)]
pub(super) struct There {
    pub(super) ids: BTreeSet<DocumentId>,
    /// Ids that nothing of ours has.
    pub(super) foreign: Vec<String>,
}

/// A kind's day, as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The kind; of what may be revised `rollup`, `ledger` or `incident`.
    pub kind: String,
    /// The UTC day, `2026-11-30`.
    pub day: String,
    /// Measurements in the store that should be there.
    pub store: u64,
    /// Documents in the cluster.
    pub elasticsearch: u64,
    /// Of the store's, those that are not there.
    pub missing: u64,
    /// Of the cluster's, those that the store does not have.
    pub extra: u64,
    /// Documents of which somebody changed the content: all of them in an hour whose sums differ while its ids do not.
    pub changed: u64,
}

impl Period {
    /// Whether both sides have the same.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.changed == 0
    }
}

/// A day's comparison.
#[derive(Debug)]
pub(super) struct Compared {
    periods: BTreeMap<What, Period>,
    missing: BTreeMap<What, BTreeSet<DocumentId>>,
    extra: BTreeMap<What, Vec<String>>,
    to_revise: BTreeSet<Part>,
    pub(super) unsent: u64,
}

impl Compared {
    /// Counts alone so far.
    pub(super) fn new(from: UnixMillis, ours: &Hours, theirs: &Hours) -> Self {
        let day = words::date(from);
        let mut periods: BTreeMap<What, Period> = BTreeMap::new();
        let parts: BTreeSet<&Part> = ours.keys().chain(theirs.keys()).collect();
        for part in parts {
            let period = periods.entry(part.0).or_insert_with(|| Period {
                kind: part.0.to_string(),
                day: day.clone(),
                store: 0,
                elasticsearch: 0,
                missing: 0,
                extra: 0,
                changed: 0,
            });
            period.store += ours.get(part).map_or(0, |tally| tally.count);
            period.elasticsearch += theirs.get(part).map_or(0, |tally| tally.count);
        }
        Self {
            periods,
            missing: BTreeMap::new(),
            extra: BTreeMap::new(),
            to_revise: BTreeSet::new(),
            unsent: 0,
        }
    }

    /// The hours in which both sides differ.
    pub(super) fn differing(&self, ours: &Hours, theirs: &Hours) -> BTreeSet<Part> {
        let parts = ours.keys().chain(theirs.keys()).copied();
        parts.filter(|part| ours.get(part) != theirs.get(part)).collect()
    }

    /// What differs in an hour, id by id. `here`: every id in the store, and whether it should be there by now.
    pub(super) fn by_ids(&mut self, part: Part, here: &BTreeMap<DocumentId, bool>, theirs: &There) {
        let (kind, there) = (part.0, &theirs.ids);
        let missing: BTreeSet<DocumentId> = here
            .iter()
            .filter(|(id, is_due)| **is_due && !there.contains(id))
            .map(|(id, _)| *id)
            .collect();
        let known = there.iter().filter(|id| !here.contains_key(id));
        let extra: Vec<String> = known
            .map(ToString::to_string)
            .chain(theirs.foreign.iter().cloned())
            .collect();
        let undue = here.iter().filter(|(id, is_due)| !**is_due && there.contains(id));
        let is_even = missing.is_empty() && extra.is_empty() && undue.count() == 0;
        if matches!(kind, What::Revised(_)) && (is_even || !missing.is_empty()) {
            self.to_revise.insert(part);
        }
        if let Some(period) = self.periods.get_mut(&kind) {
            period.missing += missing.len() as u64;
            period.extra += extra.len() as u64;
            if is_even {
                period.changed += there.len() as u64;
            }
        }
        self.missing.entry(kind).or_default().extend(missing);
        self.extra.entry(kind).or_default().extend(extra);
    }

    /// What may be revised and is not there as it should be.
    pub(super) fn to_revise(&self) -> impl Iterator<Item = Part> {
        self.to_revise.iter().copied()
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = DocumentId> {
        self.missing.values().flatten().copied()
    }

    pub(super) fn examples(&self) -> Vec<Example> {
        let example = |kind: &What, id: String, is| Example {
            kind: kind.to_string(),
            id,
            is,
        };
        let missing = self.missing.iter();
        let missing = missing.flat_map(|(kind, ids)| ids.iter().map(move |id| (kind, id.to_string())));
        let extra = self.extra.iter();
        let extra = extra.flat_map(|(kind, ids)| ids.iter().map(move |id| (kind, id.clone())));
        let first = |ids: &mut dyn Iterator<Item = (&What, String)>, is| -> Vec<Example> {
            ids.take(super::EXAMPLES)
                .map(|(kind, id)| example(kind, id, is))
                .collect()
        };
        let mut examples = first(&mut { missing }, "missing");
        examples.extend(first(&mut { extra }, "extra"));
        examples
    }

    pub(super) fn into_periods(self) -> impl Iterator<Item = Period> {
        self.periods.into_values()
    }
}

/// The first instant of the hour that holds `slot`.
pub(super) const fn hour(slot: UnixMillis) -> UnixMillis {
    UnixMillis(slot.0 - slot.0 % HOUR_MS)
}

#[cfg(test)]
mod tests {
    use isochrone_proto::ids::{EpochId, ProbeId, TargetId};

    use super::*;
    use crate::document::MeasurementId;

    fn id(slot: u64) -> DocumentId {
        DocumentId::of(&MeasurementId {
            probe: ProbeId(1),
            epoch: EpochId([0; 16]),
            kind: "echo4".parse().unwrap(),
            target: TargetId(2),
            slot: UnixMillis(slot),
        })
    }

    fn there(ids: impl IntoIterator<Item = DocumentId>) -> There {
        There {
            ids: ids.into_iter().collect(),
            foreign: Vec::new(),
        }
    }

    fn tally(count: u64, first: u64) -> Tally {
        Tally {
            count,
            first,
            second: 0,
        }
    }

    #[test]
    fn one_missing_and_one_too_much_are_told_apart_though_the_counts_agree() {
        let part = (What::Kind("echo4".parse().unwrap()), UnixMillis(0));
        let (ours, theirs) = (
            Hours::from([(part, tally(2, 7))]),
            Hours::from([(part, tally(2, 8))]),
        );
        let mut compared = Compared::new(UnixMillis(0), &ours, &theirs);
        let differing = compared.differing(&ours, &theirs);
        assert_eq!(differing.len(), 1);
        let here = BTreeMap::from([(id(1), true), (id(2), true), (id(4), false)]);
        compared.by_ids(part, &here, &there([id(2), id(3)]));
        assert_eq!(compared.missing().collect::<Vec<_>>(), [id(1)]);
        let words: Vec<&str> = compared.examples().iter().map(|example| example.is).collect();
        assert_eq!(words, ["missing", "extra"]);
        let period = compared.into_periods().next().unwrap();
        assert_eq!((period.missing, period.extra, period.changed), (1, 1, 0));
        assert!(!period.is_equal());
    }

    #[test]
    fn what_was_not_sent_yet_is_neither_missing_nor_too_much() {
        let part = (What::Kind("echo4".parse().unwrap()), UnixMillis(0));
        let (ours, theirs) = (
            Hours::from([(part, tally(1, 7))]),
            Hours::from([(part, tally(2, 9))]),
        );
        let mut compared = Compared::new(UnixMillis(0), &ours, &theirs);
        let here = BTreeMap::from([(id(1), true), (id(2), false), (id(3), false)]);
        compared.by_ids(part, &here, &there([id(1), id(2)]));
        assert!(compared.into_periods().next().unwrap().is_equal());
    }

    #[test]
    fn documents_with_the_same_ids_and_other_sums_were_changed() {
        let part = (What::Kind("echo4".parse().unwrap()), UnixMillis(0));
        let (ours, theirs) = (
            Hours::from([(part, tally(1, 7))]),
            Hours::from([(part, tally(1, 9))]),
        );
        let mut compared = Compared::new(UnixMillis(0), &ours, &theirs);
        compared.by_ids(part, &BTreeMap::from([(id(1), true)]), &there([id(1)]));
        let period = compared.into_periods().next().unwrap();
        assert_eq!((period.changed, period.is_equal()), (1, false));
    }
}
