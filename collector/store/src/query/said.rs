//! How a run ended, without what only few ask for.

use isochrone_proto::measurement::{ConnectResult, EchoOutcome, EndpointResult, FailureCause, Outcome};
use isochrone_proto::units::Micros;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was answered.
    Answered {
        /// An echo's round trip; else the time to connect.
        rtt: Micros,
        /// The probe itself was starved: the time counts for nothing.
        suspect: bool,
    },
    /// It was not; an echo's loss has no cause.
    Failed(Option<FailureCause>),
    /// It never left the probe.
    Unsent,
}

impl Said {
    /// What an outcome comes to.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let answered = |rtt, suspect| Self::Answered { rtt, suspect };
        match outcome {
            Outcome::Echo(EchoOutcome::Replied { rtt, suspect, .. }) => answered(*rtt, *suspect),
            Outcome::Echo(EchoOutcome::TimedOut) => Self::Failed(None),
            Outcome::Echo(EchoOutcome::Unsent(_)) => Self::Unsent,
            Outcome::Endpoint(outcome) => match &outcome.result {
                EndpointResult::Ok { phases, .. } => answered(phases.connect, false),
                EndpointResult::Failed { cause, .. } => Self::Failed(Some(*cause)),
                EndpointResult::Unsent(_) => Self::Unsent,
            },
            Outcome::Connect(outcome) => match &outcome.result {
                ConnectResult::Connected(phases) => answered(phases.connect, false),
                ConnectResult::Failed { cause, .. } => Self::Failed(Some(*cause)),
                ConnectResult::Unsent(_) => Self::Unsent,
            },
        }
    }
}
