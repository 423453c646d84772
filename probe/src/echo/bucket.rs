//! Token bucket: so many at once, so many a second, with time as an argument.

use std::time::{Duration, Instant};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// `per_second` in the long run, `burst` at once. Both are at least 1.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self {
            interval: Duration::from_nanos(1_000_000_000 / per_second as u64),
            burst: if burst == 0 { 1 } else { burst },
        }
    }

    /// What a full bucket holds beyond its first token, as time.
    fn tolerance(&self) -> Duration {
        self.interval.saturating_mul(self.burst - 1)
    }
}

/// The bucket, as the instant at which it will be full again (generic cell rate algorithm).
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_at: None }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        if full_at.duration_since(now) > self.rate.tolerance() {
            return false;
        }
        self.full_at = Some(full_at + self.rate.interval);
        true
    }

    /// Takes the next token, and says when it is there: now, or later.
    pub(crate) fn reserve(&mut self, now: Instant) -> Instant {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(full_at + self.rate.interval);
        now + full_at.duration_since(now).saturating_sub(self.rate.tolerance())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamp::monotonic_now;
    use super::*;
    use proptest::prelude::*;

    /// Counts nanotokens in whole numbers: nothing shared with the bucket.
    fn oracle(rate: Rate, steps_ns: &[u64]) -> Vec<bool> {
        let interval = rate.interval.as_nanos();
        let full = interval * u128::from(rate.burst);
        let mut level = full;
        let mut admitted = Vec::new();
        for &step in steps_ns {
            level = (level + u128::from(step)).min(full);
            let taken = level >= interval;
            if taken {
                level -= interval;
            }
            admitted.push(taken);
        }
        admitted
    }

    proptest! {
        #[test]
        fn bucket_agrees_with_counting_tokens(
            per_second in 1u32..1_000, burst in 1u32..20,
            steps_ns in prop::collection::vec(0u64..100_000_000, 1..200),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut bucket = TokenBucket::new(rate);
            let mut now = monotonic_now();
            let mut admitted = Vec::new();
            for step in &steps_ns {
                now += Duration::from_nanos(*step);
                admitted.push(bucket.take(now));
            }
            prop_assert_eq!(admitted, oracle(rate, &steps_ns));
        }

        /// Whoever waits as told is never faster than the rate in any window, and never waits without need.
        #[test]
        fn reserved_instants_keep_the_rate(
            per_second in 1u32..1_000, burst in 1u32..20,
            steps_ns in prop::collection::vec(0u64..5_000_000, 1..100),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut bucket = TokenBucket::new(rate);
            let mut now = monotonic_now();
            let mut granted: Vec<Instant> = Vec::new();
            for step in steps_ns {
                now += Duration::from_nanos(step);
                let at = bucket.reserve(now);
                prop_assert!(at >= now);
                if granted.len() < burst as usize {
                    prop_assert_eq!(at, now, "a full bucket makes nobody wait");
                }
                granted.push(at);
            }
            for (first, last) in (0..granted.len()).flat_map(|i| (i..granted.len()).map(move |j| (i, j))) {
                let window = granted[last].duration_since(granted[first]);
                let most = u128::from(burst) + window.as_nanos() / rate.interval.as_nanos();
                prop_assert!((last - first + 1) as u128 <= most);
            }
        }
    }

    #[test]
    fn rate_of_zero_is_one_a_second() {
        let mut bucket = TokenBucket::new(Rate::new(0, 0));
        let now = monotonic_now();
        assert!(bucket.take(now));
        assert!(!bucket.take(now + Duration::from_millis(999)));
        assert!(bucket.take(now + Duration::from_secs(1)));
    }
}
