//! How often things are measured, what a node's checks may cost it, and how long a plan lives.

use std::time::Duration;

use isochrone_proto::limits::THROUGHPUT_BYTES;

/// How often things are measured, and how long a plan lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two echoes of a pair.
    pub echo_interval: Duration,
    /// Between two connect checks of a node by one vantage, where `targets.toml` names no other.
    pub connect_interval: Duration,
    /// What all probes together may ask of one node.
    pub budget: Budget,
    /// How long a probe goes on without hearing from the collector.
    pub plan_lifetime: Duration,
}

/// Most that all probes together ask of one node: calls a minute, each at least 1, and bytes a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its status, or the page of a plain web server. Each call costs an Argus node's indexer two queries and a
    /// chain subscription.
    pub status: u32,
    /// Its asset: HEAD and GET, over every family.
    pub asset: u32,
    /// TCP connections that are opened and closed again.
    pub connect: u32,
    /// Bytes a day that are fetched of its asset to see how fast it sends; 0: that is not measured. Otherwise at least
    /// `Budget::THROUGHPUT_MIN`.
    pub throughput: u64,
}

impl Budget {
    /// The smallest budget of throughput that lets a vantage have its turn once a day, over both families.
    pub const THROUGHPUT_MIN: u64 = 2 * THROUGHPUT_BYTES as u64;
    /// The largest: 64 GiB, a fifth of what a server of 10 TB a month can send.
    pub const THROUGHPUT_MAX: u64 = 64 << 30;
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            echo_interval: Duration::from_secs(10),
            connect_interval: Duration::from_secs(10),
            budget: Budget::default(),
            plan_lifetime: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            status: 6,
            asset: 12,
            connect: 120,
            throughput: 0,
        }
    }
}

/// In whole milliseconds, as schedules count.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
