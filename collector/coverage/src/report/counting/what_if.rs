//! What another set of nodes would bring, over joint draws.

use std::ops::Range;

use rand::Rng;

use super::candidates::Spot;
use super::places::{self, Places};
use super::purse::drawn;
use super::scene::Scene;
use super::stage::Stage;
use super::{Options, ReportError};
use crate::observations::Observations;
use crate::report::placement::{Drawn, PlacementError};
use crate::report::resample::interval;
use crate::report::what_if::{AddedPlace, Change, OwnCity, Rest, State, WhatIf, Why};
use crate::report::{BUDGETS_MS, Interval, Share, widening};

/// Cells so near are a place's own city.
const OWN_CITY_KM: f64 = 150.0;
/// Vantages named for an added place.
const NEIGHBOURS: usize = 4;
/// Pairs named for a removed node.
const PAIRS: usize = 6;

/// What the change would bring, by the access class with most vantages.
///
/// # Errors
/// The observations, options or what is asked contradict themselves; the error says where.
pub(crate) fn what_if(
    observations: &Observations,
    options: &Options,
    change: &Change,
    random: &mut impl Rng,
) -> Result<WhatIf, ReportError> {
    let scene = Scene::new(observations, options)?;
    let spots = added(&scene, change, random)?;
    let stage = Stage::new(&scene, scene.prepared.clone(), Some(&spots), random);
    if stage.is_empty() {
        return Err(PlacementError::NothingKnown.into());
    }
    let places = Places::new(&scene, &spots);
    let sets = sets(&scene, &stage, change, &spots)?;
    let priced = Priced::new((&scene, &stage), (&places, &sets), options.target_ms, random);
    Ok(priced.told(change))
}

/// The places that would get a node.
fn added(scene: &Scene<'_>, change: &Change, random: &mut impl Rng) -> Result<Vec<Spot>, ReportError> {
    if change.add.is_empty() && change.remove.is_empty() {
        return Err(PlacementError::NothingChanges.into());
    }
    if change.add.is_empty() {
        return Ok(Vec::new());
    }
    let found = Stage::new(scene, scene.prepared.clone(), None, random);
    let places = Places::new(scene, found.spots());
    let mut spots: Vec<Spot> = Vec::new();
    for name in &change.add {
        let option = "--add";
        let spot = places
            .spot_called(name)
            .or_else(|| beside(scene, name))
            .or_else(|| places::city(name));
        let spot = spot.ok_or_else(|| PlacementError::NoSuchPlace {
            option,
            name: name.clone(),
            example: places.example(),
        })?;
        if !found.is_predicted() {
            let name = name.clone();
            return Err(PlacementError::NotPredicted { option, name }.into());
        }
        if spots.iter().all(|other| other.name != spot.name) {
            spots.push(spot);
        }
    }
    Ok(spots)
}

/// A place beside a vantage, or in the place of another node of that site: it strikes nobody out.
fn beside(scene: &Scene<'_>, name: &str) -> Option<Spot> {
    let vantage = scene
        .prepared
        .vantages
        .iter()
        .find(|one| one.name == name || one.site == name)?;
    Some(Spot::new(name.to_owned(), vantage.position, vantage.country))
}

/// Today's sites and those that there would be.
fn sets(
    scene: &Scene<'_>,
    stage: &Stage,
    change: &Change,
    spots: &[Spot],
) -> Result<[Vec<usize>; 2], PlacementError> {
    let mut removed = Vec::new();
    for name in &change.remove {
        let node = (0..scene.nodes()).find(|&node| scene.node_name(node) == *name);
        removed.push(node.ok_or_else(|| PlacementError::NoSuchNode {
            name: name.clone(),
            example: (scene.nodes() > 0).then(|| scene.node_name(0)),
        })?);
    }
    let today = stage.priceable();
    let mut then: Vec<usize> = today
        .iter()
        .copied()
        .filter(|node| !removed.contains(node))
        .collect();
    then.extend((0..spots.len()).map(|at| scene.nodes() + at));
    match then.is_empty() {
        true => Err(PlacementError::NobodyLeft),
        false => Ok([today, then]),
    }
}

/// Sums of some draws; today's nodes first, then those that there would be.
struct Tally {
    draws: Range<usize>,
    means: Vec<[f64; 2]>,
    /// By draw and budget: the weight within it.
    within: Vec<Vec<[f64; 2]>>,
    /// By draw and added place: the time of its own city.
    own: Vec<Vec<[f64; 2]>>,
    /// By draw and cell: the time to the nearest of each set; where a vantage speaks, to the nearest of what is added.
    nearest: Vec<[f32; 2]>,
}

struct Priced<'a> {
    scene: &'a Scene<'a>,
    stage: &'a Stage,
    places: &'a Places<'a>,
    sets: &'a [Vec<usize>; 2],
    budgets: Vec<f64>,
    lines: Vec<f64>,
    /// By added place: its own cells.
    own: Vec<Vec<usize>>,
    tallies: Vec<Tally>,
}

impl<'a> Priced<'a> {
    fn new(
        (scene, stage): (&'a Scene<'a>, &'a Stage),
        (places, sets): (&'a Places<'a>, &'a [Vec<usize>; 2]),
        target_ms: Option<f64>,
        random: &mut impl Rng,
    ) -> Self {
        let mut budgets: Vec<f64> = BUDGETS_MS.into_iter().chain(target_ms).collect();
        budgets.sort_by(f64::total_cmp);
        budgets.dedup();
        let own = |site: usize| -> Vec<usize> {
            let near = |cell: &usize| {
                let cell = &stage.cells()[*cell];
                let at = places.position(site);
                cell.country == places.country(site)
                    && at.is_some_and(|at| at.distance_km(cell.position) <= OWN_CITY_KM)
            };
            (0..stage.cells().len()).filter(near).collect()
        };
        let mut priced = Self {
            lines: scene.own_lines(stage.cells()),
            own: (scene.nodes()..places.len()).map(own).collect(),
            tallies: Vec::new(),
            scene,
            stage,
            places,
            sets,
            budgets,
        };
        let tallies = stage.each_draw(
            scene.draws(),
            random,
            |range| Tally::new(range, &priced),
            |tally, draw, cell, times| tally.add(&priced, draw, (cell, times)),
        );
        priced.tallies = tallies;
        priced
    }

    fn weight(&self, cell: usize) -> f64 {
        self.stage.weights()[cell]
    }

    /// The least that a cell's vantage measured of a set; `None`: it has none, or measured none of it.
    fn measured(&self, cell: usize, set: usize) -> Option<f64> {
        let speaker = self.stage.cells()[cell].speaker?;
        let nodes = self.sets[set].iter().filter(|&&site| site < self.scene.nodes());
        let times = nodes.filter_map(|&node| self.stage.measured_ms(speaker, node));
        times.min_by(f64::total_cmp).map(|ms| ms + self.lines[cell])
    }

    /// Whether a set holds places that nobody measured.
    fn is_open(&self, set: usize) -> bool {
        self.sets[set].iter().any(|&site| site >= self.scene.nodes())
    }

    fn told(&self, change: &Change) -> WhatIf {
        let by_point = self.stage.is_by_point();
        let honest = |drawn: Drawn| Drawn {
            interval: drawn.interval.filter(|_| !by_point),
            ..drawn
        };
        let total = self.stage.known_weight();
        let means = |set: usize| -> Vec<f64> {
            let all = self.tallies.iter().flat_map(|tally| &tally.means);
            all.map(|means| means[set] / total).collect()
        };
        let state = |set: usize| State {
            nodes: self.sets[set]
                .iter()
                .map(|&site| self.places.name(site))
                .collect(),
            mean: honest(drawn(means(set), self.stage.widening(widening::MEAN))),
            shares: self
                .budgets
                .iter()
                .map(|&budget| self.share_measured(set, budget))
                .collect(),
            shares_predicted: (0..self.budgets.len()).map(|at| self.share(set, at)).collect(),
        };
        let difference = means(1)
            .iter()
            .zip(means(0))
            .map(|(then, today)| then - today)
            .collect();
        WhatIf {
            added: self.added(honest),
            removed: change.remove.clone(),
            today: state(0),
            then: state(1),
            difference: honest(drawn(difference, self.stage.widening(widening::GAIN))),
            rests_on: self.rests_on(change),
            days: self.scene.priced(),
            days_resampled: self.stage.days_resampled(),
            by_point,
            known_share: total / self.scene.total_weight(),
            predicted_share: self.stage.predicted_weight() / self.scene.total_weight(),
            vantages: self.scene.measuring(),
            unpredictable: self.stage.unseen(),
        }
    }

    fn share_measured(&self, set: usize, budget_ms: f64) -> Share {
        let (mut within, mut beyond) = (0.0, 0.0);
        for cell in 0..self.stage.cells().len() {
            match self.measured(cell, set) {
                Some(ms) if ms <= budget_ms => within += self.weight(cell),
                // What is added may be nearer.
                Some(_) if !self.is_open(set) => beyond += self.weight(cell),
                Some(_) | None => {}
            }
        }
        share(budget_ms, (within, beyond, 0.0), self.scene.total_weight())
    }

    fn share(&self, set: usize, budget: usize) -> Share {
        let (mut within, mut beyond, mut undecided) = (0.0, 0.0, 0.0);
        for cell in 0..self.stage.cells().len() {
            let (weight, budget_ms) = (self.weight(cell), self.budgets[budget]);
            let measured = self.measured(cell, set);
            let drawn = || self.ends(cell, set);
            let (low, high) = match measured {
                Some(ms) if ms <= budget_ms => (ms, ms),
                Some(ms) if !self.is_open(set) => (ms, ms),
                Some(ms) => {
                    let (low, high) = drawn();
                    (low.min(ms), high.min(ms))
                }
                None => drawn(),
            };
            if high <= budget_ms {
                within += weight;
            } else if low > budget_ms {
                beyond += weight;
            } else {
                undecided += weight;
            }
        }
        let total = self.scene.total_weight();
        let open = (total - self.stage.known_weight()).max(0.0) / total;
        let draws = self.tallies.iter().flat_map(|tally| &tally.within);
        let spread = interval(draws.map(|within| within[budget][set] / total));
        let spread = spread
            .filter(|_| !self.stage.is_by_point())
            .map(|spread| Interval {
                low: spread.low.min(1.0),
                high: (spread.high + open).min(1.0),
            });
        Share {
            interval: spread,
            ..share(self.budgets[budget], (within, beyond, undecided), total)
        }
    }

    /// The ends of the drawn times of a cell; all there is where nothing was drawn or no time has an interval.
    fn ends(&self, cell: usize, set: usize) -> (f64, f64) {
        if self.stage.is_by_point() {
            return (0.0, f64::INFINITY);
        }
        let cells = self.stage.cells().len();
        let all = self
            .tallies
            .iter()
            .flat_map(|tally| tally.nearest.iter().skip(cell).step_by(cells));
        let ends = interval(all.map(|nearest| f64::from(nearest[set])));
        ends.map_or((0.0, f64::INFINITY), |ends| (ends.low, ends.high))
    }

    fn added(&self, honest: impl Fn(Drawn) -> Drawn) -> Vec<AddedPlace> {
        let spots: Vec<Spot> = self.stage.spots().to_vec();
        let table = self.stage.table(&spots);
        let total: f64 = table.weights.iter().sum();
        let place = |(at, spot): (usize, &Spot)| {
            let site = self.scene.nodes() + at;
            let nearest = |cell: &usize| {
                let (row, least) = table.nearest(*cell, &self.sets[1]);
                row[site] <= least
            };
            let cells = 0..table.weights.len();
            let weight: f64 = self.own[at].iter().map(|&cell| self.weight(cell)).sum();
            let own = |set: usize| {
                let all = self.tallies.iter().flat_map(|tally| &tally.own);
                honest(drawn(all.map(|own| own[at][set] / weight).collect(), 1.0))
            };
            AddedPlace {
                name: spot.name.clone(),
                site: spot.site.as_ref().map(|site| site.name.clone()),
                eyes: spot.eyes,
                position: spot.position,
                country: spot.country,
                share: cells.filter(nearest).map(|cell| table.weights[cell]).sum::<f64>() / total,
                own_city: (weight > 0.0).then(|| OwnCity {
                    share: weight / self.scene.total_weight(),
                    today: own(0),
                    then: own(1),
                }),
            }
        };
        spots.iter().enumerate().map(place).collect()
    }

    /// The pairs of vantages near to what is added, and those of vantages to which a node is nearest that would go.
    fn rests_on(&self, change: &Change) -> Vec<Rest> {
        let mut rests = Vec::new();
        for spot in self.stage.spots() {
            let vantages = self.scene.members.iter().enumerate();
            let mut near: Vec<(f64, usize)> = vantages
                .map(|(member, &index)| {
                    let vantage = self.scene.prepared.vantages[index];
                    (vantage.position.distance_km(spot.position), member)
                })
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            let rows = near.iter().filter_map(|&(km, member)| {
                let (node, ms) = self.nearest(member, &self.sets[0])?;
                Some(self.rest((Why::NearAdded, &spot.name), (member, node, ms), Some(km)))
            });
            rests.extend(rows.take(NEIGHBOURS));
        }
        for name in &change.remove {
            let mut rows = Vec::new();
            for member in 0..self.scene.members.len() {
                let Some((node, ms)) = self.nearest(member, &self.sets[0]) else {
                    continue;
                };
                if self.scene.node_name(node) != *name {
                    continue;
                }
                rows.push(self.rest((Why::Removed, name), (member, node, ms), None));
                if let Some((node, ms)) = self.nearest(member, &self.sets[1]) {
                    rows.push(self.rest((Why::Instead, name), (member, node, ms), None));
                }
            }
            rows.truncate(PAIRS);
            rests.extend(rows);
        }
        rests
    }

    /// The node of a set that a vantage measured as nearest.
    fn nearest(&self, member: usize, set: &[usize]) -> Option<(usize, f64)> {
        let nodes = set.iter().filter(|&&site| site < self.scene.nodes());
        let times = nodes.filter_map(|&node| Some((node, self.stage.measured_ms(member, node)?)));
        times.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn rest(
        &self,
        (why, place): (Why, &str),
        (member, node, ms): (usize, usize, f64),
        km: Option<f64>,
    ) -> Rest {
        let vantage = self.scene.members[member];
        Rest {
            why,
            place: place.to_owned(),
            vantage: self.scene.prepared.vantages[vantage].name.clone(),
            node: self.scene.node_name(node),
            ms,
            interval: self.stage.measured_interval(member, node),
            km,
        }
    }
}

impl Tally {
    fn new(draws: Range<usize>, priced: &Priced<'_>) -> Self {
        let (count, cells) = (draws.len(), priced.stage.cells().len());
        Self {
            means: vec![[0.0; 2]; count],
            within: vec![vec![[0.0; 2]; priced.budgets.len()]; count],
            own: vec![vec![[0.0; 2]; priced.own.len()]; count],
            nearest: vec![[f32::INFINITY; 2]; count * cells],
            draws,
        }
    }

    fn add(&mut self, priced: &Priced<'_>, draw: usize, (cell, times): (usize, &[f64])) {
        let (draw, weight) = (draw - self.draws.start, priced.weight(cell));
        let cells = priced.stage.cells().len();
        let is_spoken = priced.stage.cells()[cell].speaker.is_some();
        for (number, set) in priced.sets.iter().enumerate() {
            let least = |sites: &mut dyn Iterator<Item = &usize>| {
                sites.map(|&site| times[site]).fold(f64::INFINITY, f64::min) + priced.lines[cell]
            };
            let ms = least(&mut set.iter());
            self.means[draw][number] += weight * ms;
            for (within, &budget) in self.within[draw].iter_mut().zip(&priced.budgets) {
                within[number] += if ms <= budget { weight } else { 0.0 };
            }
            for (own, cells) in self.own[draw].iter_mut().zip(&priced.own) {
                own[number] += if cells.contains(&cell) { weight * ms } else { 0.0 };
            }
            let nearest = match is_spoken {
                true => least(&mut set.iter().filter(|&&site| site >= priced.scene.nodes())),
                false => ms,
            };
            self.nearest[draw * cells + cell][number] = nearest as f32;
        }
    }
}

/// Three shares of a weight, of which so much is within, beyond and undecided.
fn share(budget_ms: f64, (within, beyond, undecided): (f64, f64, f64), total: f64) -> Share {
    let within = (within / total).min(1.0);
    let beyond = (beyond / total).min(1.0 - within);
    let unknown = (1.0 - within - beyond).max(0.0);
    Share {
        budget_ms,
        within,
        beyond,
        unknown,
        undecided: (undecided / total).min(unknown),
        own_node: 0.0,
        interval: None,
    }
}

#[cfg(test)]
mod tests;
