//! Whether lies about places are found and honest sites left in peace, and how near an estimate comes.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use isochrone_coverage::locate::{Bestline, Disc, Verdict, anycast, estimate, locate};
use isochrone_coverage::predict::{Measured, Place};

use super::predict::median;
use super::{Figure, World};

/// A lie is so far from the truth, at least, in kilometres.
const LIE_KM: f64 = 3000.0;
const LIES: usize = 400;
/// Witnesses of a lie.
const WITNESSES: [(usize, &str); 3] = [
    (30, "locate.lies_found"),
    (10, "locate.lies_found_10"),
    (9, "locate.lies_found_9"),
];
/// Witnesses of an estimate; 0: all.
const ESTIMATES: [(usize, &str); 3] = [
    (0, "locate.estimate_km"),
    (100, "locate.estimate_km_at_100"),
    (20, "locate.estimate_km_at_20"),
];

/// All figures of location.
#[must_use]
pub fn figures(world: &World, seed: u64) -> Vec<Figure> {
    let mut random = StdRng::seed_from_u64(seed);
    let all: Vec<usize> = (0..world.len()).collect();
    let pairs = world.among(&all);
    let location = locate(&world.places, &pairs, &[]);
    let accused = location
        .sites
        .iter()
        .filter(|site| site.verdict == Verdict::Impossible)
        .count();
    let how = format!("of {} sites as the folder has them", world.len());
    let honest: Vec<usize> = all
        .iter()
        .copied()
        .filter(|&site| location.sites[site].violations == 0)
        .collect();
    let several = anycast(&world.places, &pairs, &location).len();
    let mut figures = vec![
        Figure::new("locate.false_accusations", accused as f64, "", how.clone()),
        Figure::new("locate.anycast_suspected", several as f64, "", how),
    ];
    for (witnesses, name) in WITNESSES {
        let found = lies_found(world, &honest, witnesses, &mut random);
        let how = format!(
            "share of {LIES} planted lies over {LIE_KM} km, one at a time, {witnesses} witnesses, cause named"
        );
        figures.push(Figure::new(name, found, "", how));
    }
    for (witnesses, name) in ESTIMATES {
        let errors = estimates(world, &honest, witnesses, &mut random);
        let how = format!(
            "median distance of the estimate from the truth, n = {}",
            errors.len()
        );
        figures.push(Figure::new(name, median(&errors), "km", how));
    }
    figures
}

/// The share of lies for which the liar, and nobody else, is suspected. NaN without enough sites.
fn lies_found(world: &World, honest: &[usize], witnesses: usize, random: &mut StdRng) -> f64 {
    let (mut found, mut told) = (0, 0);
    for _ in 0..LIES * 10 {
        if told == LIES {
            break;
        }
        let Some(lie) = Lie::tell(world, honest, witnesses, random) else {
            continue;
        };
        told += 1;
        found += usize::from(lie.is_found(world));
    }
    found as f64 / told as f64
}

/// A site that claims another's place, and those who measured it.
struct Lie {
    liar: usize,
    claimed: Place,
    witnesses: Vec<usize>,
}

impl Lie {
    fn tell(world: &World, honest: &[usize], count: usize, random: &mut StdRng) -> Option<Self> {
        let &liar = honest.choose(random)?;
        let far: Vec<usize> = honest
            .iter()
            .copied()
            .filter(|&other| world.km(liar, other) > LIE_KM)
            .collect();
        let &other = far.choose(random)?;
        let measured = |site: &usize| *site != liar && world.time(liar, *site).is_some();
        let mut witnesses: Vec<usize> = honest.iter().copied().filter(measured).collect();
        if witnesses.len() < count {
            return None;
        }
        witnesses.shuffle(random);
        witnesses.truncate(count);
        Some(Self {
            liar,
            claimed: world.places[other],
            witnesses,
        })
    }

    fn is_found(&self, world: &World) -> bool {
        let sites: Vec<usize> = self.witnesses.iter().copied().chain([self.liar]).collect();
        let mut places: Vec<Place> = sites.iter().map(|&site| world.places[site]).collect();
        let last = sites.len() - 1;
        places[last] = self.claimed;
        let number = |site: usize| sites.iter().position(|one| *one == site).unwrap_or(last);
        let pairs: Vec<Measured> = world
            .among(&sites)
            .into_iter()
            .map(|pair| Measured {
                a: number(pair.a),
                b: number(pair.b),
                ..pair
            })
            .collect();
        let location = locate(&places, &pairs, &[]);
        location.suspects == [last]
    }
}

/// How far each site's estimate lies from its place, by so many witnesses whose lines never saw it.
fn estimates(world: &World, honest: &[usize], count: usize, random: &mut StdRng) -> Vec<f64> {
    let error = |&site: &usize| {
        let measured = |witness: &usize| *witness != site && world.time(site, *witness).is_some();
        let mut witnesses: Vec<usize> = honest.iter().copied().filter(measured).collect();
        if count > 0 {
            if witnesses.len() < count {
                return None;
            }
            witnesses.shuffle(random);
            witnesses.truncate(count);
        }
        let discs: Vec<Disc> = witnesses
            .iter()
            .filter_map(|&witness| {
                let others = witnesses.iter().filter(|other| **other != witness);
                let line: Vec<(f64, f64)> = others
                    .filter_map(|&other| Some((world.km(witness, other), world.time(witness, other)?)))
                    .collect();
                Some(Disc {
                    centre: world.places[witness].position,
                    radius_km: Bestline::under(&line).most_km(world.time(site, witness)?),
                })
            })
            .collect();
        Some(
            estimate(&discs)?
                .position
                .distance_km(world.places[site].position),
        )
    };
    honest.iter().filter_map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    #[test]
    fn honest_world_is_accused_of_nothing_and_most_far_lies_are_found() {
        let figures = figures(&detours(60, 3), 1);
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
        assert_eq!(value("locate.false_accusations"), 0.0);
        assert_eq!(value("locate.anycast_suspected"), 0.0);
        assert!(value("locate.lies_found") > value("locate.lies_found_9"));
        assert!(value("locate.lies_found") > 0.7);
    }
}
