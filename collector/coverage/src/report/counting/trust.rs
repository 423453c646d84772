//! Which heavy countries are predicted so badly that they get a line of their own.

use std::collections::BTreeMap;

use crate::cities;
use crate::country::Country;
use crate::predict::{Place, Prior};
use crate::report::count::Unreliable;

/// Only countries with this share of the weight are looked at.
pub(super) const HEAVY: f64 = 0.01;
/// A country that errs so many times as much as usual, and by so many milliseconds more, is predicted badly.
const TIMES: f64 = 2.0;
const MORE_MS: f64 = 5.0;
/// From so many left-out sites on their errors say something.
const LEAST_SITES: usize = 2;

/// By country why its predictions cannot be relied on; countries that can be are not in it.
pub(super) struct Trust {
    seen: BTreeMap<Country, Unreliable>,
    known: Vec<Country>,
}

impl Trust {
    /// `own` are the places that were measured here.
    pub(super) fn new(own: &[Place], prior: Option<&Prior>) -> Self {
        let country = |place: &Place| {
            cities::table()
                .nearest(place.position)
                .map(|(city, _)| city.country)
        };
        let own: Vec<Country> = own.iter().filter_map(country).collect();
        let mut trust = Self {
            seen: BTreeMap::new(),
            known: own,
        };
        let Some(prior) = prior else { return trust };
        let countries: Vec<Option<Country>> = prior.places().iter().map(country).collect();
        let mut members: BTreeMap<Country, Vec<usize>> = BTreeMap::new();
        for (at, country) in countries.iter().enumerate() {
            if let Some(country) = country {
                members.entry(*country).or_default().push(at);
            }
        }
        let groups: Vec<Vec<usize>> = members.values().cloned().collect();
        let errors = prior.left_out(&groups);
        let usual_ms = median(errors.iter().copied().flatten().collect());
        for ((country, sites), error) in members.iter().zip(errors) {
            trust.known.push(*country);
            let Some(median_ms) = error.filter(|_| sites.len() >= LEAST_SITES) else {
                continue;
            };
            if median_ms > TIMES * usual_ms && median_ms > usual_ms + MORE_MS {
                let sites = sites.len();
                let misses = Unreliable::Misses {
                    median_ms,
                    usual_ms,
                    sites,
                };
                trust.seen.insert(*country, misses);
            }
        }
        trust
    }

    /// Why a country cannot be relied on, if so.
    pub(super) fn doubt(&self, country: Country) -> Option<Unreliable> {
        match self.known.contains(&country) {
            false => Some(Unreliable::Unseen),
            true => self.seen.get(&country).copied(),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::INFINITY)
}
