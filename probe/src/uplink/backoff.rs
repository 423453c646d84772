//! How long to wait before the next attempt: longer each time, and never at the same moment as the others.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Doubles from 1 s to 60 s; each wait is random between half of that and all of it.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let most = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST);
        self.attempts += 1;
        rng.random_range(most / 2..=most)
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_differ() {
        let (mut rng, mut backoff) = (StdRng::seed_from_u64(7), Backoff::default());
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next(&mut rng)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(
            waits[8..]
                .iter()
                .all(|wait| *wait <= LONGEST && *wait >= LONGEST / 2)
        );
        assert!(waits[8] != waits[9] && waits[9] != waits[10]);
        backoff.reset();
        assert!(backoff.next(&mut rng) <= FIRST);
    }
}
