//! Places on the globe and the distance between them.

use std::f64::consts::PI;

/// Mean radius of the Earth in kilometres.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// A place on the globe, in degrees. An impossible one cannot exist.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// A position, or `None` if a coordinate is not a number, the latitude is outside −90…90 or the
    /// longitude outside −180…180.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let fits = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        // Adding nothing turns −0 into 0.
        fits.then_some(Self {
            latitude: latitude + 0.0,
            longitude: longitude + 0.0,
        })
    }

    /// Degrees north of the equator, −90…90.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich, −180…180.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// Great-circle distance in kilometres.
    pub fn distance_km(self, other: Self) -> f64 {
        self.unit().distance_km(other.unit())
    }

    /// The place so many kilometres away in a direction, in radians from north by east.
    #[must_use]
    pub fn towards(self, bearing: f64, km: f64) -> Option<Self> {
        let (latitude, away) = (self.latitude.to_radians(), km / EARTH_RADIUS_KM);
        let sine = latitude.sin() * away.cos() + latitude.cos() * away.sin() * bearing.cos();
        let there = sine.clamp(-1.0, 1.0).asin();
        let east = bearing.sin() * away.sin() * latitude.cos();
        let turned = east.atan2(away.cos() - latitude.sin() * there.sin()).to_degrees();
        let longitude = (self.longitude + turned + 540.0).rem_euclid(360.0) - 180.0;
        Self::new(there.to_degrees(), longitude)
    }

    /// The same place as a unit vector: distances to many places are cheap from there.
    pub(crate) fn unit(self) -> UnitVector {
        let (latitude, longitude) = (self.latitude * PI / 180.0, self.longitude * PI / 180.0);
        UnitVector {
            x: latitude.cos() * longitude.cos(),
            y: latitude.cos() * longitude.sin(),
            z: latitude.sin(),
        }
    }
}

/// A place as a point of the unit sphere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitVector {
    x: f64,
    y: f64,
    z: f64,
}

impl UnitVector {
    /// The squared straight line between two places: it orders pairs as their distance does.
    pub(crate) fn chord_squared(self, other: Self) -> f64 {
        let (dx, dy, dz) = (self.x - other.x, self.y - other.y, self.z - other.z);
        dx * dx + dy * dy + dz * dz
    }

    /// The middle of places, on the sphere; `None` of none, or of places that outweigh each other.
    pub(crate) fn mean(places: impl Iterator<Item = Self>) -> Option<Self> {
        let add = |sum: Self, one: Self| Self {
            x: sum.x + one.x,
            y: sum.y + one.y,
            z: sum.z + one.z,
        };
        let sum = places.reduce(add)?;
        let length = (sum.x * sum.x + sum.y * sum.y + sum.z * sum.z).sqrt();
        (length > 1e-9).then(|| Self {
            x: sum.x / length,
            y: sum.y / length,
            z: sum.z / length,
        })
    }

    pub(crate) fn position(self) -> Option<Position> {
        let latitude = self.z.clamp(-1.0, 1.0).asin().to_degrees();
        Position::new(latitude, self.y.atan2(self.x).to_degrees())
    }

    pub(crate) fn distance_km(self, other: Self) -> f64 {
        let half_chord = (self.chord_squared(other).sqrt() / 2.0).min(1.0);
        2.0 * EARTH_RADIUS_KM * half_chord.asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn haversine_km(a: Position, b: Position) -> f64 {
        let (p, q) = (a.latitude().to_radians(), b.latitude().to_radians());
        let (dp, dl) = (q - p, (b.longitude() - a.longitude()).to_radians());
        let h = (dp / 2.0).sin().powi(2) + p.cos() * q.cos() * (dl / 2.0).sin().powi(2);
        2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
    }

    #[test]
    fn coordinates_out_of_range_are_refused() {
        for (latitude, longitude) in [
            (90.01, 0.0),
            (-91.0, 0.0),
            (0.0, 180.5),
            (0.0, -181.0),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ] {
            assert_eq!(Position::new(latitude, longitude), None, "{latitude} {longitude}");
        }
        assert!(Position::new(90.0, -180.0).is_some());
    }

    #[test]
    fn known_cities_are_as_far_apart_as_maps_say() {
        let berlin = Position::new(52.52, 13.405).unwrap();
        let tokyo = Position::new(35.6762, 139.6503).unwrap();
        assert!((berlin.distance_km(tokyo) - 8918.0).abs() < 20.0);
    }

    proptest! {
        #[test]
        fn place_that_is_gone_to_lies_as_far_as_was_gone(a in -89.0..89.0, b in -180.0..180.0, bearing in 0.0..6.0, km in 1.0..15000.0) {
            let from = Position::new(a, b).unwrap();
            let there = from.towards(bearing, km).unwrap();
            prop_assert!((from.distance_km(there) - km).abs() < 1e-3);
            let back = there.unit().position().unwrap();
            prop_assert!(back.distance_km(there) < 1e-3);
        }

        #[test]
        fn distance_agrees_with_haversine(a in -90.0..90.0, b in -180.0..180.0, c in -90.0..90.0, d in -180.0..180.0) {
            let (p, q) = (Position::new(a, b).unwrap(), Position::new(c, d).unwrap());
            prop_assert!((p.distance_km(q) - haversine_km(p, q)).abs() < 1e-3);
        }
    }
}
