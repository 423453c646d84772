//! What becomes of the probes' links: sessions that break where a line loses too much, programs that are reloaded and
//! servers that are off, the collector itself reloaded once a day.

use rand::Rng;

use super::mesh::{Link, Mesh, PROBES};
use super::trouble::{Burst, Trouble};

const DAY_S: u64 = 86_400;
/// A reload takes so long.
const RELOAD_S: u64 = 3;
/// After the collector's own reload its probes come back within so many seconds.
const BACK_S: u64 = 12;
/// A session breaks after so long on a line that loses most of what it carries.
const IDLE_MS: u64 = 20_000;
/// A server is off for an hour at most; every tenth day, for ten minutes on average.
const OFF_MAX_MS: f64 = 3_600_000.0;

/// All links.
pub(super) struct Links {
    off: Vec<Burst>,
    /// Second of the day at which each probe is reloaded, and the collector.
    reloads: [u64; PROBES],
    collector: u64,
    /// Of the collector's last reload: how much later than it each probe is back.
    back: [u64; PROBES],
}

impl Links {
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let off = |_| Burst::up_to(OFF_MAX_MS, (0.1, 600.0), 1.0, rng);
        Self {
            off: (0..PROBES).map(off).collect(),
            reloads: std::array::from_fn(|_| rng.random_range(0..DAY_S)),
            collector: rng.random_range(0..DAY_S),
            back: [0; PROBES],
        }
    }

    /// Sets every link for the mesh's next second. True while the collector is being reloaded.
    pub(super) fn turn(&mut self, mesh: &mut Mesh, trouble: &Trouble, rng: &mut impl Rng) -> bool {
        let (second, at_ms) = (mesh.second, mesh.second * 1_000);
        let since = |reload: u64| (second + DAY_S - reload) % DAY_S;
        let since_collector = since(self.collector);
        if since_collector == 0 {
            self.back = std::array::from_fn(|_| RELOAD_S + rng.random_range(0..BACK_S));
        }
        for probe in 0..PROBES {
            let is_off = self.off[probe].loss_at(at_ms, rng) > 0.0 || since(self.reloads[probe]) < RELOAD_S;
            let is_cut = since_collector < self.back[probe] || trouble.line_lost_ms(probe, at_ms) > IDLE_MS;
            mesh.link(
                probe,
                match (is_off, is_cut) {
                    (true, _) => Link::Off,
                    (false, true) => Link::Cut,
                    (false, false) => Link::Up,
                },
            );
        }
        since_collector < RELOAD_S
    }
}
