//! A made world whose truth is known, for tests: light, detours around some regions, and a height for each node.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use isochrone_coverage::geo::Position;
use isochrone_coverage::light::least_ms;
use isochrone_coverage::predict::{Measured, Place};

use super::World;

/// Regions: latitude, longitude, and what their traffic pays in milliseconds to leave them.
const REGIONS: [(f64, f64, f64); 8] = [
    (50.0, 8.0, 4.0),
    (40.0, -78.0, 6.0),
    (37.0, -120.0, 8.0),
    (-23.0, -47.0, 35.0),
    (6.0, 4.0, 60.0),
    (20.0, 78.0, 40.0),
    (36.0, 138.0, 15.0),
    (-33.0, 151.0, 25.0),
];
const SPREAD_DEGREES: f64 = 9.0;

/// So many sites around some regions. Times follow neither kilometres alone nor chance alone.
#[must_use]
pub fn detours(sites: usize, seed: u64) -> World {
    let mut random = StdRng::seed_from_u64(seed);
    let mut places = Vec::new();
    let mut heights = Vec::new();
    for site in 0..sites {
        let region = REGIONS[site % REGIONS.len()];
        let mut near = |degrees: f64| degrees + random.random_range(-SPREAD_DEGREES..SPREAD_DEGREES);
        places.extend(
            Position::new(near(region.0), near(region.1)).map(|position| Place {
                position,
                network: None,
            }),
        );
        heights.push(random.random_range(0.2..6.0));
    }
    let mut pairs = Vec::new();
    for b in 0..sites {
        for a in 0..b {
            let (from, to) = (a % REGIONS.len(), b % REGIONS.len());
            let leaving = if from == to {
                0.0
            } else {
                REGIONS[from].2 + REGIONS[to].2
            };
            let light = least_ms(places[a].position.distance_km(places[b].position));
            let noise = random.random_range(0.0..3.0);
            let rtt_ms = light * 1.25 + leaving + heights[a] + heights[b] + noise;
            pairs.push(Measured { a, b, rtt_ms });
        }
    }
    World::of(&places, &pairs)
}
