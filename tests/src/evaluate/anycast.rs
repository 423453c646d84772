//! How many of the places of an anycast address are seen: sites far apart, merged into one address that answers everyone
//! from the nearest of them.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use isochrone_coverage::locate::{anycast, locate};
use isochrone_coverage::predict::{Measured, Place};

use super::{Figure, World};

/// Places of an address stand so far apart, at least, in kilometres.
const APART_KM: f64 = 3000.0;
const PLACES: usize = 5;
const ADDRESSES: usize = 200;
/// Witnesses; 0: all.
const WITNESSES: [(usize, &str); 3] = [(0, ""), (30, "_30"), (10, "_10")];

/// Figures of recall.
#[must_use]
pub fn figures(world: &World, seed: u64) -> Vec<Figure> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut figures = Vec::new();
    for (witnesses, suffix) in WITNESSES {
        let (mut seen, mut told) = (Vec::new(), 0);
        while told < ADDRESSES {
            told += 1;
            seen.extend(
                Address::merge(world, &mut random).and_then(|one| one.seen(world, witnesses, &mut random)),
            );
        }
        if seen.is_empty() {
            continue; // too few sites, or too near each other
        }
        let count = seen.len() as f64;
        let found = seen.iter().filter(|places| **places > 1).count() as f64;
        let sum: usize = seen.iter().sum();
        let how = match witnesses {
            0 => format!("n = {count} addresses of {PLACES} places over {APART_KM} km apart, all witnesses"),
            some => {
                format!("n = {count} addresses of {PLACES} places over {APART_KM} km apart, {some} witnesses")
            }
        };
        figures.push(Figure::new(
            format!("locate.anycast_found{suffix}"),
            found / count,
            "",
            format!("share of addresses called anycast, {how}"),
        ));
        figures.push(Figure::new(
            format!("locate.anycast_recall{suffix}"),
            sum as f64 / count / PLACES as f64,
            "",
            format!("mean of the least number of places over the true one, {how}"),
        ));
    }
    figures
}

/// Sites that share an address.
struct Address {
    places: Vec<usize>,
}

impl Address {
    /// Random sites, each far from the others; `None` where the world holds no such sites.
    fn merge(world: &World, random: &mut StdRng) -> Option<Self> {
        let mut order: Vec<usize> = (0..world.len()).collect();
        order.shuffle(random);
        let mut places: Vec<usize> = Vec::new();
        for site in order {
            if places.iter().all(|&other| world.km(site, other) > APART_KM) {
                places.push(site);
            }
            if places.len() == PLACES {
                return Some(Self { places });
            }
        }
        None
    }

    /// How many places so many witnesses tell apart, each answered by the place that is nearest to it in time: 0 or more
    /// than 1. The address claims one of its places. `None` with fewer witnesses.
    fn seen(&self, world: &World, witnesses: usize, random: &mut StdRng) -> Option<usize> {
        let time = |site: usize| {
            let times = self.places.iter().filter_map(|&place| world.time(site, place));
            times.reduce(f64::min)
        };
        let others = (0..world.len()).filter(|site| !self.places.contains(site));
        let mut sites: Vec<usize> = others.filter(|&site| time(site).is_some()).collect();
        if witnesses > 0 {
            sites.shuffle(random);
            sites.truncate(witnesses);
        }
        if sites.is_empty() || sites.len() < witnesses {
            return None;
        }
        let claimed = *self.places.choose(random)?;
        let places: Vec<Place> = sites
            .iter()
            .chain([&claimed])
            .map(|&site| world.places[site])
            .collect();
        let address = sites.len();
        let mut numbers = vec![None; world.len()];
        for (at, &site) in sites.iter().enumerate() {
            numbers[site] = Some(at);
        }
        let mut pairs: Vec<Measured> = world
            .among(&sites)
            .into_iter()
            .filter_map(|pair| {
                let (a, b) = (numbers[pair.a]?, numbers[pair.b]?);
                Some(Measured { a, b, ..pair })
            })
            .collect();
        for (a, &site) in sites.iter().enumerate() {
            pairs.extend(time(site).map(|rtt_ms| Measured {
                a,
                b: address,
                rtt_ms,
            }));
        }
        let location = locate(&places, &pairs, &[]);
        let several = anycast(&places, &pairs, &location);
        let found = several.iter().find(|one| one.site == address);
        Some(found.map_or(0, |one| one.places.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    #[test]
    fn more_witnesses_see_more_places_and_never_more_than_there_are() {
        let figures = figures(&detours(64, 3), 1);
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
        assert!(value("locate.anycast_recall") > value("locate.anycast_recall_10"));
        assert!((0.4..=1.0).contains(&value("locate.anycast_recall")));
        assert!(value("locate.anycast_found") > 0.9);
    }

    #[test]
    fn world_of_neighbours_has_no_such_address() {
        let world = detours(8, 3);
        let near: Vec<Place> = vec![world.places[0]; 6];
        let pairs = (1..6)
            .map(|b| Measured { a: 0, b, rtt_ms: 1.0 })
            .collect::<Vec<_>>();
        assert!(figures(&World::of(&near, &pairs), 1).is_empty());
    }
}
