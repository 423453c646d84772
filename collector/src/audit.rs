//! The audit log: every act that changes who is in, with time, who and what.
//!
//! An entry is written in the transaction of the act itself, so neither exists without the other.

use std::fmt;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// Who, as text: see [`Actor`].
    pub who: String,
    /// What kind of act: `invite`, `join`, `revoke`, …
    pub act: String,
    /// In words.
    pub what: String,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user of this machine, at the command line.
    Local {
        /// Account name.
        user: String,
    },
    /// A probe, over its connection.
    Probe {
        /// Which.
        probe: ProbeId,
    },
    /// The collector, by one of its own rules.
    Collector,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { user } => write!(f, "local user {user}"),
            Self::Probe { probe } => write!(f, "probe {probe}"),
            Self::Collector => f.write_str("collector"),
        }
    }
}

impl AuditEntry {
    /// An entry.
    #[must_use]
    pub fn new(at: UnixMillis, who: &Actor, act: &str, what: String) -> Self {
        Self {
            at,
            who: who.to_string(),
            act: act.to_owned(),
            what,
        }
    }

    /// Its key in the store: ordered by time, `place` telling acts of one millisecond apart.
    #[must_use]
    pub(crate) fn key(&self, place: u32) -> String {
        format!("{:016}-{place:06}", self.at.0)
    }
}
