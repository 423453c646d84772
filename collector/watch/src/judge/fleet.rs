//! What fails of many nodes at once: half of them, of two workers, within one interval.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::observation::{SERVICES, Service};
use super::what::What;
use crate::incident::{Incident, IncidentCheck};

/// Nodes that a shared outage needs beside half of them.
const SHARED_NODES: usize = 3;
/// Workers it needs.
const SHARED_WORKERS: usize = 2;
/// Failures in a row over the grid, of so many vantages, that make a service suspect.
const SUSPECT: usize = 2;

/// What fails together: no node whose status fails is a part of a fleet that cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// Nodes cannot be reached, or their names give no address.
    Way,
    /// They are reached, and do not serve.
    Service,
}

impl Fault {
    pub(super) const fn of(check: IncidentCheck) -> Self {
        match check {
            IncidentCheck::Connect | IncidentCheck::Name => Self::Way,
            _ => Self::Service,
        }
    }
}

/// What of a node is to be told.
#[derive(Clone, Debug)]
pub(super) struct News {
    /// Its place.
    pub(super) place: usize,
    pub(super) what: What,
    pub(super) fault: Fault,
    /// The first failure.
    pub(super) start: UnixMillis,
    pub(super) noticed: UnixMillis,
}

/// Places of the nodes that fail within one interval of those that are to be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// Not down yet.
    pub(super) suspects: Vec<usize>,
    /// Told already.
    pub(super) known: Vec<usize>,
    /// Known to come and go, so that nothing is said of them now.
    pub(super) again: Vec<usize>,
    /// With these they are half of the nodes.
    pub(super) is_shared: bool,
}

impl Engine {
    /// What of a node is to be told, if anything.
    pub(super) fn news(&self, place: usize) -> Option<News> {
        let node = &self.nodes[place];
        let outage = node.outage.as_ref()?;
        let flapping = outage.flapping.as_ref();
        let (what, check, start, noticed) = if !outage.told {
            let what = flapping.map_or(What::Down, |_| What::Flapping);
            (what, outage.check, outage.start, outage.noticed)
        } else if outage.worse_waits {
            let worst = outage.worst_open()?;
            let is_again = flapping.is_some_and(|flapping| flapping.last == worst.start);
            let what = if is_again { What::Flapping } else { What::Worse };
            (what, worst.check, worst.start, node.memory.changed)
        } else {
            return None;
        };
        Some(News {
            place,
            what,
            fault: Fault::of(check),
            start,
            noticed,
        })
    }

    /// The nodes that fail alike at about the same time.
    pub(super) fn beside(&self, fault: Fault, news: &[News]) -> Beside {
        let first = news.iter().map(|of| of.start).min().unwrap_or_default();
        let last = news.iter().map(|of| of.start).max().unwrap_or_default();
        let mut beside = Beside::default();
        for place in 0..self.nodes.len() {
            let interval_ms = self.interval_ms(place, fault);
            let begins = |since: UnixMillis| since.0 + interval_ms >= first.0;
            let near = |since: UnixMillis| begins(since) && since.0 <= last.0 + interval_ms;
            let outage = self.nodes[place].outage.as_ref();
            match outage.and_then(|outage| Some((outage, fails_since(outage, fault)?))) {
                Some((outage, _)) if !outage.told || outage.worse_waits => {} // of the news
                Some((outage, since)) if begins(since) => {
                    let is_muted = outage.flapping.is_some_and(|flapping| flapping.is_muted());
                    let list = if is_muted {
                        &mut beside.again
                    } else {
                        &mut beside.known
                    };
                    list.push(place);
                }
                Some(_) => {}
                None if self.suspect_since(place, fault).is_some_and(near) => beside.suspects.push(place),
                None => {}
            }
        }
        let all = news.iter().map(|of| of.place);
        let all = all.chain(
            beside
                .suspects
                .iter()
                .chain(&beside.known)
                .chain(&beside.again)
                .copied(),
        );
        beside.is_shared = self.is_shared(&all.collect::<Vec<_>>());
        beside
    }

    /// Since when a node fails, not long enough or not seen by enough to be down.
    fn suspect_since(&self, place: usize, fault: Fault) -> Option<UnixMillis> {
        let node = &self.nodes[place];
        let is_failing = |of| {
            node.outage
                .as_ref()
                .is_some_and(|outage| fails_since(outage, of).is_some())
        };
        if !node.is_watched(self.now) || is_failing(Fault::Way) {
            return None;
        }
        match fault {
            Fault::Way => [node.memory.suspect_since, node.memory.nameless_since]
                .into_iter()
                .flatten()
                .min(),
            Fault::Service => {
                let since = SERVICES
                    .into_iter()
                    .filter_map(|service| self.serves_ill_since(place, service));
                since.min()
            }
        }
    }

    fn serves_ill_since(&self, place: usize, service: Service) -> Option<UnixMillis> {
        let row = self.nodes[place].grids[service as usize].evidence(self.now);
        let first = row.iter().map(|answer| answer.vantage).next()?;
        let is_of_several = row.iter().any(|answer| answer.vantage != first);
        let since = self.nodes[place].grids[service as usize].bad_since();
        since.filter(|_| row.len() >= SUSPECT && is_of_several)
    }

    /// The longest interval of the checks that see a fault.
    pub(super) fn interval_ms(&self, place: usize, fault: Fault) -> u64 {
        let node = &self.nodes[place];
        let of = match fault {
            Fault::Way => &node.ways,
            Fault::Service => &node.asks,
        };
        let cells = of
            .iter()
            .flatten()
            .map(|&cell| self.cells[cell].cadence.interval_ms);
        cells.max().unwrap_or(0)
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
}

/// Since when an outage fails in this way, if it does now.
pub(super) fn fails_since(outage: &Incident, fault: Fault) -> Option<UnixMillis> {
    let open = outage.checks.iter().filter(|span| span.end.is_none());
    let alike = open.filter(|span| Fault::of(span.check) == fault);
    alike.map(|span| span.start).min()
}
