//! One address, many places: a site whose witnesses were all answered from nearby, though they stand far apart.

use super::{Location, SLACK_KM, Verdict};
use crate::geo::Position;
use crate::light::most_km;
use crate::predict::{Measured, Place};

/// So many pairs of discs that share no point make a site anycast; one could be one bad witness.
const LEAST_PAIRS: usize = 2;

/// What speaks for one address at several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anycast {
    /// The site.
    pub site: usize,
    /// Witnesses that cannot have been answered from one and the same place, two by two: at least so many places.
    pub places: Vec<usize>,
    /// Pairs of witnesses that cannot have been.
    pub pairs: usize,
}

/// The sites that answer from several places, after witnesses whose own place does not fit are left out.
#[must_use]
pub fn anycast(places: &[Place], pairs: &[Measured], location: &Location) -> Vec<Anycast> {
    let bad = |site: usize| {
        let doubted = location.sites[site].verdict == Verdict::Unknown && location.sites[site].violations > 0;
        doubted || location.sites[site].verdict == Verdict::Impossible
    };
    let mut seen: Vec<Vec<Disc>> = vec![Vec::new(); places.len()];
    for pair in pairs {
        for (site, witness) in [(pair.a, pair.b), (pair.b, pair.a)] {
            if !bad(witness) {
                seen[site].push(Disc {
                    witness,
                    centre: places[witness].position,
                    radius_km: most_km(pair.rtt_ms) + SLACK_KM,
                });
            }
        }
    }
    let found = seen.iter().enumerate().map(|(site, discs)| judge(site, discs));
    found.filter(|one| one.pairs >= LEAST_PAIRS).collect()
}

#[derive(Clone, Copy)]
struct Disc {
    witness: usize,
    centre: Position,
    radius_km: f64,
}

impl Disc {
    fn misses(&self, other: &Self) -> bool {
        self.centre.distance_km(other.centre) > self.radius_km + other.radius_km
    }
}

fn judge(site: usize, discs: &[Disc]) -> Anycast {
    let mut by_size = discs.to_vec();
    by_size.sort_by(|a, b| {
        a.radius_km
            .total_cmp(&b.radius_km)
            .then(a.witness.cmp(&b.witness))
    });
    // Taking the smallest disc first is within a constant of the largest set, and exact on a line.
    let mut apart: Vec<Disc> = Vec::new();
    for disc in &by_size {
        if apart.iter().all(|other| disc.misses(other)) {
            apart.push(*disc);
        }
    }
    let pairs = (0..by_size.len())
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .filter(|&(a, b)| by_size[a].misses(&by_size[b]))
        .count();
    let places = match apart.len() {
        0 | 1 => Vec::new(),
        _ => apart.iter().map(|disc| disc.witness).collect(),
    };
    Anycast { site, places, pairs }
}
