//! How well a prior predicts each country when the sites it knows there are left out.

use std::collections::BTreeMap;

use super::Prior;
use super::curve::median;
use crate::cities;
use crate::country::Country;
use crate::geo::Position;

/// A country that errs so many times as much as usual, and by so many milliseconds more, is predicted badly.
const TIMES: f64 = 2.0;
const MORE_MS: f64 = 5.0;
/// Where intervals would have had to be no wider than this, times as wide as they are, they hold as they are.
const WIDER: f64 = 1.05;
/// From so many left-out sites on their errors say something.
const LEAST_SITES: usize = 2;

/// What a prior knows of one country.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KnownCountry {
    /// Its sites there.
    pub(crate) sites: usize,
    /// How badly they are predicted when they are left out; `None`: as well as intervals promise.
    pub(crate) missed: Option<Missed>,
}

/// A country that is predicted worse than intervals promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Missed {
    /// The median error of its sites' pairs, in milliseconds.
    pub(crate) median_ms: f64,
    /// The same of all countries.
    pub(crate) usual_ms: f64,
    /// So many times as wide intervals would have had to be to hold nine of ten of these pairs.
    pub(crate) widened: f64,
}

/// The country of the nearest city.
pub(crate) fn country_at(position: Position) -> Option<Country> {
    cities::table().nearest(position).map(|(city, _)| city.country)
}

pub(super) fn of(prior: &Prior) -> BTreeMap<Country, KnownCountry> {
    let mut members: BTreeMap<Country, Vec<usize>> = BTreeMap::new();
    for (at, place) in prior.places().iter().enumerate() {
        if let Some(country) = country_at(place.position) {
            members.entry(country).or_default().push(at);
        }
    }
    let groups: Vec<Vec<usize>> = members.values().cloned().collect();
    let errors = prior.left_out(&groups);
    let medians = errors.iter().flatten().map(|error| error.median_ms);
    let usual_ms = match medians.clone().next() {
        Some(_) => median(medians.collect()),
        None => f64::INFINITY,
    };
    let known = |((country, sites), error): ((Country, Vec<usize>), Option<super::LeftOut>)| {
        let sites = sites.len();
        let bad = |error: &super::LeftOut| {
            let errs = error.median_ms > TIMES * usual_ms && error.median_ms > usual_ms + MORE_MS;
            errs && error.widened > WIDER
        };
        let error = error.filter(|error| sites >= LEAST_SITES && bad(error));
        let missed = error.map(|error| Missed {
            median_ms: error.median_ms,
            usual_ms,
            widened: error.widened,
        });
        (country, KnownCountry { sites, missed })
    };
    members.into_iter().zip(errors).map(known).collect()
}
