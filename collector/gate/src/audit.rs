//! The audit log: every action that changes who is in or what is measured, with time, who and what.
//!
//! What changes the registry is logged in the transaction of the change, so neither exists without the other.
//! `targets.toml` is a file, and the file is the truth: it is logged right after it was taken up, and whoever
//! edits it by command hears if that fails.

use std::fmt;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// Who, as text: see [`Actor`].
    pub who: String,
    /// What kind of action: `invite`, `join`, `revoke`, …
    #[serde(rename = "act")]
    pub action: String,
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
        /// As its certificate says.
        probe: ProbeId,
    },
    /// The collector, by one of its own rules.
    Collector,
}

impl Actor {
    /// The user of this machine with that number.
    #[must_use]
    pub fn of_user(uid: u32) -> Self {
        let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
        Self::Local {
            user: user.map_or_else(|| uid.to_string(), |user| user.name),
        }
    }

    /// The user this process runs as.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::of_user(nix::unistd::geteuid().as_raw())
    }
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
    pub(crate) fn new(at: UnixMillis, who: &Actor, action: &str, what: String) -> Self {
        Self {
            at,
            who: who.to_string(),
            action: action.to_owned(),
            what,
        }
    }

    /// Its key in the store: ordered by time, `place` telling actions of one millisecond apart.
    #[must_use]
    pub(crate) fn key(&self, place: u32) -> String {
        format!("{:016}-{place:06}", self.at.0)
    }
}
