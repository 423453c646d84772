//! Where the next node belongs, judged by hidden truth: ten sites measure, nine of them are nodes; a city is chosen by
//! prediction, eyes are borrowed and their times to nodes and five candidates shown, and it is chosen again. What counts is the share
//! of the best city's gain that a choice loses.
//!
//! Each site stands for the people around it. A node takes no time to its own city. [`Draw`] holds the truth and
//! [`View`] what is known of it; whoever chooses sees the view alone.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use isochrone_coverage::cities;
use isochrone_coverage::gaps::{Contest, Scene, Table};
use isochrone_coverage::predict::{Measured, Place, Point, PredictError, Predictor, Prior};

use super::World;

/// Vantages of our own.
pub const VANTAGES: usize = 10;
/// How many of them have a node.
pub const NODES: usize = 9;
/// At so few other sites nothing is judged.
pub const LEAST_OTHERS: usize = 40;
/// A site stands for the people of cities within this.
const SPEAKS_KM: f64 = 300.0;
const LEAST_PEOPLE: f64 = 1000.0;
/// Candidates stand this far from nodes and from each other, as `report count` has them.
const APART_KM: f64 = 250.0;

/// Sites that measure, those that have nodes, and the truth about all.
#[derive(Clone, Debug)]
pub struct Draw<'a> {
    world: &'a World,
    /// Sites for whose people it is, those that measure first.
    pub sites: Vec<usize>,
    /// By site of the draw: how many people it stands for.
    pub weights: Vec<f64>,
    candidates: Vec<usize>,
    gains: Vec<f64>,
}

impl<'a> Draw<'a> {
    /// Some sites in a random order: the first measure. `None` where too few are left or nothing can be gained.
    #[must_use]
    pub fn new(world: &'a World, sites: &[usize], people: &[f64], random: &mut StdRng) -> Option<Self> {
        let mut sites = sites.to_vec();
        sites.shuffle(random);
        if sites.len() < VANTAGES + LEAST_OTHERS {
            return None;
        }
        let nodes: Vec<usize> = sites[..NODES].to_vec();
        let known = |site: &usize| nodes.iter().any(|&node| time(world, *site, node).is_some());
        sites.retain(known);
        let weights: Vec<f64> = sites.iter().map(|&site| people[site]).collect();
        let mut draw = Self {
            world,
            sites,
            weights,
            candidates: Vec::new(),
            gains: Vec::new(),
        };
        draw.candidates = draw.apart();
        draw.gains = (0..draw.sites.len()).map(|site| draw.gain_of(site)).collect();
        draw.best().is_some().then_some(draw)
    }

    /// What a node beside today's gains at a site of the draw, in milliseconds of the mean.
    #[must_use]
    pub fn gain(&self, site: usize) -> f64 {
        self.gains[site]
    }

    /// The candidates, by their numbers in the draw: sites apart from the nodes and from each other, the heaviest first.
    #[must_use]
    pub fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    fn apart(&self) -> Vec<usize> {
        let mut heaviest: Vec<usize> = (NODES..self.sites.len()).collect();
        heaviest.sort_by(|&a, &b| self.weights[b].total_cmp(&self.weights[a]));
        let km = |a: usize, b: usize| self.world.km(self.sites[a], self.sites[b]);
        let mut taken: Vec<usize> = (0..NODES).collect();
        for site in heaviest {
            if taken.iter().all(|&other| km(site, other) >= APART_KM) {
                taken.push(site);
            }
        }
        taken.split_off(NODES)
    }

    /// The share of the best candidate's gain that is lost by choosing this one, 0…1.
    #[must_use]
    pub fn lost(&self, site: usize) -> f64 {
        1.0 - self.gain(site) / self.best().unwrap_or(1.0)
    }

    /// The true time between two sites of the draw in milliseconds; none to itself.
    #[must_use]
    pub fn time(&self, a: usize, b: usize) -> Option<f64> {
        time(self.world, self.sites[a], self.sites[b])
    }

    /// What our own vantages measured among themselves.
    #[must_use]
    pub fn own(&self) -> BTreeMap<(usize, usize), f64> {
        let own = 0..VANTAGES.min(self.sites.len());
        self.shown(own.clone(), &own.collect::<Vec<_>>())
    }

    /// What some sites measure to others, by their numbers.
    #[must_use]
    pub fn shown(
        &self,
        from: impl IntoIterator<Item = usize>,
        to: &[usize],
    ) -> BTreeMap<(usize, usize), f64> {
        let mut shown = BTreeMap::new();
        for from in from {
            for &to in to.iter().filter(|to| **to != from) {
                let ms = self.time(from, to);
                shown.extend(ms.map(|ms| ((from.min(to), from.max(to)), ms)));
            }
        }
        shown
    }

    /// The city that is chosen once some eyes measured all nodes and the candidates of a list, and what was known then.
    ///
    /// # Errors
    /// There is nothing to predict from.
    pub fn chosen_after(
        &self,
        eyes: &[usize],
        candidates: &[usize],
        prior: Option<&Prior>,
    ) -> Result<(Option<usize>, View), PredictError> {
        let to: Vec<usize> = (0..NODES).chain(candidates.iter().copied()).collect();
        let mut measured = self.own();
        measured.extend(self.shown(eyes.iter().copied(), &to));
        let view = self.view(&measured, prior)?;
        Ok((view.choice(), view))
    }

    /// What is known once these pairs were measured.
    ///
    /// # Errors
    /// There is nothing to predict from.
    pub fn view(
        &self,
        measured: &BTreeMap<(usize, usize), f64>,
        prior: Option<&Prior>,
    ) -> Result<View, PredictError> {
        let places: Vec<Place> = self.sites.iter().map(|&site| self.world.places[site]).collect();
        let pair = |(&(a, b), &rtt_ms): (&(usize, usize), &f64)| Measured { a, b, rtt_ms };
        let pairs: Vec<Measured> = measured.iter().map(pair).collect();
        let predictor = Predictor::fit(&places, &pairs, prior)?;
        let point = |(at, place): (usize, &Place)| (*place, predictor.site(at));
        let seen: Vec<(Place, Point)> = places.iter().enumerate().map(point).collect();
        let sites: Vec<usize> = (0..NODES).chain(self.candidates.iter().copied()).collect();
        let toward: Vec<(Place, Point)> = sites.iter().map(|&site| seen[site].clone()).collect();
        let mut table = Table::new(&predictor, &seen, &toward);
        for (number, &site) in sites.iter().enumerate() {
            table.measured(site, number, 0.0);
            for city in 0..places.len() {
                if let Some(&ms) = measured.get(&(city.min(site), city.max(site))) {
                    table.measured(city, number, ms);
                }
            }
        }
        let known = measured.keys().flat_map(|&(a, b)| [a, b]).collect();
        Ok(View {
            weights: self.weights.clone(),
            places,
            table,
            sites,
            known,
        })
    }

    fn best(&self) -> Option<f64> {
        let gains = self.candidates.iter().map(|&site| self.gain(site));
        gains.max_by(f64::total_cmp).filter(|best| *best > 0.0)
    }

    fn gain_of(&self, site: usize) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let of = |city: usize| {
            let near = (0..NODES).filter_map(|node| self.time(city, node));
            let near = near.fold(f64::INFINITY, f64::min);
            let to = self.time(city, site).unwrap_or(f64::INFINITY);
            self.weights[city] * (near - to).max(0.0)
        };
        (0..self.sites.len()).map(of).sum::<f64>() / total
    }
}

/// What is known of a draw: all that whoever chooses may see.
#[derive(Clone, Debug)]
pub struct View {
    /// By site of the draw.
    pub weights: Vec<f64>,
    /// Where each stands.
    pub places: Vec<Place>,
    /// Times from all of them to nodes and candidates, as predicted or measured.
    pub table: Table,
    /// Nodes and candidates: their numbers in the draw.
    pub sites: Vec<usize>,
    /// Sites that measured anything.
    pub known: BTreeSet<usize>,
}

impl View {
    /// For the mathematics: cities have the numbers of the draw, sites those of [`View::sites`].
    #[must_use]
    pub fn scene(&self) -> Scene<'_> {
        self.table.scene(&self.weights, NODES)
    }

    /// The candidates against each other.
    #[must_use]
    pub fn contest(&self) -> Contest {
        Contest::new(&self.scene())
    }

    /// The candidate whose gain is the largest in the mean: its number in the draw.
    #[must_use]
    pub fn choice(&self) -> Option<usize> {
        Some(self.sites[self.contest().best()?])
    }

    /// Cities in which an eye may stand: those that measured nothing yet.
    #[must_use]
    pub fn strangers(&self) -> Vec<usize> {
        (0..self.weights.len())
            .filter(|city| !self.known.contains(city))
            .collect()
    }
}

/// By site: the people of the cities around it, each city's for the nearest site within 300 km, as vantages speak for
/// cities; a site that is nobody's nearest stands for a village.
#[must_use]
pub fn people(world: &World) -> Vec<f64> {
    let mut people = vec![LEAST_PEOPLE; world.len()];
    for city in cities::table().all() {
        let km = |site: &usize| world.places[*site].position.distance_km(city.position);
        let nearest = (0..world.len()).min_by(|a, b| km(a).total_cmp(&km(b)));
        if let Some(site) = nearest.filter(|site| km(site) <= SPEAKS_KM) {
            people[site] += f64::from(city.people());
        }
    }
    people
}

fn time(world: &World, a: usize, b: usize) -> Option<f64> {
    match a == b {
        true => Some(0.0),
        false => world.time(a, b),
    }
}
