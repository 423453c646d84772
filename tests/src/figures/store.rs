//! What the store costs once measurements are sealed: bytes of a row on the disk, and processor time of sealing.

pub(super) mod endpoints;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::future::join_all;
use isochrone_base::clock::{Clock, unpaused};
use isochrone_proto::codec;
use isochrone_proto::frame;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::plan::{Plan, SignedPlan};
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::{Incoming, Ingest, IngestOptions, Ingested};
use isochrone_store::{Store, StoreOptions};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::ingest::echoes::{self, ECHOES, Stream};
use super::process::{folder, thread_ns};
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(&["store.bytes_per_echo", "store.seal_rows_per_cpu_second"], echo),
    Figure::quick(&["store.bytes_per_endpoint"], endpoint),
    Figure::quick(&["store.database_bytes_per_endpoint"], database),
];

/// So many are there to be peers.
const MESH: u64 = 64;
/// Of these, those whose measurements are stored: of 50 peers over both families each, every second.
const PROBES: usize = 20;
/// Of each, in batches of a second.
const SECONDS: usize = 600;
/// What issue 11 asks for.
const BYTES_PER_ECHO_MAX: f64 = 6.0;
const BYTES_PER_ENDPOINT_MAX: f64 = 20.0;
const SEAL_ROWS_PER_CPU_SECOND_MIN: f64 = 3e6;
/// Of the figure of the database.
const DATABASE_HOURS: u64 = 2;
/// Batches handed over at once.
const AT_ONCE: usize = 512;
const DAY_MS: u64 = 86_400_000;

fn echo() -> Result<Vec<Measured>> {
    let filled = Filled::new()?;
    let ids: Vec<ProbeId> = (1..=MESH).map(ProbeId).collect();
    for place in 0..PROBES {
        let plan = echoes::plan(place, &ids, filled.start)?;
        let stream = Stream::new(place, &plan, filled.start, SECONDS)?;
        let payloads = stream.frames.iter().map(|frame| Ok(frame::read(frame)?.1.into()));
        filled.store(&plan, payloads.collect::<Result<_>>()?)?;
    }
    let sealed = filled.seal()?;
    ensure!(
        sealed.rows == (PROBES * SECONDS * ECHOES) as u64,
        "{} rows were sealed",
        sealed.rows
    );
    let how = format!(
        "{PROBES} probes with 50 peers over both families, {SECONDS} batches of a second each: {} echoes as of the figures wire",
        sealed.rows
    );
    Ok(vec![
        Measured {
            name: "store.bytes_per_echo".into(),
            value: sealed.bytes_per_row(),
            unit: "B",
            how: format!("bytes of the segments; {how}"),
            bound: Some(Bound::AtMost(BYTES_PER_ECHO_MAX)),
        },
        Measured {
            name: "store.seal_rows_per_cpu_second".into(),
            value: sealed.rows as f64 / sealed.cpu_seconds,
            unit: "rows/s",
            how: format!("log to segments on a disk, fsync included, processor time of the thread; {how}"),
            bound: Some(Bound::AtLeast(SEAL_ROWS_PER_CPU_SECOND_MIN)),
        },
    ])
}

fn endpoint() -> Result<Vec<Measured>> {
    let filled = Filled::new()?;
    for probe in 1..=endpoints::PROBES {
        let (plan, payloads) = endpoints::of_probe(ProbeId(probe), filled.start, endpoints::HOURS)?;
        filled.store(&plan, payloads)?;
    }
    let sealed = filled.seal()?;
    Ok(vec![Measured {
        name: "store.bytes_per_endpoint".into(),
        value: sealed.bytes_per_row(),
        unit: "B",
        how: format!(
            "bytes of the segments; {} of ten probes and nine nodes in six hours: connect every 10 s, status, HEAD and GET within the nodes' budgets, one run in fifty failed",
            sealed.rows
        ),
        bound: Some(Bound::AtMost(BYTES_PER_ENDPOINT_MAX)),
    }])
}

/// What is left of each row in the database, once it is in a segment and its batch's digest is gone.
fn database() -> Result<Vec<Measured>> {
    let filled = Filled::new()?;
    let empty = filled.store.database_bytes()?;
    let mut batches = 0;
    for probe in 1..=endpoints::PROBES {
        let (plan, payloads) = endpoints::by_seconds(ProbeId(probe), filled.start, DATABASE_HOURS)?;
        batches += payloads.len();
        filled.store(&plan, payloads)?;
    }
    let sealed = filled.seal()?;
    let per_row = |filled: &Filled| -> Result<f64> {
        let bytes = filled.store.database_bytes()?.saturating_sub(empty);
        Ok(bytes as f64 / sealed.rows as f64)
    };
    let at_first = per_row(&filled)?;
    let later = filled.start.plus(Duration::from_secs(5 * 86_400));
    while filled.store.retain(later)?.is_some() {}
    Ok(vec![Measured {
        name: "store.database_bytes_per_endpoint".into(),
        value: per_row(&filled)?,
        unit: "B",
        how: format!(
            "bytes of the database beside the segments, from the fourth day on until the measurements go ({at_first:.1} B before); {} rows in {batches} batches of a second, of ten probes and nine nodes in {DATABASE_HOURS} hours",
            sealed.rows
        ),
        bound: None,
    }])
}

/// A store on a disk.
pub struct Filled {
    folder: TempDir,
    /// It.
    pub store: Store,
    pub(super) start: UnixMillis,
}

/// A batch as it comes: whose it is, and when.
pub(super) type Coming = (ProbeId, Bytes, UnixMillis);

/// What became of it.
struct SealedRows {
    rows: u64,
    bytes: u64,
    cpu_seconds: f64,
}

impl SealedRows {
    fn bytes_per_row(&self) -> f64 {
        self.bytes as f64 / self.rows as f64
    }
}

impl Filled {
    /// From one o'clock of yesterday on.
    fn new() -> Result<Self> {
        let day = Clock::system().wall().0 / DAY_MS - 1;
        Self::from(UnixMillis(day * DAY_MS + 3_600_000))
    }

    /// An empty one, for what begins at `start`.
    pub(super) fn from(start: UnixMillis) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("figures-")
            .tempdir_in(folder()?)?;
        let store = Store::open(&folder.path().join("store.redb"), StoreOptions::default())?;
        Ok(Self { folder, store, start })
    }

    /// Closes the store and opens it again; how long opening took.
    pub(super) fn open_again(self) -> Result<(Self, Duration)> {
        let Self { folder, store, start } = self;
        drop(store);
        let began = unpaused();
        let store = Store::open(&folder.path().join("store.redb"), StoreOptions::default())?;
        Ok((Self { folder, store, start }, began.elapsed()))
    }

    /// Keeps a plan, whose batches are to come.
    pub(super) fn keep(&self, plan: &Plan) -> Result<()> {
        keep_plan(&self.store, plan)
    }

    fn store(&self, plan: &Plan, payloads: Vec<Bytes>) -> Result<()> {
        keep(&self.store, plan, payloads)
    }

    /// Stores batches in the order in which they come.
    pub(super) fn store_all(&self, coming: &[Coming]) -> Result<()> {
        store_all(&self.store, coming)
    }

    /// Seals whatever is old enough at `now`; how many rows that were.
    pub(super) fn seal_all(&self, now: UnixMillis) -> Result<u64> {
        let mut rows = 0;
        while let Some(sealed) = self.store.seal(now)? {
            rows += sealed.measurements;
        }
        Ok(rows)
    }

    /// Compacts what can be at `now`.
    pub(super) fn compact_all(&self, now: UnixMillis) -> Result<()> {
        while self.store.compact(now)?.is_some() {}
        Ok(())
    }

    fn seal(&self) -> Result<SealedRows> {
        let later = self.start.plus(Duration::from_secs(86_400));
        let started = thread_ns()?;
        let rows = self.seal_all(later)?;
        let cpu_seconds = (thread_ns()? - started) as f64 / 1e9;
        self.compact_all(later.plus(Duration::from_secs(86_400)))?;
        Ok(SealedRows {
            rows,
            bytes: self.store.segment_bytes(),
            cpu_seconds,
        })
    }
}

/// Stores a probe's batches as if each had come when its cut was.
pub(super) fn keep(store: &Store, plan: &Plan, payloads: Vec<Bytes>) -> Result<()> {
    keep_plan(store, plan)?;
    let coming = payloads.into_iter().map(|payload| {
        let cut = codec::decode_batch(&payload)?.header.cut;
        Ok((plan.probe, payload, cut))
    });
    store_all(store, &coming.collect::<Result<Vec<Coming>>>()?)
}

fn keep_plan(store: &Store, plan: &Plan) -> Result<()> {
    let signed = SignedPlan {
        plan: codec::encode_plan(plan),
        signature: vec![0; 64],
    };
    Ok(store.put_plan(&signed, plan)?)
}

fn store_all(store: &Store, coming: &[Coming]) -> Result<()> {
    let (live, receiver) = mpsc::channel(1);
    drop(receiver); // nobody watches
    let (ingest, committer) = Ingest::start(store.clone(), live, IngestOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        for some in coming.chunks(AT_ONCE) {
            let mut waiting = Vec::with_capacity(some.len());
            for (probe, payload, received) in some {
                let incoming = Incoming::batch(*probe, payload.clone(), *received)?;
                waiting.push(ingest.submit(incoming).await);
            }
            for ingested in join_all(waiting).await {
                ensure!(matches!(ingested, Ingested::Stored { .. }), "{ingested:?}");
            }
        }
        Ok(())
    })?;
    drop(ingest);
    committer.join().ok().context("the committer ended in a panic")
}
