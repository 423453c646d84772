//! Whether lies about places are found and honest sites left in peace, and how near an estimate comes.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use isochrone_coverage::locate::{Bestline, Disc, Location, Verdict, anycast, estimate, locate};
use isochrone_coverage::predict::{Measured, Place};

use super::{Figure, World};
use crate::statistics::median;

/// A lie is so far from the truth, at least, in kilometres.
const LIE_KM: f64 = 3000.0;
const LIES: usize = 2000;
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
    let mut figures = as_it_is(world, &all);
    for (witnesses, name) in WITNESSES {
        figures.extend(lies(world, &all, (witnesses, name), &mut random));
    }
    for (witnesses, name) in ESTIMATES {
        let errors = estimates(world, &all, witnesses, &mut random);
        let how = format!(
            "median distance of the estimate from the truth, n = {}",
            errors.len()
        );
        figures.push(Figure::new(name, median(&errors), "km", how));
    }
    figures
}

/// Whom the folder's own places and times accuse.
fn as_it_is(world: &World, all: &[usize]) -> Vec<Figure> {
    let pairs = world.among(all);
    let location = locate(&world.places, &pairs, &[]);
    let several = anycast(&world.places, &pairs, &location).len();
    let how = format!("of {} sites as the folder has them", world.len());
    let figure = |name: &str, value: usize| Figure::new(name, value as f64, "", how.clone());
    vec![
        figure("locate.false_accusations", accused(&location).len()),
        figure("locate.suspects", location.suspects.len()),
        figure("locate.anycast_suspected", several),
    ]
}

/// The sites that are called impossible.
fn accused(location: &Location) -> Vec<usize> {
    let sites = location.sites.iter().enumerate();
    let accused = sites.filter(|(_, site)| site.verdict == Verdict::Impossible);
    accused.map(|(site, _)| site).collect()
}

/// What becomes of planted lies, and of the honest beside them.
#[derive(Default)]
struct Tally {
    told: usize,
    /// Lies for which the liar is called impossible, and nobody else is suspected.
    found: usize,
    /// Runs in which somebody honest is called impossible.
    wronged: usize,
}

/// Figures of so many lies, each told alone to so many witnesses. None without enough sites.
fn lies(
    world: &World,
    honest: &[usize],
    (witnesses, name): (usize, &str),
    random: &mut StdRng,
) -> Vec<Figure> {
    let mut tally = Tally::default();
    for _ in 0..LIES * 10 {
        if tally.told == LIES {
            break;
        }
        if let Some(lie) = Lie::tell(world, honest, witnesses, random) {
            tally.add(&lie, world);
        }
    }
    if tally.told == 0 {
        return Vec::new();
    }
    let suffix = name.trim_start_matches("locate.lies_found");
    let share = |name: String, count: usize, what: &str| {
        let how = format!(
            "{what}, of {} lies over {LIE_KM} km, one at a time, {witnesses} witnesses",
            tally.told
        );
        Figure::new(name, count as f64 / tally.told as f64, "", how)
    };
    vec![
        share(
            name.to_owned(),
            tally.found,
            "called impossible, and nobody else suspected",
        ),
        share(
            format!("locate.honest_accused{suffix}"),
            tally.wronged,
            "an honest site is called impossible beside the lie",
        ),
    ]
}

impl Tally {
    fn add(&mut self, lie: &Lie, world: &World) {
        self.told += 1;
        let liar = lie.witnesses.len();
        let location = lie.judged(world);
        let accused = accused(&location);
        self.found += usize::from(accused == [liar] && location.suspects == [liar]);
        self.wronged += usize::from(accused.iter().any(|site| *site != liar));
    }
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

    /// What is said of the witnesses, and of the liar after them.
    fn judged(&self, world: &World) -> Location {
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
        locate(&places, &pairs, &[])
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
        assert_eq!(value("locate.suspects"), 0.0);
        assert_eq!(value("locate.anycast_suspected"), 0.0);
        assert!(value("locate.lies_found") > value("locate.lies_found_9"));
        assert!(value("locate.lies_found") > 0.7);
        for suffix in ["", "_10", "_9"] {
            assert_eq!(value(&format!("locate.honest_accused{suffix}")), 0.0);
        }
    }

    #[test]
    fn liar_who_is_only_suspected_does_not_count_as_found() {
        // one witness at most contradicts the claim
        let (world, mut random) = (detours(8, 3), StdRng::seed_from_u64(1));
        let all: Vec<usize> = (0..world.len()).collect();
        let found = lies(&world, &all, (1, "locate.lies_found_1"), &mut random);
        assert_eq!(found[0].value, 0.0);
    }
}
