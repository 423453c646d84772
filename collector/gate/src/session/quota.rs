//! How much a probe may send in a while, whatever it sends.

use std::time::Duration;

use tokio::time::Instant;

/// Batches a second that one stream may bring; beyond, reading pauses and QUIC holds the sender back.
const BATCHES: Rate = Rate {
    per_minute: 60 * 5_000,
    burst: 20_000,
};
/// Bytes a second, on the wire.
const BYTES: Rate = Rate {
    per_minute: 60 * 32 * 1024 * 1024,
    burst: 64 * 1024 * 1024,
};
/// Control messages; a probe that sends more is broken, and disconnected.
const MESSAGES: Rate = Rate {
    per_minute: 60 * 10,
    burst: 300,
};
/// Greetings of one probe, on any number of connections: each is written down. A probe whose line flaps comes back after
/// pauses that grow.
const GREETINGS: Rate = Rate {
    per_minute: 20,
    burst: 60,
};

#[derive(Clone, Copy, Debug)]
struct Rate {
    per_minute: u64,
    burst: u64,
}

/// What a token is made of: a rate of one a minute adds so much in so many milliseconds.
const TOKEN: u64 = 60_000;

/// A token bucket; time is an argument.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// Tokens, each of [`TOKEN`].
    filled: u64,
    at: Instant,
}

impl Bucket {
    pub(super) fn batches(now: Instant) -> Self {
        Self::new(BATCHES, now)
    }

    pub(super) fn bytes(now: Instant) -> Self {
        Self::new(BYTES, now)
    }

    pub(super) fn greetings(now: Instant) -> Self {
        Self::new(GREETINGS, now)
    }

    pub(super) fn messages(now: Instant) -> Self {
        Self::new(MESSAGES, now)
    }

    fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            filled: rate.burst * TOKEN,
            at: now,
        }
    }

    /// Takes `amount`; else says how long to wait until it can be taken.
    pub(super) fn take(&mut self, amount: usize, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at);
        let refill = u64::try_from(passed.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(self.rate.per_minute);
        if refill > 0 {
            self.filled = self.filled.saturating_add(refill).min(self.rate.burst * TOKEN);
            self.at = now;
        }
        let wanted = (amount as u64).min(self.rate.burst) * TOKEN;
        if self.filled >= wanted {
            self.filled -= wanted;
            return Ok(());
        }
        let missing = wanted - self.filled;
        Err(Duration::from_millis(missing.div_ceil(self.rate.per_minute)))
    }
}
