//! Which outages a window holds, and which failures count: one calculation for `report nodes` and for `show`.

use std::collections::BTreeMap;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::incident::{Incident, IncidentCheck, Subject};
use isochrone_watch::replay::{CellKey, Weighed};

use crate::log::Window;

/// The outages of every node, by start.
pub(crate) type Outages = BTreeMap<TargetId, Vec<Incident>>;

/// Two outages of a node that lie closer together than this are one, seen twice.
const SAME_MS: u64 = 60_000;

/// The outages of every node, by start. What was kept at the time stands as it was kept; what the log shows beside it
/// (a store that was restored or filled up, rows that nobody judged yet) stands with it.
pub(crate) fn merge(found: Vec<Incident>, kept: &[Incident], window: Window) -> Outages {
    let is_outage = |incident: &&Incident| incident.check.is_outage() && touches(incident, window);
    let mut all: Vec<Incident> = kept.iter().filter(is_outage).cloned().collect();
    for incident in found {
        if !all.iter().any(|known| is_same(known, &incident)) {
            all.push(incident);
        }
    }
    let mut outages = Outages::new();
    for incident in all {
        if let Subject::Node(target) = incident.subject {
            outages.entry(target).or_default().push(incident);
        }
    }
    for of_node in outages.values_mut() {
        of_node.sort_by_key(|incident| incident.start);
    }
    outages
}

fn is_same(known: &Incident, found: &Incident) -> bool {
    let end = |of: &Incident| of.end.map_or(u64::MAX, |end| end.0.saturating_add(SAME_MS));
    known.subject == found.subject && known.start.0 <= end(found) && found.start.0 <= end(known)
}

/// Whether an incident lies in a window, or a part of it.
pub(crate) fn touches(incident: &Incident, window: Window) -> bool {
    incident.start < window.until && incident.end.is_none_or(|end| end > window.from)
}

/// What a failure says of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It counts against this.
    Counts(IncidentCheck),
    /// It would, but its vantage's own line was not proven.
    Unproven,
    /// Its vantage stood on the node's server, or was sick.
    Unheard,
    /// It is in no share: of the node's own worker's probe, or of HEAD.
    Nothing,
}

/// How the failures of one check are weighed.
#[derive(Debug)]
pub(crate) struct Scale<'a> {
    outages: &'a [Incident],
    /// `None`: they are in no share.
    check: Option<IncidentCheck>,
}

impl<'a> Scale<'a> {
    pub(crate) fn of(cell: CellKey, roster: &Roster, outages: &'a Outages) -> Self {
        let (node, probe) = (roster.node(cell.target), roster.probe(cell.probe));
        let is_own = node.zip(probe).is_none_or(|(node, probe)| node.is_own(probe));
        Self {
            outages: outages.get(&cell.target).map_or(&[][..], Vec::as_slice),
            check: IncidentCheck::of(cell.kind.check).filter(|_| !is_own),
        }
    }

    /// Whether all failures with this word weigh the same, whenever they were.
    pub(crate) fn is_even(&self, word: Weighed) -> bool {
        self.outages.is_empty() || word.counts || word.against.is_none()
    }

    /// What a failure says of its node. Within an outage that stands it counts: that nothing else answers any more is
    /// part of an outage of all nodes.
    pub(crate) fn weigh(&self, slot: UnixMillis, word: Weighed) -> Weight {
        let Some(check) = self.check else {
            return Weight::Nothing;
        };
        match word.counts || self.stands(slot, word) {
            true => Weight::Counts(check),
            false if word.is_heard => Weight::Unproven,
            false => Weight::Unheard,
        }
    }

    /// Whether a failure lies in an outage of what it speaks against.
    fn stands(&self, slot: UnixMillis, word: Weighed) -> bool {
        let mut spans = self.outages.iter().flat_map(|outage| &outage.checks);
        spans.any(|span| {
            let holds = span.start <= slot && span.end.is_none_or(|end| slot < end);
            holds && word.against == Some(span.check)
        })
    }
}
