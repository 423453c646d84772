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
    /// Each probe's network; those whose network is not known are in one together.
    networks: Vec<Mark>,
    workers: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(probes: &'a [Participant], marks: &'a [Mark]) -> Self {
        let network = |probe: &Participant| {
            let number = probe.network.map_or(0, |number| u64::from(number) + 1);
            Mark::of_id(number)
        };
        Self {
            probes,
            marks,
            networks: probes.iter().map(network).collect(),
            workers: probes.iter().map(|probe| probe.worker.to_lowercase()).collect(),
        }
    }

    /// The vantages of `node`, at most `seats`: the first of each network by rendezvous hash, then the second of
    /// each, and so on; the probes of its own worker, who judge nothing there, after all others.
    pub(super) fn chosen(&self, node: &Node, seats: usize) -> Vec<ProbeId> {
        let mark = Mark::of_name(&node.name);
        let worker = node.worker.to_lowercase();
        let mut drawn: Vec<Drawn> = (0..self.probes.len())
            .map(|place| Drawn {
                is_own: self.workers[place] == worker,
                rank: 0,
                network: Reverse(mark.affinity(self.networks[place])),
                affinity: Reverse(mark.affinity(self.marks[place])),
                place,
            })
            .collect();
        drawn.sort_unstable_by_key(|drawn| (drawn.network, drawn.is_own, drawn.affinity, drawn.place));
        let mut before: Option<(Reverse<u64>, u32)> = None;
        for drawn in &mut drawn {
            let same = before.filter(|(network, _)| *network == drawn.network);
            drawn.rank = same.map_or(0, |(_, rank)| rank + 1);
            before = Some((drawn.network, drawn.rank));
        }
        drawn.sort_unstable();
        drawn.truncate(seats);
        drawn.iter().map(|drawn| self.probes[drawn.place].id).collect()
    }
}

/// A probe among those who might check one node; the first of them are chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Drawn {
    is_own: bool,
    /// How many of its network come before it.
    rank: u32,
    network: Reverse<u64>,
    affinity: Reverse<u64>,
    place: usize,
}
