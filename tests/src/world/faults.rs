//! What strikes a mesh: a seed draws the faults, their order and their length. They overlap: a fault is begun at
//! once, and what ends it waits for its time while others begin.

use std::io;
use std::time::Duration;

use isochrone_probe::disk::MemoryDisk;
use isochrone_store::ingest::PlantedBug;
use isochrone_store::lossy::LossyBackend;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::Instant;

use super::headquarters::HOSTS;
use super::network::Link;
use super::record::Faults;
use super::watch::{Letter, WATCHED};
use super::{Scale, World, on_virtual_time, targets};

/// One seed's world and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Empty: the invariants held.
    pub faults: Faults,
    /// What struck, in order.
    pub story: Vec<String>,
    /// Hash of all datagrams.
    pub trace: String,
    /// Hash of all that is stored.
    pub digest: String,
    /// Runs that ended.
    pub runs: u64,
    /// Measurements stored.
    pub stored: u64,
}

/// Plays the world of `seed` to its end.
#[must_use]
pub fn play(seed: u64) -> Outcome {
    let scale = Scale {
        watch: seed.is_multiple_of(WATCHED_EVERY).then(|| WATCHED.to_owned()),
        ..Scale::default()
    };
    on_virtual_time(async { rage(World::empty(seed, &scale)).await })
}

/// As [`play`], with a collector that is restarted once before all else; with `bug` in it, if there is one.
#[must_use]
pub fn play_restarted(seed: u64, bug: Option<PlantedBug>) -> Outcome {
    on_virtual_time(async {
        let mut world = World::empty(seed, &Scale::default());
        world.collector.crash(0).await;
        world.collector.bug = bug;
        world.start_collector();
        rage(world).await
    })
}

async fn rage(mut world: World) -> Outcome {
    if world.collector.watch.is_some() {
        world.record.set_calm();
    }
    let mut skews_ms = Vec::new();
    for _ in 0..world.random.random_range(2..=4) {
        let machine = world.add_machine().await;
        let skew_ms = world.random.random_range(-SKEW_MAX_MS..=SKEW_MAX_MS);
        world.machines[machine].clock.simulate_step(skew_ms); // no two clocks are alike
        world.start(machine);
        skews_ms.push(skew_ms);
    }
    let mut weather = Weather::new(&world, skews_ms);
    let lasts = Duration::from_secs(world.random.random_range(40..90));
    weather.rage(&mut world, lasts).await;
    let mut faults = world.heal_and_judge().await;
    faults.0.extend(told_wrongly(&world));
    let stored = world
        .machines
        .iter()
        .map(|machine| world.stored(machine.probe))
        .sum();
    Outcome {
        faults,
        story: weather.story,
        trace: world.network.trace(),
        digest: world.digest(),
        runs: world.record.runs(),
        stored,
    }
}

/// Each ninth seed's collector also keeps watch, over nodes that are all well.
const WATCHED_EVERY: u64 = 9;

/// What was told of nodes that are all well, and of probes whose session stood.
fn told_wrongly(world: &World) -> Vec<String> {
    let letters = world.collector.letters.letters();
    let pages = letters.iter().filter(|letter| letter.pages());
    let is_wrong = |letter: &&Letter| match letter.check() {
        None => false, // of the gate, the disk or the collector's own line
        Some("probe") => letter.alert["incident"]["caveat"]
            .as_str()
            .is_some_and(|caveat| caveat.contains("its connection still stood")),
        Some(_) => true,
    };
    let wrong = pages.filter(is_wrong);
    wrong
        .map(|letter| format!("told wrongly: {}", letter.summary()))
        .collect()
}

/// A fault.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// A probe cannot reach the collector for a while.
    Partition { machine: usize, lasts: Duration },
    /// One of the two routes to the collector is away.
    RouteAway {
        machine: usize,
        route: usize,
        lasts: Duration,
    },
    /// Everything is slow, reordered and partly lost.
    BadLinks { link: Link, lasts: Duration },
    /// `kill -9` of a probe.
    KillProbe { machine: usize, away: Duration },
    /// Its power fails in the middle of a write.
    PowerCutProbe {
        machine: usize,
        bytes: u64,
        away: Duration,
    },
    /// SIGTERM.
    StopProbe { machine: usize, away: Duration },
    /// The power of the collector fails between two writes.
    CrashCollector { away: Duration },
    /// The power of the collector fails in the middle of a commit.
    CrashInCommit { operations: u64, away: Duration },
    /// SIGTERM.
    StopCollector { away: Duration },
    /// The collector's disk has less free than its reserve.
    FullCollector { lasts: Duration },
    /// The collector's disk answers with errors.
    FailingCollector { lasts: Duration },
    /// A probe's disk is full.
    FullProbe { machine: usize, lasts: Duration },
    /// A probe's wall clock is set.
    StepProbe { machine: usize, by_ms: i64 },
    /// A probe's machine sleeps.
    Suspend { machine: usize, slept: Duration },
    /// The collector's wall clock is set.
    StepCollector { by_ms: i64 },
    /// targets.toml changes.
    Retarget { nodes: usize },
    /// A copy of the collector's disk is put aside.
    BackUp,
    /// The collector is restored from that copy.
    RestoreCollector { away: Duration },
    /// A virtual machine is set back to where it was so long ago, memory and all.
    RestoreProbe { machine: usize, back: Duration },
    /// A probe's disk is set back to where it was so long ago, and a new process starts on it.
    RestoreSpool { machine: usize, back: Duration },
}

/// What ends a fault, or is its second act.
enum Later {
    Mend {
        machine: usize,
        route: Option<usize>,
    },
    GoodLinks,
    StartProbe {
        machine: usize,
    },
    PowerIsGone {
        machine: usize,
        away: Duration,
    },
    SetBack {
        machine: usize,
        disk: MemoryDisk,
        /// Of the process that comes again; a new one has randomness of its own.
        seed: Option<[u8; 32]>,
    },
    CrashCollector {
        away: Duration,
    },
    StartCollector,
    RoomAtCollector,
    DiskOfCollectorWorks,
    RoomAtProbe {
        machine: usize,
    },
}

struct Weather {
    began: Instant,
    story: Vec<String>,
    later: Vec<(Instant, Later)>,
    backup: Option<LossyBackend>,
    /// How far each machine's wall clock was moved, in milliseconds; the collector's last.
    moved_ms: Vec<i64>,
}

/// Clocks begin within this of the collector's.
const SKEW_MAX_MS: i64 = 60_000;
/// Clocks stay within this of where the collector's began.
const APART_MAX_MS: i64 = 900_000;
/// A probe that is so far ahead of the collector, a suspension or two included, may have what it measures refused.
const REFUSED_ABOVE_MS: i64 = 180_000;

impl Weather {
    fn new(world: &World, skews_ms: Vec<i64>) -> Self {
        Self {
            began: world.collector.clock.now(),
            story: Vec::new(),
            later: Vec::new(),
            backup: None,
            moved_ms: skews_ms.into_iter().chain([0]).collect(),
        }
    }

    async fn rage(&mut self, world: &mut World, lasts: Duration) {
        let end = self.began + lasts;
        let mut next = self.began;
        while world.collector.clock.now() < end {
            if next <= world.collector.clock.now() {
                let strike = self.draw(world);
                let at = world.collector.clock.now() - self.began;
                self.story
                    .push(format!("{:>6.1} s: {strike:?}", at.as_secs_f64()));
                self.strike(world, strike).await;
                self.note_refusals(world);
                next = world.collector.clock.now()
                    + Duration::from_millis(world.random.random_range(200..7_000));
            }
            let later = self.later.iter().map(|(at, _)| *at).min();
            tokio::time::sleep_until(later.map_or(next, |later| later.min(next)).min(end)).await;
            self.carry_out(world, world.collector.clock.now()).await;
        }
        while let Some(last) = self.later.iter().map(|(at, _)| *at).max() {
            self.carry_out(world, last).await;
        }
    }

    fn draw(&self, world: &mut World) -> Strike {
        let machine = world.random.random_range(0..world.machines.len());
        let random = &mut world.random;
        let mut span = |least: u64, most: u64| Duration::from_millis(random.random_range(least..most));
        let (short, away) = (span(300, 12_000), span(100, 20_000));
        let is_long = span(0, 4).is_zero();
        let long = if is_long { span(60_500, 90_000) } else { short };
        match random.random_range(0..26) {
            0..3 => Strike::Partition { machine, lasts: long },
            3 => {
                let route = random.random_range(0..HOSTS.len());
                Strike::RouteAway {
                    machine,
                    route,
                    lasts: long,
                }
            }
            4..6 => Strike::BadLinks {
                link: bad_link(random),
                lasts: short,
            },
            6..9 => Strike::KillProbe { machine, away },
            9..11 => {
                let bytes = random.random_range(0..2_000);
                Strike::PowerCutProbe { machine, bytes, away }
            }
            11 => Strike::StopProbe { machine, away },
            12..14 => Strike::CrashCollector { away },
            14..16 => {
                let operations = random.random_range(0..30);
                Strike::CrashInCommit { operations, away }
            }
            16 => Strike::StopCollector { away },
            17..19 => Strike::FullCollector { lasts: short },
            19 => Strike::FailingCollector { lasts: short },
            20 => Strike::FullProbe {
                machine,
                lasts: short,
            },
            21 => {
                let by_ms = *[-400_000, -90_000, -4_000, -1_500, 1_500, 6_000, 100_000, 400_000]
                    .choose(random)
                    .unwrap_or(&1_500);
                if random.random_bool(0.7) {
                    Strike::StepProbe { machine, by_ms }
                } else {
                    Strike::StepCollector { by_ms }
                }
            }
            22 => Strike::Suspend { machine, slept: long },
            23 => Strike::Retarget {
                nodes: random.random_range(0..4),
            },
            24 if self.backup.is_none() => Strike::BackUp,
            24 => Strike::RestoreCollector { away },
            _ if short.as_millis().is_multiple_of(2) => Strike::RestoreProbe { machine, back: short },
            _ => Strike::RestoreSpool { machine, back: short },
        }
    }

    fn after(&mut self, world: &World, time: Duration, later: Later) {
        self.later.push((world.collector.clock.now() + time, later));
    }

    async fn strike(&mut self, world: &mut World, strike: Strike) {
        match strike {
            Strike::Partition { machine, lasts } => {
                world.cut(machine, true);
                self.after(world, lasts, Later::Mend { machine, route: None });
            }
            Strike::RouteAway {
                machine,
                route,
                lasts,
            } => {
                world
                    .network
                    .set_cut(world.machines[machine].host, HOSTS[route], true);
                let route = Some(route);
                self.after(world, lasts, Later::Mend { machine, route });
            }
            Strike::BadLinks { link, lasts } => {
                world.network.set_every_link(link);
                self.after(world, lasts, Later::GoodLinks);
            }
            Strike::StepProbe { machine, by_ms } if self.may_move(machine, by_ms) => {
                world.machines[machine].clock.simulate_step(by_ms);
            }
            Strike::Suspend { machine, slept } if self.may_move(machine, slept.as_millis() as i64) => {
                world.machines[machine].clock.simulate_suspension(slept);
            }
            Strike::StepCollector { by_ms } if self.may_move(world.machines.len(), by_ms) => {
                world.collector.clock.step(by_ms);
            }
            Strike::StepProbe { .. } | Strike::Suspend { .. } | Strike::StepCollector { .. } => {} // too far
            Strike::Retarget { nodes } => {
                world
                    .collector
                    .set_targets(&targets(&["berlin", "oslo", "lima"][..nodes]));
            }
            Strike::KillProbe { .. }
            | Strike::PowerCutProbe { .. }
            | Strike::StopProbe { .. }
            | Strike::FullProbe { .. }
            | Strike::RestoreProbe { .. }
            | Strike::RestoreSpool { .. } => self.strike_probe(world, strike).await,
            _ => self.strike_collector(world, strike).await,
        }
    }

    fn may_move(&mut self, clock: usize, by_ms: i64) -> bool {
        let moved = self.moved_ms[clock] + by_ms;
        let fits = moved.abs() <= APART_MAX_MS;
        if fits {
            self.moved_ms[clock] = moved;
        }
        fits
    }

    /// What is measured by a clock that is far ahead of the collector's may be refused.
    fn note_refusals(&self, world: &World) {
        let Some((collector_ms, probes_ms)) = self.moved_ms.split_last() else {
            return;
        };
        for (machine, probe_ms) in world.machines.iter().zip(probes_ms) {
            if probe_ms - collector_ms > REFUSED_ABOVE_MS {
                world.record.may_refuse(machine.probe);
            }
        }
    }

    async fn strike_probe(&mut self, world: &mut World, strike: Strike) {
        match strike {
            Strike::KillProbe { machine, away } => {
                world.machines[machine].kill().await;
                self.after(world, away, Later::StartProbe { machine });
            }
            Strike::PowerCutProbe { machine, bytes, away } => {
                world.machines[machine].disk.cut_power_after(bytes);
                self.after(
                    world,
                    Duration::from_millis(1_500),
                    Later::PowerIsGone { machine, away },
                );
            }
            Strike::StopProbe { machine, away } => {
                world.machines[machine].stop().await;
                self.after(world, away, Later::StartProbe { machine });
            }
            Strike::FullProbe { machine, lasts } => {
                world.record.may_drop(world.machines[machine].probe);
                let disk = &world.machines[machine].disk;
                disk.set_capacity(Some(disk.bytes()));
                self.after(world, lasts, Later::RoomAtProbe { machine });
            }
            Strike::RestoreProbe { machine, back } if world.machines[machine].is_running() => {
                // a new process, whose randomness is known, so that it can come again
                world.record.may_fork(world.machines[machine].probe);
                world.machines[machine].kill().await;
                let seed = world.seed();
                let disk = world.machines[machine].disk.copy();
                world.machines[machine].start(seed);
                let seed = Some(seed);
                self.after(world, back, Later::SetBack { machine, disk, seed });
            }
            Strike::RestoreSpool { machine, back } => {
                let (disk, seed) = (world.machines[machine].disk.copy(), None);
                self.after(world, back, Later::SetBack { machine, disk, seed });
            }
            _ => {}
        }
    }

    async fn strike_collector(&mut self, world: &mut World, strike: Strike) {
        if !world.collector.is_running() {
            return;
        }
        match strike {
            Strike::CrashCollector { away } => self.crash_collector(world, away).await,
            Strike::CrashInCommit { operations, away } => {
                world.collector.disk.die_after(operations);
                self.after(world, Duration::from_secs(2), Later::CrashCollector { away });
            }
            Strike::StopCollector { away } => {
                world.collector.stop().await;
                world.check_acknowledged();
                self.after(world, away, Later::StartCollector);
            }
            Strike::FullCollector { lasts } => {
                world.collector.fill_disk(true);
                self.after(world, lasts, Later::RoomAtCollector);
            }
            Strike::FailingCollector { lasts } => {
                world.collector.disk.fail_writes(Some(io::ErrorKind::Other));
                self.after(world, lasts, Later::DiskOfCollectorWorks);
            }
            Strike::BackUp => self.backup = Some(world.collector.disk.snapshot()),
            Strike::RestoreCollector { away } => {
                self.crash_collector(world, away).await;
                if let Some(backup) = &self.backup {
                    let backup = backup.snapshot();
                    world.restore_collector(backup);
                }
            }
            _ => {}
        }
    }

    async fn crash_collector(&mut self, world: &mut World, away: Duration) {
        let seed = world.random.random();
        world.collector.crash(seed).await;
        world.check_acknowledged();
        self.after(world, away, Later::StartCollector);
    }

    /// Carries out what is due at `now`, in order.
    async fn carry_out(&mut self, world: &mut World, now: Instant) {
        let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.later = later;
        due.sort_by_key(|(at, _)| *at);
        for (_, due) in due {
            self.act(world, due).await;
        }
    }

    async fn act(&mut self, world: &mut World, due: Later) {
        match due {
            Later::Mend { machine, route: None } => world.cut(machine, false),
            Later::Mend {
                machine,
                route: Some(route),
            } => {
                world
                    .network
                    .set_cut(world.machines[machine].host, HOSTS[route], false);
            }
            Later::GoodLinks => world.network.set_every_link(Link::default()),
            Later::StartProbe { machine } if !world.machines[machine].is_running() => world.start(machine),
            Later::PowerIsGone { machine, away } => {
                world.machines[machine].lose_power().await;
                self.after(world, away, Later::StartProbe { machine });
            }
            Later::SetBack { machine, disk, seed } => {
                world.machines[machine].kill().await;
                world.machines[machine].set_back(disk);
                let seed = seed.unwrap_or_else(|| world.seed());
                world.machines[machine].start(seed);
            }
            Later::CrashCollector { away } if world.collector.is_running() => {
                self.crash_collector(world, away).await;
            }
            Later::StartCollector if !world.collector.is_running() => world.start_collector(),
            Later::StartProbe { .. } | Later::CrashCollector { .. } | Later::StartCollector => {}
            Later::RoomAtCollector => world.collector.fill_disk(false),
            Later::DiskOfCollectorWorks => world.collector.disk.fail_writes(None),
            Later::RoomAtProbe { machine } => world.machines[machine].disk.set_capacity(None),
        }
    }
}

fn bad_link(random: &mut impl Rng) -> Link {
    Link {
        delay: Duration::from_millis(random.random_range(1..300)),
        jitter: Duration::from_millis(random.random_range(0..200)),
        loss: random.random_range(0.0..0.3),
    }
}
