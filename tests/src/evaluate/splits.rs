//! Which sites are judged and which are known: seeded, so that a run can be repeated.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use isochrone_coverage::predict::Prior;

use super::World;

/// Sites to an area, and how many areas there are at least and at most.
const SITES_AN_AREA: usize = 12;
const LEAST_AREAS: usize = 8;
const MOST_AREAS: usize = 20;
/// How often areas are cut into parts: how hard a part is depends much on where its areas lie.
pub const CUTS: usize = 5;
/// A site of the prior this near to a judged one is taken for the same.
const SAME_KM: f64 = 1.0;

/// Sites that are judged together, and the prior that knows none of them.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Sites of the world.
    pub sites: Vec<usize>,
    /// What is known from elsewhere.
    pub prior: Option<Prior>,
}

/// All sites at once, with what is left of the prior without them.
#[must_use]
pub fn whole(world: &World, prior: &Prior) -> Trial {
    let sites: Vec<usize> = (0..world.len()).collect();
    Trial {
        prior: Some(without(prior, world, &sites)),
        sites,
    }
}

/// For those who know little of their own: one trial of all sites where the prior knows few of them. Where the folder is
/// most of the prior, its areas are cut into so many parts, `CUTS` times anew, and each part is a trial with a prior of the others.
#[must_use]
pub fn trials(world: &World, prior: &Prior, parts: usize, random: &mut StdRng) -> Vec<Trial> {
    let whole = whole(world, prior);
    let left = whole.prior.as_ref().map_or(0, |prior| prior.places().len());
    if left * 2 >= prior.places().len() {
        return vec![whole];
    }
    let mut trials = Vec::with_capacity(CUTS * parts);
    for _ in 0..CUTS {
        let mut areas = areas(world, &whole.sites, random);
        areas.shuffle(random);
        for part in 0..parts {
            let sites = areas.iter().skip(part).step_by(parts).flatten().copied();
            let sites: Vec<usize> = sites.collect();
            trials.push(Trial {
                prior: Some(without(prior, world, &sites)),
                sites,
            });
        }
    }
    trials
}

/// The prior without the sites that are judged.
fn without(prior: &Prior, world: &World, sites: &[usize]) -> Prior {
    prior.filtered(|position| {
        let same = |site: &usize| world.places[*site].position.distance_km(position) <= SAME_KM;
        !sites.iter().any(same)
    })
}

/// Sites cut into ten random groups.
#[must_use]
pub fn tenths(sites: &[usize], random: &mut StdRng) -> Vec<Vec<usize>> {
    let mut shuffled = sites.to_vec();
    shuffled.shuffle(random);
    let mut groups = vec![Vec::new(); 10.min(sites.len())];
    let count = groups.len();
    for (at, site) in shuffled.into_iter().enumerate() {
        groups[at % count].push(site);
    }
    groups
}

/// Sites cut into areas: k-means by great-circle distance, from random sites.
#[must_use]
pub fn areas(world: &World, sites: &[usize], random: &mut StdRng) -> Vec<Vec<usize>> {
    let count = (sites.len() / SITES_AN_AREA)
        .clamp(LEAST_AREAS, MOST_AREAS)
        .min(sites.len());
    let mut centres = sites.to_vec();
    centres.shuffle(random);
    centres.truncate(count);
    let mut areas = Vec::new();
    for _ in 0..30 {
        areas = vec![Vec::new(); centres.len()];
        for &site in sites {
            let nearest = (0..centres.len())
                .min_by(|a, b| {
                    world
                        .km(centres[*a], site)
                        .total_cmp(&world.km(centres[*b], site))
                })
                .unwrap_or(0);
            areas[nearest].push(site);
        }
        let next: Vec<usize> = areas
            .iter()
            .zip(&centres)
            .map(|(area, &centre)| middle(world, area).unwrap_or(centre))
            .collect();
        if next == centres {
            break;
        }
        centres = next;
    }
    areas.retain(|area| !area.is_empty());
    areas
}

/// The site of an area from which the squares of the distances to the others are least.
fn middle(world: &World, area: &[usize]) -> Option<usize> {
    let away = |&site: &usize| -> f64 { area.iter().map(|&other| world.km(site, other).powi(2)).sum() };
    area.iter().copied().min_by(|a, b| away(a).total_cmp(&away(b)))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::super::detours;
    use super::*;

    #[test]
    fn areas_and_tenths_hold_each_site_once() {
        let (world, mut random) = (detours(80, 3), StdRng::seed_from_u64(1));
        let all: Vec<usize> = (0..world.len()).collect();
        for groups in [areas(&world, &all, &mut random), tenths(&all, &mut random)] {
            let mut sites = groups.concat();
            sites.sort_unstable();
            assert_eq!(sites, all);
        }
    }

    #[test]
    fn same_seed_makes_the_same_areas() {
        let world = detours(60, 3);
        let all: Vec<usize> = (0..world.len()).collect();
        let areas = |seed| areas(&world, &all, &mut StdRng::seed_from_u64(seed));
        assert_eq!(areas(7), areas(7));
        assert_ne!(areas(7), areas(8));
    }

    #[test]
    fn judged_site_is_never_in_the_prior() {
        let world = detours(80, 3);
        let prior = Prior::new(
            "the same world",
            world.places.clone(),
            world.among(&(0..80).collect::<Vec<_>>()),
        );
        let trials = trials(&world, &prior, 2, &mut StdRng::seed_from_u64(1));
        assert_eq!(trials.len(), 2 * CUTS);
        for cut in trials.chunks(2) {
            assert_eq!(cut.iter().map(|trial| trial.sites.len()).sum::<usize>(), 80);
        }
        for trial in &trials {
            let prior = trial.prior.as_ref().unwrap();
            assert!(prior.places().len() > 10);
            for &site in &trial.sites {
                let here = world.places[site].position;
                assert!(
                    prior
                        .places()
                        .iter()
                        .all(|place| place.position.distance_km(here) > SAME_KM)
                );
            }
        }
    }

    #[test]
    fn prior_of_other_sites_judges_all_at_once() {
        let (world, other) = (detours(60, 3), detours(60, 4));
        let prior = Prior::new(
            "another",
            other.places.clone(),
            other.among(&(0..60).collect::<Vec<_>>()),
        );
        let trials = trials(&world, &prior, 2, &mut StdRng::seed_from_u64(1));
        assert_eq!((trials.len(), trials[0].sites.len()), (1, 60));
    }
}
