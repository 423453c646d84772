//! Where a site probably stands: constraint-based geolocation. Each witness turns a time into a distance by a line of
//! its own under all it measured; the region is where all these discs meet.

use std::f64::consts::PI;

use crate::geo::{Position, UnitVector};
use crate::light::{FIBRE_KM_PER_MS, most_km};

/// Directions and rings of the points that are tried around a centre.
const DIRECTIONS: usize = 36;
const RINGS: usize = 24;
/// The search closes in so often, to a quarter each time.
const ROUNDS: usize = 4;
const CLOSER: f64 = 0.25;

/// Where a witness stands and how its times turn into distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bestline {
    /// Milliseconds a kilometre, at least what light needs.
    slope: f64,
    /// Milliseconds at no distance.
    start: f64,
}

/// A disc that the site stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disc {
    /// Its middle: where the witness stands.
    pub centre: Position,
    /// Its radius in kilometres.
    pub radius_km: f64,
}

/// Where a site probably stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The middle of the region.
    pub position: Position,
    /// The region.
    pub region: Region,
}

/// Points of the region where all discs meet, or of where they come closest to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Spread evenly over it.
    pub points: Vec<Position>,
    /// By how many kilometres the discs miss each other; 0 where they meet.
    pub apart_km: f64,
}

impl Estimate {
    /// How far the region reaches from its middle, in kilometres.
    #[must_use]
    pub fn reach_km(&self) -> f64 {
        let away = |point: &Position| point.distance_km(self.position);
        self.region.points.iter().map(away).fold(0.0, f64::max)
    }
}

impl Bestline {
    /// The line under all of a witness's measurements (kilometres, milliseconds) that is closest to them.
    #[must_use]
    pub fn under(measured: &[(f64, f64)]) -> Self {
        let light = 2.0 / FIBRE_KM_PER_MS;
        let start_of = |slope: f64| {
            let starts = measured.iter().map(|&(km, ms)| ms - slope * km);
            starts.reduce(f64::min).unwrap_or(0.0)
        };
        let away = |line: &Self| -> f64 {
            measured
                .iter()
                .map(|&(km, ms)| ms - line.slope * km - line.start)
                .sum()
        };
        let line = |slope: f64| Self {
            slope,
            start: start_of(slope).max(0.0),
        };
        let slopes = hull(measured)
            .windows(2)
            .map(|ends| (ends[1].1 - ends[0].1) / (ends[1].0 - ends[0].0))
            .collect::<Vec<_>>();
        let candidates = slopes
            .into_iter()
            .filter(|&slope| slope > light && start_of(slope) >= 0.0)
            .chain([light]);
        let nearest = candidates.map(line).min_by(|a, b| away(a).total_cmp(&away(b)));
        nearest.unwrap_or(Self {
            slope: light,
            start: 0.0,
        })
    }

    /// How far away something is at most that answers in so many milliseconds; never more than light allows.
    #[must_use]
    pub fn most_km(&self, ms: f64) -> f64 {
        ((ms - self.start) / self.slope).clamp(0.0, most_km(ms))
    }
}

/// The lower convex hull of points, from left to right.
fn hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup_by_key(|point| point.0);
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in points {
        let above =
            |a: (f64, f64), b: (f64, f64)| (b.0 - a.0) * (point.1 - a.1) <= (b.1 - a.1) * (point.0 - a.0);
        while hull.len() > 1 && above(hull[hull.len() - 2], hull[hull.len() - 1]) {
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// Where the discs meet; `None` without any.
#[must_use]
pub fn estimate(discs: &[Disc]) -> Option<Estimate> {
    let smallest = discs.iter().min_by(|a, b| a.radius_km.total_cmp(&b.radius_km))?;
    let discs: Vec<(UnitVector, f64)> = discs
        .iter()
        .map(|disc| (disc.centre.unit(), disc.radius_km))
        .collect();
    let (mut centre, mut reach) = (smallest.centre, smallest.radius_km.clamp(1.0, 20_000.0));
    let mut best = around(centre, reach, &discs);
    for _ in 1..ROUNDS {
        centre = best.position;
        reach = (reach * CLOSER).max(best.reach_km());
        best = around(centre, reach, &discs);
    }
    Some(best)
}

/// The best points within a reach of a centre.
fn around(centre: Position, reach_km: f64, discs: &[(UnitVector, f64)]) -> Estimate {
    let mut tried: Vec<(f64, Position)> = vec![(outside_km(centre, discs), centre)];
    for ring in 1..=RINGS {
        let km = reach_km * ((ring as f64) / RINGS as f64).sqrt();
        tried.extend((0..DIRECTIONS).filter_map(|at| {
            let bearing = 2.0 * PI * (at as f64 + (ring % 2) as f64 / 2.0) / DIRECTIONS as f64;
            let point = centre.towards(bearing, km)?;
            Some((outside_km(point, discs), point))
        }));
    }
    let least = tried.iter().map(|one| one.0).fold(f64::INFINITY, f64::min);
    // A region that is only nearly met is as wide as the misses are.
    let points: Vec<Position> = tried
        .iter()
        .filter(|one| one.0 <= least * 1.05)
        .map(|one| one.1)
        .collect();
    let middle = UnitVector::mean(points.iter().map(|point| point.unit())).map(UnitVector::position);
    Estimate {
        position: middle.flatten().unwrap_or(centre),
        region: Region {
            points,
            apart_km: least,
        },
    }
}

/// By how much a point lies outside of the discs, at worst.
fn outside_km(point: Position, discs: &[(UnitVector, f64)]) -> f64 {
    let unit = point.unit();
    discs
        .iter()
        .map(|(centre, radius_km)| centre.distance_km(unit) - radius_km)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position::new(latitude, longitude).unwrap()
    }

    #[test]
    fn bestline_lies_under_all_points_and_touches_two() {
        let measured = [(100.0, 6.0), (1000.0, 17.0), (500.0, 30.0), (3000.0, 60.0)];
        let line = Bestline::under(&measured);
        let below = |&(km, ms): &(f64, f64)| ms - line.slope * km - line.start;
        assert!(measured.iter().all(|point| below(point) > -1e-9));
        assert_eq!(
            measured.iter().filter(|point| below(point).abs() < 1e-9).count(),
            2
        );
    }

    #[test]
    fn line_without_measurements_is_light() {
        assert!((Bestline::under(&[]).most_km(10.0) - most_km(10.0)).abs() < 1e-9);
    }

    #[test]
    fn three_discs_find_the_place() {
        let place = at(48.9, 2.4);
        let witnesses = [at(52.5, 13.4), at(51.5, -0.1), at(45.5, 9.2), at(40.4, -3.7)];
        let discs = witnesses.map(|centre| Disc {
            centre,
            radius_km: centre.distance_km(place) * 1.1,
        });
        let found = estimate(&discs).unwrap();
        assert!(found.position.distance_km(place) < 60.0, "{:?}", found.position);
        assert_eq!(found.region.apart_km, 0.0);
        assert!(estimate(&[]).is_none());
    }

    #[test]
    fn discs_that_miss_each_other_say_by_how_much() {
        let discs = [at(0.0, 0.0), at(0.0, 10.0)].map(|centre| Disc {
            centre,
            radius_km: 400.0,
        });
        let found = estimate(&discs).unwrap();
        let gap = at(0.0, 0.0).distance_km(at(0.0, 10.0)) - 800.0;
        assert!(
            (found.region.apart_km - gap / 2.0).abs() < 20.0,
            "{} of {gap}",
            found.region.apart_km
        );
    }
}
