//! Who speaks for whom: the nearest vantage of the same country, up to 300 km.

use std::collections::BTreeMap;

use super::{Place, SPEAKS_FOR_KM};
use crate::country::Country;
use crate::geo::UnitVector;
use crate::observations::Vantage;
use crate::weights::{Demand, Point};

/// Vantages this close to each other are one place, and share what it speaks for.
const ONE_PLACE_KM: f64 = 1.0;

/// The weight that each vantage speaks for, and each country's total.
pub(super) struct Speakers {
    /// By vantage.
    pub(super) weights: Vec<f64>,
    /// By country; `None` holds places without one.
    pub(super) countries: BTreeMap<Option<Country>, f64>,
    pub(super) places: Vec<Place>,
    pub(super) total: f64,
}

impl Speakers {
    /// `usable` says which vantages reached a node that counts: others speak for no one.
    pub(super) fn new(demand: &Demand, vantages: &[&Vantage], usable: &[bool]) -> Self {
        match demand {
            Demand::Vantages(weights) => Self::themselves(weights, vantages, usable),
            Demand::Places(points) => Self::nearest(points, vantages, usable),
        }
    }

    fn themselves(weights: &[f64], vantages: &[&Vantage], usable: &[bool]) -> Self {
        let mut countries = BTreeMap::new();
        let mut places = Vec::new();
        for (index, (vantage, &weight)) in vantages.iter().zip(weights).enumerate() {
            *countries.entry(vantage.country).or_insert(0.0) += weight;
            let speaker = usable[index].then_some(index);
            places.push(Place {
                position: vantage.position,
                weight,
                speaker,
            });
        }
        let known = weights
            .iter()
            .zip(usable)
            .map(|(&weight, &usable)| if usable { weight } else { 0.0 });
        Self {
            weights: known.collect(),
            countries,
            places,
            total: weights.iter().sum(),
        }
    }

    fn nearest(points: &[Point], vantages: &[&Vantage], usable: &[bool]) -> Self {
        let mut by_country: BTreeMap<Country, Vec<(usize, UnitVector)>> = BTreeMap::new();
        for (index, vantage) in vantages.iter().enumerate().filter(|&(index, _)| usable[index]) {
            if let Some(country) = vantage.country {
                by_country
                    .entry(country)
                    .or_default()
                    .push((index, vantage.position.unit()));
            }
        }
        let mut speakers = Self {
            weights: vec![0.0; vantages.len()],
            countries: BTreeMap::new(),
            places: Vec::new(),
            total: 0.0,
        };
        for point in points {
            *speakers.countries.entry(point.country).or_insert(0.0) += point.weight;
            speakers.total += point.weight;
            let candidates = point.country.and_then(|country| by_country.get(&country));
            let chosen = candidates
                .map(|candidates| near(point, candidates))
                .unwrap_or_default();
            for &index in &chosen {
                speakers.weights[index] += point.weight / chosen.len() as f64;
            }
            speakers.places.push(Place {
                position: point.position,
                weight: point.weight,
                speaker: chosen.first().copied(),
            });
        }
        speakers
    }
}

/// The nearest vantage within reach, and those that stand beside it.
fn near(point: &Point, candidates: &[(usize, UnitVector)]) -> Vec<usize> {
    let here = point.position.unit();
    let squared = |candidate: &(usize, UnitVector)| candidate.1.chord_squared(here);
    let Some(nearest) = candidates.iter().min_by(|a, b| squared(a).total_cmp(&squared(b))) else {
        return Vec::new();
    };
    if nearest.1.distance_km(here) > SPEAKS_FOR_KM {
        return Vec::new();
    }
    let beside = |candidate: &&(usize, UnitVector)| candidate.1.distance_km(nearest.1) <= ONE_PLACE_KM;
    candidates
        .iter()
        .filter(beside)
        .map(|&(index, _)| index)
        .collect()
}
