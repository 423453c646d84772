//! How long it takes until the death of a node is told.

use isochrone_watch::judge::{Output, What};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::mesh::{Mesh, NODES, Seat, Sees};
use super::trouble::{Trouble, one_network};

/// How a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// Its process: the host refuses.
    Refused,
    /// Its host: nothing answers.
    Silent,
}

/// Seconds before a death: every cell has spoken several times.
const BEFORE_S: u64 = 60;
/// A death that is not told after so long counts as this long.
const LONGEST_S: u64 = 120;

/// In which networks the probes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each in its own.
    Apart,
    /// Six of ten in one.
    SixInOne,
}

/// Seconds from each of `count` deaths until it was told.
pub(super) fn seconds_until_told(death: Death, spread: Spread, count: u64) -> Vec<f64> {
    (0..count).map(|seed| until_told(death, spread, seed)).collect()
}

fn until_told(death: Death, spread: Spread, seed: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let networks = match spread {
        Spread::Apart => std::array::from_fn(|i| i as u32 + 1),
        Spread::SixInOne => one_network(),
    };
    let mut mesh = Mesh::new(networks, &mut rng);
    let trouble = Trouble::new(&mut rng);
    let node = rng.random_range(0..NODES);
    let dies_ms = BEFORE_S * 1_000 + rng.random_range(0..10_000);
    let mut losses = StdRng::seed_from_u64(seed + 1_000_000);
    let mut sees = |seat: Seat, began_ms| match death {
        Death::Refused if seat.node == node && began_ms >= dies_ms => Sees::Refusal,
        Death::Silent if seat.node == node && began_ms >= dies_ms => Sees::Silence,
        _ if losses.random::<f64>() < trouble.base_loss(seat) => Sees::Silence,
        _ => Sees::Answer,
    };
    while mesh.second * 1_000 < dies_ms + LONGEST_S * 1_000 {
        let outputs = mesh.step(&mut rng, &mut sees, false);
        let is_told = |output: &Output| matches!(output, Output::Told(telling) if telling.what == What::Down);
        if outputs.iter().any(is_told) {
            return mesh.second as f64 - dies_ms as f64 / 1_000.0;
        }
    }
    LONGEST_S as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_told_within_the_bounds_that_the_figures_hold() {
        for (death, spread, most) in [
            (Death::Refused, Spread::Apart, 22.0),
            (Death::Silent, Spread::Apart, 26.0),
            (Death::Silent, Spread::SixInOne, 26.0),
        ] {
            let seconds = seconds_until_told(death, spread, 50);
            let late = seconds.iter().filter(|seconds| **seconds > most).count();
            assert!(late <= 1, "{death:?} {spread:?} {seconds:?}");
            assert!(
                seconds.iter().all(|seconds| *seconds > 3.0),
                "nobody fails twice before that"
            );
        }
    }
}
