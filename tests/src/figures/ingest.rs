//! What it costs a collector to take measurements in: its processor time, from QUIC datagrams to the durable
//! commit and the live state.
//!
//! The collector is the built `isochrone-collector serve`, a process of its own on a disk of its own; the probes
//! are here, and speak the real wire: mutual TLS, Hello, at most eight batches in flight each.

pub(super) mod echoes;
mod session;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_gate::authority::Authority;
use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::{Registry, RegistryParts};
use isochrone_probe::identity::Identity;
use isochrone_proto::codec;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreOptions};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::echoes::{ECHOES, Stream};
use self::session::Session;
use super::process::{Process, binary, folder};
use super::{Bound, Figure, Measured, median, mesh};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::quick(
    &["ingest.records_per_cpu_second", "ingest.records_per_second"],
    ingest,
)];

const SESSIONS: usize = 64;
const ROUNDS: usize = 5;
/// Of each session in each round: seconds of measuring.
const BATCHES: usize = 200;
/// What issue 3 asks for.
const RECORDS_PER_CPU_SECOND_MIN: f64 = 1e6;
/// After a round, so that the live state has everything and a tick has passed.
const SETTLE: Duration = Duration::from_millis(1_200);

fn ingest() -> Result<Vec<Measured>> {
    let serve = binary("isochrone-collector")?;
    let prepared = Prepared::new()?;
    let mut collector = prepared.start(&serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let rounds = runtime.block_on(feed(&prepared, &collector))?;
    collector.wait_for(&prepared.socket())?; // still there
    collector.stop()?;
    prepared.ensure_all_is_stored()?;

    let per_cpu: Vec<f64> = rounds.iter().map(|round| round.records / round.cpu).collect();
    let per_second: Vec<f64> = rounds.iter().map(|round| round.records / round.wall).collect();
    let how = |what: &str| {
        format!(
            "{what}; isochrone-collector serve as a process of its own, QUIC with mutual TLS on loopback, {SESSIONS} sessions, batches of {ECHOES} echoes, durable, live state and page kept; median of {ROUNDS} rounds of {} records",
            SESSIONS * BATCHES * ECHOES
        )
    };
    Ok(vec![
        Measured {
            name: "ingest.records_per_cpu_second".into(),
            value: median(&per_cpu),
            unit: "records/s",
            how: how("the collector's user and system time"),
            bound: Some(Bound::AtLeast(RECORDS_PER_CPU_SECOND_MIN)),
        },
        Measured {
            name: "ingest.records_per_second".into(),
            value: median(&per_second),
            unit: "records/s",
            how: how("wall time, the probes on the same processors"),
            bound: None,
        },
    ])
}

/// What one round took, in seconds.
struct Round {
    records: f64,
    cpu: f64,
    wall: f64,
}

async fn feed(prepared: &Prepared, collector: &Process) -> Result<Vec<Round>> {
    let clock = Clock::system();
    let mut sessions = Vec::new();
    for (identity, stream) in prepared.probes.iter().zip(&prepared.streams) {
        sessions.push(Session::open(identity, prepared.address, stream).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let (cpu, start) = (collector.processor_seconds()?, clock.now());
        let mut sending = JoinSet::new();
        for (mut session, stream) in sessions.drain(..).zip(&prepared.streams) {
            let frames = stream.frames[round * BATCHES..][..BATCHES].to_vec();
            sending.spawn(async move {
                session.send(&frames).await?;
                Ok::<_, anyhow::Error>((session.place, session))
            });
        }
        let mut back = Vec::new();
        while let Some(sent) = sending.join_next().await {
            back.push(sent??);
        }
        let wall = (clock.now() - start).as_secs_f64();
        back.sort_by_key(|(place, _)| *place);
        sessions.extend(back.into_iter().map(|(_, session)| session));
        tokio::time::sleep(SETTLE).await;
        rounds.push(Round {
            records: (SESSIONS * BATCHES * ECHOES) as f64,
            cpu: collector.processor_seconds()? - cpu,
            wall,
        });
    }
    for session in &sessions {
        session.close();
    }
    Ok(rounds)
}

/// A collector's state with probes that have joined and plans in its archive, and what they will send.
struct Prepared {
    folder: TempDir,
    address: SocketAddr,
    probes: Vec<Identity>,
    streams: Vec<Stream>,
}

impl Prepared {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("figures-")
            .tempdir_in(folder()?)?;
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (clock, mut random) = (Clock::system(), StdRng::from_os_rng());
        let state = folder.path().join("state");
        fs::create_dir_all(state.join("authority"))?;
        let store = Store::open(&state.join("store.redb"), StoreOptions::default())?;
        let authority = Authority::open(&state.join("authority"), clock.wall(), &mut random)?;
        let registry = Registry::open(RegistryParts {
            store: store.clone(),
            authority: authority.clone(),
            clock: clock.clone(),
            events: GateEvents::channel().0,
            addresses: vec![address.to_string()],
            seed: random.random(),
        })?;
        let probes: Result<Vec<_>> = (0..SESSIONS)
            .map(|place| mesh::join(&registry, &format!("probe-{place}"), address))
            .collect();
        let probes = probes?;
        let seconds = Duration::from_secs((ROUNDS * BATCHES) as u64);
        let start = UnixMillis(clock.wall().minus(seconds).0 / 1_000 * 1_000);
        let ids: Vec<_> = probes.iter().map(Identity::probe).collect();
        let mut streams = Vec::new();
        for place in 0..SESSIONS {
            let plan = echoes::plan(place, &ids, start)?;
            store.put_plan(&authority.sign_plan(codec::encode_plan(&plan))?, &plan)?;
            streams.push(Stream::new(place, &plan, start, ROUNDS * BATCHES)?);
        }
        let config = format!("listen = [\"{address}\"]\nweb = \"127.0.0.1:0\"\n");
        fs::write(folder.path().join("collector.toml"), config)?;
        Ok(Self {
            folder,
            address,
            probes,
            streams,
        })
    }

    fn start(&self, serve: &Path) -> Result<Process> {
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
        let config = text(&self.folder.path().join("collector.toml"))?;
        let state = text(&self.state())?;
        let arguments = ["--config", &config, "--state", &state, "serve"];
        let mut collector = Process::start(serve, &arguments, self.folder.path().join("log"))?;
        collector.wait_for(&self.socket())?;
        Ok(collector)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn socket(&self) -> PathBuf {
        self.state().join("control.sock")
    }

    /// The store, read again after the collector has ended, holds every batch.
    fn ensure_all_is_stored(&self) -> Result<()> {
        let store = Store::open(&self.state().join("store.redb"), StoreOptions::default())?;
        let (stored, sent) = (store.commit_number()?, (SESSIONS * ROUNDS * BATCHES) as u64);
        ensure!(stored == sent, "{stored} batches are stored of {sent}");
        Ok(())
    }
}
