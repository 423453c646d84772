//! What measurements add up to, as lines of text.

use isochrone_base::words::rfc3339;
use isochrone_coverage::histogram::LogHistogram;
use serde::Serialize;
use std::collections::BTreeMap;

use super::{Lines, Outlet, TextFormat, go_on};
use crate::{Rollup, RollupRange, Store, StoreError, Timing};

/// Writes the rollups in `range` to `out` and returns how many. `progress` gets the instant of each period, in
/// milliseconds.
///
/// # Errors
/// When the store failed, or `out` did ([`StoreError::Reader`]).
pub fn rollups(
    store: &Store,
    (format, range): (TextFormat, &RollupRange),
    out: &mut impl Outlet,
    mut progress: impl FnMut(u64),
) -> Result<u64, StoreError> {
    let mut lines = Lines::begin(format, &COLUMNS, out).map_err(StoreError::Reader)?;
    let (mut written, mut after) = (0, None);
    let tier = range.period.tier().word();
    loop {
        let mut handed_on = Ok(true);
        store.rolled_after(range, after, |rollup| {
            after = Some(rollup.key());
            handed_on = lines
                .write(&Line::of(&rollup, (store.source(), tier)))
                .and_then(|()| {
                    written += 1;
                    progress(rollup.start.0);
                    lines.out.hand_on()
                });
            go_on(&handed_on)
        })?;
        if lines.wait(handed_on)? {
            return Ok(written);
        }
    }
}

/// Its names and their meaning.
const SCHEMA: &str = "isochrone.rollups/1";

/// The columns of a rollup: the keys of its line of JSON, but for a throughput's `range`, which lines and Parquet alone
/// have. What was not measured is empty.
const COLUMNS: [&str; 51] = [
    "source",
    "tier",
    "probe",
    "probe_id",
    "kind",
    "target",
    "target_id",
    "start",
    "cache",
    "suspect",
    "planned",
    "run",
    "skipped",
    "ok",
    "losses",
    "rtt_count",
    "rtt_min_us",
    "rtt_max_us",
    "rtt_p50_us",
    "rtt_p90_us",
    "rtt_p99_us",
    "rtt_buckets",
    "resolve_count",
    "resolve_min_us",
    "resolve_max_us",
    "resolve_p50_us",
    "resolve_p90_us",
    "resolve_p99_us",
    "resolve_buckets",
    "connect_count",
    "connect_min_us",
    "connect_max_us",
    "connect_p50_us",
    "connect_p90_us",
    "connect_p99_us",
    "connect_buckets",
    "tls_count",
    "tls_min_us",
    "tls_max_us",
    "tls_p50_us",
    "tls_p90_us",
    "tls_p99_us",
    "tls_buckets",
    "first_byte_count",
    "first_byte_min_us",
    "first_byte_max_us",
    "first_byte_p50_us",
    "first_byte_p90_us",
    "first_byte_p99_us",
    "first_byte_buckets",
    "schema",
];

/// One rollup: what it is of first, then what it adds up to. Times that were not measured have no keys.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    source: &'static str,
    tier: &'static str,
    probe: &'a str,
    probe_id: String,
    kind: String,
    target: &'a str,
    target_id: String,
    start: String,
    cache: &'static str,
    suspect: bool,
    planned: u64,
    run: u64,
    skipped: u64,
    ok: u64,
    losses: BTreeMap<String, u64>,
    #[serde(flatten)]
    times: BTreeMap<String, serde_json::Value>,
}

impl<'a> Line<'a> {
    fn of(rollup: &'a Rollup, (source, tier): (&'static str, &'static str)) -> Self {
        let sums = &rollup.sums;
        let mut times = BTreeMap::new();
        for timing in Timing::ALL {
            add_times(&mut times, timing.word(), sums.times(timing));
        }
        Self {
            schema: SCHEMA,
            source,
            tier,
            probe: &rollup.probe_name,
            probe_id: rollup.probe.to_string(),
            kind: rollup.kind.to_string(),
            target: &rollup.target_name,
            target_id: rollup.target.to_string(),
            start: rfc3339(rollup.start),
            cache: rollup.cache.word(),
            suspect: rollup.suspect,
            planned: sums.planned(),
            run: sums.run,
            skipped: sums.skipped,
            ok: sums.ok,
            losses: sums
                .losses
                .iter()
                .map(|(loss, count)| (loss.to_string(), *count))
                .collect(),
            times,
        }
    }
}

fn add_times(times: &mut BTreeMap<String, serde_json::Value>, name: &str, measured: &LogHistogram) {
    if measured.is_empty() {
        return;
    }
    let mut add = |what: &str, value: serde_json::Value| times.insert(format!("{name}_{what}"), value);
    add("count", measured.count().into());
    add("min_us", measured.min_us().into());
    add("max_us", measured.max_us().into());
    for (what, quantile) in [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99)] {
        add(what, measured.quantile_us(quantile).into());
    }
    let buckets = measured
        .buckets()
        .iter()
        .map(|(bucket, count)| vec![u64::from(*bucket), *count]);
    add("buckets", buckets.collect::<Vec<_>>().into());
}
