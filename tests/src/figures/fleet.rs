//! A large fleet at one collector: what it holds in memory for 5,000 connected probes, and how soon all are back after
//! it was stopped, with nothing lost.
//!
//! The collector is the built `isochrone-collector serve`; the probes are here, and speak the real wire: mutual TLS,
//! Hello, the plan that the collector made for them, batches, re-sends of what was not acknowledged.

mod member;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_planner::plans::{AddressBook, Checked};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use quinn::Endpoint;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::member::Member;
use super::process::{Process, binary};
use super::state::State;
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::slow(
    &[
        "collector.rss_mb_5000",
        "collector.reconnect_s_5000",
        "collector.reconnect_cpu_s_5000",
        "collector.fleet_cpu_percent_5000",
    ],
    fleet,
)];

const PROBES: usize = 5_000;
const ROUND: Duration = Duration::from_secs(10);
/// Probes whose echo port answers. They ask each other, about ten each; the plans of the others are empty.
const RESPONDERS: usize = 1_000;
const ECHO_PORT: u16 = 7_472;
/// What all plans together hold at least, once the responders know each other.
const CHECKS: u64 = 9_000;
/// Probes that share a socket here. To the collector each is a connection of its own.
const TO_A_SOCKET: usize = 50;
/// How long the fleet is watched at rest, and how often its collector's memory is read.
const WATCHED: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Until everybody is there, or has what they sent acknowledged.
const PATIENCE: Duration = Duration::from_secs(180);
const RSS_MB_MAX: f64 = 400.0;
const RECONNECT_S_MAX: f64 = 15.0;

/// What the members say of themselves, all together.
#[derive(Debug)]
pub(super) struct Fleet {
    collector: SocketAddr,
    clock: Clock,
    /// How many members there are, and how long each measures for a batch.
    count: usize,
    round: Duration,
    /// Times that the collector was killed.
    generation: AtomicU64,
    /// Members that are welcomed now.
    there: watch::Sender<usize>,
    /// Batches that were made, and those that were acknowledged.
    made: AtomicU64,
    acknowledged: AtomicU64,
    /// Checks of all plans.
    checks: AtomicU64,
    /// From then on nothing more is measured; what is not acknowledged is still sent.
    drain: CancellationToken,
    stop: CancellationToken,
}

fn fleet() -> Result<Vec<Measured>> {
    allow_files()?;
    let serve = binary("isochrone-collector")?;
    let state = State::with_probes(PROBES)?;
    open_echo_ports(&state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let collector = state.start(&serve)?;
    let seen = runtime.block_on(watch_fleet(&state, collector, || state.start(&serve)))?;
    seen.ensure_nothing_is_lost(&state)?;
    let how = |what: &str| {
        format!(
            "{what}; isochrone-collector serve as a process of its own, {PROBES} probes over QUIC with mutual TLS on loopback, {} checks in all, a batch of each every 10 s; the probes on the same processors",
            seen.checks
        )
    };
    let figure = |name: &'static str, value, unit, what: &str, bound| Measured {
        name: name.into(),
        value,
        unit,
        how: how(what),
        bound,
    };
    Ok(vec![
        figure(
            "collector.rss_mb_5000",
            seen.rss_mb,
            "MB",
            "highest VmRSS in a minute, and after all were back",
            Some(Bound::AtMost(RSS_MB_MAX)),
        ),
        figure(
            "collector.reconnect_s_5000",
            seen.reconnect_s,
            "s",
            "from the start of the collector's process after a kill until all are welcomed; every batch is stored once",
            Some(Bound::AtMost(RECONNECT_S_MAX)),
        ),
        figure(
            "collector.reconnect_cpu_s_5000",
            seen.reconnect_cpu_s,
            "s",
            "of it the collector's user and system time",
            None,
        ),
        figure(
            "collector.fleet_cpu_percent_5000",
            seen.cpu_percent,
            "%",
            "percent of a core over a minute, all connected",
            None,
        ),
    ])
}

/// What was seen of the fleet.
struct Seen {
    rss_mb: f64,
    cpu_percent: f64,
    reconnect_s: f64,
    reconnect_cpu_s: f64,
    checks: u64,
    made: u64,
    acknowledged: u64,
}

async fn watch_fleet(
    state: &State,
    mut collector: Process,
    start: impl Fn() -> Result<Process>,
) -> Result<Seen> {
    let fleet = Fleet::of(state, ROUND);
    let mut members = fleet.spawn(state, echo_address)?;
    fleet.all_there(&mut members).await?;
    fleet.all_have_plans().await?;
    let (rss_mb, cpu_percent) = fleet.at_rest(&collector, WATCHED).await?;
    collector.kill()?;
    fleet.restarted();
    let began = fleet.clock.now();
    collector = start()?;
    fleet.all_there(&mut members).await?;
    let reconnect_s = (fleet.clock.now() - began).as_secs_f64();
    let reconnect_cpu_s = collector.processor_seconds()?;
    let again_mb = fleet.at_rest(&collector, WATCHED).await?.0;
    fleet.end(members).await?;
    collector.stop()?;
    Ok(Seen {
        rss_mb: rss_mb.max(again_mb),
        cpu_percent,
        reconnect_s,
        reconnect_cpu_s,
        checks: fleet.checks.load(Ordering::Relaxed),
        made: fleet.made.load(Ordering::Relaxed),
        acknowledged: fleet.acknowledged.load(Ordering::Relaxed),
    })
}

impl Fleet {
    /// All probes of `state`.
    pub(super) fn of(state: &State, round: Duration) -> Arc<Self> {
        Arc::new(Self {
            collector: state.address,
            clock: Clock::system(),
            count: state.probes.len(),
            round,
            generation: AtomicU64::new(0),
            there: watch::Sender::new(0),
            made: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Starts every member; `echo_address` says where each has its responder.
    pub(super) fn spawn(
        self: &Arc<Self>,
        state: &State,
        echo_address: impl Fn(usize) -> Option<SocketAddr>,
    ) -> Result<JoinSet<Result<()>>> {
        let mut members = JoinSet::new();
        for (chunk, identities) in state.probes.chunks(TO_A_SOCKET).enumerate() {
            let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
            for (place, identity) in (chunk * TO_A_SOCKET..).zip(identities) {
                let member = Member::new(place, identity, echo_address(place))?;
                members.spawn(member.run(endpoint.clone(), Arc::clone(self)));
            }
        }
        Ok(members)
    }

    /// Waits until every member is welcomed.
    pub(super) async fn all_there(&self, members: &mut JoinSet<Result<()>>) -> Result<()> {
        let mut there = self.there.subscribe();
        tokio::select! {
            biased;
            Some(ended) = members.join_next() => {
                ended??;
                anyhow::bail!("a member has ended");
            }
            all = tokio::time::timeout(PATIENCE, there.wait_for(|there| *there == self.count)) => {
                let count = *self.there.borrow();
                all.with_context(|| format!("{count} of {} are welcomed after {PATIENCE:?}", self.count))??;
            }
        }
        Ok(())
    }

    /// Waits until the plans have become as large as they will: a responder's peers get its key once a batch said that it
    /// knows its secret.
    async fn all_have_plans(&self) -> Result<()> {
        let began = self.clock.now();
        loop {
            let checks = self.checks.load(Ordering::Relaxed);
            if checks >= CHECKS {
                return Ok(());
            }
            ensure!(
                self.clock.now() - began < PATIENCE,
                "the plans hold {checks} checks after {PATIENCE:?}, and at least {CHECKS} are wanted"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The collector was killed: most members notice that only when it is back, and none of them is there.
    fn restarted(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.there.send_replace(0);
    }

    /// A member was welcomed: by which of the collector's processes.
    fn welcomed(&self) -> u64 {
        self.there.send_modify(|there| *there += 1);
        self.generation.load(Ordering::Relaxed)
    }

    /// A member that was welcomed by that process is gone.
    fn left(&self, generation: u64) {
        if self.generation.load(Ordering::Relaxed) == generation {
            self.there.send_modify(|there| *there = there.saturating_sub(1));
        }
    }

    /// The collector's highest memory in a while of rest, and what it used of a core, in percent.
    pub(super) async fn at_rest(&self, collector: &Process, watched: Duration) -> Result<(f64, f64)> {
        let (cpu, began) = (collector.processor_seconds()?, self.clock.now());
        let mut rss_mb: f64 = 0.0;
        while self.clock.now() - began < watched {
            tokio::time::sleep(LOOK_EVERY).await;
            rss_mb = rss_mb.max(collector.resident_mb()?);
        }
        let wall = (self.clock.now() - began).as_secs_f64();
        Ok((rss_mb, (collector.processor_seconds()? - cpu) / wall * 100.0))
    }

    /// Has everything acknowledged, and ends the members.
    pub(super) async fn end(&self, mut members: JoinSet<Result<()>>) -> Result<()> {
        self.drain.cancel();
        let began = self.clock.now();
        loop {
            let made = self.made.load(Ordering::Relaxed);
            let acknowledged = self.acknowledged.load(Ordering::Relaxed);
            if made == acknowledged {
                break;
            }
            ensure!(
                self.clock.now() - began < PATIENCE,
                "{acknowledged} batches are acknowledged of {made}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.stop.cancel();
        while let Some(ended) = members.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl Seen {
    /// The store, read again after the collector has ended, holds every batch once.
    fn ensure_nothing_is_lost(&self, state: &State) -> Result<()> {
        ensure!(self.acknowledged == self.made && self.made > PROBES as u64);
        let stored = state.open_store()?.commit_number()?;
        ensure!(
            stored == self.made,
            "{stored} batches are stored of {}",
            self.made
        );
        Ok(())
    }
}

/// Where the responder of a member is, if it has one: each in a prefix of its own, for the planner holds the fleet's rate
/// towards a prefix.
fn echo_address(place: usize) -> Option<SocketAddr> {
    let [high, low] = u16::try_from(place).ok()?.to_be_bytes();
    let has_one = place.is_multiple_of(PROBES / RESPONDERS);
    has_one.then(|| (Ipv4Addr::new(127, high + 1, low, 1), ECHO_PORT).into())
}

/// Notes that the responders of some answered a moment ago, as the collector would after it asked them.
fn open_echo_ports(state: &State) -> Result<()> {
    let (book, now) = (AddressBook::open(&state.open_store()?)?, Clock::system().wall());
    for (place, identity) in state.probes.iter().enumerate() {
        let Some(address) = echo_address(place) else {
            continue;
        };
        let checked = Checked {
            address,
            answered: Some(now),
            asked: now,
            refused: None,
        };
        book.note(identity.probe(), checked)?;
    }
    Ok(())
}

/// This process has a socket for some members each, and may open that many.
fn allow_files() -> Result<()> {
    let needed = (PROBES / TO_A_SOCKET) as u64 * 2 + 256;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(());
    }
    ensure!(
        hard >= needed,
        "{PROBES} probes need {needed} open files, and this process may have {hard}: raise it with `ulimit -Hn {needed}`"
    );
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard).context("cannot raise how many files may be open")
}
