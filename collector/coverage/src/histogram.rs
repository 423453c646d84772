//! A mergeable histogram of times between 1 µs and 100 s: the one histogram of Isochrone.
//!
//! Its buckets are those of OpenTelemetry's exponential histogram of scale 6 over **microseconds**: each upper edge is
//! 2^(1/64) times the one before, bucket `b` here is OpenTelemetry's index `b - 1` and holds times in
//! (2^((b - 1)/64), 2^(b/64)] µs. So it maps without conversion to OTLP, to native histograms of Prometheus and to
//! Elasticsearch's `exponential_histogram`, and a quantile is at most 0.55 % off.

mod bytes;
mod counter;
mod scale;

use serde::{Deserialize, Serialize};

pub use self::counter::Counter;
pub(crate) use self::scale::middle_us;
use self::scale::{LAST_BUCKET, LONGEST_US, SHORTEST_US, bucket_of};

/// Times counted in buckets that grow by 1.1 %, so that any quantile is within 0.55 % of the exact one. Merging two
/// equals recording all their samples in one. A loss is not a sample: count it beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHistogram", into = "RawHistogram")]
pub struct LogHistogram {
    /// (bucket, samples), ascending by bucket, no zeros.
    buckets: Vec<(u16, u64)>,
    /// The shortest and longest time to the nanosecond; meaningless while `buckets` is empty.
    min_ns: u64,
    max_ns: u64,
}

impl LogHistogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one round-trip time of `us` microseconds.
    ///
    /// Returns `false`, and counts nothing, if `us` is not a finite number or is negative.
    #[must_use = "a time that is no number is not counted"]
    pub fn record_us(&mut self, us: f64) -> bool {
        if !us.is_finite() || us < 0.0 {
            return false;
        }
        let us = us.clamp(SHORTEST_US, LONGEST_US);
        let ns = (us * 1e3).round() as u64;
        (self.min_ns, self.max_ns) = match self.is_empty() {
            true => (ns, ns),
            false => (self.min_ns.min(ns), self.max_ns.max(ns)),
        };
        self.add(bucket_of(us), 1);
        true
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        for &(bucket, count) in &other.buckets {
            self.add(bucket, count);
        }
    }

    /// How many samples were counted.
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// Whether no sample was counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The shortest time in microseconds, to the nanosecond.
    pub fn min_us(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.min_ns as f64 / 1e3)
    }

    /// The longest time in microseconds, to the nanosecond.
    pub fn max_us(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.max_ns as f64 / 1e3)
    }

    /// The `q` quantile (0…1) in microseconds by nearest rank, within 0.55 % of the exact one.
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let (rank, mut seen) = (rank(q, count), 0);
        let (min_us, max_us) = (self.min_ns as f64 / 1e3, self.max_ns as f64 / 1e3);
        for &(bucket, samples) in &self.buckets {
            seen += samples;
            if seen >= rank {
                return Some(middle_us(bucket).clamp(min_us, max_us));
            }
        }
        Some(max_us)
    }

    /// The buckets that hold samples, ascending: (bucket, samples). Bucket `b` is index `b - 1` of OpenTelemetry's scale 6
    /// over microseconds.
    pub fn buckets(&self) -> &[(u16, u64)] {
        &self.buckets
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }
}

/// The sample that a quantile names: the smallest rank (from 1) that leaves a share `q` at or below it.
pub(crate) fn rank(q: f64, count: u64) -> u64 {
    ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1))
}

/// A histogram as stored; checked when read.
#[derive(Serialize, Deserialize)]
struct RawHistogram {
    buckets: Vec<(u16, u64)>,
    min_ns: u64,
    max_ns: u64,
}

impl From<LogHistogram> for RawHistogram {
    fn from(histogram: LogHistogram) -> Self {
        Self {
            buckets: histogram.buckets,
            min_ns: histogram.min_ns,
            max_ns: histogram.max_ns,
        }
    }
}

/// Why a stored histogram is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// The buckets repeat, run backwards, lie beyond the last one, or hold no sample.
    #[error("histogram buckets are out of order, out of range or empty")]
    Buckets,
    /// The shortest and longest time do not lie in the first and last bucket.
    #[error("the histogram's shortest or longest time does not lie in its first or last bucket")]
    Extremes,
    /// The bytes are not those that a histogram is written as.
    #[error("the histogram's bytes are cut off, go on too long, or are of another version")]
    Bytes,
}

impl TryFrom<RawHistogram> for LogHistogram {
    type Error = HistogramError;

    fn try_from(raw: RawHistogram) -> Result<Self, Self::Error> {
        let ordered = raw.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !ordered
            || raw
                .buckets
                .iter()
                .any(|&(bucket, count)| bucket > LAST_BUCKET || count == 0)
        {
            return Err(HistogramError::Buckets);
        }
        if let (Some(first), Some(last)) = (raw.buckets.first(), raw.buckets.last()) {
            let held = |ns: u64, bucket: u16| {
                let us = ns as f64 / 1e3;
                (SHORTEST_US..=LONGEST_US).contains(&us) && bucket_of(us).abs_diff(bucket) <= 1
            };
            if !held(raw.min_ns, first.0) || !held(raw.max_ns, last.0) || raw.min_ns > raw.max_ns {
                return Err(HistogramError::Extremes);
            }
        }
        Ok(Self {
            buckets: raw.buckets,
            min_ns: raw.min_ns,
            max_ns: raw.max_ns,
        })
    }
}

#[cfg(test)]
mod tests;
