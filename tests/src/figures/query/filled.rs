//! Stores as they are after hours of a mesh, and after a week of nine nodes: sealed, and compacted.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use isochrone_base::clock::Clock;
use isochrone_proto::codec;
use isochrone_proto::frame;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;

use crate::figures::ingest::echoes::{self, ECHOES, Stream};
use crate::figures::store::endpoints::{self, BATCH};
use crate::figures::store::{Coming, Filled};

/// Slices that hold a hundred million echoes.
pub(super) const SLICES_100M: u64 = 20;
/// Probes whose echoes are stored, of so many peers.
const PROBES: usize = 20;
const MESH: u64 = 64;
/// What is made and sealed at once.
const SLICE_S: u64 = 2_500;
const DAY_MS: u64 = 86_400_000;
const DAY: Duration = Duration::from_millis(DAY_MS);

/// How many echoes so many slices hold.
pub(in crate::figures) const fn echo_rows(slices: u64) -> u64 {
    slices * SLICE_S * PROBES as u64 * ECHOES as u64
}

/// The first instant after so many slices.
pub(super) fn end(start: UnixMillis, slices: u64) -> UnixMillis {
    start.plus(Duration::from_secs(slices * SLICE_S))
}

/// What 20 probes of a mesh measure in so many seconds, still in the log.
pub(in crate::figures) fn logged_echoes(seconds: usize) -> Result<Filled> {
    let day = Clock::system().wall().0 / DAY_MS - 1;
    let filled = Filled::from(UnixMillis(day * DAY_MS + 3_600_000))?;
    let ids: Vec<ProbeId> = (1..=MESH).map(ProbeId).collect();
    let mut streams = Vec::with_capacity(PROBES);
    for place in 0..PROBES {
        let plan = echoes::plan(place, &ids, filled.start)?;
        filled.keep(&plan)?;
        let stream = Stream::new(place, &plan, filled.start, seconds)?;
        let payloads = stream.frames.iter().map(|frame| Ok(frame::read(frame)?.1.into()));
        streams.push((plan.probe, payloads.collect::<Result<Vec<Bytes>>>()?));
    }
    filled.store_all(&in_turn(&streams, (filled.start, Duration::from_secs(1))))?;
    Ok(filled)
}

/// What 20 probes of a mesh measure, each 50 peers over both families every second. Each slice is an epoch.
pub(in crate::figures) fn echoes(slices: u64) -> Result<Filled> {
    let day = Clock::system().wall().0 / DAY_MS - 1;
    let filled = Filled::from(UnixMillis(day * DAY_MS + 3_600_000))?;
    let ids: Vec<ProbeId> = (1..=MESH).map(ProbeId).collect();
    let plans: Vec<_> = (0..PROBES)
        .map(|place| echoes::plan(place, &ids, filled.start))
        .collect::<Result<_>>()?;
    plans.iter().try_for_each(|plan| filled.keep(plan))?;
    for slice in 0..slices {
        let from = end(filled.start, slice);
        let mut streams = Vec::with_capacity(PROBES);
        for (place, plan) in plans.iter().enumerate() {
            let seed = place + slice as usize * PROBES;
            let stream = Stream::new(seed, plan, from, SLICE_S as usize)?;
            let payloads = stream.frames.iter().map(|frame| Ok(frame::read(frame)?.1.into()));
            streams.push((plan.probe, payloads.collect::<Result<Vec<Bytes>>>()?));
        }
        filled.store_all(&in_turn(&streams, (from, Duration::from_secs(1))))?;
        filled.seal_all(from.plus(DAY))?;
    }
    filled.compact_all(filled.start.plus(3 * DAY))?;
    Ok(filled)
}

/// The batches of several probes as they come: one of each, then the next of each.
fn in_turn(streams: &[(ProbeId, Vec<Bytes>)], (from, every): (UnixMillis, Duration)) -> Vec<Coming> {
    let batches = streams.iter().map(|stream| stream.1.len()).max().unwrap_or(0);
    let mut coming = Vec::with_capacity(batches * streams.len());
    for number in 0..batches {
        let at = from.plus(every * (number as u32 + 1));
        let of_each = streams.iter();
        coming
            .extend(of_each.filter_map(|(probe, batches)| Some((*probe, batches.get(number)?.clone(), at))));
    }
    coming
}

/// The node whose week is asked for.
pub(super) struct AskedNode {
    name: &'static str,
    checks: u64,
}

pub(super) const NODE: AskedNode = AskedNode {
    name: "node-4",
    // a week of connect every 10 s, and of status, HEAD and GET every 100 s
    checks: 7 * 86_400 / 10 + 3 * 7 * 864,
};

impl AskedNode {
    pub(super) fn id(&self) -> TargetId {
        TargetId::of_node(self.name)
    }

    /// By all probes.
    pub(super) fn runs(&self) -> u64 {
        self.checks * endpoints::PROBES
    }
}

/// A week of ten probes and nine nodes, compacted day by day.
pub(super) fn week() -> Result<Filled> {
    let day = Clock::system().wall().0 / DAY_MS - 8;
    let filled = Filled::from(UnixMillis(day * DAY_MS))?;
    let mut streams = Vec::new();
    for probe in (1..=endpoints::PROBES).map(ProbeId) {
        let (plan, batches) = endpoints::of_probe(probe, filled.start, 7 * 24)?;
        filled.keep(&plan)?;
        streams.push((probe, batches));
    }
    let (_, first) = streams.first().context("there are probes")?;
    let cut = codec::decode_batch(&first[0])?.header.cut;
    ensure!(cut == filled.start.plus(BATCH), "batches begin with the week");
    filled.store_all(&in_turn(&streams, (filled.start, BATCH)))?;
    let end = filled.start.plus(8 * DAY);
    filled.seal_all(end)?;
    filled.compact_all(end.plus(DAY))?;
    Ok(filled)
}
