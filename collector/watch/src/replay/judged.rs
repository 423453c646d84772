//! What the past turned out to be: values only.

use std::collections::BTreeMap;

use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::stretches::Stretches;
use crate::incident::{Incident, IncidentCheck};
use crate::judge::{Telling, What};
use crate::spans::{Span, Spans};

/// Whether a failure speaks against the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// The vantage's own line was proven, or it reached the node: the failure counts.
    pub counts: bool,
    /// Its vantage might judge the node at the time: it was neither on its server, nor sick, nor its worker's.
    pub is_heard: bool,
    /// What it says of the node, if its vantage may judge it: while such an outage stands, no proof is asked for.
    pub against: Option<IncidentCheck>,
}

/// Failures, each weighed.
pub type Failures = Stretches<Weighed>;

/// A message that would have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When.
    pub at: UnixMillis,
    /// About what.
    pub what: What,
    /// It is meant to wake somebody.
    pub pages: bool,
}

impl Message {
    pub(super) fn of(telling: &Telling) -> Self {
        Self {
            at: telling.at,
            what: telling.what,
            pages: telling.pages(),
        }
    }
}

/// What the engine says of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Outages of nodes that touch the window, by start.
    pub incidents: Vec<Incident>,
    /// What would have been told in the window, had all been known in time.
    pub messages: Vec<Message>,
    /// When no quorum was possible.
    pub unknown: BTreeMap<TargetId, Unknown>,
    /// Every failure in the window.
    pub failures: Failures,
    /// The answers of vantages that might not judge their node at the time: on its server, sick, or its worker's.
    pub unheard: Stretches<()>,
    /// All addresses known stand on one machine or in one prefix: no vantage was taken to stand beside a node.
    pub is_one_place: bool,
}

/// When no quorum was possible for a node, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Somebody measured it, and too few might judge.
    pub unjudged: Vec<Span>,
    /// Nobody measured it.
    pub unmeasured: Vec<Span>,
}

impl Replayed {
    /// Takes in what followed. An incident is as it was later.
    pub(crate) fn extend(&mut self, next: Self) {
        for incident in next.incidents {
            match self.incidents.iter_mut().find(|known| known.id == incident.id) {
                Some(known) => *known = incident,
                None => self.incidents.push(incident),
            }
        }
        self.messages.extend(next.messages);
        for (target, unknown) in next.unknown {
            let known = self.unknown.entry(target).or_default();
            known.unjudged.extend(unknown.unjudged);
            known.unmeasured.extend(unknown.unmeasured);
        }
        self.failures.extend(next.failures);
        self.unheard.extend(next.unheard);
        self.is_one_place = next.is_one_place;
    }

    /// What of it lies in a window, from inclusive, until exclusive.
    #[must_use]
    pub(crate) fn within(mut self, (from, until): Span) -> Self {
        let touches = |of: &Incident| of.start < until && of.end.is_none_or(|end| end > from);
        self.incidents.retain(touches);
        self.incidents.sort_by_key(|incident| incident.start);
        self.messages
            .retain(|message| (from..=until).contains(&message.at));
        for unknown in self.unknown.values_mut() {
            for spans in [&mut unknown.unjudged, &mut unknown.unmeasured] {
                let mut inside = Spans::default();
                spans.drain(..).for_each(|span| inside.add(span));
                *spans = inside.within((from.0, until.0)).into_vec();
            }
        }
        self.failures.within((from, until));
        self.unheard.within((from, until));
        self
    }
}
