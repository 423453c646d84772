//! What goes wrong in a mesh whose nodes are well: losses, bursts, a bad probe, a flapping path, reloads.

use rand::Rng;

use super::mesh::{NODES, PROBES, Seat, Sees};

const DAY_MS: f64 = 86_400_000.0;
/// A reload refuses everyone for so long.
const RELOAD_MS: u64 = 3_000;
/// The probe that loses 30 %.
const BAD_PROBE: usize = 7;
const BAD_LOSS: f64 = 0.3;
/// The pair whose path comes and goes, and how long each lasts on average.
const FLAPPING: (usize, usize) = (2, 5);
const FLAP_MS: f64 = 60_000.0;
/// The six that sit in one network.
pub(super) const OF_ONE_NETWORK: usize = 6;

/// A stretch of trouble that comes again and again.
#[derive(Clone, Copy, Debug)]
struct Burst {
    from: u64,
    until: u64,
    every_ms: f64,
    lasts_ms: f64,
    loss: f64,
}

impl Burst {
    fn new(a_day: f64, lasts_s: f64, loss: f64, rng: &mut impl Rng) -> Self {
        let mut burst = Self {
            from: 0,
            until: 0,
            every_ms: DAY_MS / a_day,
            lasts_ms: lasts_s * 1_000.0,
            loss,
        };
        burst.next(rng);
        burst
    }

    fn next(&mut self, rng: &mut impl Rng) {
        self.from = self.until + exponential(rng, self.every_ms) as u64;
        self.until = self.from + exponential(rng, self.lasts_ms).min(180_000.0) as u64 + 1;
    }

    /// The loss it adds at an instant; instants only grow, but for a second or so.
    fn loss_at(&mut self, at_ms: u64, rng: &mut impl Rng) -> f64 {
        while self.until + 1_000 < at_ms {
            self.next(rng);
        }
        if self.from <= at_ms && at_ms < self.until {
            self.loss
        } else {
            0.0
        }
    }
}

/// All of it.
pub(super) struct Trouble {
    /// Of checks that fail for no reason, a path each.
    base: [[f64; NODES]; PROBES],
    lines: Vec<Burst>,
    paths: Vec<Burst>,
    network: Burst,
    /// The six's network loses its route to a node: every third day each, for a minute.
    routes: Vec<Burst>,
    flapping: Burst,
    reloads: [u64; NODES],
}

impl Trouble {
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let mut base = [[0.0; NODES]; PROBES];
        base.iter_mut()
            .flatten()
            .for_each(|loss| *loss = rng.random_range(0.001..=0.01));
        let mut many = |count: usize, a_day, lasts_s, loss| -> Vec<Burst> {
            (0..count)
                .map(|_| Burst::new(a_day, lasts_s, loss, rng))
                .collect()
        };
        let lines = many(PROBES, 10.0, 20.0, 0.8);
        let paths = many(PROBES * NODES, 2.0, 30.0, 0.9);
        let routes = many(NODES, 1.0 / 3.0, 60.0, 1.0);
        let network = Burst::new(4.0, 20.0, 0.8, rng);
        let flapping = Burst::new(DAY_MS / FLAP_MS, FLAP_MS / 1_000.0, 1.0, rng);
        let reloads = std::array::from_fn(|_| rng.random_range(0..DAY_MS as u64));
        Self {
            base,
            lines,
            paths,
            network,
            routes,
            flapping,
            reloads,
        }
    }

    /// Only what is lost for no reason.
    pub(super) fn base_loss(&self, seat: Seat) -> f64 {
        self.base[seat.probe][seat.node]
    }

    /// What a run sees that begins at `at_ms`.
    pub(super) fn sees(&mut self, seat: Seat, at_ms: u64, rng: &mut impl Rng) -> Sees {
        let Seat { probe, node, .. } = seat;
        let since_reload = (at_ms + DAY_MS as u64 - self.reloads[node]) % DAY_MS as u64;
        if since_reload < RELOAD_MS {
            return Sees::Refusal;
        }
        let mut loss = self.base_loss(seat);
        loss = loss.max(self.lines[probe].loss_at(at_ms, rng));
        loss = loss.max(self.paths[probe * NODES + node].loss_at(at_ms, rng));
        if probe < OF_ONE_NETWORK {
            loss = loss.max(self.network.loss_at(at_ms, rng));
            loss = loss.max(self.routes[node].loss_at(at_ms, rng));
        }
        if probe == BAD_PROBE {
            loss = loss.max(BAD_LOSS);
        }
        if (probe, node) == FLAPPING {
            loss = loss.max(self.flapping.loss_at(at_ms, rng));
        }
        if rng.random::<f64>() < loss {
            Sees::Silence
        } else {
            Sees::Answer
        }
    }
}

/// An exponential draw with this mean.
fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}
