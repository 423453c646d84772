//! What goes wrong in a mesh whose nodes are well: losses, bursts, a bad probe, a flapping path, reloads, slow
//! indexers, storage sources.

use isochrone_proto::kind::Check;
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
const OF_ONE_NETWORK: usize = 6;
/// Of service calls that hang for no reason, that answer late, and of assets that a storage source fails.
const HANGS: f64 = 0.002;
const LATE: f64 = 0.01;
const SOURCE: f64 = 0.005;
/// A burst that lasts longer is another thing than noise.
const BURST_MAX_MS: f64 = 180_000.0;
/// A slow indexer that stays slow for longer than three minutes is told, and rightly.
const SLOW_MAX_MS: f64 = 120_000.0;

/// The networks of the ten: six are in one.
pub(super) fn one_network() -> [u32; PROBES] {
    std::array::from_fn(|i| if i < OF_ONE_NETWORK { 1 } else { i as u32 })
}

/// A stretch of trouble that comes again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    from: u64,
    until: u64,
    every_ms: f64,
    lasts_ms: f64,
    longest_ms: f64,
    loss: f64,
}

impl Burst {
    fn new(a_day: f64, lasts_s: f64, loss: f64, rng: &mut impl Rng) -> Self {
        Self::up_to(BURST_MAX_MS, (a_day, lasts_s), loss, rng)
    }

    /// So many a day, of so many seconds on average, and no longer than that.
    pub(super) fn up_to(
        longest_ms: f64,
        (a_day, lasts_s): (f64, f64),
        loss: f64,
        rng: &mut impl Rng,
    ) -> Self {
        let mut burst = Self {
            from: 0,
            until: 0,
            every_ms: DAY_MS / a_day,
            lasts_ms: lasts_s * 1_000.0,
            longest_ms,
            loss,
        };
        burst.next(rng);
        burst
    }

    /// For how long it has been going on at an instant; 0 if it is not.
    pub(super) fn lasted_ms(&self, at_ms: u64) -> u64 {
        let is_on = self.from <= at_ms && at_ms < self.until;
        if is_on { at_ms - self.from + 1 } else { 0 }
    }

    fn next(&mut self, rng: &mut impl Rng) {
        self.from = self.until + exponential(rng, self.every_ms) as u64;
        self.until = self.from + exponential(rng, self.lasts_ms).min(self.longest_ms) as u64 + 1;
    }

    /// The loss it adds at an instant; instants only grow, but for a second or so.
    pub(super) fn loss_at(&mut self, at_ms: u64, rng: &mut impl Rng) -> f64 {
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
    /// A node's indexer answers late to everyone.
    slow: Vec<Burst>,
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
        let indexer = |_| Burst::up_to(SLOW_MAX_MS, (2.0, 30.0), 1.0, rng);
        let slow = (0..NODES).map(indexer).collect();
        let reloads = std::array::from_fn(|_| rng.random_range(0..DAY_MS as u64));
        Self {
            base,
            lines,
            paths,
            network,
            routes,
            flapping,
            slow,
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
            return Sees::Silence;
        }
        self.answers(seat, at_ms, rng)
    }

    /// What comes over a connection that stands.
    fn answers(&mut self, Seat { node, check, .. }: Seat, at_ms: u64, rng: &mut impl Rng) -> Sees {
        if check == Check::Connect {
            return Sees::Answer;
        }
        let is_slow = check == Check::Status && self.slow[node].loss_at(at_ms, rng) > 0.0;
        let (drawn, source) = (
            rng.random::<f64>(),
            if check == Check::Status { 0.0 } else { SOURCE },
        );
        match drawn {
            _ if is_slow => Sees::Late,
            drawn if drawn < HANGS => Sees::Hangs,
            drawn if drawn < HANGS + LATE => Sees::Late,
            drawn if drawn < HANGS + LATE + source => Sees::Source,
            _ => Sees::Answer,
        }
    }

    /// For how long the line of a probe, or its network, has been losing most of what it carries.
    pub(super) fn line_lost_ms(&self, probe: usize, at_ms: u64) -> u64 {
        let line = self.lines[probe].lasted_ms(at_ms);
        if probe < OF_ONE_NETWORK {
            line.max(self.network.lasted_ms(at_ms))
        } else {
            line
        }
    }
}

/// An exponential draw with this mean.
fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}
