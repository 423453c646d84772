//! The demo's ten places and the round-trip times between them.
//!
//! Rounded from what public looking glasses commonly show between these cities; not a measurement of ours,
//! and everything made from it says DEMO. Some paths are long detours: from Johannesburg the node in Mumbai
//! is nearest by kilometres, but Berlin answers sooner; from Lagos, Johannesburg loses to Berlin.

use std::time::Duration;

/// Where a probe of the demo stands, and mostly a node with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct City {
    /// Short name: the node's, and part of the probe's.
    pub name: &'static str,
    /// "City, CC".
    pub place: &'static str,
    /// Whose server it is.
    pub worker: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// AS number, from the range reserved for documentation.
    pub network: u32,
    /// Whether a node stands here too.
    pub has_node: bool,
}

const fn city(
    name: &'static str,
    place: &'static str,
    worker: &'static str,
    at: (f64, f64),
    network: u32,
    has_node: bool,
) -> City {
    City {
        name,
        place,
        worker,
        latitude: at.0,
        longitude: at.1,
        network,
        has_node,
    }
}

/// The ten places.
pub const CITIES: [City; 10] = [
    city("berlin", "Berlin, DE", "ada", (52.52, 13.41), 64500, true),
    city("newyork", "New York, US", "ben", (40.71, -74.01), 64501, true),
    city(
        "losangeles",
        "Los Angeles, US",
        "cleo",
        (34.05, -118.24),
        64502,
        true,
    ),
    city("saopaulo", "São Paulo, BR", "davi", (-23.55, -46.64), 64503, true),
    city("lagos", "Lagos, NG", "efe", (6.45, 3.39), 64504, false),
    city(
        "johannesburg",
        "Johannesburg, ZA",
        "fikile",
        (-26.20, 28.04),
        64505,
        true,
    ),
    city("mumbai", "Mumbai, IN", "gita", (19.07, 72.88), 64506, true),
    city("singapore", "Singapore, SG", "hui", (1.29, 103.85), 64507, true),
    city("tokyo", "Tokyo, JP", "ichiro", (35.69, 139.69), 64508, true),
    city("sydney", "Sydney, AU", "jack", (-33.87, 151.21), 64509, true),
];

/// The node whose claimed place lies, and what it claims: the longitude lost its sign, which puts Los Angeles into China.
const MISPLACED: (&str, (f64, f64)) = ("losangeles", (34.05, 118.24));

/// The node that serves another bucket than the chain gives it: of the object that is asked for it says 421.
pub const SAYS_OTHERWISE: &str = "sydney";

/// Degrees north and east that a city's node claims.
#[must_use]
pub fn claimed(city: &City) -> (f64, f64) {
    match MISPLACED {
        (name, claim) if name == city.name => claim,
        _ => (city.latitude, city.longitude),
    }
}

/// Half of a symmetric table, in milliseconds: row i holds the times to the cities after it.
const RTT_MS: [&[u16]; 9] = [
    &[90, 150, 200, 110, 165, 140, 170, 235, 290], // Berlin
    &[65, 115, 165, 225, 205, 235, 165, 200],      // New York
    &[170, 230, 290, 225, 170, 105, 140],          // Los Angeles
    &[280, 340, 310, 330, 265, 310],               // São Paulo
    &[185, 220, 270, 340, 390],                    // Lagos
    &[265, 290, 380, 410],                         // Johannesburg
    &[60, 125, 150],                               // Mumbai
    &[70, 92],                                     // Singapore
    &[110],                                        // Tokyo
];
/// Between a probe and the node in the same building.
const SAME_PLACE_MS: u16 = 1;

/// Round-trip time between two places, by their index in [`CITIES`], without jitter.
#[must_use]
pub fn rtt(a: usize, b: usize) -> Duration {
    let (low, high) = (a.min(b), a.max(b));
    let ms = if low == high {
        SAME_PLACE_MS
    } else {
        RTT_MS[low][high - low - 1]
    };
    Duration::from_millis(u64::from(ms))
}

/// That time with up to 4 % of jitter added, from a random number.
#[must_use]
pub fn rtt_with_jitter(a: usize, b: usize, random: u64) -> Duration {
    let base = rtt(a, b);
    base + base.mul_f64((random % 1_000) as f64 / 1_000.0 * 0.04)
}

#[cfg(test)]
mod tests {
    use isochrone_coverage::geo::Position;
    use isochrone_coverage::locate::{Typo, Verdict, locate};
    use isochrone_coverage::predict::{Measured, Place};

    use super::*;

    fn index(name: &str) -> usize {
        CITIES.iter().position(|city| city.name == name).unwrap()
    }

    fn kilometres(a: usize, b: usize) -> f64 {
        let (a, b) = (CITIES[a], CITIES[b]);
        let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
        let half = |x: f64| (x / 2.0).sin().powi(2);
        let h =
            half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half((b.longitude - a.longitude).to_radians());
        2.0 * 6_371.0 * h.sqrt().asin()
    }

    #[test]
    fn nearest_node_by_kilometres_loses_where_the_story_says_so() {
        for (from, nearest, faster) in [
            ("johannesburg", "mumbai", "berlin"),
            ("lagos", "johannesburg", "berlin"),
        ] {
            let from = index(from);
            let nodes = || (0..CITIES.len()).filter(|&node| CITIES[node].has_node && node != from);
            let by_km = nodes()
                .min_by(|&a, &b| kilometres(from, a).total_cmp(&kilometres(from, b)))
                .unwrap();
            let by_rtt = nodes().min_by_key(|&node| rtt(from, node)).unwrap();
            assert_eq!((CITIES[by_km].name, CITIES[by_rtt].name), (nearest, faster));
        }
    }

    #[test]
    fn no_pair_is_faster_than_light_in_fibre() {
        let pairs = (0..CITIES.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        for (a, b) in pairs {
            let light_ms = kilometres(a, b) * 2.0 / 200.0;
            assert!(
                rtt(a, b).as_secs_f64() * 1_000.0 > light_ms,
                "{} {}",
                CITIES[a].name,
                CITIES[b].name
            );
        }
    }

    #[test]
    fn the_one_node_whose_claimed_place_lies_is_found_and_its_slip_named() {
        let place = |(latitude, longitude)| Place {
            position: Position::new(latitude, longitude).unwrap(),
            network: None,
        };
        let probes = CITIES.iter().map(|city| place((city.latitude, city.longitude)));
        let nodes: Vec<usize> = (0..CITIES.len())
            .filter(|&index| CITIES[index].has_node)
            .collect();
        let places: Vec<Place> = probes
            .chain(nodes.iter().map(|&index| place(claimed(&CITIES[index]))))
            .collect();
        let mut pairs = Vec::new();
        for a in 0..CITIES.len() {
            let mut measured = |b, city| {
                let rtt_ms = rtt(a, city).as_secs_f64() * 1_000.0;
                pairs.push(Measured { a, b, rtt_ms });
            };
            (0..a).for_each(|b| measured(b, b));
            let others = nodes.iter().enumerate().filter(|(_, city)| **city != a);
            others.for_each(|(at, &city)| measured(CITIES.len() + at, city));
        }
        let location = locate(&places, &pairs, &[]);
        let liar = CITIES.len()
            + nodes
                .iter()
                .position(|&city| CITIES[city].name == MISPLACED.0)
                .unwrap();
        assert_eq!(location.suspects, [liar]);
        let found = &location.sites[liar];
        assert_eq!(found.verdict, Verdict::Impossible);
        assert_eq!(found.suggestion.unwrap().typo, Typo::Longitude);
    }

    #[test]
    fn ten_places_nine_nodes() {
        assert_eq!(CITIES.iter().filter(|city| city.has_node).count(), 9);
        assert_eq!(
            rtt(index("tokyo"), index("sydney")),
            rtt(index("sydney"), index("tokyo"))
        );
    }
}
