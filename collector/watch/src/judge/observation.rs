//! What the engine is fed with: one run of one check, and what it says.

use std::net::IpAddr;

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::{Micros, UnixMillis};
use serde::{Deserialize, Serialize};

/// The service that the answers of a check judge; none for a mere connection, and none for HEAD: that is answered
/// from chain data, and never "served".
pub(super) const fn service_of(check: Check) -> Option<Service> {
    match check {
        Check::Status | Check::Http => Some(Service::Status),
        Check::AssetGet => Some(Service::Asset),
        Check::Connect | Check::AssetHead | Check::Throughput | Check::Echo => None,
    }
}

/// What is judged over the grid of all vantages, apart from whether the node can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Status,
    Asset,
}

/// Both, each judged on a grid of its own.
pub(super) const SERVICES: [Service; 2] = [Service::Status, Service::Asset];

/// How often a vantage asks, and how long it waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// Between two runs.
    pub interval_ms: u64,
    /// Until a run is given up.
    pub timeout_ms: u64,
}

/// A green result is a word for one interval and this long: the next one's way here, and its jitter.
const GREEN_WAY_MS: u64 = 2_500;
/// A red one for one interval, the timeout and this long.
const RED_WAY_MS: u64 = 2_000;

impl Cadence {
    /// A green that began longer ago is no word any more.
    pub(super) const fn green_ms(self) -> u64 {
        self.interval_ms + GREEN_WAY_MS
    }

    /// A red that began longer ago is no word any more. A timeout cannot be told sooner.
    pub(crate) const fn red_ms(self) -> u64 {
        self.interval_ms + self.timeout_ms + RED_WAY_MS
    }

    /// An answer of a service that began longer ago is no word any more.
    pub(crate) const fn answer_ms(self) -> u64 {
        self.red_ms() + self.interval_ms
    }

    /// Runs further apart are not in a row.
    #[must_use]
    pub const fn apart_ms(self) -> u64 {
        let (three, patient) = (3 * self.interval_ms, self.answer_ms());
        if three > patient { three } else { patient }
    }
}

/// One run, as the engine sees it.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// When it began, by the collector's clock.
    pub began: UnixMillis,
    /// When it ended, by the collector's clock.
    pub finished: UnixMillis,
    /// What it says.
    pub word: Word,
    /// The address that was dialled, if any.
    pub address: Option<IpAddr>,
    /// How long the TCP handshake took, where it succeeded.
    pub connect: Option<Micros>,
    /// TLS stood as well.
    pub secured: bool,
    /// The error, verbatim; empty where it succeeded.
    pub text: &'a str,
}

/// What a run says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It answered as it should.
    Green,
    /// It answered as it should, far too late.
    Slow,
    /// It did not.
    Red {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        cause: FailureCause,
    },
    /// It answered that a storage source failed.
    Source {
        /// What it answered with.
        cause: FailureCause,
    },
    /// It answered, but does not know or serve this object (404, 421): neither way.
    Absent,
    /// Nothing: the probe's own rules forbade the address.
    Forbidden,
    /// Nothing: the run never left the probe.
    Nothing,
}

/// What a run says of the way to its target, whatever the target then answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The connection stood.
    Stood,
    /// It did not.
    Failed(Phase, FailureCause),
    /// The name gave no address.
    Unresolved(FailureCause),
    /// Nothing is known.
    Unknown,
}

impl Word {
    /// Whether the target did not give what was asked.
    #[must_use]
    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Red { .. } | Self::Source { .. })
    }

    pub(super) const fn reached(self) -> Reached {
        match self {
            Self::Green | Self::Slow | Self::Source { .. } | Self::Absent => Reached::Stood,
            Self::Forbidden | Self::Nothing => Reached::Unknown,
            Self::Red { phase, cause } => match phase {
                Phase::Resolve if matches!(cause, FailureCause::NoAddress) => Reached::Unknown,
                Phase::Resolve => Reached::Unresolved(cause),
                Phase::Connect | Phase::Tls => Reached::Failed(phase, cause),
                Phase::Request | Phase::FirstByte | Phase::Transfer | Phase::Verify => Reached::Stood,
            },
        }
    }
}

/// Whether the certificate was the fault.
pub(super) const fn is_certificate(cause: FailureCause) -> bool {
    matches!(
        cause,
        FailureCause::CertificateExpired
            | FailureCause::CertificateUnknownIssuer
            | FailureCause::CertificateWrongName
            | FailureCause::CertificateInvalid
            | FailureCause::CertificateNotYetValid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_answers_never_count_as_a_served_asset() {
        assert_eq!(service_of(Check::AssetHead), None);
        assert_eq!(service_of(Check::AssetGet), Some(Service::Asset));
    }

    #[test]
    fn resolve_failures_accuse_the_name_and_not_the_node() {
        let red = |phase, cause| Word::Red { phase, cause }.reached();
        assert_eq!(
            red(Phase::Resolve, FailureCause::NxDomain),
            Reached::Unresolved(FailureCause::NxDomain)
        );
        assert_eq!(
            red(Phase::Resolve, FailureCause::NoAddress),
            Reached::Unknown,
            "a family it does not have"
        );
        assert_eq!(
            red(Phase::FirstByte, FailureCause::BadStatus),
            Reached::Stood,
            "an error page came over a working way"
        );
    }

    #[test]
    fn green_is_a_word_for_an_interval_and_a_red_for_the_timeout_longer() {
        let cadence = Cadence {
            interval_ms: 10_000,
            timeout_ms: 4_000,
        };
        assert_eq!((cadence.green_ms(), cadence.red_ms()), (12_500, 16_000));
    }
}
