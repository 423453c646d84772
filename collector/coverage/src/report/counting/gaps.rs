//! Where an eye would tell most: all cities against the candidates of the next node.

use std::collections::BTreeSet;

use super::candidates::{Spot, city};
use super::scene::Scene;
use crate::country::Country;
use crate::gaps::{Asked, Contest, Eye, SHORTLIST, Table, choose};
use crate::geo::Position;
use crate::note::Note;
use crate::observations::{Network, Observations, Vantage};
use crate::predict::{ENDS, Place, Point};
use crate::report::forecast::{Cell, Fitted, Further, Known, gather};
use crate::report::gaps::{Contender, Gaps, NothingToRank, WantedEye};
use crate::report::notes;
use crate::report::trust::Trust;
use crate::report::{Interval, Options, ReportError};

/// Degrees a cell is wide, as where nodes are counted.
const DEGREES: f64 = 4.0;
/// So many of the heaviest cells may get an eye.
const CELLS: usize = 600;
/// Within this of an eye or a vantage that measured already another one is not asked for.
const KNOWN_KM: f64 = 100.0;
/// Intervals of countries in which nothing is known are so many times as wide.
const UNSEEN: f64 = 1.5;
/// More are chosen than are asked for: some cells are called by one city.
const SPARE: usize = 5;

/// What to measure next: at most so many eyes.
///
/// # Errors
/// The observations or options contradict themselves; the error says where.
pub fn what_to_measure(
    observations: &Observations,
    options: &Options,
    most: usize,
) -> Result<Gaps, ReportError> {
    let scene = Scene::new(observations, options)?;
    let empty = |why_not: NothingToRank| Gaps {
        nodes: scene.nodes(),
        vantages: scene.measuring(),
        known_eyes: scene.prepared.eyes.len(),
        contenders: Vec::new(),
        eyes: Vec::new(),
        unseen: Vec::new(),
        why_not: Some(why_not),
    };
    let found = notes::of(&scene.prepared, observations, options);
    if observations.notes.iter().chain(&found).any(Note::is_grave) {
        return Ok(empty(NothingToRank::NotBelieved));
    }
    if scene.measuring() == 0 {
        return Ok(empty(NothingToRank::NotMeasured));
    }
    let Some(world) = World::new(&scene) else {
        return Ok(empty(NothingToRank::NotPredicted));
    };
    if world.spots.is_empty() {
        return Ok(empty(NothingToRank::NoCandidate));
    }
    Ok(Gaps {
        why_not: None,
        unseen: world.trust.unseen(),
        ..world.ranked(empty(NothingToRank::NoCandidate), &scene, most)
    })
}

/// Cells, nodes and candidates, and the times between them.
struct World {
    cells: Vec<Cell>,
    weights: Vec<f64>,
    spots: Vec<Spot>,
    nodes: usize,
    table: Table,
    trust: Trust,
}

impl World {
    fn new(scene: &Scene<'_>) -> Option<Self> {
        let prepared = &scene.prepared;
        let vantages: Vec<&Vantage> = scene.members.iter().map(|&one| prepared.vantages[one]).collect();
        let further = Further {
            mesh: scene.options.mesh.as_ref(),
            echoes: &prepared.between(&scene.members, scene.statistic),
            eyes: &prepared.eyes,
            candidates: &scene.options.candidates,
        };
        let time = |vantage: usize, node: usize| scene.ms(vantage, node);
        let known = Known::new(&vantages, &prepared.nodes, further, time);
        let fitted = known.fit(scene.options.prior.get()).ok()?;
        let trust = Trust::new(&fitted.measured, scene.options.prior.get(), &scene.places);
        let cells = gather(&scene.places, DEGREES);
        let spots = scene.candidates(&cells, &fitted, &trust);
        let placed = fitted.placed();
        let sites: Vec<(Place, Point)> = placed
            .iter()
            .map(|(_, place, point)| (*place, point.clone()))
            .chain(spots.iter().map(|spot| seen(&fitted, spot)))
            .collect();
        let cities: Vec<(Place, Point)> = cells
            .iter()
            .map(|cell| {
                let place = at(cell.position);
                (place, fitted.predictor.at(&place))
            })
            .collect();
        let mut table = Table::new(&fitted.predictor, &cities, &sites);
        for (number, cell) in cells.iter().enumerate() {
            table.widen(number, trust.widened(cell.country).unwrap_or(UNSEEN));
            let Some(speaker) = cell.speaker else { continue };
            for (site, (node, ..)) in placed.iter().enumerate() {
                if let Some(ms) = scene.ms(speaker, *node) {
                    table.around(number, site, ms);
                }
            }
        }
        Some(Self {
            weights: cells.iter().map(|cell| cell.weight).collect(),
            nodes: placed.len(),
            cells,
            spots,
            table,
            trust,
        })
    }

    fn ranked(&self, empty: Gaps, scene: &Scene<'_>, most: usize) -> Gaps {
        let of = self.table.scene(&self.weights, self.nodes);
        let contest = Contest::new(&of);
        let short = contest.shortlist(SHORTLIST);
        let cities = self.strangers(scene);
        let asked = Asked {
            cities: &cities,
            candidates: &short,
            most: most.saturating_mul(2).saturating_add(SPARE),
        };
        let contender = |&site: &usize| {
            let (spot, gain) = (&self.spots[site - self.nodes], contest.gains[site - self.nodes]);
            Contender {
                place: spot.name.clone(),
                position: spot.position,
                country: spot.country,
                gain_ms: gain.mean_ms,
                deviation_ms: gain.deviation_ms,
                candidate: spot.candidate.clone(),
                eyes: spot.eyes,
            }
        };
        let best = contest.best().unwrap_or(self.nodes);
        let (mut eyes, mut named) = (Vec::<WantedEye>::new(), BTreeSet::new());
        for eye in choose(&of, &contest, &asked) {
            let wanted = self.wanted(&eye, best, scene);
            let has_room = eyes.len() < most;
            eyes.extend(wanted.filter(|eye| has_room && named.insert(eye.place.clone())));
        }
        Gaps {
            contenders: short.iter().map(contender).collect(),
            eyes,
            ..empty
        }
    }

    /// The heaviest cells for which no vantage speaks and in which no eye stands.
    fn strangers(&self, scene: &Scene<'_>) -> Vec<usize> {
        let eyes: Vec<Position> = scene.prepared.eyes.iter().map(|eye| eye.position).collect();
        let is_open = |&number: &usize| {
            let cell = &self.cells[number];
            let near = |eye: &Position| eye.distance_km(cell.position) <= KNOWN_KM;
            cell.is_silent() && cell.country.is_some() && !eyes.iter().any(near)
        };
        let mut open: Vec<usize> = (0..self.cells.len()).filter(is_open).collect();
        open.sort_by(|&a, &b| self.weights[b].total_cmp(&self.weights[a]));
        open.truncate(CELLS);
        open
    }

    fn wanted(&self, eye: &Eye, best: usize, scene: &Scene<'_>) -> Option<WantedEye> {
        let (cell, of) = (&self.cells[eye.city], self.table.scene(&self.weights, self.nodes));
        let country = cell.country?;
        let (place, position) = city(cell.position, cell.country)?;
        let both = [best, eye.rival];
        let toward = usize::from(of.deviation(eye.city, both[1]) > of.deviation(eye.city, both[0]));
        let (ms, deviation) = (
            of.time(eye.city, both[toward]),
            of.deviation(eye.city, both[toward]),
        );
        let floor = crate::light::least_ms(
            cell.position
                .distance_km(self.spots[both[toward] - self.nodes].position),
        );
        Some(WantedEye {
            city: place
                .rsplit_once(", ")
                .map_or_else(|| place.clone(), |(city, _)| city.to_owned()),
            share: cell.weight / scene.total_weight(),
            worth_ms: eye.worth_ms,
            between: both.map(|site| self.spots[site - self.nodes].name.clone()),
            toward,
            now: Interval {
                low: (ms - ENDS * deviation).max(floor),
                high: ms + ENDS * deviation,
            },
            known_network: known_network(scene, country, position),
            place,
            position,
            country,
        })
    }
}

/// A network that is known in a city of a country already.
fn known_network(scene: &Scene<'_>, country: Country, here: Position) -> Option<Network> {
    let vantages = scene.prepared.vantages.iter();
    let vantages = vantages.map(|one| (one.country, one.position, one.network));
    let eyes = scene.prepared.eyes.iter();
    let all = vantages.chain(eyes.map(|eye| (eye.country, eye.position, eye.network)));
    let near =
        all.filter(|(of, position, _)| *of == Some(country) && position.distance_km(here) <= 3.0 * KNOWN_KM);
    near.filter_map(|(_, _, network)| network).next()
}

fn at(position: Position) -> Place {
    Place {
        position,
        network: None,
    }
}

fn seen(fitted: &Fitted, spot: &Spot) -> (Place, Point) {
    let place = at(spot.position);
    let point = match &spot.site {
        Some(site) => fitted.predictor.site(site.at),
        None => fitted.predictor.at(&place),
    };
    (place, point)
}
