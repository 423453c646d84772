//! What is said, and when: an outage of half the nodes is one message, and so is its end.

use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;

use super::fleet::{Fault, News};
use super::observation::Service;
use super::what::What;
use super::{Engine, Output};
use crate::incident::Incident;

/// A shared outage is held back so long, for those who are about to join it.
const HOLD_MS: u64 = 3_000;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// When.
    pub at: UnixMillis,
    /// About what.
    pub what: What,
    /// The incidents it is about, as they were then.
    pub incidents: Vec<Incident>,
    /// Nodes that fail as well, not yet long enough for an incident.
    pub(crate) failing_too: Vec<TargetId>,
    /// Of a shared outage that is over for some: those still down.
    pub(crate) still_down: Vec<TargetId>,
    /// Of the same those that are up, but come and go: nothing is said of them before they were steady.
    pub(crate) up_for_now: Vec<TargetId>,
}

impl Telling {
    /// Whether it is meant to wake somebody: not if all that it says follows from what woke them before. A node that comes
    /// and goes woke them when it went down this time, and a silent probe's server when its node did.
    #[must_use]
    pub fn pages(&self) -> bool {
        let is_new = |incident: &Incident| match self.what {
            What::Steady => incident.flapping.is_none_or(|flapping| flapping.is_muted()),
            What::Silent => incident.group.is_none(),
            _ => true,
        };
        self.what.pages() && (self.incidents.is_empty() || self.incidents.iter().any(is_new))
    }
}

impl Engine {
    pub(super) fn say(&mut self, what: What, incidents: Vec<Incident>) {
        self.output.push(Output::Told(Telling {
            at: self.now,
            what,
            incidents,
            failing_too: Vec::new(),
            still_down: Vec::new(),
            up_for_now: Vec::new(),
        }));
    }

    /// Says what waits to be said.
    pub(super) fn tell(&mut self) {
        self.tell_openings();
        self.tell_group_ends();
        self.tell_gathered();
    }

    fn tell_openings(&mut self) {
        let news = (0..self.nodes.len()).filter_map(|place| self.news(place));
        let news: Vec<News> = news.collect();
        if news.is_empty() {
            return;
        }
        let (ways, services) = news.into_iter().partition(|news| news.fault == Fault::Way);
        self.tell_faults(Fault::Way, ways);
        self.tell_faults(Fault::Service, services);
    }

    /// Tells of what began to fail alike, and notes that people know.
    fn tell_faults(&mut self, fault: Fault, news: Vec<News>) {
        let (joining, news): (Vec<News>, Vec<News>) = news
            .into_iter()
            .partition(|of| self.is_listed(of.place, of.fault, of.start));
        for of in joining {
            self.join_group(&of);
        }
        let Some(first) = news.iter().map(|of| of.noticed).min() else {
            return;
        };
        let beside = self.beside(fault, &news);
        let is_held = first <= self.now && self.now.0 < first.0 + HOLD_MS;
        if beside.is_shared && !beside.suspects.is_empty() && is_held {
            return;
        }
        let mut failing_too = Vec::new();
        if beside.is_shared {
            self.form_group(fault, &news, &beside);
            let failing = beside.suspects.iter().chain(&beside.again);
            failing_too = failing.map(|&place| self.nodes[place].id).collect();
        }
        // a shared outage is one message, with those of its nodes that come and go
        let is_one = beside.is_shared && news.iter().any(|of| of.what != What::Flapping);
        let mut told: Vec<(What, Incident)> = Vec::new();
        for of in &news {
            told.extend(self.mark_told(of, is_one).map(|outage| (of.what, outage)));
        }
        told.sort_by_key(|(what, _)| match what {
            What::Down => 0, // its id is the message's: that of one told before was used
            What::Worse => 1,
            _ => 2,
        });
        self.say_openings(told, failing_too, is_one);
    }

    fn say_openings(&mut self, told: Vec<(What, Incident)>, mut failing_too: Vec<TargetId>, is_one: bool) {
        let first = told.first().map(|(what, _)| *what);
        for what in [What::Down, What::Worse, What::Flapping] {
            let is_in = |of: What| if is_one { first == Some(what) } else { of == what };
            let incidents = told.iter().filter(|(of, _)| is_in(*of));
            let incidents: Vec<Incident> = incidents.map(|(_, outage)| outage.clone()).collect();
            if !incidents.is_empty() {
                self.output.push(Output::Told(Telling {
                    at: self.now,
                    what,
                    incidents,
                    failing_too: std::mem::take(&mut failing_too),
                    still_down: Vec::new(),
                    up_for_now: Vec::new(),
                }));
            }
        }
    }

    /// Notes that people know, and gives the outage as it is told. Services that fail as well are named in the
    /// message, so nothing is said when they are confirmed.
    pub(super) fn mark_told(&mut self, news: &News, is_one: bool) -> Option<Incident> {
        let place = news.place;
        let soon: Vec<_> = [Service::Status, Service::Asset]
            .into_iter()
            .filter(|&service| self.is_failing_soon(place, service))
            .map(|service| self.nodes[place].check_of(service))
            .filter(|check| !self.is_open(place, *check))
            .collect();
        let node = &mut self.nodes[place];
        (node.memory.announced, node.memory.is_taken_up) = (soon, false);
        let outage = node.outage.as_mut()?;
        (outage.told, outage.worse_waits) = (true, false);
        let worst = outage.worst_open().map(|span| span.check);
        if let Some(flapping) = outage
            .flapping
            .as_mut()
            .filter(|_| is_one || news.what == What::Flapping)
        {
            flapping.said = flapping.openings;
            flapping.said_of = flapping.said_of.into_iter().chain(worst).min();
            flapping.is_steady_said = is_one;
        }
        let told = outage.clone();
        self.keep(&told);
        Some(told)
    }
}
