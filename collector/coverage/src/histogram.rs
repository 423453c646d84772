//! A mergeable histogram of round-trip times: 1 % error between 1 µs and 100 s.

use serde::{Deserialize, Serialize};

/// Relative error of a quantile.
const ERROR: f64 = 0.01;
/// Each bucket's upper edge is this many times its lower edge.
const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);
/// Shortest and longest time told apart, in microseconds; what lies beyond counts as the nearer edge.
const SHORTEST_US: f64 = 1.0;
const LONGEST_US: f64 = 100e6;
/// Index of the bucket that holds `LONGEST_US`.
const LAST_BUCKET: u16 = 922;

/// Round-trip times counted in buckets that grow by 2 %, so that any quantile is within 1 % of the
/// exact one. Merging two equals recording all their samples in one. A loss is not a sample: count it beside.
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
    #[cfg(test)]
    pub(crate) fn max_us(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.max_ns as f64 / 1e3)
    }

    /// The `q` quantile (0…1) in microseconds by nearest rank, within 1 % of the exact one.
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

    /// The buckets that hold samples, ascending: (bucket, samples).
    pub(crate) fn buckets(&self) -> &[(u16, u64)] {
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

/// The time in a bucket that is within 1 % of every time in it.
pub(crate) fn middle_us(bucket: u16) -> f64 {
    SHORTEST_US * GROWTH.powi(i32::from(bucket)) * 2.0 / (GROWTH + 1.0)
}

fn bucket_of(us: f64) -> u16 {
    let bucket = ((us / SHORTEST_US).ln() / GROWTH.ln()).ceil();
    (bucket.max(0.0) as u16).min(LAST_BUCKET)
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
pub(crate) enum HistogramError {
    /// The buckets repeat, run backwards, lie beyond the last one, or hold no sample.
    #[error("histogram buckets are out of order, out of range or empty")]
    Buckets,
    /// The shortest and longest time do not lie in the first and last bucket.
    #[error("the histogram's shortest or longest time does not lie in its first or last bucket")]
    Extremes,
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(samples: &[f64]) -> LogHistogram {
        let mut histogram = LogHistogram::new();
        for &us in samples {
            assert!(histogram.record_us(us));
        }
        histogram
    }

    #[test]
    fn last_bucket_is_the_one_of_the_longest_time() {
        let exact = (LONGEST_US.ln() / GROWTH.ln()).ceil();
        assert_eq!(exact, f64::from(LAST_BUCKET));
    }

    #[test]
    fn empty_histogram_has_no_quantile() {
        let empty = LogHistogram::new();
        assert_eq!(
            (
                empty.count(),
                empty.quantile_us(0.5),
                empty.min_us(),
                empty.max_us()
            ),
            (0, None, None, None)
        );
    }

    #[test]
    fn impossible_times_are_not_counted() {
        let mut histogram = LogHistogram::new();
        for us in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(!histogram.record_us(us));
        }
        assert!(histogram.is_empty());
    }

    #[test]
    fn stored_nonsense_is_refused() {
        for text in [
            r#"{"buckets":[[5,1],[4,1]],"min_ns":1100,"max_ns":1200}"#,
            r#"{"buckets":[[5,0]],"min_ns":1100,"max_ns":1100}"#,
            r#"{"buckets":[[60000,1]],"min_ns":1100,"max_ns":1100}"#,
            r#"{"buckets":[[500,1]],"min_ns":1100,"max_ns":1100}"#,
        ] {
            assert!(serde_json::from_str::<LogHistogram>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent_of_the_sorted_oracle(
            mut samples in prop::collection::vec(1.0..100e6f64, 1..400),
            q in 0.0..=1.0f64,
        ) {
            let histogram = of(&samples);
            samples.sort_by(f64::total_cmp);
            let exact = samples[rank(q, samples.len() as u64) as usize - 1];
            let got = histogram.quantile_us(q).unwrap();
            prop_assert!((got - exact).abs() <= exact * (ERROR + 1e-9), "{got} {exact}");
            prop_assert!((histogram.min_us().unwrap() - samples[0]).abs() <= 0.00051);
            prop_assert!((histogram.max_us().unwrap() - samples[samples.len() - 1]).abs() <= 0.00051);
            prop_assert_eq!(histogram.count(), samples.len() as u64);
        }

        #[test]
        fn merging_equals_recording_all(
            a in prop::collection::vec(0.0..200e6f64, 0..100),
            b in prop::collection::vec(0.0..200e6f64, 0..100),
        ) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&[a.clone(), b.clone()].concat()));
            prop_assert_eq!(&merged, &of(&[b, a].concat()));
            let text = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<LogHistogram>(&text).unwrap(), merged);
        }
    }
}
