//! Times between cities and sites as a predictor has them, and those that were measured.

use super::scene::Scene;
use crate::predict::{ENDS, Place, Point, Predicted, Predictor, Together};

/// How unsure a guess without an interval is taken to be, as a share of itself.
const GUESS: f64 = 0.35;

/// Times between cities and sites, how unsure each is, and how their errors go together.
#[derive(Clone, Debug)]
pub struct Table {
    sites: usize,
    ms: Vec<f64>,
    deviation: Vec<f64>,
    shared: Vec<f64>,
    together: Together,
}

impl Table {
    /// As predicted; a time without an interval is its guess, and very unsure.
    #[must_use]
    pub fn new(predictor: &Predictor, cities: &[(Place, Point)], sites: &[(Place, Point)]) -> Self {
        let places = |of: &[(Place, Point)]| of.iter().map(|(place, _)| *place).collect::<Vec<_>>();
        let points: Vec<&Point> = sites.iter().map(|(_, point)| point).collect();
        let origins = predictor.origins(&places(cities));
        let mut table = Self {
            sites: sites.len(),
            ms: Vec::with_capacity(cities.len() * sites.len()),
            deviation: Vec::new(),
            shared: Vec::new(),
            together: Together::new(&origins, &predictor.origins(&places(sites)), &points),
        };
        for (_, city) in cities {
            for (_, site) in sites {
                table.push(predictor, &predictor.between(city, site));
            }
        }
        table
    }

    fn push(&mut self, predictor: &Predictor, predicted: &Predicted) {
        let ms = predicted.ms();
        let deviation = match predicted.estimate() {
            Some(estimate) => 0.5 * (estimate.high_ms - estimate.low_ms) / ENDS,
            None => GUESS * ms,
        };
        self.ms.push(ms);
        self.shared.push(predictor.shared(ms, deviation));
        self.deviation.push(deviation);
    }

    /// What was measured between a city and a site, in milliseconds: nothing of it is unsure.
    pub fn measured(&mut self, city: usize, site: usize, ms: f64) {
        self.ms[city * self.sites + site] = ms;
        self.deviation[city * self.sites + site] = 0.0;
    }

    /// What a vantage near a city measured of a site, in milliseconds: the city is as it, and as unsure as it was.
    pub(crate) fn around(&mut self, city: usize, site: usize, ms: f64) {
        self.ms[city * self.sites + site] = ms;
    }

    /// All that is unsure about a city is so many times as unsure.
    pub(crate) fn widen(&mut self, city: usize, times: f64) {
        let row = &mut self.deviation[city * self.sites..][..self.sites];
        row.iter_mut().for_each(|deviation| *deviation *= times);
    }

    /// With the cities' weights; the first so many sites are nodes.
    #[must_use]
    pub fn scene<'a>(&'a self, weights: &'a [f64], nodes: usize) -> Scene<'a> {
        Scene {
            weights,
            nodes,
            ms: &self.ms,
            deviation: &self.deviation,
            shared: &self.shared,
            together: &self.together,
        }
    }
}
