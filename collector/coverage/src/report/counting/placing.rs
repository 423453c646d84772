//! Where so many nodes should stand: chosen by the likeliest times on the days that choose, priced over joint draws on the
//! days that price.

use rand::Rng;

use super::asked::Asked;
use super::candidates::Spot;
use super::places::{self, Places};
use super::purse::Purse;
use super::scene::Scene;
use super::stage::Stage;
use super::{ClassPrediction, Options, ReportError};
use crate::country::Country;
use crate::observations::Observations;
use crate::place::{self, Objective, Problem, Site, Solution};
use crate::report::placement::{Ask, ChosenPlace, Drawn, Placement, PlacementError, RivalPlace, Shortlisted};
use crate::report::widening;

/// Sets beside the best that are priced.
const RIVALS: usize = 12;
/// Places on the shortlist.
const SHORTLIST: usize = 8;
/// Without intervals a difference below this share of the whole says nothing.
const LEAST_SHARE: f64 = 0.05;

/// Where the nodes should stand, by the access class with most vantages, whose predictions are `predicted`.
///
/// # Errors
/// The observations, options or what is asked contradict themselves; the error says where.
pub(crate) fn place(
    observations: &Observations,
    options: &Options,
    (ask, predicted): (&Ask, Option<&ClassPrediction>),
    random: &mut impl Rng,
) -> Result<Placement, ReportError> {
    let scene = Scene::new(observations, options)?;
    let choosing = choosing(&scene, ask, random)?;
    let spots = choosing.spots().to_vec();
    let places = Places::new(&scene, &spots);
    if choosing.is_empty() {
        return Err(PlacementError::NothingKnown.into());
    }
    let wanted = Wanted::new(&places, &choosing, ask)?;
    let solution = wanted.solve(&scene, &choosing, (&places, ask), random)?;
    let pricing = Stage::new(&scene, scene.even(), Some(&spots), random);
    let asked = Asked::new(&pricing, predicted);
    let told = Told {
        places: &places,
        stages: (&choosing, &pricing),
        solution: &solution,
        wanted: &wanted,
        ask,
    };
    Ok(Placement {
        measure: asked.wanted(),
        ..told.placement(&scene, random)
    })
}

/// Times on the days that choose, towards every place that may be chosen.
fn choosing(scene: &Scene<'_>, ask: &Ask, random: &mut impl Rng) -> Result<Stage, ReportError> {
    let found = Stage::new(scene, scene.odd(), None, random);
    let own = Places::new(scene, found.spots());
    let node = |name: &str| (0..scene.nodes()).any(|node| scene.node_name(node) == name);
    let mut spots: Vec<Spot> = match &ask.candidates {
        None => found.spots().to_vec(),
        Some(given) => {
            let others = given.iter().filter(|place| !node(&place.name));
            let spot = |place| match own.called_spot(place) {
                Some(spot) => Ok(spot),
                None => places::given(place),
            };
            others.map(spot).collect::<Result<_, _>>()?
        }
    };
    let before = (spots.len(), ask.candidates.is_some());
    for name in &ask.fixed {
        let known = |spot: &Spot| spot.is_called(name);
        if !node(name) && !spots.iter().any(known) {
            spots.extend(own.spot_called(name).or_else(|| places::city(name)));
        }
    }
    if !found.is_predicted() && spots.len() > before.0 {
        let (option, name) = ("--fixed", spots[before.0].name.clone());
        return Err(PlacementError::NotPredicted { option, name }.into());
    }
    match before == (spots.len(), false) {
        true => Ok(found),
        false => Ok(Stage::new(scene, scene.odd(), Some(&spots), random)),
    }
}

/// Sites by number: which may be chosen, and which must.
struct Wanted {
    sites: Vec<Site>,
    fixed: Vec<usize>,
    forbidden: Vec<usize>,
}

impl Wanted {
    fn new(places: &Places<'_>, stage: &Stage, ask: &Ask) -> Result<Self, PlacementError> {
        let usable = places.usable(stage);
        let mut sites: Vec<Site> = (0..places.len())
            .map(|site| Site::new(&places.name(site)))
            .collect();
        for given in ask.candidates.iter().flatten() {
            if let Some(site) = places.called(&given.name) {
                (sites[site].cost, sites[site].capacity) = (given.cost, given.capacity);
            }
        }
        let called = |option: &'static str, name: &str| {
            let no_such = || PlacementError::NoSuchPlace {
                option,
                name: name.to_owned(),
                example: places.example(),
            };
            places.called(name).ok_or_else(no_such)
        };
        let mut fixed = Vec::new();
        for name in &ask.fixed {
            let site = called("--fixed", name)?;
            if !usable.contains(&site) {
                let (option, name) = ("--fixed", name.clone());
                return Err(PlacementError::NotPriced { option, name });
            }
            fixed.push(site);
        }
        if ask.keep_all {
            fixed.extend(
                stage
                    .priceable()
                    .into_iter()
                    .filter(|node| !fixed.contains(node))
                    .collect::<Vec<_>>(),
            );
        }
        let mut forbidden: Vec<usize> = Vec::new();
        for name in &ask.forbidden {
            match Country::code(name) {
                Some(country) if places.called(name).is_none() => {
                    forbidden.extend(
                        places
                            .within(country)
                            .into_iter()
                            .filter(|site| !fixed.contains(site)),
                    );
                }
                // A city that is no candidate is not chosen anyway.
                _ if places.called(name).is_none() && places::city(name).is_some() => {}
                _ => forbidden.push(called("--forbid", name)?),
            }
        }
        forbidden.extend((0..places.len()).filter(|site| !usable.contains(site)));
        forbidden.sort_unstable();
        forbidden.dedup();
        Ok(Self {
            sites,
            fixed,
            forbidden,
        })
    }

    fn solve(
        &self,
        scene: &Scene<'_>,
        stage: &Stage,
        (places, ask): (&Places<'_>, &Ask),
        random: &mut impl Rng,
    ) -> Result<Solution, PlacementError> {
        let table = stage.table(stage.spots());
        let lines = scene.own_lines(stage.cells());
        let sites = places.len();
        let time = |(at, ms): (usize, &f64)| (ms + lines[at / sites]) as f32;
        let times = place::Table {
            sites,
            ms: table.ms.iter().enumerate().map(time).collect(),
        };
        let problem = Problem {
            times: &times,
            weights: stage.weights(),
            sites: &self.sites,
            fixed: &self.fixed,
            forbidden: &self.forbidden,
            k: ask.k,
            objective: ask.objective,
        };
        Ok(place::solve(&problem, &ask.effort, random)?)
    }
}

/// What a solution says, in names and over draws.
struct Told<'a> {
    places: &'a Places<'a>,
    /// That chooses and that prices.
    stages: (&'a Stage, &'a Stage),
    solution: &'a Solution,
    wanted: &'a Wanted,
    ask: &'a Ask,
}

impl Told<'_> {
    fn placement(&self, scene: &Scene<'_>, random: &mut impl Rng) -> Placement {
        let (choosing, pricing) = self.stages;
        let (solution, objective) = (self.solution, self.ask.objective);
        let rivals = &solution.rivals[..solution.rivals.len().min(RIVALS)];
        let instead = |leaves: usize, comes: usize| -> Vec<usize> {
            let swapped = |&site: &usize| if site == leaves { comes } else { site };
            solution.chosen.iter().map(swapped).collect()
        };
        // The set, today's nodes, and the rivals.
        let mut sets = vec![solution.chosen.clone(), pricing.priceable()];
        sets.extend(rivals.iter().map(|rival| instead(rival.leaves, rival.comes)));
        let purse = Purse::new((pricing, scene), &sets, objective, random);
        let has_today = !sets[1].is_empty();
        let widened = pricing.widening(widening::MEAN);
        let by_point = pricing.is_by_point();
        let priced = by_point_or(by_point, purse.of(0, widened));
        let rivals: Vec<RivalPlace> = rivals
            .iter()
            .enumerate()
            .map(|(at, rival)| {
                let worse = self.worse(&purse, at + 2, 0);
                RivalPlace {
                    instead_of: self.places.name(rival.leaves),
                    place: self.places.name(rival.comes),
                    tied: is_tied(&worse, priced.value),
                    worse: by_point_or(by_point, worse),
                }
            })
            .collect();
        Placement {
            objective,
            k: self.ask.k,
            chosen: self.chosen(choosing),
            value: solution.value,
            costs: solution.costs,
            bound: solution.bound,
            gap: solution.gap,
            proven: solution.proven,
            today: has_today.then(|| by_point_or(by_point, purse.of(1, widened))),
            better: has_today.then(|| by_point_or(by_point, self.worse(&purse, 1, 0))),
            shortlist: self.shortlist(&purse),
            priced,
            rivals,
            measure: Vec::new(),
            candidates: self.wanted.sites.len() - self.wanted.forbidden.len(),
            days: scene.priced(),
            days_resampled: pricing.days_resampled(),
            by_point,
            predicted: pricing.predicted_weight() > 0.0 || self.is_predicted(&solution.chosen),
            known_share: pricing.known_weight() / scene.total_weight(),
            predicted_share: pricing.predicted_weight() / scene.total_weight(),
            gathered: solution.gathered,
            unpredictable: pricing.unseen(),
            doubtful: super::doubtful_alone(pricing),
        }
    }

    /// By how much the one set is worse than the other.
    fn worse(&self, purse: &Purse, one: usize, other: usize) -> Drawn {
        let times = self.stages.1.widening(widening::GAIN);
        match self.ask.objective {
            Objective::Cover(_) => purse.more(other, one, times),
            Objective::Mean | Objective::Max => purse.more(one, other, times),
        }
    }

    fn is_predicted(&self, set: &[usize]) -> bool {
        set.iter().any(|&site| self.places.spot(site).is_some())
    }

    fn chosen(&self, stage: &Stage) -> Vec<ChosenPlace> {
        let table = stage.table(stage.spots());
        let total: f64 = table.weights.iter().sum();
        let mut shares = vec![0.0; self.places.len()];
        for (cell, weight) in table.weights.iter().enumerate() {
            let (row, _) = table.nearest(cell, &[]);
            let nearest = self
                .solution
                .chosen
                .iter()
                .min_by(|&&a, &&b| row[a].total_cmp(&row[b]));
            if let Some(&site) = nearest {
                shares[site] += weight / total;
            }
        }
        let place = |&site: &usize| {
            let spot = self.places.spot(site);
            ChosenPlace {
                name: self.places.name(site),
                is_node: spot.is_none(),
                fixed: self.wanted.fixed.contains(&site),
                site: spot
                    .and_then(|spot| spot.site.as_ref())
                    .map(|site| site.name.clone()),
                eyes: spot.map_or(0, |spot| spot.eyes),
                position: self.places.position(site),
                country: self.places.country(site),
                share: shares[site],
                predicted: spot.is_some() || stage.predicted_weight() > 0.0,
            }
        };
        self.solution.chosen.iter().map(place).collect()
    }

    /// Chosen places that nobody measured, and rivals, by what they might gain.
    fn shortlist(&self, purse: &Purse) -> Vec<Shortlisted> {
        let mut all: Vec<Shortlisted> = Vec::new();
        let mut add = |site: usize, hope: f64, chosen: bool| {
            let place = self.places.name(site);
            match all.iter_mut().find(|one| one.place == place) {
                Some(one) => one.hope = one.hope.max(hope),
                None => all.push(Shortlisted {
                    position: self.places.position(site),
                    place,
                    hope,
                    chosen,
                }),
            }
        };
        for (at, rival) in self.solution.rivals.iter().take(RIVALS).enumerate() {
            let (set, mean) = (at + 2, self.worse(purse, at + 2, 0).value);
            let deviation = purse.deviation(set, 0);
            if self.places.spot(rival.comes).is_some() {
                add(rival.comes, deviation - mean, false);
            }
            if self.places.spot(rival.leaves).is_some() {
                add(rival.leaves, deviation + mean, true);
            }
        }
        all.retain(|one| one.chosen || one.hope > 0.0);
        all.sort_by(|a, b| b.hope.total_cmp(&a.hope));
        all.truncate(SHORTLIST);
        all
    }
}

/// Without an interval where times have none: days alone say little of predictions.
fn by_point_or(by_point: bool, drawn: Drawn) -> Drawn {
    Drawn {
        interval: drawn.interval.filter(|_| !by_point),
        ..drawn
    }
}

/// Whether a set cannot be told from the best.
fn is_tied(worse: &Drawn, whole: f64) -> bool {
    match worse.interval {
        Some(interval) => interval.low <= 0.0,
        None => worse.value <= LEAST_SHARE * whole.abs(),
    }
}

#[cfg(test)]
mod tests;
