//! The ground that counting stands on: one class, its cells, and the times on some of the days.

use std::ops::Range;

use rand::Rng;

use super::candidates::{Spot, candidates, city};
use super::choose::Table;
use super::price::{Prices, Wares};
use super::{Priced, REDUNDANT_MS, Redundancy};
use crate::geo::Position;
use crate::observations::{AccessClass, Day, Observations, Statistic, Vantage};
use crate::predict::{Place, Point};
use crate::report::count::Wanted;
use crate::report::forecast::{Cell, Fitted, Known, World, gather};
use crate::report::matrix::Matrix;
use crate::report::prepare::Prepared;
use crate::report::resample::DayDraws;
use crate::report::speakers::Speakers;
use crate::report::trust::Trust;
use crate::report::{Options, ReportError, Unseen, WeightedPlace, Widened};

/// Places named as those where measurements would decide most.
const WANTED: usize = 8;

/// One class and what it carries, whatever the day.
pub(super) struct Scene<'a> {
    prepared: Prepared<'a>,
    whole: Matrix,
    statistic: Statistic,
    options: &'a Options,
    members: Vec<usize>,
    places: Vec<WeightedPlace>,
    total: f64,
}

/// The times on some of the days.
pub(super) struct Stage {
    cells: Vec<Cell>,
    weights: Vec<f64>,
    /// Cells that nobody measured and that are not predicted.
    unknown: Vec<Cell>,
    world: Option<World>,
    trust: Option<Trust>,
    /// Where a further node might stand.
    spots: Vec<Spot>,
    /// By site of the world: its number among nodes and candidates.
    slots: Vec<usize>,
    matrix: Matrix,
    members: Vec<usize>,
    nodes: usize,
    sites: usize,
}

impl<'a> Scene<'a> {
    pub(super) fn new(observations: &'a Observations, options: &'a Options) -> Result<Self, ReportError> {
        let prepared = Prepared::new(observations, &options.impossible)?;
        options.weights.check(&observations.sites())?;
        let statistic = prepared.single.unwrap_or(options.statistic);
        if prepared.single.is_none() && statistic == Statistic::Unnamed {
            return Err(ReportError::Statistic);
        }
        let whole = Matrix::new(&prepared, statistic, None);
        let of = |access: AccessClass| -> Vec<usize> {
            let all = prepared.vantages.iter().enumerate();
            all.filter(|(_, vantage)| vantage.access == access)
                .map(|(index, _)| index)
                .collect()
        };
        // Of classes of one size the first in the order in which reports list them.
        let members = AccessClass::ALL
            .into_iter()
            .rev()
            .map(of)
            .max_by_key(Vec::len)
            .unwrap_or_default();
        let vantages: Vec<&Vantage> = members.iter().map(|&index| prepared.vantages[index]).collect();
        let measured = |&vantage: &usize| (0..whole.nodes()).any(|node| whole.ms(vantage, node).is_some());
        let usable: Vec<bool> = members.iter().map(measured).collect();
        let speakers = Speakers::new(&options.weights.demand(&vantages), &vantages, &usable);
        Ok(Self {
            total: speakers.amount.whole(),
            places: speakers.places,
            members,
            whole,
            statistic,
            options,
            prepared,
        })
    }

    /// Odd days, or all where they cannot be told apart.
    pub(super) fn odd(&self) -> Prepared<'a> {
        self.days_of(1)
    }

    /// Even days.
    pub(super) fn even(&self) -> Prepared<'a> {
        self.days_of(0)
    }

    fn days_of(&self, parity: i32) -> Prepared<'a> {
        match self.priced() {
            Priced::ByDays { .. } => self.prepared.only(|day: Day| day.0.rem_euclid(2) == parity),
            Priced::Alike => self.prepared.clone(),
        }
    }

    pub(super) fn priced(&self) -> Priced {
        let days = self.prepared.days.as_deref().unwrap_or_default();
        let odd = days.iter().filter(|day| day.0.rem_euclid(2) == 1).count();
        match (odd, days.len() - odd) {
            (0, _) | (_, 0) => Priced::Alike,
            (chosen, priced) => Priced::ByDays { chosen, priced },
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.prepared.nodes.len()
    }

    pub(super) fn node_name(&self, node: usize) -> String {
        self.prepared.nodes[node].name.clone()
    }

    pub(super) fn total_weight(&self) -> f64 {
        self.total.max(f64::MIN_POSITIVE)
    }

    /// Half as many as the report's: many more sites are drawn.
    pub(super) fn draws(&self) -> usize {
        self.options.replicates.div_ceil(2)
    }

    pub(super) fn predicts(&self) -> bool {
        self.options.predict
    }

    /// Vantages that measured a node that counts.
    pub(super) fn measuring(&self) -> usize {
        let measured =
            |&&vantage: &&usize| (0..self.nodes()).any(|node| self.whole.ms(vantage, node).is_some());
        self.members.iter().filter(measured).count()
    }

    /// Where a further node might stand: only where times towards it are predicted.
    fn candidates(&self, cells: &[Cell], fitted: &Fitted, trust: &Trust) -> Vec<Spot> {
        let nodes = self.prepared.nodes.iter();
        let nodes: Vec<Position> = nodes.filter_map(|node| node.position).collect();
        let place = |cell: &Cell| Place {
            position: cell.position,
            network: None,
        };
        let predicted = |cell: &&Cell| {
            trust.widened(cell.country).is_some() && fitted.predictor.at(&place(cell)).is_in_reach()
        };
        let cells: Vec<Cell> = cells.iter().filter(predicted).copied().collect();
        let most = super::CITIES.max(2 * self.nodes());
        candidates(&cells, &nodes, self.options.mesh.as_ref(), most)
    }

    pub(super) fn redundancy(&self) -> Vec<Redundancy> {
        let of = |&vantage: &usize| {
            let mut times: Vec<f64> = (0..self.nodes())
                .filter_map(|node| self.whole.ms(vantage, node))
                .collect();
            times.sort_by(f64::total_cmp);
            Redundancy {
                vantage: self.prepared.vantages[vantage].name.clone(),
                within: times.iter().filter(|ms| **ms <= REDUNDANT_MS).count(),
                second_ms: times.get(1).copied(),
            }
        };
        self.members.iter().map(of).collect()
    }
}

impl Stage {
    /// With draws only if it is to price, and then with these candidates; without any it finds them.
    pub(super) fn new(
        scene: &Scene<'_>,
        days: Prepared<'_>,
        pricing: Option<&[Spot]>,
        random: &mut impl Rng,
    ) -> Self {
        let draws = match (pricing, days.days.as_deref()) {
            (Some(_), Some(days)) => DayDraws::new(days, scene.options.replicates, random),
            _ => None,
        };
        let matrix = Matrix::new(&days, scene.statistic, draws.as_ref());
        let all = gather(&scene.places);
        let mut stage = Self {
            cells: Vec::new(),
            weights: Vec::new(),
            unknown: Vec::new(),
            world: None,
            trust: None,
            spots: Vec::new(),
            slots: Vec::new(),
            members: scene.members.clone(),
            nodes: scene.nodes(),
            sites: scene.nodes(),
            matrix,
        };
        if scene.options.predict {
            stage.predict(scene, &all, pricing);
        }
        if stage.world.is_none() {
            let known = |cell: &Cell| stage.measured_any(cell);
            let (cells, unknown) = all.into_iter().partition(known);
            (stage.cells, stage.unknown) = (cells, unknown);
        }
        stage.weights = stage.cells.iter().map(|cell| cell.weight).collect();
        stage
    }

    fn predict(&mut self, scene: &Scene<'_>, all: &[Cell], pricing: Option<&[Spot]>) {
        let vantages: Vec<&Vantage> = scene
            .members
            .iter()
            .map(|&index| scene.prepared.vantages[index])
            .collect();
        let time = |vantage: usize, node: usize| self.matrix.ms(scene.members[vantage], node);
        let known = Known::new(
            &vantages,
            &scene.prepared.nodes,
            scene.options.mesh.as_ref(),
            time,
        );
        let Ok(fitted) = known.fit(scene.options.prior.get()) else {
            return;
        };
        let trust = Trust::new(&fitted.measured, scene.options.prior.get(), &scene.places);
        let mut sites: Vec<(usize, Place, Point)> = fitted.placed();
        let mut widened = vec![1.0; sites.len()];
        let spots = match pricing {
            Some(spots) => spots.to_vec(),
            None => scene.candidates(all, &fitted, &trust),
        };
        for (at, spot) in spots.iter().enumerate() {
            let place = Place {
                position: spot.position,
                network: None,
            };
            let point = match spot.site {
                Some(site) => fitted.predictor.site(site),
                None => fitted.predictor.at(&place),
            };
            sites.push((scene.nodes() + at, place, point));
            let wide = trust.widened(spot.country).filter(|_| spot.site.is_none());
            widened.push(wide.unwrap_or(1.0));
        }
        self.sites = scene.nodes() + spots.len();
        self.spots = spots;
        self.slots = sites.iter().map(|(slot, _, _)| *slot).collect();
        let sites: Vec<(Place, Point)> = sites
            .into_iter()
            .map(|(_, place, point)| (place, point))
            .collect();
        let world = World::new(&fitted.predictor, all.to_vec(), (&sites, &widened), &trust);
        let world = match pricing {
            Some(_) => world.with_draws(&fitted.predictor, &sites),
            None => world,
        };
        (self.cells, self.unknown) = (world.cells.clone(), world.unknown.clone());
        self.world = Some(world);
        self.trust = Some(trust);
    }

    fn measured_any(&self, cell: &Cell) -> bool {
        let times = |speaker: usize| {
            (0..self.nodes).any(|node| self.matrix.ms(self.members[speaker], node).is_some())
        };
        cell.speaker.is_some_and(times)
    }

    /// A row with what was measured put in, and what is not known as far as the farthest that is.
    fn complete(&self, cell: usize, row: &mut [f64], draw: Option<usize>) {
        if let Some(speaker) = self.cells[cell].speaker {
            let vantage = self.members[speaker];
            for (node, value) in row[..self.nodes].iter_mut().enumerate() {
                let drawn = draw.and_then(|draw| self.matrix.replicate(vantage, node, draw));
                if let Some(ms) = drawn.or_else(|| self.matrix.ms(vantage, node)) {
                    *value = ms;
                }
            }
        }
        let farthest = row
            .iter()
            .copied()
            .filter(|ms| ms.is_finite())
            .fold(0.0, f64::max);
        row.iter_mut()
            .filter(|ms| !ms.is_finite())
            .for_each(|ms| *ms = farthest);
    }

    /// The likeliest times of every cell to nodes and candidates.
    pub(super) fn table(&self, spots: &[Spot]) -> Table {
        let sites = self.nodes + spots.len();
        let mut ms = Vec::with_capacity(self.cells.len() * sites);
        let mut row = vec![f64::NAN; sites];
        for cell in 0..self.cells.len() {
            row.fill(f64::NAN);
            if let Some(world) = &self.world {
                for (site, &slot) in self.slots.iter().enumerate().filter(|(_, slot)| **slot < sites) {
                    row[slot] = world.ms(cell, site);
                }
            }
            self.complete(cell, &mut row, None);
            ms.extend_from_slice(&row);
        }
        Table {
            weights: self.weights.clone(),
            sites,
            ms,
        }
    }

    /// Prices over draws, in milliseconds of the mean.
    pub(super) fn prices(&self, wares: &Wares<'_>, draws: usize, random: &mut impl Rng) -> Prices {
        let total: f64 = self.weights.iter().sum();
        let mut prices = match &self.world {
            Some(world) if draws > 0 => {
                let parts = world.draw(
                    draws,
                    random,
                    |range| (Prices::new(&range, wares), vec![0.0; self.sites]),
                    |(prices, row), draw, cell, times| {
                        row.fill(f64::NAN);
                        for (&slot, &time) in self.slots.iter().zip(times) {
                            row[slot] = f64::from(time);
                        }
                        self.complete(cell, row, Some(draw));
                        prices.add(wares, draw, cell, row);
                    },
                );
                Prices::joined(parts.into_iter().map(|(prices, _)| prices))
            }
            _ => self.as_measured(wares, self.matrix.replicates),
        };
        let all = prices
            .sets
            .iter_mut()
            .chain(&mut prices.losses)
            .chain(&mut prices.gains);
        all.flatten().for_each(|sum| *sum /= total);
        prices
    }

    fn as_measured(&self, wares: &Wares<'_>, replicates: usize) -> Prices {
        let draws: Range<usize> = 0..replicates.max(1);
        let mut prices = Prices::new(&draws, wares);
        let mut row = vec![0.0; self.sites];
        for draw in draws {
            for cell in 0..self.cells.len() {
                row.fill(f64::NAN);
                self.complete(cell, &mut row, (replicates > 0).then_some(draw));
                prices.add(wares, draw, cell, &row);
            }
        }
        prices
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Where a further node might stand; none without predictions.
    pub(super) fn spots(&self) -> &[Spot] {
        &self.spots
    }

    /// Heavy countries that are not predicted.
    pub(super) fn unseen(&self) -> Vec<Unseen> {
        self.trust.as_ref().map_or_else(Vec::new, Trust::unseen)
    }

    /// Heavy countries whose intervals are widened.
    pub(super) fn wide(&self) -> Vec<Widened> {
        self.trust.as_ref().map_or_else(Vec::new, Trust::wide)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(super) fn is_predicted(&self) -> bool {
        self.world.is_some()
    }

    pub(super) fn known_weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    pub(super) fn predicted_weight(&self) -> f64 {
        let silent = self.cells.iter().filter(|cell| cell.speaker.is_none());
        silent.map(|cell| cell.weight).sum()
    }

    /// The weight that is nearest to each node, and the places whose measurement would decide about it: the heaviest
    /// that are only predicted, with the widest intervals.
    pub(super) fn around(&self, node: usize) -> (f64, Vec<String>) {
        const NAMED: usize = 3;
        let table = self.table(&[]);
        let nearest = |cell: &usize| {
            let row = &table.ms[cell * table.sites..][..table.sites];
            (0..table.sites).min_by(|&a, &b| row[a].total_cmp(&row[b])) == Some(node)
        };
        let cells: Vec<usize> = (0..self.cells.len()).filter(nearest).collect();
        let weight = cells.iter().map(|&cell| self.weights[cell]).sum();
        let mut doubtful: Vec<usize> = cells.into_iter().filter(|&cell| self.doubt(cell) > 0.0).collect();
        doubtful.sort_by(|&a, &b| self.doubt(b).total_cmp(&self.doubt(a)));
        (weight, self.named(&doubtful, NAMED))
    }

    /// How much a cell's measurement would say: its weight times the width of its interval.
    fn doubt(&self, cell: usize) -> f64 {
        let (Some(world), None) = (&self.world, self.cells[cell].speaker) else {
            return 0.0;
        };
        let width = world
            .interval(cell)
            .map_or(0.0, |interval| interval.high - interval.low);
        self.weights[cell] * width
    }

    /// Names of cells, each city once.
    fn named(&self, cells: &[usize], most: usize) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for cell in cells.iter().map(|&cell| &self.cells[cell]) {
            let name = city(cell.position, cell.country).map(|(name, _)| name);
            names.extend(name.filter(|name| !names.contains(name)));
            if names.len() == most {
                break;
            }
        }
        names
    }

    /// Where measurements would decide most.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let mut all: Vec<(f64, Wanted)> = Vec::new();
        let mut add = |cell: &Cell, worth: f64, interval| {
            all.push((
                worth,
                Wanted {
                    place: String::new(),
                    position: cell.position,
                    weight: cell.weight,
                    interval,
                },
            ));
        };
        const UNKNOWN_MS: f64 = 300.0;
        for (at, cell) in self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.speaker.is_none())
        {
            let interval = self.world.as_ref().and_then(|world| world.interval(at));
            add(cell, self.doubt(at), interval);
        }
        self.unknown
            .iter()
            .for_each(|cell| add(cell, cell.weight * UNKNOWN_MS, None));
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut wanted: Vec<Wanted> = Vec::new();
        for (_, mut one) in all {
            if wanted.len() == WANTED {
                break;
            }
            const NEW_KM: f64 = 500.0;
            let near = wanted
                .iter()
                .any(|other| other.position.distance_km(one.position) < NEW_KM);
            if near {
                continue;
            }
            if let Some((name, position)) = city(one.position, None) {
                (one.place, one.position) = (name, position);
                wanted.push(one);
            }
        }
        wanted
    }
}
