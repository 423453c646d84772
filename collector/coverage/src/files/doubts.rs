//! What is wrong with files as a whole: columns that look swapped, times in another unit.

use crate::cities;
use crate::country::Country;
use crate::geo::Position;
use crate::light::least_ms;
use crate::note::{Note, Unit};

/// Under so many sites or pairs nothing is said of the whole.
const LEAST: usize = 3;
/// Of more sites than this only some are looked at, spread evenly over the file.
const MOST: usize = 500;
/// A server stands this near a city.
const CITY_KM: f64 = 100.0;
/// Shorter pairs say little of how fast times are.
const FAR_KM: f64 = 500.0;
/// Times are usually so many times what light in fibre needs over the great circle.
const USUAL: std::ops::RangeInclusive<f64> = 1.0..=20.0;

/// A site's place, as it is given.
pub(super) struct Given {
    /// `None`: it gives no coordinates, or only the other way round.
    pub(super) position: Option<Position>,
    pub(super) is_other_way_round: bool,
    /// The country it names.
    pub(super) country: Option<Country>,
}

/// Whether latitude and longitude look swapped: as they are given most sites lie far from every city, or in another
/// country than they say; the other way round nearly all fit.
pub(super) fn swapped(file: &str, sites: &[Given]) -> Option<Note> {
    let (mut fit, mut fit_swapped, mut of) = (0, 0, 0);
    for site in sites.iter().step_by(sites.len().div_ceil(MOST).max(1)) {
        let Some(position) = site.position else {
            // It can be read only the other way round.
            of += usize::from(site.is_other_way_round);
            fit_swapped += usize::from(site.is_other_way_round);
            continue;
        };
        of += 1;
        fit += usize::from(fits(position, site.country));
        let swapped = Position::new(position.longitude(), position.latitude());
        fit_swapped += usize::from(swapped.is_some_and(|swapped| fits(swapped, site.country)));
    }
    let is_swapped = of >= LEAST && 2 * fit <= of && 5 * fit_swapped >= 4 * of && fit_swapped > fit;
    is_swapped.then(|| Note::LooksSwapped {
        file: file.to_owned(),
        fit,
        fit_swapped,
        of,
    })
}

/// Whether a city lies near: one of the country that is given, if one is.
fn fits(position: Position, country: Option<Country>) -> bool {
    match country {
        Some(country) => cities::table()
            .largest_within(country, position, CITY_KM)
            .is_some(),
        None => cities::table()
            .nearest(position)
            .is_some_and(|(_, away)| away <= CITY_KM),
    }
}

/// How many times what light needs the pairs of a file take.
#[derive(Default)]
pub(super) struct Paces(Vec<f64>);

impl Paces {
    pub(super) fn add(&mut self, a: Position, b: Position, rtt_ms: f64) {
        let km = a.distance_km(b);
        if km >= FAR_KM {
            self.0.push(rtt_ms / least_ms(km));
        }
    }

    /// Whether times look like another unit than milliseconds: no usual pace, and a usual one a thousand times off.
    pub(super) fn unit(mut self, file: &str) -> Option<Note> {
        if self.0.len() < LEAST {
            return None;
        }
        let middle = self.0.len() / 2;
        let median = *self.0.select_nth_unstable_by(middle, f64::total_cmp).1;
        let unit = match median {
            seconds if USUAL.contains(&(seconds * 1_000.0)) => Unit::Seconds,
            microseconds if USUAL.contains(&(microseconds / 1_000.0)) => Unit::Microseconds,
            _ => return None,
        };
        Some(Note::LooksLikeUnit {
            file: file.to_owned(),
            unit,
            median,
        })
    }
}
