//! What an hour adds up to, as a document: counts, and of each time its percentiles and its histogram.

use std::ops::{ControlFlow, Range};

use data_encoding::BASE64;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::ids::TargetId;
use isochrone_proto::measurement::CacheState;
use isochrone_proto::units::Hour;
use isochrone_store::{Period, Rollup, RollupRange, Store, StoreError, Timing};
use serde_json::{Map, Value, json};

use crate::document::{Document, DocumentId};
use crate::index::{Family, Histograms, Names};

/// Gives each rollup of these hours, of the log as well as of segments.
pub(super) fn each(
    store: &Store,
    hours: Range<Hour>,
    mut take: impl FnMut(&Rollup),
) -> Result<(), StoreError> {
    let range = RollupRange::of(Period::Hour, hours.start.start(), hours.end.start());
    store.rolled(&range, |rollup| {
        take(&rollup);
        ControlFlow::Continue(())
    })
}

pub(super) fn document(rollup: &Rollup, names: &Names, histograms: Histograms) -> Document {
    let sums = &rollup.sums;
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("probe", rollup.probe_name.as_ref().into());
    add("probe_id", rollup.probe.to_string().into());
    add("kind", rollup.kind.to_string().into());
    add("target", rollup.target_name.as_ref().into());
    add("target_id", rollup.target.to_string().into());
    if rollup.target == TargetId::of_candidate(&rollup.target_name) {
        add("candidate", true.into());
    }
    add("start", rollup.start.0.into());
    if rollup.cache != CacheState::Absent {
        add("cache", rollup.cache.word().into());
    }
    if rollup.suspect {
        add("suspect", true.into());
    }
    add("planned", sums.planned().into());
    add("run", sums.run.into());
    add("skipped", sums.skipped.into());
    add("ok", sums.ok.into());
    if !sums.losses.is_empty() {
        let losses = sums.losses.iter();
        let losses: Map<String, Value> = losses
            .map(|(loss, count)| (loss.to_string(), (*count).into()))
            .collect();
        add("losses", losses.into());
    }
    for timing in Timing::ALL {
        let (name, times) = (timing.word(), sums.times(timing));
        if times.is_empty() {
            continue;
        }
        for (what, value) in [
            ("min", times.min_us()),
            ("max", times.max_us()),
            ("p50", times.quantile_us(0.5)),
            ("p90", times.quantile_us(0.9)),
            ("p99", times.quantile_us(0.99)),
        ] {
            add(&format!("{name}_{what}_us"), value.into());
        }
        add(&format!("{name}_count"), times.count().into());
        add(&histograms.field(name), histogram(times, histograms));
    }
    Document {
        id: id(rollup),
        index: names.index(Family::Rollup, rollup.start).into(),
        source: Value::Object(fields).to_string().into_bytes(),
        version: None,
    }
}

fn id(rollup: &Rollup) -> DocumentId {
    let kind = rollup.kind.to_string();
    let parts: [&[u8]; 6] = [
        &rollup.probe.0.to_be_bytes(),
        &rollup.target.0.to_be_bytes(),
        &rollup.start.0.to_be_bytes(),
        kind.as_bytes(),
        rollup.cache.word().as_bytes(),
        &[u8::from(rollup.suspect)],
    ];
    DocumentId::of_parts(DOMAIN, &parts)
}

/// Microseconds, in the form that an index of this cluster takes.
fn histogram(times: &LogHistogram, form: Histograms) -> Value {
    let buckets = times.buckets();
    let counts: Vec<u64> = buckets.iter().map(|(_, count)| *count).collect();
    match form {
        Histograms::Exponential => {
            // ours begin at 1 µs with bucket 1: index 0 of scale 6
            let indices: Vec<i32> = buckets.iter().map(|(bucket, _)| i32::from(*bucket) - 1).collect();
            json!({
                "scale": SCALE,
                "min": times.min_us(),
                "max": times.max_us(),
                "positive": { "indices": indices, "counts": counts },
            })
        }
        Histograms::Plain => {
            let middle = |bucket: u16| ((f64::from(bucket) - 0.5) / BUCKETS_PER_DOUBLING).exp2();
            let values: Vec<f64> = buckets.iter().map(|(bucket, _)| middle(*bucket)).collect();
            json!({ "values": values, "counts": counts })
        }
        Histograms::Bytes => BASE64.encode(&bytes(buckets)).into(),
    }
}

/// Bucket and count of each, ascending, as LEB128; a bucket as its distance to the one before.
fn bytes(buckets: &[(u16, u64)]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::new(), 0);
    let mut write = |mut number: u64| {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    };
    for (bucket, count) in buckets {
        write(u64::from(bucket - before));
        write(*count);
        before = *bucket;
    }
    bytes
}

const DOMAIN: &[u8] = b"isochrone rollup document 1";
/// OpenTelemetry's: the base of our buckets is 2^(1/64).
const SCALE: i32 = 6;
const BUCKETS_PER_DOUBLING: f64 = 64.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn times(us: &[f64]) -> LogHistogram {
        let mut times = LogHistogram::new();
        us.iter().for_each(|us| assert!(times.record_us(*us)));
        times
    }

    #[test]
    fn histogram_says_the_same_in_each_form() {
        let times = times(&[1_000.0, 1_000.0, 20_000.0]);
        let exponential = histogram(&times, Histograms::Exponential);
        assert_eq!(exponential["positive"]["counts"], json!([2, 1]));
        let bound = |index: &Value| (index.as_f64().unwrap() / 64.0).exp2();
        let low = bound(&exponential["positive"]["indices"][0]);
        // a bucket of scale 6 holds (base^index, base^(index + 1)]
        assert!(low < 1_000.0 && 1_000.0 <= low * (1.0_f64 / 64.0).exp2(), "{low}");
        let plain = histogram(&times, Histograms::Plain);
        let value = plain["values"][1].as_f64().unwrap();
        assert!((value / 20_000.0 - 1.0).abs() < 0.006, "{value}");
        let bytes = histogram(&times, Histograms::Bytes);
        let bytes = BASE64.decode(bytes.as_str().unwrap().as_bytes()).unwrap();
        let bucket = exponential["positive"]["indices"][0].as_u64().unwrap() + 1;
        assert_eq!(bytes[..3], [bucket as u8 | 0x80, (bucket >> 7) as u8, 2]);
    }
}
