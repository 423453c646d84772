//! What is said, and when: an outage of half the nodes is one message, and so is its end.

use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;

use super::moved::{Anew, each};
use super::observation::Service;
use super::{Engine, Output};
use crate::incident::{Cause, Incident};

/// A shared outage is held back so long, for those who are about to join it.
const HOLD_MS: u64 = 3_000;
/// Nodes that a shared outage needs beside half of them.
const SHARED_NODES: usize = 3;
/// Workers it needs.
const SHARED_WORKERS: usize = 2;
/// Its ends are gathered so long.
const GATHER_MS: u64 = 22_000;
/// A node that a message named as failing joins in silence for so long.
const LISTED_MS: u64 = 120_000;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Outages began.
    Down,
    /// An outage that was told is worse now.
    Worse,
    /// Outages are over.
    Up,
    /// It came back soon: nothing more is said until it is steady.
    Flapping,
    /// A flapping outage stays down.
    Steady,
    /// Nobody measures a node.
    NoData,
    /// It is measured, but nobody may judge it.
    NobodyMayJudge,
    /// Something is known of it again.
    Seen,
    /// A probe went silent.
    Silent,
    /// It is heard again.
    Heard,
    /// The collector's own line is the suspect: it judges nobody.
    OwnLine,
    /// It is cleared.
    OwnLineBack,
    /// Outages of the past that late rows show: nobody is woken.
    Late,
}

impl What {
    /// Whether it is meant to wake somebody.
    #[must_use]
    pub const fn pages(self) -> bool {
        match self {
            Self::Down
            | Self::Worse
            | Self::Flapping
            | Self::Steady
            | Self::NoData
            | Self::NobodyMayJudge
            | Self::Silent
            | Self::OwnLine => true,
            Self::Up | Self::Seen | Self::Heard | Self::OwnLineBack | Self::Late => false,
        }
    }
}

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
}

/// A shared outage that was told.
#[derive(Clone, Debug)]
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
    pub(super) fn say(&mut self, what: What, incidents: Vec<Incident>) {
        self.output.push(Output::Told(Telling {
            at: self.now,
            what,
            incidents,
            failing_too: Vec::new(),
            still_down: Vec::new(),
        }));
    }

    /// Says what waits to be said.
    pub(super) fn tell(&mut self) {
        self.tell_openings();
        self.tell_group_ends();
        self.tell_gathered();
    }

    fn tell_openings(&mut self) {
        let is_untold = |place: &usize| matches!(&self.nodes[*place].outage, Some(outage) if !outage.told);
        let untold: Vec<usize> = (0..self.nodes.len()).filter(is_untold).collect();
        if untold.is_empty() {
            return;
        }
        let (joining, untold): (Vec<usize>, Vec<usize>) =
            untold.into_iter().partition(|&place| self.is_listed(place));
        for place in joining {
            self.join_group(place);
        }
        let Some(first) = self.first_noticed(&untold) else {
            return;
        };
        let suspects = self.suspects_beside(&untold);
        let known = self.known_beside(&untold);
        let again = self.again_beside(&untold);
        let all: Vec<usize> = [&untold[..], &suspects, &known, &again].concat();
        let is_shared = self.is_shared(&all);
        let is_held = first <= self.now && self.now.0 < first.0 + HOLD_MS;
        if is_shared && !suspects.is_empty() && is_held {
            return;
        }
        if is_shared {
            self.form_group(&untold, &suspects, &known);
        }
        let told: Vec<Incident> = untold.iter().filter_map(|&place| self.mark_told(place)).collect();
        // a shared outage is one message, with those of its nodes that come and go
        let is_one = is_shared && told.iter().any(|outage| outage.flapping.is_none());
        if is_one {
            for &place in &untold {
                self.nodes[place].memory.is_steady_told = true;
            }
        }
        let failing = suspects.iter().chain(&again).filter(|_| is_shared);
        let failing: Vec<TargetId> = failing.map(|&place| self.nodes[place].id).collect();
        self.say_openings(told, failing, is_one);
    }

    fn say_openings(&mut self, told: Vec<Incident>, mut failing_too: Vec<TargetId>, is_one: bool) {
        let flaps = |outage: &Incident| outage.flapping.is_some() && !is_one;
        let (flapping, new): (Vec<_>, Vec<_>) = told.into_iter().partition(flaps);
        for (what, incidents) in [(What::Down, new), (What::Flapping, flapping)] {
            if !incidents.is_empty() {
                self.output.push(Output::Told(Telling {
                    at: self.now,
                    what,
                    incidents,
                    failing_too: std::mem::take(&mut failing_too),
                    still_down: Vec::new(),
                }));
            }
        }
    }

    fn first_noticed(&self, places: &[usize]) -> Option<UnixMillis> {
        let outages = places
            .iter()
            .filter_map(|&place| self.nodes[place].outage.as_ref());
        outages.map(|outage| outage.noticed).min()
    }

    /// Nodes that began to fail within one interval of those that are to be told, and are not down yet, or not down
    /// again.
    fn suspects_beside(&self, untold: &[usize]) -> Vec<usize> {
        let starts = || {
            untold
                .iter()
                .filter_map(|&place| self.nodes[place].outage.as_ref())
        };
        let first = starts().map(|outage| outage.start).min().unwrap_or_default();
        let last = starts().map(|outage| outage.start).max().unwrap_or_default();
        let suspect = |place: &usize| {
            let node = &self.nodes[*place];
            let interval_ms = self.interval_ms(*place);
            let near =
                |since: UnixMillis| since.0 + interval_ms >= first.0 && since.0 <= last.0 + interval_ms;
            let is_up = !node.outage.as_ref().is_some_and(Incident::is_failing);
            node.is_watched(self.now) && is_up && node.memory.suspect_since.is_some_and(near)
        };
        (0..self.nodes.len()).filter(suspect).collect()
    }

    fn interval_ms(&self, place: usize) -> u64 {
        let ways = self.nodes[place].ways.iter().flatten();
        ways.map(|&cell| self.cells[cell].cadence.interval_ms)
            .max()
            .unwrap_or(0)
    }

    /// Nodes that went down within one interval of those that are to be told, and were told already.
    fn known_beside(&self, untold: &[usize]) -> Vec<usize> {
        let first = |place: &usize| self.nodes[*place].outage.as_ref().map(|outage| outage.start);
        let first = untold.iter().filter_map(first).min().unwrap_or_default();
        let is_known = |place: &usize| {
            let outage = self.nodes[*place].outage.as_ref();
            outage.is_some_and(|outage| {
                let near = outage.start.0 + self.interval_ms(*place) >= first.0;
                outage.told && outage.is_failing() && near
            })
        };
        (0..self.nodes.len()).filter(is_known).collect()
    }

    /// Nodes that come and go, of which nothing more was to be said, and that went down again within one interval of
    /// those that are to be told.
    fn again_beside(&self, untold: &[usize]) -> Vec<usize> {
        let first = |place: &usize| self.nodes[*place].outage.as_ref().map(|outage| outage.start);
        let first = untold.iter().filter_map(first).min().unwrap_or_default();
        let is_again = |place: &usize| {
            let outage = self.nodes[*place].outage.as_ref();
            outage.is_some_and(|outage| {
                let interval_ms = self.interval_ms(*place);
                let near = |at: UnixMillis| at.0 + interval_ms >= first.0;
                let is_told = outage.told && outage.flapping.is_some() && !near(outage.start);
                is_told && outage.is_failing() && near(outage.changed())
            })
        };
        (0..self.nodes.len()).filter(is_again).collect()
    }

    /// Half of the nodes, three at least, of two workers at least.
    fn is_shared(&self, failing: &[usize]) -> bool {
        let watched = self.nodes.iter().filter(|node| node.is_watched(self.now)).count();
        let workers = failing.iter().map(|&place| self.nodes[place].worker.ok_or(place));
        let mut workers: Vec<_> = workers.collect();
        workers.sort_unstable();
        workers.dedup();
        failing.len() >= SHARED_NODES && failing.len() * 2 >= watched && workers.len() >= SHARED_WORKERS
    }

    fn is_listed(&self, place: usize) -> bool {
        let listed = &self.nodes[place].memory.listed_in;
        listed
            .as_ref()
            .is_some_and(|(_, at)| self.now.0 <= at.0 + LISTED_MS)
    }

    /// A node that was named as failing is down now: everybody knows.
    fn join_group(&mut self, place: usize) {
        let Some((id, _)) = self.nodes[place].memory.listed_in.take() else {
            return;
        };
        if let Some(group) = self.groups.iter_mut().find(|group| group.id == id) {
            group.down.push(place);
        }
        self.share(place, &id);
        self.mark_told(place);
    }

    fn share(&mut self, place: usize, id: &str) {
        if let Some(outage) = &mut self.nodes[place].outage {
            (outage.cause, outage.group) = (Cause::Shared, Some(id.to_owned()));
        }
    }

    fn form_group(&mut self, untold: &[usize], suspects: &[usize], known: &[usize]) {
        let down: Vec<usize> = untold.iter().chain(known).copied().collect();
        let outages = down.iter().filter_map(|&place| self.nodes[place].outage.as_ref());
        let earlier = outages.clone().find_map(|outage| outage.group.clone());
        let first = outages
            .min_by_key(|outage| outage.start)
            .map(|outage| outage.id.clone());
        let Some(id) = earlier.or(first) else { return };
        for &place in &down {
            self.share(place, &id);
        }
        for &place in suspects {
            self.nodes[place].memory.listed_in = Some((id.clone(), self.now));
        }
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => {
                let new = down.into_iter().filter(|place| !group.down.contains(place));
                group.down.extend(new.collect::<Vec<_>>());
            }
            None => self.groups.push(Group::new(&id, down)),
        }
    }

    /// Notes that people know, and gives the outage as it is told. Services that fail as well are named in the
    /// message, so nothing is said when they are confirmed.
    fn mark_told(&mut self, place: usize) -> Option<Incident> {
        let soon: Vec<_> = [Service::Status, Service::Asset]
            .into_iter()
            .filter(|&service| self.is_failing_soon(place, service))
            .map(|service| self.nodes[place].check_of(service))
            .collect();
        let node = &mut self.nodes[place];
        (node.memory.announced, node.memory.is_taken_up) = (soon, false);
        let outage = node.outage.as_mut()?;
        outage.told = true;
        let told = outage.clone();
        self.keep(&told);
        Some(told)
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

    fn tell_group_ends(&mut self) {
        let now = self.now;
        for mut group in std::mem::take(&mut self.groups) {
            let nodes = &self.nodes;
            let is_in = |place: &usize| {
                let outage = nodes[*place].outage.as_ref();
                outage.is_some_and(|outage| outage.group.as_ref() == Some(&group.id))
            };
            group.down.retain(is_in);
            let is_failing =
                |place: &&usize| nodes[**place].outage.as_ref().is_some_and(Incident::is_failing);
            let is_due = group
                .gathering_since
                .is_some_and(|since| group.down.is_empty() || now < since || now.0 >= since.0 + GATHER_MS);
            if is_due {
                let still_down = group.down.iter().filter(is_failing);
                let still_down = still_down.map(|&place| nodes[place].id).collect();
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
                    still_down,
                }));
                group.gathering_since = None;
            }
            if !group.down.is_empty() || !group.ended.is_empty() {
                self.groups.push(group);
            }
        }
    }
}
