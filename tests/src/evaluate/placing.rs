//! Placement and what-if, judged by hidden truth: ten sites measure, nine of them are nodes, and twenty eyes measure nodes and five
//! candidates.
//!
//! `whatif.*` is what a whole report says of one more node beside the truth; `place.*` what a choice loses: of the next city's gain, and of
//! the mean with five nodes placed anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::gaps::{self, Asked};
use isochrone_coverage::observations::{
    AccessClass, CandidateSite, CandidateTime, Eye, EyeSource, EyeTime, Observations,
};
use isochrone_coverage::place::{self, Effort, Objective, Problem, Site, Solution, Table};
use isochrone_coverage::predict::{Prior, PriorChoice};
use isochrone_coverage::report::what_if::{Change, WhatIf};
use isochrone_coverage::report::{self, Options};
use isochrone_coverage::weights::Weights;

use super::next::{Draw, NODES, VANTAGES, View, people};
use super::predict::quantile;
use super::shares::is_reached;
use super::splits::{Trial, trials, whole};
use super::{Figure, World};
use crate::statistics::median;

/// How many eyes are borrowed, and how many candidates they measure beside the nodes.
const EYES: usize = 20;
const SHORTLIST: usize = 5;
/// Nodes that are placed anew.
const K: usize = 5;
const DRAWS: usize = 40;
/// What-if makes a whole report for each.
const REPORTS: usize = 20;

/// All figures of placement: `_halves` where the prior also holds the other half of the folder's areas.
///
/// # Errors
/// There is nothing to predict from.
pub fn figures(world: &World, prior: Option<&Prior>, seed: u64) -> anyhow::Result<Vec<Figure>> {
    let alone = Trial {
        sites: (0..world.len()).collect(),
        prior: None,
    };
    let without = prior.map_or(alone, |prior| whole(world, prior));
    let mut random = StdRng::seed_from_u64(seed);
    let halves = prior.map(|prior| trials(world, prior, 2, &mut random));
    let mut figures = of_trials(world, std::slice::from_ref(&without), "", &mut random)?;
    if let Some(halves) = halves.filter(|halves| halves.len() > 1) {
        figures.extend(of_trials(world, &halves, "_halves", &mut random)?);
    }
    Ok(figures)
}

fn of_trials(
    world: &World,
    trials: &[Trial],
    suffix: &str,
    random: &mut StdRng,
) -> anyhow::Result<Vec<Figure>> {
    let people = people(world);
    let mut judged = Judged::default();
    for at in 0..DRAWS {
        let trial = &trials[at % trials.len()];
        let Some(draw) = Draw::new(world, &trial.sites, &people, random) else {
            continue;
        };
        let looked = Looked::new(&draw, trial.prior.as_ref())?;
        judged.next(&draw, &looked, trial.prior.as_ref())?;
        judged.anew(&draw, &looked, trial.prior.as_ref(), random)?;
        if at < REPORTS {
            judged.what_if((world, &draw), &looked, trial.prior.as_ref(), random)?;
        }
    }
    Ok(judged.figures(suffix))
}

/// What is known before any eye, and which eyes are asked.
struct Looked {
    view: View,
    candidates: Vec<usize>,
    eyes: Vec<usize>,
}

impl Looked {
    fn new(draw: &Draw<'_>, prior: Option<&Prior>) -> anyhow::Result<Self> {
        let view = draw.view(&draw.own(), prior)?;
        let contest = view.contest();
        let short = contest.shortlist(SHORTLIST);
        let strangers = view.strangers();
        let asked = Asked {
            cities: &strangers,
            candidates: &short,
            most: EYES,
        };
        let eyes = gaps::choose(&view.scene(), &contest, &asked);
        Ok(Self {
            candidates: short.iter().map(|&site| view.sites[site]).collect(),
            eyes: eyes.iter().map(|eye| eye.city).collect(),
            view,
        })
    }
}

/// What choices lose, draw after draw.
#[derive(Default)]
struct Judged {
    at_ten: Vec<f64>,
    with_eyes: Vec<f64>,
    regret_before: Vec<f64>,
    regret: Vec<f64>,
    mean_errors: Vec<f64>,
    gains_inside: Vec<bool>,
}

impl Judged {
    /// The next city.
    fn next(&mut self, draw: &Draw<'_>, looked: &Looked, prior: Option<&Prior>) -> anyhow::Result<()> {
        self.at_ten
            .extend(looked.view.choice().map(|site| draw.lost(site)));
        let (choice, _) = draw.chosen_after(&looked.eyes, &looked.candidates, prior)?;
        self.with_eyes.extend(choice.map(|site| draw.lost(site)));
        Ok(())
    }

    /// Five nodes placed anew: predicted, the shortlist measured by the eyes, and placed again.
    fn anew(
        &mut self,
        draw: &Draw<'_>,
        looked: &Looked,
        prior: Option<&Prior>,
        random: &mut StdRng,
    ) -> anyhow::Result<()> {
        let sites = looked.view.sites.clone();
        let truth = solved(&times_of(draw, &sites), &draw.weights, random)?;
        let best = true_mean(draw, &sites, &truth);
        let before = solved(&predicted(&looked.view), &draw.weights, random)?;
        self.regret_before
            .push(true_mean(draw, &sites, &before) / best - 1.0);
        let rivals = before.rivals.iter().map(|rival| rival.comes);
        let mut short: Vec<usize> = Vec::new();
        for site in before.chosen.iter().copied().chain(rivals) {
            if site >= NODES && !short.contains(&site) && short.len() < SHORTLIST {
                short.push(site);
            }
        }
        let to: Vec<usize> = (0..NODES).chain(short.iter().map(|&site| sites[site])).collect();
        let mut measured: BTreeMap<(usize, usize), f64> = draw.own();
        measured.extend(draw.shown(looked.eyes.iter().copied(), &to));
        let view = draw.view(&measured, prior)?;
        let after = solved(&predicted(&view), &draw.weights, random)?;
        self.regret.push(true_mean(draw, &sites, &after) / best - 1.0);
        Ok(())
    }

    /// What a report says of the node that would be chosen.
    fn what_if(
        &mut self,
        (world, draw): (&World, &Draw<'_>),
        looked: &Looked,
        prior: Option<&Prior>,
        random: &mut StdRng,
    ) -> anyhow::Result<()> {
        let Some(&added) = looked.candidates.first() else {
            return Ok(());
        };
        let told = Told::new((world, draw), looked, added);
        let (what, others) = told.report(prior, random)?;
        let mean = |with: bool| {
            let nearest = |&city: &usize| {
                let nodes = (0..NODES).chain(with.then_some(added));
                let times = nodes.filter_map(|node| draw.time(city, node));
                draw.weights[city] * times.fold(f64::INFINITY, f64::min)
            };
            let weight: f64 = others.iter().map(|&city| draw.weights[city]).sum();
            others.iter().map(nearest).sum::<f64>() / weight
        };
        let (today, then) = (mean(false), mean(true));
        if !then.is_finite() {
            return Ok(());
        }
        self.mean_errors.push((what.then.mean.value - then).abs() / then);
        if let Some(interval) = what.difference.interval {
            self.gains_inside
                .push((interval.low..=interval.high).contains(&(then - today)));
        }
        Ok(())
    }

    fn figures(&self, suffix: &str) -> Vec<Figure> {
        if self.at_ten.is_empty() {
            return Vec::new(); // too few sites
        }
        let eyes = format!("{EYES} eyes to nodes and {SHORTLIST} candidates");
        let draws = format!(
            "{} draws of {VANTAGES} vantages with {NODES} nodes",
            self.at_ten.len()
        );
        let of = |name: &str, values: &[f64], what: &str, how: &str| {
            let figure = |ending: &str, value: f64, which: &str| {
                Figure::new(
                    format!("{name}{ending}{suffix}"),
                    value,
                    "",
                    format!("{what}, {which} of {how}"),
                )
            };
            [
                figure("", median(values), "median"),
                figure("_p90", quantile(values, 0.9), "9th decile"),
            ]
        };
        let lost = "share of the best next city's gain lost";
        let extra = format!("extra mean with {K} nodes placed anew beside the optimum");
        let with = format!("{draws}, {eyes}");
        let mut figures = [
            of("place.next_at_10", &self.at_ten, lost, &draws),
            of("place.next_with_eyes", &self.with_eyes, lost, &with),
            of("place.regret_before_loop", &self.regret_before, &extra, &draws),
            of("place.regret_after_loop", &self.regret, &extra, &with),
            of(
                "whatif.mean_error",
                &self.mean_errors,
                "error of the mean after one more node, as a share of it",
                &format!("{} reports, {eyes}", self.mean_errors.len()),
            ),
        ]
        .concat();
        let inside = self.gains_inside.iter().filter(|inside| **inside).count();
        figures.push(Figure::new(
            format!("whatif.gain_inside{suffix}"),
            inside as f64 / self.gains_inside.len() as f64,
            "",
            format!(
                "true gains inside the 90 % interval of the difference, of {} reports, {eyes}",
                self.gains_inside.len()
            ),
        ));
        figures
    }
}

/// What a view has for times from every city to nodes and candidates.
fn predicted(view: &View) -> Table {
    let (scene, sites) = (view.scene(), view.sites.len());
    let cities = 0..view.weights.len();
    Table {
        sites,
        ms: cities
            .flat_map(|city| (0..sites).map(move |site| (city, site)))
            .map(|(city, site)| scene.time(city, site) as f32)
            .collect(),
    }
}

/// The truth; a pair that nobody knows is as far as the farthest of its city.
fn times_of(draw: &Draw<'_>, sites: &[usize]) -> Table {
    let mut ms = Vec::with_capacity(draw.sites.len() * sites.len());
    for city in 0..draw.sites.len() {
        let row: Vec<Option<f64>> = sites.iter().map(|&site| draw.time(city, site)).collect();
        let farthest = row.iter().flatten().copied().fold(0.0, f64::max);
        ms.extend(row.iter().map(|time| time.unwrap_or(farthest) as f32));
    }
    Table {
        sites: sites.len(),
        ms,
    }
}

fn solved(times: &Table, weights: &[f64], random: &mut StdRng) -> anyhow::Result<Solution> {
    let sites: Vec<Site> = (0..times.sites)
        .map(|site| Site::new(&site.to_string()))
        .collect();
    let problem = Problem {
        times,
        weights,
        sites: &sites,
        fixed: &[],
        forbidden: &[],
        k: K,
        objective: Objective::Mean,
    };
    Ok(place::solve(&problem, &Effort::default(), random)?)
}

fn true_mean(draw: &Draw<'_>, sites: &[usize], solution: &Solution) -> f64 {
    let truth = times_of(draw, sites);
    let sum = |city: usize| {
        let row = &truth.ms[city * sites.len()..][..sites.len()];
        let nearest = solution.chosen.iter().map(|&site| row[site]);
        draw.weights[city] * f64::from(nearest.fold(f64::INFINITY as f32, f32::min))
    };
    let total: f64 = draw.weights.iter().sum();
    (0..draw.sites.len()).map(sum).sum::<f64>() / total
}

/// What a report is told: what vantages measured among themselves, and eyes of nodes and candidates.
struct Told<'a> {
    world: &'a World,
    draw: &'a Draw<'a>,
    looked: &'a Looked,
    added: usize,
}

impl<'a> Told<'a> {
    fn new((world, draw): (&'a World, &'a Draw<'a>), looked: &'a Looked, added: usize) -> Self {
        Self {
            world,
            draw,
            looked,
            added,
        }
    }

    fn name(city: usize) -> String {
        format!("s{city}")
    }

    /// What it says, and the cities of whom it predicts anything: neither vantages nor the place itself are judged.
    fn report(&self, prior: Option<&Prior>, random: &mut StdRng) -> anyhow::Result<(WhatIf, Vec<usize>)> {
        let place = |city: usize| self.world.places[self.draw.sites[city]];
        let (mut sites, mut rtt) = (
            "site,latitude,longitude\n".to_owned(),
            "source,destination,rtt_ms\n".to_owned(),
        );
        for a in 0..VANTAGES {
            let position = place(a).position;
            let (north, east) = (position.latitude(), position.longitude());
            writeln!(sites, "{},{north},{east}", Self::name(a))?;
            for b in a + 1..VANTAGES {
                if let Some(ms) = self.draw.time(a, b) {
                    writeln!(rtt, "{},{},{ms}", Self::name(a), Self::name(b))?;
                }
            }
        }
        let others: Vec<usize> = (VANTAGES..self.draw.sites.len())
            .filter(|city| *city != self.added)
            .collect();
        let mut weights = "latitude,longitude,weight\n".to_owned();
        for &city in &others {
            let position = place(city).position;
            let (north, east) = (position.latitude(), position.longitude());
            writeln!(weights, "{north},{east},{}", self.draw.weights[city])?;
        }
        let (sites, rtt) = (FileText::new("sites.csv", sites), FileText::new("rtt.csv", rtt));
        let nodes: Vec<String> = (0..NODES).map(Self::name).collect();
        let mut observations = files::read(&sites, &rtt, &nodes)?;
        self.eyes(&mut observations);
        let options = Options {
            mesh: Some(files::read_mesh(&sites, &rtt)?),
            prior: prior
                .cloned()
                .map_or(PriorChoice::None, |prior| PriorChoice::Given(Arc::new(prior))),
            candidates: self.candidates(),
            what_if: Some(Change {
                add: vec![Self::name(self.added)],
                remove: Vec::new(),
            }),
            ..Options::new(Weights::from_file(&FileText::new("weights.csv", weights))?)
        };
        let report = report::build(&observations, &options, random).context("no report on ten sites")?;
        let predicted = report.classes.first().and_then(|class| class.predicted.as_ref());
        let reached =
            |city: &usize| predicted.is_none_or(|predicted| is_reached(predicted, place(*city).position));
        let judged = others.into_iter().filter(reached).collect();
        Ok((report.what_if.context("a what-if was asked for")?, judged))
    }

    fn eyes(&self, observations: &mut Observations) {
        let eyes = self.looked.eyes.iter().map(|&city| {
            let place = self.world.places[self.draw.sites[city]];
            let time = |(node, known): (usize, &isochrone_coverage::observations::Node)| {
                let number: usize = known.name.trim_start_matches('s').parse().ok()?;
                Some(EyeTime {
                    node,
                    rtt_ms: self.draw.time(city, number)?,
                    least_ms: None,
                    age_days: 0.0,
                    answers: 3,
                })
            };
            Eye {
                name: Self::name(city),
                source: EyeSource::Atlas,
                site: Self::name(city),
                position: place.position,
                network: place.network,
                country: None,
                access: AccessClass::Eyeball,
                times: observations.nodes.iter().enumerate().filter_map(time).collect(),
            }
        });
        observations.eyes = eyes.collect();
    }

    fn candidates(&self) -> Vec<CandidateSite> {
        let candidate = |&city: &usize| CandidateSite {
            name: Self::name(city),
            place: Self::name(city),
            position: self.world.places[self.draw.sites[city]].position,
            country: None,
            own: Vec::new(),
            times: self
                .looked
                .eyes
                .iter()
                .filter_map(|&eye| {
                    Some(CandidateTime {
                        source: EyeSource::Atlas,
                        eye: Self::name(eye),
                        rtt_ms: self.draw.time(eye, city)?,
                        age_days: 0.0,
                        answers: 3,
                    })
                })
                .collect(),
        };
        self.looked.candidates.iter().map(candidate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::detours;
    use super::*;

    #[test]
    fn choices_and_what_if_are_judged_by_times_that_were_hidden_from_them() {
        let world = detours(70, 3);
        let sites: Vec<usize> = (0..world.len()).collect();
        let people = people(&world);
        let mut random = StdRng::seed_from_u64(1);
        let prior = Some(Prior::embedded());
        let draw = Draw::new(&world, &sites, &people, &mut random).expect("enough sites");
        let looked = Looked::new(&draw, prior).unwrap();
        assert_eq!((looked.eyes.len(), looked.candidates.len()), (EYES, SHORTLIST));
        let mut judged = Judged::default();
        judged.next(&draw, &looked, prior).unwrap();
        judged.anew(&draw, &looked, prior, &mut random).unwrap();
        judged
            .what_if((&world, &draw), &looked, prior, &mut random)
            .unwrap();
        assert_eq!((judged.mean_errors.len(), judged.gains_inside.len()), (1, 1));
        assert!(judged.regret[0] >= -1e-9 && judged.regret_before[0] >= -1e-9);
        assert!(judged.figures("").iter().all(|figure| figure.value.is_finite()));
    }

    #[test]
    fn optimum_of_the_truth_has_no_regret() {
        let world = detours(70, 4);
        let sites: Vec<usize> = (0..world.len()).collect();
        let mut random = StdRng::seed_from_u64(2);
        let draw = Draw::new(&world, &sites, &people(&world), &mut random).expect("enough sites");
        let all: Vec<usize> = (0..NODES).chain(draw.candidates().iter().copied()).collect();
        let times = times_of(&draw, &all);
        let best = solved(&times, &draw.weights, &mut random).unwrap();
        assert!(best.proven && (true_mean(&draw, &all, &best) - best.value).abs() < 1e-3);
    }
}
