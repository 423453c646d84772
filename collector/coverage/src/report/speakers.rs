//! Who speaks for whom: the nearest vantage of the same country, up to 300 km.

use std::collections::BTreeMap;

use super::sum::Sum;
use super::{SPEAKS_FOR_KM, WeightedPlace};
use crate::country::Country;
use crate::geo::UnitVector;
use crate::observations::Vantage;
use crate::subdivision::Subdivision;
use crate::weights::{Demand, Point};

/// Vantages this close to each other are one place, and share what it speaks for.
const ONE_PLACE_KM: f64 = 1.0;

/// A sum of places' weights, and the part of it that some vantage speaks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    whole: Sum,
    known: Sum,
}

impl Amount {
    fn add_place(&mut self, place: &WeightedPlace) {
        self.whole += place.weight;
        if place.speaker.is_some() {
            self.known += place.weight;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.whole += other.whole;
        self.known += other.known;
    }

    pub(super) fn whole(&self) -> f64 {
        self.whole.value()
    }

    pub(super) fn known(&self) -> f64 {
        self.known.value()
    }
}

/// A country, and a subdivision of it where that is known.
pub(super) type Part = (Country, Option<Subdivision>);

/// By vantage: how much it speaks for.
pub(super) type Heard = BTreeMap<usize, f64>;

/// The weight that each vantage speaks for, and each country's.
pub(super) struct Speakers {
    /// By vantage.
    pub(super) weights: Vec<f64>,
    /// By country; `None` holds places without one.
    pub(super) countries: BTreeMap<Option<Country>, Amount>,
    /// By country and subdivision, and who speaks there for how much.
    pub(super) subdivisions: BTreeMap<Part, (Amount, Heard)>,
    pub(super) places: Vec<WeightedPlace>,
    pub(super) amount: Amount,
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
        let mut speakers = Self::silent(vantages.len());
        for (index, (vantage, &weight)) in vantages.iter().zip(weights).enumerate() {
            let speaker = usable[index].then_some(index);
            let place = WeightedPlace {
                position: vantage.position,
                weight,
                speaker,
                country: vantage.country,
                subdivision: None,
            };
            speakers.add(vantage.country, place, speaker.as_slice());
            if usable[index] {
                speakers.weights[index] = weight;
            }
        }
        speakers
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
        let mut speakers = Self::silent(vantages.len());
        for point in points {
            let candidates = point.country.and_then(|country| by_country.get(&country));
            let chosen = candidates
                .map(|candidates| near(point, candidates))
                .unwrap_or_default();
            for &index in &chosen {
                speakers.weights[index] += point.weight / chosen.len() as f64;
            }
            let place = WeightedPlace {
                position: point.position,
                weight: point.weight,
                speaker: chosen.first().copied(),
                country: point.country,
                subdivision: point.subdivision,
            };
            speakers.add(point.country, place, &chosen);
        }
        speakers
    }

    /// What vantages speak for in a part of the world, and nothing else.
    pub(super) fn of_part(weights: Vec<f64>) -> Self {
        Self {
            weights,
            ..Self::silent(0)
        }
    }

    fn silent(vantages: usize) -> Self {
        Self {
            weights: vec![0.0; vantages],
            countries: BTreeMap::new(),
            subdivisions: BTreeMap::new(),
            places: Vec::new(),
            amount: Amount::default(),
        }
    }

    fn add(&mut self, country: Option<Country>, place: WeightedPlace, speakers: &[usize]) {
        if let Some(country) = country {
            let (amount, heard) = self.subdivisions.entry((country, place.subdivision)).or_default();
            amount.add_place(&place);
            for &speaker in speakers {
                *heard.entry(speaker).or_default() += place.weight / speakers.len() as f64;
            }
        }
        self.countries.entry(country).or_default().add_place(&place);
        self.amount.add_place(&place);
        self.places.push(place);
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
