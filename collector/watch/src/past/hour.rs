//! What is kept: judged hours, pauses of the engine, and how far it came.

use std::collections::BTreeSet;
use std::ops::Bound;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::replay::{Paused, Replayed};
use crate::spans::Span;

/// Whoever changes what the engine says of the same rows counts this up: all that has rows is judged again.
const ENGINE: u32 = 1;
const HOURS: &str = "judged_hours";
const PAUSES: &str = "judged_pauses";
const MARK: &str = "judged_mark";
const MARK_KEY: &str = "mark";

/// An hour, or its beginning, as it was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JudgedHour {
    /// From inclusive.
    pub(super) from: UnixMillis,
    /// Until exclusive.
    pub(super) until: UnixMillis,
    judged: Replayed,
    who: Who,
}

/// Whom an hour is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Who {
    /// Probes whose rows were read.
    probes: BTreeSet<ProbeId>,
    /// Nodes that were known, measured or not.
    nodes: BTreeSet<TargetId>,
    digest: String,
}

impl Who {
    fn of(roster: &Roster, probes: BTreeSet<ProbeId>) -> Self {
        let nodes: BTreeSet<_> = roster.nodes().map(|node| node.id).collect();
        let digest = digest_of(roster, &probes, &nodes);
        Self {
            probes,
            nodes,
            digest,
        }
    }
}

impl JudgedHour {
    /// Of a part of it, by a roster.
    pub(super) fn of(
        roster: &Roster,
        probes: &BTreeSet<ProbeId>,
        (from, until): Span,
        judged: Replayed,
    ) -> Self {
        Self {
            from,
            until,
            judged,
            who: Who::of(roster, probes.clone()),
        }
    }

    /// With the part before it, which was judged by a roster that said the same.
    pub(super) fn after(self, before: Self, roster: &Roster) -> Self {
        let probes = before.who.probes.union(&self.who.probes).copied().collect();
        let from = before.from;
        let mut judged = before.judged_for(roster);
        judged.extend(self.judged);
        Self::of(roster, &probes, (from, self.until), judged)
    }

    /// Whether the roster says of those whom it is about what it said then.
    pub(super) fn is_of(&self, roster: &Roster) -> bool {
        digest_of(roster, &self.who.probes, &self.who.nodes) == self.who.digest
    }

    /// What was judged; nobody measured a node that was not known then.
    pub(super) fn judged_for(self, roster: &Roster) -> Replayed {
        let mut judged = self.judged;
        for node in roster.nodes().filter(|node| !self.who.nodes.contains(&node.id)) {
            let unknown = judged.unknown.entry(node.id).or_default();
            unknown.unmeasured.push((self.from, self.until));
        }
        judged
    }
}

/// How far the past is judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    engine: u32,
    /// All rows up to this commit are in what is kept, as far as it reaches.
    pub(super) commit: u64,
    pub(super) until: UnixMillis,
    /// The oldest rows when it began.
    pub(super) first: UnixMillis,
    /// The roster that it was judged by.
    pub(super) roster: String,
    /// From when on there is a pause, oldest first.
    pub(super) pauses: Vec<UnixMillis>,
}

impl Mark {
    /// Nothing is kept from `from` on.
    pub(super) fn new(from: UnixMillis) -> Self {
        Self {
            engine: ENGINE,
            commit: 0,
            until: from,
            first: from,
            roster: String::new(),
            pauses: Vec::new(),
        }
    }

    /// The last pause that is not after an instant.
    pub(super) fn pause_before(&self, at: UnixMillis) -> Option<UnixMillis> {
        self.pauses.iter().rev().copied().find(|pause| *pause <= at)
    }
}

/// The tables.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) store: Store,
    pub(super) hours: Records<JudgedHour>,
    pub(super) pauses: Records<Paused>,
    pub(super) marks: Records<Mark>,
}

impl Kept {
    pub(super) fn of(store: &Store) -> Self {
        Self {
            store: store.clone(),
            hours: Records::new(store.clone(), HOURS),
            pauses: Records::new(store.clone(), PAUSES),
            marks: Records::new(store.clone(), MARK),
        }
    }

    /// How far an engine of this release judged; `None` if none did.
    pub(super) fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let mark = self.marks.get(MARK_KEY)?;
        Ok(mark.filter(|mark| mark.engine == ENGINE))
    }

    pub(super) fn put_mark_in(
        &self,
        transaction: &isochrone_store::Transaction,
        mark: &Mark,
    ) -> Result<(), StoreError> {
        self.marks.put_in(transaction, MARK_KEY, mark)
    }

    pub(super) fn pause(&self, at: Option<UnixMillis>) -> Result<Option<Paused>, StoreError> {
        at.map_or(Ok(None), |at| self.pauses.get(&pause_key(at)))
    }

    /// The hours that touch a span, in order, but for those that begin after it.
    pub(super) fn hours(&self, (from, until): Span) -> Result<Vec<JudgedHour>, StoreError> {
        let (first, last) = (hour_key(from), hour_key(until));
        let hours = self
            .hours
            .range(Bound::Included(&first), Bound::Included(&last))?;
        let hours = hours.into_iter().map(|(_, hour)| hour);
        Ok(hours.filter(|hour| hour.from < until).collect())
    }
}

/// In order of time.
pub(super) fn hour_key(at: UnixMillis) -> String {
    format!("{:010}", at.hour().0)
}

/// In order of time.
pub(super) fn pause_key(at: UnixMillis) -> String {
    format!("{:016}", at.0)
}

/// What a roster says that the engine asks for.
pub(super) fn digest(roster: &Roster) -> String {
    let probes = roster.probes().map(|probe| probe.id).collect();
    let nodes = roster.nodes().map(|node| node.id).collect();
    digest_of(roster, &probes, &nodes)
}

fn digest_of(roster: &Roster, probes: &BTreeSet<ProbeId>, nodes: &BTreeSet<TargetId>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("isochrone judged hour 1");
    let mut add = |of: &dyn std::fmt::Debug| {
        hasher.update(format!("{of:?};").as_bytes());
    };
    for &id in probes {
        let probe = roster.probe(id);
        let facts = |of: &isochrone_base::roster::ProbeEntry| {
            let place = (of.latitude, of.longitude);
            (of.network, of.worker.to_lowercase(), of.name.clone(), place)
        };
        add(&(id, probe.map(facts)));
    }
    for &id in nodes {
        let node = roster.node(id);
        let facts = |of: &isochrone_base::roster::NodeEntry| {
            let place = (of.latitude, of.longitude);
            (
                of.worker.as_ref().map(|worker| worker.to_lowercase()),
                of.name.clone(),
                place,
            )
        };
        add(&(id, node.map(facts)));
    }
    hasher.finalize().to_hex().to_string()
}
