//! How often things are measured, and how long a plan lives.

use std::time::Duration;

/// How often things are measured, and how long a plan lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two echoes of a pair.
    pub echo_interval: Duration,
    /// Between two status checks of a node, where `targets.toml` names no other.
    pub status_interval: Duration,
    /// Between two asset checks of a node.
    pub asset_interval: Duration,
    /// How long a probe goes on without hearing from the collector.
    pub plan_lifetime: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            echo_interval: Duration::from_secs(10),
            status_interval: Duration::from_secs(10),
            asset_interval: Duration::from_secs(60),
            plan_lifetime: Duration::from_secs(7 * 86_400),
        }
    }
}
