//! Who echoes whom: every pair up to [`FULL_MESH_MAX`] probes; beyond, some peers for each and a pair for every
//! two regions. The work is linear in pairs.

use std::collections::BTreeMap;

use isochrone_proto::kind::Family;

use super::affinity::Mark;
use super::participant::Participant;

/// Up to so many probes, each measures every other.
pub(crate) const FULL_MESH_MAX: usize = 50;
/// Beyond it, so many peers are each probe's own, by rendezvous hash.
const PEERS: usize = FULL_MESH_MAX - 1;

/// Who measures whom, by the places of the probes in the list it was made from; every list is in order.
pub(super) struct Mesh {
    peers: Vec<Vec<u32>>,
    probers: Vec<Vec<u32>>,
}

impl Mesh {
    /// The mesh of `probes`, whose marks these are. A probe that joins or leaves changes the pairs of its own
    /// peers and of those it takes the place of.
    pub(super) fn new(probes: &[Participant], marks: &[Mark]) -> Self {
        let count = probes.len() as u32; // a plan names far fewer
        let peers = if probes.len() <= FULL_MESH_MAX {
            let others = |probe: u32| (0..count).filter(move |peer| *peer != probe).collect();
            (0..count).map(others).collect()
        } else {
            let mut peers = nearest(marks, PEERS);
            for (one, other) in region_pairs(probes, marks) {
                peers[one as usize].push(other);
                peers[other as usize].push(one);
            }
            for peers in &mut peers {
                peers.sort_unstable();
                peers.dedup();
            }
            peers
        };
        let mut probers = vec![Vec::new(); probes.len()];
        for (probe, peers) in (0..count).zip(&peers) {
            for &peer in peers {
                probers[peer as usize].push(probe);
            }
        }
        Self { peers, probers }
    }

    /// Whom `probe` measures.
    pub(super) fn peers(&self, probe: usize) -> &[u32] {
        &self.peers[probe]
    }

    /// Who measures `probe`.
    pub(super) fn probers(&self, probe: usize) -> &[u32] {
        &self.probers[probe]
    }
}

/// For each mark, the `count` others of the highest affinity, in no order.
fn nearest(marks: &[Mark], count: usize) -> Vec<Vec<u32>> {
    // affinities are evenly spread, so about twice as many as are needed lie above this
    let share = (2.0 * count as f64 / marks.len() as f64).min(1.0);
    let floor = ((1.0 - share) * u64::MAX as f64) as u64; // `as` saturates
    let mut near: Vec<Vec<(u64, u32)>> = vec![Vec::with_capacity(3 * count); marks.len()];
    for (one, mark) in marks.iter().enumerate() {
        for (other, peer) in marks.iter().enumerate().skip(one + 1) {
            let affinity = mark.affinity(*peer);
            if affinity >= floor {
                near[one].push((affinity, other as u32));
                near[other].push((affinity, one as u32));
            }
        }
    }
    let chosen = near.into_iter().enumerate().map(|(one, mut near)| {
        if near.len() < count {
            let others = (0..).zip(marks).filter(|(other, _)| *other as usize != one);
            near = others
                .map(|(other, peer)| (marks[one].affinity(*peer), other))
                .collect();
        }
        if near.len() > count {
            near.select_nth_unstable_by(count, |a, b| b.cmp(a));
            near.truncate(count);
        }
        near.into_iter().map(|(_, other)| other).collect()
    });
    chosen.collect()
}

/// A pair of probes for every pair of regions, over each family that both have: of each region the probe of the
/// highest affinity to the other region.
fn region_pairs(probes: &[Participant], marks: &[Mark]) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for family in [Family::V4, Family::V6] {
        let mut regions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (place, probe) in (0..).zip(probes) {
            if let (Some(country), Some(_)) = (&probe.country, probe.address(family)) {
                regions.entry(country).or_default().push(place);
            }
        }
        let named: Vec<Mark> = regions.keys().map(|name| Mark::of_name(name)).collect();
        let members: Vec<&Vec<u32>> = regions.values().collect();
        let envoy = |of: usize, to: usize| {
            let affinity = |probe: &&u32| (marks[**probe as usize].affinity(named[to]), **probe);
            members[of].iter().max_by_key(affinity).copied()
        };
        for one in 0..members.len() {
            for other in one + 1..members.len() {
                pairs.extend(envoy(one, other).zip(envoy(other, one)));
            }
        }
    }
    pairs
}
