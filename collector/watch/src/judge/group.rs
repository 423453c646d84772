//! A shared outage: told as one message, and so is its end.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::anew::{Anew, each};
use super::flapping::STEADY_MS;
use super::fleet::{Beside, Fault, News, fails_since};
use super::node::Listed;
use super::tell::Telling;
use super::what::What;
use super::{Engine, Output};
use crate::incident::{Cause, Incident, IncidentCheck};

/// Its ends are gathered so long.
const GATHER_MS: u64 = 22_000;

/// A shared outage that was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    id: String,
    /// Places of its nodes whose outages go on.
    down: Vec<usize>,
    /// Ended and not told yet, since when.
    ended: Vec<Incident>,
    gathering_since: Option<UnixMillis>,
}

impl Group {
    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            id: _,
            down: _,
            ended,
            gathering_since,
        } = self;
        ended.iter_mut().for_each(|outage| outage.reckon(anew));
        each(gathering_since.as_mut(), anew);
    }

    fn new(id: &str, down: Vec<usize>) -> Self {
        Self {
            id: id.to_owned(),
            down,
            ended: Vec::new(),
            gathering_since: None,
        }
    }
}

impl Engine {
    /// Whether a message named this failure before it was confirmed. One that began later is another.
    pub(super) fn is_listed(&self, place: usize, fault: Fault, start: UnixMillis) -> bool {
        let listed = self.nodes[place].memory.listed.as_ref();
        listed.is_some_and(|listed| {
            let until = listed.at.0 + self.interval_ms(place, fault);
            listed.fault == fault && start.0 <= until
        })
    }

    /// A node fails, of which nothing may have to be told: notes it if a message named this failure.
    pub(super) fn share_if_listed(&mut self, place: usize, check: IncidentCheck, start: UnixMillis) {
        let fault = Fault::of(check);
        if self.is_listed(place, fault, start) {
            self.share_spell(place, fault);
        }
    }

    /// A node that was named as failing is down now: everybody knows.
    pub(super) fn join_group(&mut self, news: &News) {
        let Some(listed) = self.nodes[news.place].memory.listed.take() else {
            return;
        };
        if let Some(group) = self.groups.iter_mut().find(|group| group.id == listed.group) {
            group.down.push(news.place);
        }
        self.share(news.place, news.fault, &listed.group);
        self.mark_told(news, true);
    }

    /// Notes that an outage is shared. True if that is new.
    fn share(&mut self, place: usize, fault: Fault, id: &str) -> bool {
        let Some(outage) = &mut self.nodes[place].outage else {
            return false;
        };
        let is_new = outage.cause != Cause::Shared || outage.group.as_deref() != Some(id);
        (outage.cause, outage.group) = (Cause::Shared, Some(id.to_owned()));
        self.share_spell(place, fault);
        is_new
    }

    /// Notes that its time down is shared. True if that is new.
    fn share_spell(&mut self, place: usize, fault: Fault) -> bool {
        let Some(outage) = &mut self.nodes[place].outage else {
            return false;
        };
        let since = fails_since(outage, fault);
        match outage.spells.last_mut() {
            Some(spell) if spell.shared_since.is_none() => {
                spell.shared_since = since;
                since.is_some()
            }
            _ => false,
        }
    }

    /// Those of the news are kept when they are told, right after; those that were told before, here.
    pub(super) fn form_group(&mut self, fault: Fault, news: &[News], beside: &Beside) {
        let news = news.iter().map(|of| of.place);
        let down: Vec<usize> = news.chain(beside.known.iter().copied()).collect();
        let outages = down.iter().filter_map(|&place| self.nodes[place].outage.as_ref());
        let earlier = outages.clone().find_map(|outage| outage.group.clone());
        let first = outages
            .min_by_key(|outage| outage.start)
            .map(|outage| outage.id.clone());
        let Some(id) = earlier.or(first) else { return };
        for &place in &down {
            if self.share(place, fault, &id) && beside.known.contains(&place) {
                self.keep_outage(place);
            }
        }
        for &place in &beside.again {
            if self.share_spell(place, fault) {
                self.keep_outage(place);
            }
        }
        for &place in &beside.suspects {
            self.nodes[place].memory.listed = Some(Listed {
                group: id.clone(),
                fault,
                at: self.now,
            });
        }
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => {
                let new = down.into_iter().filter(|place| !group.down.contains(place));
                group.down.extend(new.collect::<Vec<_>>());
            }
            None => self.groups.push(Group::new(&id, down)),
        }
    }

    /// As it was before a restart, from one of its outages: one that goes on, or is over and not told.
    pub(super) fn resume_group(&mut self, place: usize, outage: &Incident) {
        let Some(id) = outage
            .group
            .as_ref()
            .filter(|_| outage.end.is_none() || outage.end_waits)
        else {
            return;
        };
        let known = self.groups.iter().position(|group| group.id == *id);
        let known = known.unwrap_or_else(|| {
            self.groups.push(Group::new(id, Vec::new()));
            self.groups.len() - 1
        });
        let group = &mut self.groups[known];
        if outage.end_waits {
            group.ended.push(outage.clone());
            group.gathering_since = Some(self.now);
        } else {
            group.down.push(place);
        }
    }

    /// An outage is over: told at once, or gathered with the others of its group.
    pub(super) fn ended(&mut self, place: usize, mut outage: Incident) {
        let now = self.now;
        let group = outage.group.as_ref();
        let group = group.and_then(|id| self.groups.iter_mut().find(|group| group.id == *id));
        match group {
            Some(group) => {
                group.down.retain(|down| *down != place);
                group.gathering_since.get_or_insert(now);
                outage.end_waits = true;
                group.ended.push(outage.clone());
                self.keep(&outage);
            }
            None if outage.told => self.say(What::Up, vec![outage]),
            None => {}
        }
    }

    /// Tells of the ends once no node of the group fails any more, but for those that come and go, or after a while.
    pub(super) fn tell_group_ends(&mut self) {
        let now = self.now;
        for mut group in std::mem::take(&mut self.groups) {
            let nodes = &self.nodes;
            let is_in = |place: &usize| {
                let outage = nodes[*place].outage.as_ref();
                outage.is_some_and(|outage| outage.group.as_ref() == Some(&group.id))
            };
            group.down.retain(is_in);
            let is_failing = |place: &usize| nodes[*place].outage.as_ref().is_some_and(Incident::is_failing);
            let (failing, up): (Vec<_>, Vec<_>) = group.down.iter().copied().partition(is_failing);
            let ids = |places: Vec<usize>| places.into_iter().map(|place| nodes[place].id).collect();
            let is_awaited = |place: &usize| {
                let memory = &nodes[*place].memory;
                let is_over_soon = memory.changed.0 + STEADY_MS <= now.0 + GATHER_MS;
                memory.quiet_since.is_none() || is_over_soon
            };
            let is_complete = !group.down.iter().any(is_awaited);
            let is_due = group
                .gathering_since
                .is_some_and(|since| is_complete || now < since || now.0 >= since.0 + GATHER_MS);
            if is_due {
                let mut ended = std::mem::take(&mut group.ended);
                for outage in &mut ended {
                    outage.end_waits = false;
                    self.output.push(Output::Kept(outage.clone()));
                }
                self.output.push(Output::Told(Telling {
                    at: now,
                    what: What::Up,
                    incidents: ended,
                    failing_too: Vec::new(),
                    still_down: ids(failing),
                    up_for_now: ids(up),
                }));
                group.gathering_since = None;
            }
            if !group.down.is_empty() || !group.ended.is_empty() {
                self.groups.push(group);
            }
        }
    }
}
