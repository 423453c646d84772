//! Which probes check a node, and on which seat of its grid.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use isochrone_proto::ids::ProbeId;

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

/// The probes, as those who might check a node.
pub(super) struct Bench<'a> {
    probes: &'a [Participant],
    marks: &'a [Mark],
    /// Places of the probes of each network; those whose network is not known are one network together.
    networks: Vec<(Mark, Vec<u32>)>,
    workers: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(probes: &'a [Participant], marks: &'a [Mark]) -> Self {
        let mut networks: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
        for (place, probe) in (0..).zip(probes) {
            networks.entry(probe.network).or_default().push(place);
        }
        let marked = |(number, places): (Option<u32>, _)| {
            (
                Mark::of_id(number.map_or(0, |number| u64::from(number) + 1)),
                places,
            )
        };
        Self {
            probes,
            marks,
            networks: networks.into_iter().map(marked).collect(),
            workers: probes.iter().map(|probe| probe.worker.to_lowercase()).collect(),
        }
    }

    /// The vantages of `node`, at most `seats`: the first of each network by rendezvous hash, then the second of
    /// each, and so on; the probes of its own worker, who judge nothing there, after all others.
    pub(super) fn chosen(&self, node: &Node, seats: usize) -> Vec<ProbeId> {
        let mark = Mark::of_name(&node.name);
        let worker = node.worker.to_lowercase();
        let mut ranked = Vec::with_capacity(self.probes.len());
        for (network, places) in &self.networks {
            let draw = Reverse(mark.affinity(*network));
            let mut own: Vec<(bool, Reverse<u64>, u32)> = places
                .iter()
                .map(|&place| {
                    let is_own = self.workers[place as usize] == worker;
                    (is_own, Reverse(mark.affinity(self.marks[place as usize])), place)
                })
                .collect();
            own.sort_unstable();
            let ranks = (0_u32..).zip(own).take(seats);
            ranked.extend(ranks.map(|(rank, (is_own, _, place))| (is_own, rank, draw, place)));
        }
        ranked.sort_unstable();
        ranked.truncate(seats);
        let places = ranked.into_iter().map(|(.., place)| place);
        places.map(|place| self.probes[place as usize].id).collect()
    }
}
