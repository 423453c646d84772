//! What came to nothing at the door. Anybody can knock, so only the first few of a minute are lines of the log; of the
//! others their number is.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// They are counted over so long.
pub(super) const COUNTED_OVER: Duration = Duration::from_secs(60);
/// So many of them are told one by one.
const TOLD_MAX: u64 = 8;

/// Handshakes that failed and joins that were refused or broke, of the present minute.
#[derive(Debug, Default)]
pub(super) struct Failures(AtomicU64);

impl Failures {
    /// Says one in the log, or only counts it.
    pub(super) fn add(&self, from: SocketAddr, what: &str, reason: &dyn Display) {
        match self.is_told() {
            true => tracing::warn!(remote = %from, reason = %reason, "{what}"),
            false => tracing::debug!(remote = %from, reason = %reason, "{what}"),
        }
    }

    /// The minute is over: says how many were only counted.
    pub(super) fn begin_anew(&self) {
        let count = self.untold();
        if count > 0 {
            tracing::warn!(
                count,
                "as many more handshakes failed, or joins came to nothing, in the last minute"
            );
        }
    }

    fn is_told(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < TOLD_MAX
    }

    fn untold(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed).saturating_sub(TOLD_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_a_few_lines_and_a_number_each_minute() {
        let failures = Failures::default();
        for _minute in 0..3 {
            let told = (0..1_000).filter(|_| failures.is_told()).count();
            assert_eq!((told, failures.untold()), (8, 992));
        }
        assert_eq!(failures.untold(), 0);
    }
}
