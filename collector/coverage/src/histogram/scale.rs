//! The buckets: which one a time falls into.

use std::sync::LazyLock;

/// Each bucket's upper edge is this many times its lower edge: 2^(1/64).
pub(super) const GROWTH: f64 = 1.010_889_286_051_700_5;
/// Buckets between a time and its double.
const BUCKETS_OF_DOUBLE: usize = 64;
/// Shortest and longest time told apart, in microseconds; what lies beyond counts as the nearer edge.
pub(super) const SHORTEST_US: f64 = 1.0;
pub(super) const LONGEST_US: f64 = 100e6;
/// Index of the bucket that holds `LONGEST_US`.
pub(super) const LAST_BUCKET: u16 = 1_701;

/// The edges, computed once.
pub(super) static SCALE: LazyLock<Scale> = LazyLock::new(Scale::new);

/// The upper edges of all buckets.
#[derive(Debug)]
pub(super) struct Scale {
    edges: Vec<f64>,
    /// The longest time of each bucket in whole microseconds.
    longest: Vec<u32>,
    /// By the six highest bits of a time behind its leading one: the first bucket that can hold it, counted from the
    /// power of two below it.
    first: [u16; BUCKETS_OF_DOUBLE],
}

impl Scale {
    fn new() -> Self {
        let edge = |bucket: u16| (f64::from(bucket) / BUCKETS_OF_DOUBLE as f64).exp2();
        let edges: Vec<f64> = (0..=LAST_BUCKET).map(edge).collect();
        let longest = edges.iter().map(|edge| edge.floor() as u32).collect();
        let mut first = [0; BUCKETS_OF_DOUBLE];
        for (place, first) in first.iter_mut().enumerate() {
            let from = 1.0 + place as f64 / BUCKETS_OF_DOUBLE as f64;
            *first = edges.partition_point(|edge| *edge < from) as u16;
        }
        Self {
            edges,
            longest,
            first,
        }
    }

    /// The bucket of a time in whole microseconds, between 1 and 100 s.
    pub(super) fn bucket(&self, us: u32) -> u16 {
        let power = us.ilog2();
        let behind = (us << (31 - power) >> 25) as usize % BUCKETS_OF_DOUBLE;
        let mut bucket = power as u16 * BUCKETS_OF_DOUBLE as u16 + self.first[behind];
        while bucket < LAST_BUCKET && self.longest[usize::from(bucket)] < us {
            bucket += 1;
        }
        bucket.min(LAST_BUCKET)
    }
}

/// The time in a bucket that is within 0.55 % of every time in it.
pub(crate) fn middle_us(bucket: u16) -> f64 {
    let edge = SCALE.edges.get(usize::from(bucket)).copied();
    edge.unwrap_or(LONGEST_US) * 2.0 / (GROWTH + 1.0)
}

/// The bucket of a time in microseconds: the first whose upper edge it does not pass.
pub(super) fn bucket_of(us: f64) -> u16 {
    let bucket = SCALE.edges.partition_point(|edge| *edge < us);
    (bucket as u16).min(LAST_BUCKET)
}
