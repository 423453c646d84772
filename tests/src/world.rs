//! The whole mesh in one process, on virtual time: a seed decides everything.
//!
//! One collector and some probes, built from the code that runs in production, joined by the real protocol over
//! an in-memory network. Only the probers are replaced, at their outcomes; they write down what they ran. Faults
//! strike as a [`faults`] plan says; at the end everything is healed, drains, and the store is held against the
//! [`record`].

pub mod faults;
pub mod headquarters;
pub mod machine;
pub mod network;
pub mod nodes;
pub mod prober;
pub mod record;
pub mod watch;

use std::time::Duration;

use isochrone_gate::session::SessionView;
use isochrone_planner::pace::{Budget, Pace};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{ScanRange, Store};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use self::headquarters::{HOSTS, Headquarters};
use self::machine::Machine;
use self::network::{Link, Network};
use self::nodes::Nodes;
use self::record::{Faults, Record};

/// When every world begins: 45 s before a full hour, so that the ledger's hours change under way.
pub const BASE: UnixMillis = UnixMillis(1_800_000_000_000 - 45_000);
/// Healed, a mesh has drained after this time.
const DRAINED_AFTER: Duration = Duration::from_secs(400);

/// How large a world is, and how busy.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Probes that join at the beginning.
    pub probes: u8,
    /// How often things are measured.
    pub pace: Pace,
    /// targets.toml.
    pub targets: String,
    /// Worker and network of each probe, the first one's first; those that are not named here are alone.
    pub workers: Vec<(String, Option<u32>)>,
    /// collector.toml, where the collector keeps watch.
    pub watch: Option<String>,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            probes: 3,
            pace: Pace {
                echo_interval: Duration::from_millis(900),
                connect_interval: Duration::from_secs(2),
                budget: Budget {
                    status: 90,
                    asset: 72,
                    connect: 180,
                    throughput: 0,
                },
                plan_lifetime: Duration::from_secs(86_400),
            },
            targets: targets(&["berlin"]),
            workers: Vec::new(),
            watch: None,
        }
    }
}

/// targets.toml with nodes of these names.
#[must_use]
pub fn targets(nodes: &[&str]) -> String {
    let node = |(number, name): (usize, &&str)| {
        format!(
            "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"http://192.0.2.{}/\"\nworker = \"ada\"\n\
             latitude = 52.5\nlongitude = 13.4\nasset = \"1343\"\n",
            number + 1
        )
    };
    nodes.iter().enumerate().map(node).collect()
}

/// A mesh.
pub struct World {
    /// What every random choice of the world comes from.
    pub random: StdRng,
    /// The way between all of them.
    pub network: Network,
    /// The collector's server.
    pub collector: Headquarters,
    /// The probes' servers.
    pub machines: Vec<Machine>,
    /// What the nodes answer.
    pub nodes: Nodes,
    /// What really happened.
    pub record: Record,
    /// Faults that were found under way.
    pub found: Faults,
    workers: Vec<(String, Option<u32>)>,
}

impl World {
    /// A collector and no probe yet.
    #[must_use]
    pub fn empty(seed: u64, scale: &Scale) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let network = Network::new(random.next_u64(), Link::default());
        let mut collector = Headquarters::new(network.clone(), BASE, scale.pace, &mut random);
        collector.watch.clone_from(&scale.watch);
        collector.set_targets(&scale.targets);
        let mut world = Self {
            random,
            network,
            collector,
            machines: Vec::new(),
            nodes: Nodes::default(),
            record: Record::default(),
            found: Faults::default(),
            workers: scale.workers.clone(),
        };
        world.start_collector();
        world
    }

    /// A mesh whose probes have joined and run.
    pub async fn new(seed: u64, scale: &Scale) -> Self {
        let mut world = Self::empty(seed, scale);
        for _ in 0..scale.probes {
            let number = world.add_machine().await;
            world.start(number);
        }
        world
    }

    /// A new server whose probe joins; it is not started. Its place in [`World::machines`].
    ///
    /// # Panics
    /// When joining fails.
    pub async fn add_machine(&mut self) -> usize {
        let number = self.machines.len();
        let name = u8::try_from(number + 1).expect("a world has at most 255 machines");
        let mut machine = Machine::new(
            name,
            self.network.clone(),
            (self.record.clone(), self.nodes.clone()),
            self.collector.clock.wall(),
        );
        if self.collector.watch.is_some() {
            machine.host = [10, name, 0, 1].into(); // neighbours would prove nothing for each other
        }
        let name = format!("probe-{name}");
        let alone = (name.clone(), None);
        let (worker, network) = self.workers.get(number).unwrap_or(&alone);
        let token = self.collector.invite(&name, (worker, *network));
        let seed = self.seed();
        machine.join(&token, seed).await.expect("an invited probe joins");
        self.machines.push(machine);
        number
    }

    /// Starts the probe of a machine.
    pub fn start(&mut self, machine: usize) {
        let seed = self.seed();
        self.machines[machine].start(seed);
    }

    /// Starts the collector.
    pub fn start_collector(&mut self) {
        for machine in &self.machines {
            if let Some(spool) = machine.spool() {
                self.record.look_anew(machine.host, machine.probe, spool);
            }
        }
        let seed = self.seed();
        self.collector.start(seed);
    }

    /// Cuts or mends the ways between a probe and the collector.
    pub fn cut(&self, machine: usize, cut: bool) {
        for host in HOSTS {
            self.network.set_cut(self.machines[machine].host, host, cut);
        }
    }

    /// Randomness for a process.
    pub fn seed(&mut self) -> [u8; 32] {
        self.random.random()
    }

    /// Crashes the collector, holds what the disk kept against what probes were told, and starts it again
    /// after `away`.
    pub async fn crash_collector(&mut self, away: Duration) {
        let seed = self.random.next_u64();
        self.collector.crash(seed).await;
        self.check_acknowledged();
        tokio::time::sleep(away).await;
        self.start_collector();
    }

    /// While no collector runs: sets its disk back to an older copy.
    pub fn restore_collector(&mut self, backup: LossyBackend) {
        self.collector.disk = backup;
        HOSTS.iter().for_each(|host| self.network.forget(*host)); // acknowledgements of a disk that is gone
        self.record.collector_set_back(&self.collector.open_store());
    }

    /// While no collector runs: every acknowledged measurement is on its disk.
    pub fn check_acknowledged(&mut self) {
        for machine in &self.machines {
            if let Some(spool) = machine.spool() {
                self.record.look(machine.host, machine.probe, spool);
            }
        }
        let faults = self.record.check_acknowledged(&self.collector.open_store());
        self.found.0.extend(faults.0);
    }

    /// Waits, in steps of 100 ms, until `condition` holds.
    ///
    /// # Panics
    /// When it does not within `most`.
    pub async fn until(&self, what: &str, most: Duration, condition: impl Fn(&Self) -> bool) {
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        while !condition(self) {
            assert!(waited < most, "not within {most:?}: {what}");
            tokio::time::sleep(step).await;
            waited += step;
        }
    }

    /// Whether a probe is connected, by its own word and the collector's.
    #[must_use]
    pub fn is_connected(&self, machine: usize) -> bool {
        let machine = &self.machines[machine];
        let said = machine.status().is_some_and(|status| status.collector.is_some());
        let here = |session: SessionView| session.remote.ip() == machine.host; // and not a twin's
        said && self.collector.is_running()
            && self
                .collector
                .process()
                .sessions
                .view(machine.probe)
                .is_some_and(here)
    }

    /// Whether a probe is connected and all but the last moments of its results are stored.
    #[must_use]
    pub fn is_settled(&self, machine: usize) -> bool {
        let drained = self.machines[machine].spool().is_some_and(|spool| {
            spool.with(|spool| {
                let current = spool.current();
                let older = spool
                    .states()
                    .into_iter()
                    .filter(|state| Some(state.epoch) != current);
                older
                    .into_iter()
                    .all(|state| spool.is_finished(state.epoch, spool.stored(state.epoch)))
                    && current.is_some_and(|epoch| !spool.is_forked(epoch))
            })
        });
        drained && self.is_connected(machine)
    }

    /// Mends everything, starts what is down, and lets it drain; then stops the probes. What was found under way
    /// and what is found now.
    pub async fn heal_and_judge(&mut self) -> Faults {
        self.network.set_every_link(Link::default());
        for machine in 0..self.machines.len() {
            self.cut(machine, false);
            self.machines[machine].disk.set_capacity(None);
            self.machines[machine].disk.power_on();
            if !self.machines[machine].is_running() {
                self.start(machine);
            }
        }
        self.collector.fill_disk(false);
        self.collector.disk.fail_writes(None);
        if !self.collector.is_running() {
            self.start_collector();
        }
        if let Err(stuck) = self.drain().await {
            self.found.0.push(stuck);
        }
        for machine in &mut self.machines {
            machine.stop().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.judge()
    }

    async fn drain(&self) -> Result<(), String> {
        let settled = async {
            while !(0..self.machines.len()).all(|machine| self.is_settled(machine)) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            tokio::time::sleep(Duration::from_secs(3)).await; // a last plan may still be adopted
        };
        if tokio::time::timeout(DRAINED_AFTER, settled).await.is_ok() {
            return Ok(());
        }
        let stuck = (0..self.machines.len())
            .filter(|machine| !self.is_settled(*machine))
            .map(|machine| {
                let status = self.machines[machine].status();
                let trouble = status.as_ref().and_then(|status| status.trouble.clone());
                let spool = status.map(|status| status.ledger);
                format!(
                    "probe {}: {} {spool:?}",
                    self.machines[machine].probe,
                    trouble.unwrap_or_default()
                )
            });
        Err(format!(
            "healed, and not drained after {DRAINED_AFTER:?}: {}",
            stuck.collect::<Vec<_>>().join("; ")
        ))
    }

    /// Holds the running collector's store against the record.
    #[must_use]
    pub fn judge(&self) -> Faults {
        let (store, now) = (&self.collector.process().store, self.collector.clock.wall());
        let mut faults = self.found.clone();
        faults.0.extend(self.record.check_drained(store, now).0);
        faults
    }

    /// Everything that is stored, as one hash: two runs of one seed are compared by it.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let scanned = self
            .collector
            .process()
            .store
            .scan(ScanRange::default(), |stored| {
                hasher
                    .update(&stored.commit.to_le_bytes())
                    .update(&stored.probe.0.to_le_bytes());
                hasher.update(&stored.received.0.to_le_bytes());
                hasher.update(&isochrone_proto::codec::encode_batch(&stored.batch));
                std::ops::ControlFlow::Continue(())
            });
        scanned.expect("the store can be read");
        hasher.finalize().to_hex().to_string()
    }

    /// How many measurements of a probe are stored.
    #[must_use]
    pub fn stored(&self, probe: ProbeId) -> u64 {
        stored(&self.collector.process().store, probe)
    }
}

/// How many measurements of a probe a store holds.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn stored(store: &Store, probe: ProbeId) -> u64 {
    let range = ScanRange {
        probe: Some(probe),
        ..ScanRange::default()
    };
    let mut rows = 0;
    let scanned = store.scan(range, |stored| {
        rows += stored.batch.rows() as u64;
        std::ops::ControlFlow::Continue(())
    });
    scanned.expect("the store can be read");
    rows
}

/// A panic of a simulated process is the world's own.
fn relay_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Runs a world on a runtime of its own, whose time is virtual.
///
/// # Panics
/// When the runtime cannot be made.
pub fn on_virtual_time<T>(world: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime
        .expect("a runtime needs nothing that could lack")
        .block_on(world)
}
