//! The ground that counting stands on: one class, its cells, and the times on some of the days.

use std::ops::Range;

use rand::Rng;

use super::candidates::Spot;
use super::choose::Table;
use super::price::{Prices, Wares};
use super::scene::Scene;
use crate::observations::Vantage;
use crate::predict::{Measured, Place, Point};
use crate::report::count::WhyUnpriced;
use crate::report::forecast::{Cell, Further, Known, Toward, World, gather};
use crate::report::matrix::Matrix;
use crate::report::prepare::Prepared;
use crate::report::resample::DayDraws;
use crate::report::trust::Trust;
use crate::report::{Unseen, Widened};

/// Degrees a cell is wide: twice as many as where single regions are shown, for only sums over all are asked for.
const DEGREES: f64 = 4.0;

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
    /// By node: why no figure can be given of it.
    unpriced: Vec<Option<WhyUnpriced>>,
    matrix: Matrix,
    members: Vec<usize>,
    /// Vantages speak for the cities around them, and not for themselves alone.
    speaks_for_others: bool,
    nodes: usize,
    sites: usize,
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
        let all = gather(&scene.places, DEGREES);
        let mut stage = Self {
            cells: Vec::new(),
            weights: Vec::new(),
            unknown: Vec::new(),
            world: None,
            trust: None,
            spots: Vec::new(),
            slots: Vec::new(),
            unpriced: Vec::new(),
            members: scene.members.clone(),
            speaks_for_others: !scene.options.weights.are_of_vantages(),
            nodes: scene.nodes(),
            sites: scene.nodes(),
            matrix,
        };
        if scene.options.predict {
            let echoes = days.between(&scene.members, scene.statistic);
            stage.predict((scene, &echoes), &all, pricing);
        }
        if stage.world.is_none() {
            let known = |cell: &Cell| stage.measured_any(cell);
            let (cells, unknown) = all.into_iter().partition(known);
            (stage.cells, stage.unknown) = (cells, unknown);
        }
        stage.weights = stage.cells.iter().map(|cell| cell.weight).collect();
        let why = |node: usize| match scene.is_measured(node) {
            false => Some(WhyUnpriced::NotMeasured),
            true if stage.is_predicted() && !stage.slots.contains(&node) => Some(WhyUnpriced::NoPlace),
            true => None,
        };
        stage.unpriced = (0..stage.nodes).map(why).collect();
        stage
    }

    fn predict(
        &mut self,
        (scene, echoes): (&Scene<'_>, &[Measured]),
        all: &[Cell],
        pricing: Option<&[Spot]>,
    ) {
        let vantages: Vec<&Vantage> = scene
            .members
            .iter()
            .map(|&index| scene.prepared.vantages[index])
            .collect();
        let time = |vantage: usize, node: usize| self.matrix.ms(scene.members[vantage], node);
        let further = Further {
            mesh: scene.options.mesh.as_ref(),
            echoes,
            eyes: &scene.prepared.eyes,
            candidates: &scene.options.candidates,
        };
        let known = Known::new(&vantages, &scene.prepared.nodes, further, time);
        let Ok(fitted) = known.fit(scene.options.prior.get()) else {
            return;
        };
        let trust = Trust::new(&fitted.measured, scene.options.prior.get(), &scene.places);
        let mut sites: Vec<(usize, Place, Point)> = fitted.placed();
        let nodes = sites.len();
        let mut widened = vec![1.0; nodes];
        let spots = match pricing {
            Some(spots) => spots.to_vec(),
            None => scene.candidates(all, &fitted, &trust),
        };
        for (at, spot) in spots.iter().enumerate() {
            let place = Place {
                position: spot.position,
                network: None,
            };
            let point = match &spot.site {
                Some(site) => fitted.predictor.site(site.at),
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
        let toward = Toward {
            sites: &sites,
            nodes,
            widened: &widened,
        };
        let world = World::new(&fitted.predictor, all.to_vec(), toward, &trust);
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

    /// A row with what was measured put in, and what is not known as far as the farthest that is. So are nodes that
    /// cannot be priced: they are nearest to nobody.
    fn complete(&self, cell: usize, row: &mut [f64], draw: Option<usize>) {
        if let Some(speaker) = self.cells[cell].speaker {
            let vantage = self.members[speaker];
            let floor = |node: usize| {
                let site = self.slots.iter().position(|slot| *slot == node);
                let floor = self.world.as_ref().zip(site);
                floor.map_or(0.0, |(world, site)| world.floor(cell, site))
            };
            for (node, value) in row[..self.nodes].iter_mut().enumerate() {
                let Some(ms) = self.matrix.ms(vantage, node) else {
                    continue;
                };
                let of_days = draw.and_then(|draw| self.matrix.replicate(vantage, node, draw));
                let measured = of_days.unwrap_or(ms);
                // A city around a vantage has networks of its own: drawn around what was measured.
                *value = match draw.is_some() && self.speaks_for_others && value.is_finite() {
                    true => (*value + measured - ms).max(floor(node)),
                    false => measured,
                };
            }
        }
        let why = self.unpriced.iter().zip(&mut row[..self.nodes]);
        why.filter(|(why, _)| why.is_some())
            .for_each(|(_, ms)| *ms = f64::NAN);
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
    pub(super) fn prices(&self, wares: &Wares<'_>, scene: &Scene<'_>, random: &mut impl Rng) -> Prices {
        let (total, draws): (f64, usize) = (self.weights.iter().sum(), scene.draws());
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
        let own_line_ms = scene.own_line_ms(&self.cells);
        let means = prices.sets.iter_mut().flatten();
        means.for_each(|mean| *mean += own_line_ms);
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

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Cells that nobody measured and that are not predicted.
    pub(super) fn unknown(&self) -> &[Cell] {
        &self.unknown
    }

    /// Nodes of which no figure can be given, and why.
    pub(super) fn unpriced(&self) -> impl Iterator<Item = (usize, WhyUnpriced)> {
        let all = self.unpriced.iter().enumerate();
        all.filter_map(|(node, why)| Some((node, (*why)?)))
    }

    /// Nodes of which figures can be given.
    pub(super) fn priceable(&self) -> Vec<usize> {
        (0..self.nodes)
            .filter(|&node| self.unpriced[node].is_none())
            .collect()
    }

    /// Whether its days were drawn again and again.
    pub(super) fn days_resampled(&self) -> bool {
        self.matrix.replicates > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(super) fn is_predicted(&self) -> bool {
        self.world.is_some()
    }

    /// How many times as wide as their draws intervals are: as they are where nothing is predicted.
    pub(super) fn widening(&self, predicted: f64) -> f64 {
        match self.is_predicted() {
            true => predicted,
            false => 1.0,
        }
    }

    pub(super) fn known_weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    pub(super) fn predicted_weight(&self) -> f64 {
        let silent = self.cells.iter().filter(|cell| cell.speaker.is_none());
        silent.map(|cell| cell.weight).sum()
    }
}
