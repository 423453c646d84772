//! `echo`: an authenticated UDP echo between two probes.

mod columns;

use serde::{Deserialize, Serialize};

pub(crate) use self::columns::EchoColumns;
pub use self::columns::EchoRow;
use super::{Facts, Layout, TargetKind};
use crate::failure::SendFailure;
use crate::limits::ECHO_INTERVAL_MIN_MS;
use crate::units::Micros;

pub(super) const FACTS: Facts = Facts {
    word: "echo",
    target: TargetKind::Peer,
    interval_min_ms: ECHO_INTERVAL_MIN_MS,
    timeout_ms: 3_000,
    layout: Layout::Echo,
};

/// What became of one echo. A loss carries no RTT, so no mean can absorb it as 0 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EchoOutcome {
    /// An authentic reply within the timeout.
    Replied {
        /// Raw round-trip time, nothing subtracted.
        rtt: Micros,
        /// What the responder says it took between receiving and sending; a claim.
        claimed_delay: Micros,
        /// Who stamped the arrival.
        stamp: Stamp,
        /// The probe itself was starved while this ran: leaves the percentiles.
        suspect: bool,
    },
    /// No authentic reply within the schedule's timeout.
    TimedOut,
    /// Never left this machine: says nothing about the path.
    Unsent(SendFailure),
}

/// Who stamped a packet's arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stamp {
    /// The kernel (SO_TIMESTAMPNS).
    Kernel,
    /// The probe's own code, some microseconds later.
    User,
}
