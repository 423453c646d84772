//! What each kind of check means to the collector: what its runs count for, what one run says, and the words it is
//! written in. The one place where a kind is added on this side; verdicts, reports, pages and export ask here.

mod connect;
mod echo;
mod read;
mod request;

use std::net::IpAddr;

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Outcome, Phase, SendFailure};
use isochrone_proto::units::Micros;
use serde::Serialize;

pub use self::read::{OutcomeError, OutcomeFields};

/// What the runs of a check count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CountsFor {
    /// The way between two probes; no node's verdict.
    Mesh,
    /// Whether a node can be reached.
    Connect,
    /// A node's status.
    Status,
    /// A node's asset.
    Asset,
    /// A plain HTTP endpoint.
    Http,
    /// How fast a node sends: coverage speaks of it; no verdict does.
    Throughput,
    /// Nothing: kept, shown and exported, but no verdict, report or alert looks at it.
    Nothing,
}

impl CountsFor {
    /// Whether verdicts look at the runs: who is down, what a node's shares are, what is alerted.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        match self {
            Self::Mesh | Self::Connect | Self::Status | Self::Asset | Self::Http => true,
            Self::Throughput | Self::Nothing => false,
        }
    }
}

/// What the runs of `check` count for.
#[must_use]
pub const fn counts_for(check: Check) -> CountsFor {
    match check {
        Check::Echo => CountsFor::Mesh,
        Check::Status => CountsFor::Status,
        Check::AssetHead | Check::AssetGet => CountsFor::Asset,
        Check::Http => CountsFor::Http,
        Check::Connect => CountsFor::Connect,
        Check::Throughput => CountsFor::Throughput,
    }
}

/// What a run says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// It answered, but does not know or serve this object (404, 421): not "down".
    Absent,
    /// Nothing: the run never left the probe, or the probe's own rules forbade it.
    Nothing,
}

impl Finding {
    /// What an echo says.
    #[must_use]
    pub const fn of_echo(outcome: &EchoOutcome) -> Self {
        match outcome {
            EchoOutcome::Replied { .. } => Self::Good,
            EchoOutcome::TimedOut => Self::Bad,
            EchoOutcome::Unsent(_) => Self::Nothing,
        }
    }
}

/// One run of an endpoint check, whichever it was: what live state and reports read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRun<'a> {
    /// HTTP status, where one came.
    pub http_status: Option<u16>,
    /// End of validity of the certificate shown, in Unix seconds.
    pub certificate_expires: Option<u64>,
    /// The target said something, be it an error page: this probe's way out works.
    pub answered: bool,
    /// With its phase and cause where it failed, its times where it did not.
    pub ended: Ended<'a>,
}

/// How a run of an endpoint check ended. Only success has times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// The endpoint gave what was asked.
    Ok {
        /// TCP handshake: the endpoint's RTT.
        connect: Micros,
        /// Time to first byte in microseconds, where it may be compared: not of an asset that the node had to
        /// fetch first, and not of a check that asks for nothing.
        ttfb_us: Option<u64>,
    },
    /// It did not.
    Failed {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        cause: FailureCause,
        /// The error, verbatim.
        text: &'a str,
    },
    /// It never left the probe.
    Unsent(SendFailure),
}

impl<'a> EndpointRun<'a> {
    /// What `outcome` of a run of `check` says; `None` for an echo, which is no endpoint's.
    #[must_use]
    pub fn of(check: Check, outcome: &'a Outcome) -> Option<Self> {
        match outcome {
            Outcome::Echo(_) => None,
            Outcome::Endpoint(outcome) => Some(request::run(check, outcome)),
            Outcome::Connect(outcome) => Some(connect::run(outcome)),
        }
    }

    /// What it says of its target.
    #[must_use]
    pub const fn finding(&self) -> Finding {
        self.ended.finding()
    }
}

impl Ended<'_> {
    /// What a run that ended so says of its target.
    #[must_use]
    pub const fn finding(&self) -> Finding {
        match self {
            Self::Ok { .. } => Finding::Good,
            Self::Unsent(_) => Finding::Nothing,
            Self::Failed { cause, .. } if cause.is_down() => Finding::Bad,
            Self::Failed {
                cause: FailureCause::NotFound | FailureCause::Misdirected,
                ..
            } => Finding::Absent,
            Self::Failed { .. } => Finding::Nothing,
        }
    }
}

/// The address that a run of an endpoint check dialled; `None` if none was.
#[must_use]
pub fn address_of(outcome: &Outcome) -> Option<IpAddr> {
    match outcome {
        Outcome::Echo(_) => None,
        Outcome::Endpoint(outcome) => outcome.address,
        Outcome::Connect(outcome) => outcome.address,
    }
}

/// Whether the probe's own rules kept it from asking: then nothing left it, however it says so.
#[must_use]
pub const fn is_own_rule(cause: FailureCause) -> bool {
    matches!(cause, FailureCause::ForbiddenAddress)
}

/// What became of a run, as one object of JSON: `outcome` and the fields that belong to it. What was not measured
/// has no key.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OutcomeJson<'a> {
    /// Of a UDP echo between two probes.
    Echo(echo::Json),
    /// Of a check of a node: a request or a connection.
    Endpoint(request::Json<'a>),
    /// Of a connection.
    Connect(connect::Json<'a>),
}

impl<'a> OutcomeJson<'a> {
    /// Of any outcome.
    #[must_use]
    pub fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Echo(outcome) => Self::Echo(echo::Json::of(outcome)),
            Outcome::Endpoint(outcome) => Self::Endpoint(request::Json::of(outcome)),
            Outcome::Connect(outcome) => Self::Connect(connect::Json::of(outcome)),
        }
    }
}

#[cfg(test)]
mod tests;
