//! `connect`: a TCP handshake with an endpoint, TLS where its URL is https, then closed. No byte of a request is
//! sent, so it may run often: it says whether the endpoint can be reached, and how far away it is.

mod columns;

use std::net::IpAddr;

pub(crate) use self::columns::ConnectColumns;
use super::{Facts, Layout, TargetKind};
use crate::failure::{FailureCause, Phase, SendFailure};
use crate::limits::ENDPOINT_INTERVAL_MIN_MS;
use crate::units::Micros;

pub(super) const FACTS: Facts = Facts {
    word: "connect",
    target: TargetKind::Endpoint,
    interval_min_ms: ENDPOINT_INTERVAL_MIN_MS,
    timeout_ms: 4_000,
    layout: Layout::Connect,
};

/// What became of one connection to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOutcome {
    /// The address that was judged and, unless it was forbidden, dialled; `None` when the name gave none.
    pub address: Option<IpAddr>,
    /// End of validity of the certificate shown, in Unix seconds; also known when it was refused.
    pub certificate_expires: Option<u64>,
    /// Success or failure.
    pub result: ConnectResult,
}

impl ConnectOutcome {
    /// A run that ended before an address was known.
    #[must_use]
    pub(crate) fn undialled(result: ConnectResult) -> Self {
        Self {
            address: None,
            certificate_expires: None,
            result,
        }
    }
}

/// Success with its phases, or failure with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectResult {
    /// The connection stood, over https with a certificate that was verified.
    Connected(ConnectPhases),
    /// It did not. Carries no latency.
    Failed {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        cause: FailureCause,
        /// The error, verbatim, at most 200 characters.
        text: String,
    },
    /// Never left this machine.
    Unsent(SendFailure),
}

/// Where the time of a connection went. The phases add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectPhases {
    /// Name to address; 0 where the URL holds an address.
    pub resolve: Micros,
    /// TCP handshake: the endpoint's RTT.
    pub connect: Micros,
    /// TLS handshake; 0 for http.
    pub tls: Micros,
    /// What none of the above holds: the prober's own work.
    pub unattributed: Micros,
}

impl ConnectPhases {
    /// The whole, in microseconds.
    #[must_use]
    pub fn total_us(&self) -> u64 {
        [self.resolve, self.connect, self.tls, self.unattributed]
            .iter()
            .map(|part| u64::from(part.get()))
            .sum()
    }
}
