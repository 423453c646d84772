//! Counts many times fast.

use super::LogHistogram;
use super::scale::{LAST_BUCKET, SCALE, Scale};

const LONGEST_US: u32 = 100_000_000;

/// Counts times in whole microseconds, in a table of all buckets: worth it where there are many of them.
#[derive(Debug)]
pub struct Counter {
    scale: &'static Scale,
    counts: Vec<u32>,
    /// The lowest and highest bucket that holds any; the other way round while none does.
    buckets: (u16, u16),
    times_us: (u32, u32),
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// One that counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            scale: &SCALE,
            counts: vec![0; usize::from(LAST_BUCKET) + 1],
            buckets: (LAST_BUCKET, 0),
            times_us: (LONGEST_US, 1),
        }
    }

    /// Counts a time of `us` microseconds, as [`LogHistogram::record_us`] does.
    pub fn record(&mut self, us: u32) {
        let us = us.clamp(1, LONGEST_US);
        let bucket = self.scale.bucket(us);
        self.counts[usize::from(bucket)] += 1;
        self.buckets = (self.buckets.0.min(bucket), self.buckets.1.max(bucket));
        self.times_us = (self.times_us.0.min(us), self.times_us.1.max(us));
    }

    /// What was counted; it begins anew.
    pub fn take(&mut self) -> LogHistogram {
        let (first, last) = self.buckets;
        if first > last {
            return LogHistogram::new();
        }
        let counts = &mut self.counts[usize::from(first)..=usize::from(last)];
        let held = counts.iter_mut().zip(first..).filter(|(count, _)| **count > 0);
        let buckets = held
            .map(|(count, bucket)| (bucket, u64::from(std::mem::take(count))))
            .collect();
        let (min_us, max_us) = self.times_us;
        (self.buckets, self.times_us) = ((LAST_BUCKET, 0), (LONGEST_US, 1));
        LogHistogram {
            buckets,
            min_ns: u64::from(min_us) * 1_000,
            max_ns: u64::from(max_us) * 1_000,
        }
    }
}
