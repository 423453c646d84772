//! What a probe asks of the server it runs on: its memory while it measures, and its size on disk.
//!
//! The probe is the built `isochrone-probe`, joined and run as a process of its own. Collector and peers are here:
//! the collector's listener, sessions, committer and store, and 50 responders that answer on loopback.

mod responders;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_collector::assembly::{Assembly, AssemblyParts, committed_channel};
use isochrone_gate::authority::{Authority, tls};
use isochrone_gate::events::GateEvents;
use isochrone_planner::pace::Pace;
use isochrone_planner::targets::Targets;
use isochrone_proto::codec;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::measurement::EchoOutcome;
use isochrone_store::ingest::{Committed, Ingest, IngestOptions};
use isochrone_store::{Store, StoreOptions};
use quinn::Endpoint;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::responders::{PEERS, Responders};
use super::process::{Process, binary, folder};
use super::{Figure, Measured, mesh};

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(&["probe.rss_mb"], memory),
    Figure::quick(&["probe.binary_mb"], size),
];

const NAME: &str = "isochrone-probe";
/// How long the probe measures.
const SECONDS: u64 = 75;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn size() -> Result<Vec<Measured>> {
    let bytes = fs::metadata(binary(NAME)?)?.len();
    Ok(vec![Measured {
        name: "probe.binary_mb".into(),
        value: bytes as f64 / 1e6,
        unit: "MB",
        how: "the binary as the release profile leaves it: symbols stripped, dynamic libc; 1 MB = 10^6 B"
            .into(),
        bound: None,
    }])
}

fn memory() -> Result<Vec<Measured>> {
    let probe = binary(NAME)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (resident, echoes) = runtime.block_on(measuring(&probe))?;
    Ok(vec![Measured {
        name: "probe.rss_mb".into(),
        value: resident,
        unit: "MB",
        how: format!(
            "highest VmRSS of isochrone-probe run in {SECONDS} s; {PEERS} peers answer on loopback, each is asked once a second, {echoes} replies were stored at a collector; 1 MB = 10^6 B"
        ),
        bound: None,
    }])
}

/// The probe's highest resident memory in MB, and how many replies of its peers were stored.
async fn measuring(probe: &Path) -> Result<(f64, u64)> {
    let folder = tempfile::Builder::new()
        .prefix("figures-")
        .tempdir_in(folder()?)?;
    let mut collector = Collector::start(folder.path())?;
    let token = mesh::invite(&collector.assembly.registry, "measured")?;
    let config = folder.path().join("probe.toml");
    let local = "allow_private = [\"127.0.0.0/8\"]\necho_listen = [\"127.0.0.1:0\"]\n";
    fs::write(&config, local)?;
    let state = folder.path().join("probe");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
    let (config, state) = (text(&config)?, text(&state)?);
    let places = ["--config", config.as_str(), "--state", state.as_str()];
    let mut join = Command::new(probe);
    join.args(places).args(["join", &token.to_string()]);
    let joined = tokio::task::spawn_blocking(move || join.output()).await??;
    ensure!(
        joined.status.success(),
        "the probe could not join: {}",
        String::from_utf8_lossy(&joined.stderr)
    );
    let arguments = [&places[..], &["run"]].concat();
    let running = Process::start(probe, &arguments, folder.path().join("log"))?;
    let id = collector.connected(&running).await?;
    let responders = Responders::bind(id).await?;
    collector.send_plan(&responders)?;

    let mut highest: f64 = 0.0;
    for _ in 0..SECONDS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        highest = highest.max(running.resident_mb()?);
    }
    tokio::task::spawn_blocking(move || running.stop()).await??;
    let replies = collector.replies();
    let least = SECONDS / 2; // of about one a second; the plan took a moment to arrive
    let heard = replies.values().filter(|count| **count >= least).count();
    ensure!(
        heard == PEERS,
        "only {heard} of {PEERS} peers were measured: {replies:?}"
    );
    Ok((highest, replies.values().sum()))
}

/// A collector in this process, without page and planner: the plan is ours.
struct Collector {
    assembly: Assembly,
    authority: Authority,
    store: Store,
    clock: Clock,
    committed: mpsc::Receiver<Committed>,
    _serving: JoinSet<()>,
    _targets: watch::Sender<Arc<Targets>>,
}

impl Collector {
    fn start(folder: &Path) -> Result<Self> {
        let (clock, mut random) = (Clock::system(), StdRng::from_os_rng());
        let authority = Authority::in_memory(clock.wall(), &mut random)?;
        let server = tls::quic_server_config(&authority, Arc::new(tls::ClockTime(clock.clone())))?;
        let endpoint = Endpoint::server(server, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let store = Store::open(&folder.join("store.redb"), StoreOptions::default())?;
        let (live, committed) = committed_channel();
        let (ingest, _) = Ingest::start(store.clone(), live, IngestOptions::default())?;
        let (targets, watched) = watch::channel(Arc::new(Targets::default()));
        let assembly = Assembly::build(
            AssemblyParts {
                store: store.clone(),
                authority: authority.clone(),
                clock: clock.clone(),
                addresses: vec![endpoint.local_addr()?.to_string()],
                pace: Pace::default(),
                targets: watched,
                events: GateEvents::channel().0,
                seed: random.random(),
            },
            ingest,
        )?;
        let mut serving = JoinSet::new();
        let listener = Arc::clone(&assembly.listener);
        serving.spawn(async move { listener.run(endpoint, CancellationToken::new()).await });
        Ok(Self {
            assembly,
            authority,
            store,
            clock,
            committed,
            _serving: serving,
            _targets: targets,
        })
    }

    /// Waits for the probe's Hello.
    async fn connected(&self, probe: &Process) -> Result<ProbeId> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(session) = self.assembly.sessions.list().first() {
                return Ok(session.probe);
            }
            ensure!(
                waited < PATIENCE,
                "the probe did not connect in 30 s: {}",
                probe.said()
            );
            tokio::time::sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    fn send_plan(&self, responders: &Responders) -> Result<()> {
        let plan = responders.plan(self.clock.wall())?;
        let signed = self.authority.sign_plan(codec::encode_plan(&plan))?;
        self.store.put_plan(&signed, &plan)?;
        self.assembly.sessions.send_plan(plan.probe, signed);
        Ok(())
    }

    /// Replies stored so far, by peer.
    fn replies(&mut self) -> BTreeMap<String, u64> {
        let mut replies = BTreeMap::new();
        while let Ok(stored) = self.committed.try_recv() {
            for row in stored.batch.echoes() {
                if let (EchoOutcome::Replied { .. }, Some((_, target))) =
                    (&row.outcome, stored.plan.target_of(row.check))
                {
                    *replies.entry(target.name.clone()).or_default() += 1;
                }
            }
        }
        replies
    }
}
