//! What it costs a collector to take measurements in: its processor time, from QUIC datagrams to the durable
//! commit and the live state.
//!
//! The collector is the built `isochrone-collector serve`, a process of its own on a disk of its own; the probes
//! are here, and speak the real wire: mutual TLS, Hello, at most eight batches in flight each.

pub(super) mod echoes;
pub(super) mod session;

use std::time::Duration;

use anyhow::{Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_probe::identity::Identity;
use isochrone_proto::codec;
use isochrone_proto::units::UnixMillis;
use tokio::task::JoinSet;

use self::echoes::{ECHOES, Stream};
use self::session::Session;
use super::process::{Process, binary};
use super::state::State;
use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(
        &["ingest.records_per_cpu_second", "ingest.records_per_second"],
        ingest_64,
    ),
    Figure::quick(
        &[
            "ingest.records_per_cpu_second_500",
            "ingest.records_per_second_500",
        ],
        ingest_500,
    ),
];

const ROUNDS: usize = 5;
const RECORDS_PER_CPU_SECOND_MIN: f64 = 2.5e6;
/// After a round, so that the live state has everything and a tick has passed.
const SETTLE: Duration = Duration::from_millis(1_200);

/// How many probes send, and how much each in a round: seconds of measuring.
#[derive(Clone, Copy)]
struct Load {
    sessions: usize,
    batches: usize,
    /// Stands behind the figures' names.
    suffix: &'static str,
}

const SMALL: Load = Load {
    sessions: 64,
    batches: 200,
    suffix: "",
};
const LARGE: Load = Load {
    sessions: 500,
    batches: 40,
    suffix: "_500",
};

fn ingest_64() -> Result<Vec<Measured>> {
    ingest(SMALL)
}

fn ingest_500() -> Result<Vec<Measured>> {
    ingest(LARGE)
}

/// Records for each second of a collector's processor time, as `ingest.records_per_cpu_second` takes it.
pub(super) fn records_per_cpu_second() -> Result<f64> {
    let per_cpu = take(SMALL)?.into_iter().map(|round| round.records / round.cpu);
    Ok(median(&per_cpu.collect::<Vec<f64>>()))
}

fn take(load: Load) -> Result<Vec<Round>> {
    let serve = binary("isochrone-collector")?;
    let prepared = Prepared::new(load)?;
    let mut collector = prepared.state.start(&serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let rounds = runtime.block_on(feed(&prepared, load, &collector))?;
    collector.wait_for(&prepared.state.socket())?; // still there
    collector.stop()?;
    prepared.ensure_all_is_stored(load)?;
    Ok(rounds)
}

fn ingest(load: Load) -> Result<Vec<Measured>> {
    let rounds = take(load)?;
    let per_cpu: Vec<f64> = rounds.iter().map(|round| round.records / round.cpu).collect();
    let per_second: Vec<f64> = rounds.iter().map(|round| round.records / round.wall).collect();
    let how = |what: &str| {
        format!(
            "{what}; isochrone-collector serve as a process of its own, QUIC with mutual TLS on loopback, {} sessions, batches of {ECHOES} echoes, durable, live state and page kept; median of {ROUNDS} rounds of {} records",
            load.sessions,
            load.records()
        )
    };
    Ok(vec![
        Measured {
            name: format!("ingest.records_per_cpu_second{}", load.suffix).into(),
            value: median(&per_cpu),
            unit: "records/s",
            how: how("the collector's user and system time"),
            bound: Some(Bound::AtLeast(RECORDS_PER_CPU_SECOND_MIN)),
        },
        Measured {
            name: format!("ingest.records_per_second{}", load.suffix).into(),
            value: median(&per_second),
            unit: "records/s",
            how: how("wall time, the probes on the same processors"),
            bound: None,
        },
    ])
}

impl Load {
    /// Of a round.
    fn records(self) -> usize {
        self.sessions * self.batches * ECHOES
    }
}

/// What one round took, in seconds.
struct Round {
    records: f64,
    cpu: f64,
    wall: f64,
}

async fn feed(prepared: &Prepared, load: Load, collector: &Process) -> Result<Vec<Round>> {
    let clock = Clock::system();
    let mut sessions = Vec::new();
    for (identity, stream) in prepared.state.probes.iter().zip(&prepared.streams) {
        sessions.push(Session::open(identity, prepared.state.address, stream).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let (cpu, start) = (collector.processor_seconds()?, clock.now());
        let mut sending = JoinSet::new();
        for (mut session, stream) in sessions.drain(..).zip(&prepared.streams) {
            let frames = stream.frames[round * load.batches..][..load.batches].to_vec();
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
            records: load.records() as f64,
            cpu: collector.processor_seconds()? - cpu,
            wall,
        });
    }
    for session in &sessions {
        session.close();
    }
    Ok(rounds)
}

/// A collector's state whose archive holds the probes' plans, and what they will send.
struct Prepared {
    state: State,
    streams: Vec<Stream>,
}

impl Prepared {
    fn new(load: Load) -> Result<Self> {
        let state = State::with_probes(load.sessions)?;
        let clock = Clock::system();
        let seconds = Duration::from_secs((ROUNDS * load.batches) as u64);
        let start = UnixMillis(clock.wall().minus(seconds).0 / 1_000 * 1_000);
        let ids: Vec<_> = state.probes.iter().map(Identity::probe).collect();
        let (store, authority) = (state.open_store()?, state.authority()?);
        let mut streams = Vec::new();
        for place in 0..load.sessions {
            let plan = echoes::plan(place, &ids, start)?;
            store.put_plan(&authority.sign_plan(codec::encode_plan(&plan))?, &plan)?;
            streams.push(Stream::new(place, &plan, start, ROUNDS * load.batches)?);
        }
        Ok(Self { state, streams })
    }

    /// The store, read again after the collector has ended, holds every batch.
    fn ensure_all_is_stored(&self, load: Load) -> Result<()> {
        let stored = self.state.open_store()?.commit_number()?;
        let sent = (load.sessions * ROUNDS * load.batches) as u64;
        ensure!(stored == sent, "{stored} batches are stored of {sent}");
        Ok(())
    }
}
