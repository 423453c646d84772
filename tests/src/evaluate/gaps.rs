//! Whether the eyes that `gaps` names first settle where the next node belongs: beside twenty at random, the heaviest twenty cities,
//! and the twenty whose times differ most from all that are known, as Metis (TNSM 2025) picks places for probes.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use isochrone_coverage::gaps::{self, Asked};
use isochrone_coverage::predict::{PredictError, Prior};

use super::next::{Draw, NODES, VANTAGES, View, people};
use super::predict::quantile;
use super::splits::{Trial, trials, whole};
use super::{Figure, World};
use crate::statistics::median;

/// How many eyes are borrowed, and how many candidates they measure beside the nodes.
const EYES: usize = 20;
const DRAWS: usize = 50;
/// Draws on which constants were looked at had the seed as it was given.
const JUDGED: u64 = 1000;

/// All figures of gaps: with people as weights, and with `_sites` where each site counts alike; `_halves` where the prior
/// also holds the other half of the folder's areas.
///
/// # Errors
/// There is nothing to predict from.
pub fn figures(world: &World, prior: Option<&Prior>, seed: u64) -> Result<Vec<Figure>, PredictError> {
    let alone = Trial {
        sites: (0..world.len()).collect(),
        prior: None,
    };
    let without = prior.map_or(alone, |prior| whole(world, prior));
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(JUDGED));
    let halves = prior.map(|prior| trials(world, prior, 2, &mut random));
    let halves = halves.filter(|halves| halves.len() > 1);
    let mut figures = Vec::new();
    for (weights, suffix) in [(people(world), ""), (vec![1.0; world.len()], "_sites")] {
        let mut of = |trials: &[Trial], suffix: &str| {
            let lost = Lost::of(world, trials, &weights, &mut random)?;
            figures.extend(lost.figures(suffix));
            Ok::<(), PredictError>(())
        };
        of(std::slice::from_ref(&without), suffix)?;
        if let Some(halves) = &halves {
            of(halves, &format!("{suffix}_halves"))?;
        }
    }
    Ok(figures)
}

/// Shares of the best next city's gain that were lost, draw after draw.
#[derive(Debug, Default)]
struct Lost {
    before: Vec<f64>,
    first: Vec<f64>,
    random: Vec<f64>,
    heaviest: Vec<f64>,
    unlike: Vec<f64>,
    /// A city at random, no matter what is known.
    blind: Vec<f64>,
}

impl Lost {
    fn of(
        world: &World,
        trials: &[Trial],
        people: &[f64],
        random: &mut StdRng,
    ) -> Result<Self, PredictError> {
        let mut lost = Self::default();
        for at in 0..DRAWS {
            let trial = &trials[at % trials.len()];
            if let Some(draw) = Draw::new(world, &trial.sites, people, random) {
                lost.take(&draw, trial.prior.as_ref(), random)?;
            }
        }
        Ok(lost)
    }

    fn take(
        &mut self,
        draw: &Draw<'_>,
        prior: Option<&Prior>,
        random: &mut StdRng,
    ) -> Result<(), PredictError> {
        let view = draw.view(&draw.own(), prior)?;
        let contest = view.contest();
        let short = contest.shortlist(gaps::SHORTLIST);
        let candidates: Vec<usize> = short.iter().map(|&site| view.sites[site]).collect();
        let strangers = view.strangers();
        let asked = Asked {
            cities: &strangers,
            candidates: &short,
            most: EYES,
        };
        let first: Vec<usize> = gaps::choose(&view.scene(), &contest, &asked)
            .iter()
            .map(|eye| eye.city)
            .collect();
        let mut chance = strangers.clone();
        chance.shuffle(random);
        chance.truncate(EYES);
        for (eyes, lost) in [
            (Vec::new(), &mut self.before),
            (first, &mut self.first),
            (chance, &mut self.random),
            (heaviest(&view), &mut self.heaviest),
            (unlike(&view), &mut self.unlike),
        ] {
            let (choice, _) = draw.chosen_after(&eyes, &candidates, prior)?;
            lost.extend(choice.map(|site| draw.lost(site)));
        }
        let all = draw.candidates().iter().map(|&site| draw.lost(site));
        self.blind.push(all.sum::<f64>() / draw.candidates().len() as f64);
        Ok(())
    }

    fn figures(&self, suffix: &str) -> Vec<Figure> {
        if self.first.is_empty() {
            return Vec::new(); // too few sites
        }
        let how = format!(
            "{} draws of {VANTAGES} vantages with {NODES} nodes, {EYES} eyes to nodes and {} candidates",
            self.first.len(),
            gaps::SHORTLIST
        );
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let of = |name: &str, values: &[f64], what: &str| {
            let said =
                |which: &str| format!("share of the best next city's gain lost, {which} of {how}; {what}");
            [
                Figure::new(format!("gaps.{name}{suffix}"), median(values), "", said("median")),
                Figure::new(
                    format!("gaps.{name}_mean{suffix}"),
                    mean(values),
                    "",
                    said("mean"),
                ),
                Figure::new(
                    format!("gaps.{name}_p90{suffix}"),
                    quantile(values, 0.9),
                    "",
                    said("9th decile"),
                ),
            ]
        };
        [
            of("first_twenty", &self.first, "eyes that gaps names first"),
            of("random_twenty", &self.random, "eyes at random"),
            of("heaviest_twenty", &self.heaviest, "eyes in the heaviest cities"),
            of(
                "unlike_twenty",
                &self.unlike,
                "eyes whose times differ most from known ones",
            ),
            of("no_eyes", &self.before, "no eyes, by prediction alone"),
            of("any_city", &self.blind, "any city, whatever is known"),
        ]
        .concat()
    }
}

/// The heaviest cities that measured nothing yet.
fn heaviest(view: &View) -> Vec<usize> {
    let mut cities = view.strangers();
    cities.sort_by(|&a, &b| view.weights[b].total_cmp(&view.weights[a]));
    cities.truncate(EYES);
    cities
}

/// Cities whose times, as predicted, differ most from those of every city that is known or chosen.
fn unlike(view: &View) -> Vec<usize> {
    let scene = view.scene();
    let apart = |a: usize, b: usize| -> f64 {
        let each = (0..scene.sites()).map(|site| (scene.time(a, site) - scene.time(b, site)).abs());
        each.sum()
    };
    let mut least: Vec<(usize, f64)> = view
        .strangers()
        .into_iter()
        .map(|city| {
            let known = view.known.iter().map(|&other| apart(city, other));
            (city, known.fold(f64::INFINITY, f64::min))
        })
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < EYES {
        let farthest = least.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let Some((at, _)) = farthest else { break };
        let (city, _) = least.swap_remove(at);
        chosen.push(city);
        for (other, least) in &mut least {
            *least = least.min(apart(city, *other));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    fn lost(draws: usize) -> Lost {
        let world = detours(80, 3);
        let sites: Vec<usize> = (0..world.len()).collect();
        let mut random = StdRng::seed_from_u64(1);
        let mut lost = Lost::default();
        for _ in 0..draws {
            let draw = Draw::new(&world, &sites, &vec![1.0; world.len()], &mut random).unwrap();
            lost.take(&draw, None, &mut random).unwrap();
        }
        lost
    }

    #[test]
    fn eyes_that_are_named_first_settle_the_choice_better_than_none() {
        let lost = lost(6);
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        assert!(sum(&lost.first) < sum(&lost.before), "{lost:?}");
        assert!(sum(&lost.first) <= sum(&lost.random) + 0.1, "{lost:?}");
        assert!(lost.blind.iter().all(|lost| *lost > 0.1));
    }

    #[test]
    fn choice_is_of_candidates_and_eyes_are_strangers() {
        let world = detours(80, 3);
        let sites: Vec<usize> = (0..world.len()).collect();
        let mut random = StdRng::seed_from_u64(2);
        let draw = Draw::new(&world, &sites, &people(&world), &mut random).unwrap();
        let view = draw.view(&draw.own(), None).unwrap();
        for eyes in [heaviest(&view), unlike(&view)] {
            assert_eq!(eyes.len(), EYES);
            assert!(eyes.iter().all(|eye| !view.known.contains(eye)));
        }
        let choice = view.choice().unwrap();
        assert!(draw.candidates().contains(&choice));
        assert!((0.0..=1.0).contains(&draw.lost(choice)));
        let best = draw.candidates().iter().map(|&site| draw.lost(site));
        assert_eq!(best.fold(f64::INFINITY, f64::min), 0.0);
    }
}
