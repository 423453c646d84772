//! The hidden truth of places beside the demo's ten: which way packets take from there, and how long.
//!
//! A place reaches the world through some of the ten, as real ones reach it through the cities where cables land: from Addis
//! Ababa everything goes by Berlin, though Mumbai is nearer. What leaves China waits at its border.

use isochrone_coverage::cities;
use isochrone_coverage::geo::Position;

use super::super::world::{CITIES, rtt};

/// A place of the hidden truth.
#[derive(Clone, Copy, Debug)]
pub(in crate::demo) struct Spot {
    /// "City, CC".
    pub(in crate::demo) place: &'static str,
    /// The demo's cities that it reaches the world through, by name.
    through: &'static [&'static str],
    /// What its country's border adds to each round trip that crosses it.
    border_ms: f64,
}

const fn spot(place: &'static str, through: &'static [&'static str]) -> Spot {
    Spot {
        place,
        through,
        border_ms: 0.0,
    }
}

const fn behind_border(place: &'static str, through: &'static [&'static str]) -> Spot {
    Spot {
        border_ms: 45.0,
        ..spot(place, through)
    }
}

pub(in crate::demo) const SHANGHAI: Spot = behind_border("Shanghai, CN", &["tokyo", "singapore"]);
pub(in crate::demo) const CAIRO: Spot = spot("Cairo, EG", &["berlin"]);
pub(in crate::demo) const LONDON: Spot = spot("London, GB", &["berlin", "newyork"]);
pub(in crate::demo) const MEXICO_CITY: Spot = spot("Mexico City, MX", &["losangeles", "newyork"]);
pub(in crate::demo) const NAIROBI: Spot = spot("Nairobi, KE", &["johannesburg", "berlin"]);

/// Where eyes stand that say so.
pub(super) const STANDING: [Spot; super::STANDING] = [
    SHANGHAI,
    CAIRO,
    LONDON,
    behind_border("Guangzhou, CN", &["singapore", "tokyo"]),
    spot("Kinshasa, CD", &["berlin"]),
    behind_border("Beijing, CN", &["tokyo"]),
    spot("Ho Chi Minh City, VN", &["singapore"]),
    spot("Addis Ababa, ET", &["berlin"]),
    spot("Istanbul, TR", &["berlin"]),
    behind_border("Chengdu, CN", &["tokyo"]),
    spot("Tehran, IR", &["berlin"]),
    spot("Dhaka, BD", &["singapore"]),
    spot("Karachi, PK", &["mumbai"]),
    spot("Delhi, IN", &["mumbai"]),
    spot("Hyderabad, IN", &["mumbai"]),
    spot("Jakarta, ID", &["singapore"]),
    spot("Quezon City, PH", &["singapore", "tokyo"]),
    spot("Moscow, RU", &["berlin"]),
    spot("Paris, FR", &["berlin"]),
    MEXICO_CITY,
    spot("Bogotá, CO", &["newyork"]),
    NAIROBI,
    spot("Dar es Salaam, TZ", &["johannesburg"]),
    spot("Seoul, KR", &["tokyo"]),
];

impl Spot {
    /// One of the demo's own cities: it reaches the world through itself.
    pub(super) const fn of_city(index: usize) -> Self {
        spot(
            CITIES[index].place,
            match index {
                0 => &["berlin"],
                1 => &["newyork"],
                2 => &["losangeles"],
                3 => &["saopaulo"],
                4 => &["lagos"],
                5 => &["johannesburg"],
                6 => &["mumbai"],
                7 => &["singapore"],
                8 => &["tokyo"],
                _ => &["sydney"],
            },
        )
    }

    fn position(&self) -> Option<Position> {
        let of_demo = CITIES.iter().find(|city| city.place == self.place);
        match of_demo {
            Some(city) => Position::new(city.latitude, city.longitude),
            None => cities::find(self.place).map(|city| city.position),
        }
    }

    fn country(&self) -> &str {
        self.place.rsplit_once(", ").map_or("", |(_, country)| country)
    }
}

/// The shortest round trip between two places, without anybody's last mile.
pub(super) fn way_ms(a: &Spot, b: &Spot) -> f64 {
    let through = a
        .through
        .iter()
        .flat_map(|from| b.through.iter().map(move |to| (*from, *to)));
    let ways = through.map(|(from, to)| {
        let (from, to) = (index(from), index(to));
        access_ms(a, from) + rtt(from, to).as_secs_f64() * 1_000.0 + access_ms(b, to)
    });
    let inland = (a.country() == b.country()).then(|| land_ms(a.position(), b.position()));
    ways.chain(inland).fold(f64::INFINITY, f64::min)
}

/// From a place to one of the cities that it reaches the world through.
fn access_ms(spot: &Spot, city: usize) -> f64 {
    let of_city = CITIES.get(city).filter(|city| city.place != spot.place);
    of_city.map_or(0.0, |city| {
        land_ms(spot.position(), Position::new(city.latitude, city.longitude)) + spot.border_ms
    })
}

/// Cables are 1.6 times as long as the way by air.
fn land_ms(a: Option<Position>, b: Option<Position>) -> f64 {
    let km = a.zip(b).map_or(0.0, |(a, b)| a.distance_km(b));
    2.0 + km / 100.0 * 1.6
}

fn index(name: &str) -> usize {
    CITIES.iter().position(|city| city.name == name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Spot> {
        (0..CITIES.len()).map(Spot::of_city).chain(STANDING).collect()
    }

    #[test]
    fn every_place_is_known_and_every_way_leads_through_one_of_the_ten() {
        for spot in all() {
            assert!(spot.position().is_some(), "{}", spot.place);
            for name in spot.through {
                assert!(CITIES.iter().any(|city| city.name == *name), "{name}");
            }
        }
        for (index, city) in CITIES.iter().enumerate() {
            assert_eq!(Spot::of_city(index).through, [city.name], "its own");
        }
    }

    #[test]
    fn no_way_is_faster_than_light_and_between_the_ten_it_is_the_world_s_own() {
        for a in all() {
            for b in all() {
                let km = a.position().unwrap().distance_km(b.position().unwrap());
                let (ms, light) = (way_ms(&a, &b), isochrone_coverage::light::least_ms(km));
                assert!(ms > light, "{} to {}: {ms} ms, light {light}", a.place, b.place);
                assert!((ms - way_ms(&b, &a)).abs() < 1e-9);
            }
        }
        let (berlin, tokyo) = (Spot::of_city(0), Spot::of_city(8));
        assert!((way_ms(&berlin, &tokyo) - 235.0).abs() < 1e-9);
    }

    #[test]
    fn some_ways_are_detours() {
        let addis = STANDING
            .iter()
            .find(|spot| spot.place.starts_with("Addis"))
            .unwrap();
        let to = |index| way_ms(addis, &Spot::of_city(index));
        let (berlin, mumbai) = (to(index("berlin")), to(index("mumbai")));
        assert!(
            berlin < mumbai,
            "{berlin} {mumbai}: Mumbai is nearer by kilometres"
        );
    }
}
