//! Which probes check a node, and on which seat of its grid.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;

use super::affinity::Mark;
use super::participant::Participant;
use crate::targets::Node;

/// Who sits where: each node's vantages, in the order of their seats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats(BTreeMap<String, Vec<ProbeId>>);

impl Seats {
    /// The vantages of a node, by seat.
    #[must_use]
    pub fn of(&self, node: &str) -> &[ProbeId] {
        self.0.get(node).map_or(&[], Vec::as_slice)
    }

    /// Notes the vantages of a node, by seat.
    pub(super) fn put(&mut self, node: &str, vantages: Vec<ProbeId>) {
        self.0.insert(node.to_owned(), vantages);
    }
}

/// Seats for `chosen`, the first ones without a gap. Who had one of those keeps it; what is left goes first to
/// those whose seat is gone, then to the new ones. No probe is twice in either list.
pub(super) fn seated(before: &[ProbeId], chosen: &[ProbeId]) -> Vec<ProbeId> {
    let wanted: HashSet<ProbeId> = chosen.iter().copied().collect();
    let known: HashSet<ProbeId> = before.iter().copied().collect();
    let (kept, gone) = before.split_at(before.len().min(chosen.len()));
    let displaced = gone.iter().filter(|probe| wanted.contains(probe));
    let mut waiting = displaced.chain(chosen.iter().filter(|probe| !known.contains(probe)));
    let stays = |seat: usize| kept.get(seat).filter(|probe| wanted.contains(probe));
    (0..chosen.len())
        .filter_map(|seat| stays(seat).or_else(|| waiting.next()).copied())
        .collect()
}

/// Of each family so many vantages judge a node, where there are so many: enough for any verdict.
const OF_FAMILY: usize = 4;

/// The probes, as those who might check a node.
pub(super) struct Bench<'a> {
    probes: &'a [Participant],
    marks: &'a [Mark],
    /// Places of the probes of each network; those whose network is not known are in one together.
    networks: Vec<(Mark, Vec<usize>)>,
    workers: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(probes: &'a [Participant], marks: &'a [Mark]) -> Self {
        let mut networks: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, probe) in probes.iter().enumerate() {
            let number = probe.network.map_or(0, |number| u64::from(number) + 1);
            networks.entry(number).or_default().push(place);
        }
        let networks = networks.into_iter();
        Self {
            probes,
            marks,
            networks: networks
                .map(|(number, places)| (Mark::of_id(number), places))
                .collect(),
            workers: probes.iter().map(|probe| probe.worker.to_lowercase()).collect(),
        }
    }

    /// The vantages of `node`, at most `seats`: the first of each network by rendezvous hash, then the second of
    /// each, and so on; the probes of its own worker, who judge nothing there, after all others. Where they would leave a
    /// family without judges, the last ones give way to the first who have it.
    pub(super) fn chosen(&self, node: &Node, seats: usize) -> Vec<ProbeId> {
        let drawn = self.drawn(node, seats);
        let mut chosen = first(drawn.clone(), seats);
        if drawn.len() > seats {
            for &family in &node.families {
                self.admit(family, &drawn, &mut chosen);
            }
        }
        chosen.iter().map(|drawn| self.probes[drawn.place].id).collect()
    }

    /// Everybody, with the rank within their network up to `seats`: nobody beyond that is chosen for it.
    fn drawn(&self, node: &Node, seats: usize) -> Vec<Drawn> {
        let mark = Mark::of_name(&node.name);
        let worker = node.worker.to_lowercase();
        let mut all = Vec::with_capacity(self.probes.len());
        for (network, places) in &self.networks {
            let network = Reverse(mark.affinity(*network));
            let start = all.len();
            all.extend(places.iter().map(|&place| Drawn {
                is_own: self.workers[place] == worker,
                rank: 0,
                network,
                affinity: Reverse(mark.affinity(self.marks[place])),
                place,
            }));
            let of_network = &mut all[start..];
            let ranked = seats.min(of_network.len());
            if ranked < of_network.len() {
                of_network.select_nth_unstable(ranked);
                of_network[ranked..]
                    .iter_mut()
                    .for_each(|drawn| drawn.rank = seats);
            }
            of_network[..ranked].sort_unstable();
            let of_network = of_network[..ranked].iter_mut().enumerate();
            of_network.for_each(|(rank, drawn)| drawn.rank = rank);
        }
        all
    }

    /// Lets the first who have `family` in, until enough judge over it.
    fn admit(&self, family: Family, drawn: &[Drawn], chosen: &mut [Drawn]) {
        let judges = |of: Family, drawn: &Drawn| !drawn.is_own && self.probes[drawn.place].speaks(of);
        let able: Vec<Drawn> = drawn
            .iter()
            .filter(|drawn| judges(family, drawn))
            .copied()
            .collect();
        let wanted = first(able, OF_FAMILY.min(chosen.len()));
        let other = if family == Family::V4 {
            Family::V6
        } else {
            Family::V4
        };
        for new in &wanted {
            let count = |of: Family| chosen.iter().filter(|drawn| judges(of, drawn)).count();
            if count(family) >= wanted.len() {
                return;
            }
            if chosen.contains(new) {
                continue;
            }
            let spare = count(other) > OF_FAMILY || judges(other, new);
            let gives_way = |drawn: &Drawn| !judges(family, drawn) && (spare || !judges(other, drawn));
            let Some(last) = chosen.iter().rposition(gives_way) else {
                return;
            };
            chosen[last] = *new;
        }
    }
}

/// The first `count` of them, in order.
fn first(mut drawn: Vec<Drawn>, count: usize) -> Vec<Drawn> {
    if count < drawn.len() {
        drawn.select_nth_unstable(count);
        drawn.truncate(count);
    }
    drawn.sort_unstable();
    drawn
}

/// A probe among those who might check one node; the first of them are chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Drawn {
    is_own: bool,
    /// How many of its network come before it.
    rank: usize,
    network: Reverse<u64>,
    affinity: Reverse<u64>,
    place: usize,
}
