//! What became of a slot.

use crate::columns::rows::Row;
pub use crate::failure::{Cause, FailureCause, Phase, SendFailure};
pub use crate::kind::connect::{ConnectOutcome, ConnectPhases, ConnectResult};
pub use crate::kind::echo::{EchoOutcome, Stamp};
pub use crate::kind::http::{CacheState, EndpointOutcome, EndpointResult, Phases};
use crate::kind::{Check, Layout};

/// One run of any kind of check.
pub type Measurement = Row<Outcome>;

/// A result: one variant for each [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of an echo check.
    Echo(EchoOutcome),
    /// Of a status, asset or http check.
    Endpoint(Box<EndpointOutcome>),
    /// Of a connect check.
    Connect(Box<ConnectOutcome>),
}

impl Outcome {
    /// A run of `check` that failed before it dialled, or was given up by the probe itself.
    #[must_use]
    pub fn failed(check: Check, phase: Phase, cause: FailureCause, text: String) -> Self {
        match check.layout() {
            Layout::Echo => Self::Echo(EchoOutcome::TimedOut),
            Layout::Endpoint => {
                let result = EndpointResult::Failed { phase, cause, text };
                Self::Endpoint(Box::new(EndpointOutcome::undialled(result)))
            }
            Layout::Connect => {
                let result = ConnectResult::Failed { phase, cause, text };
                Self::Connect(Box::new(ConnectOutcome::undialled(result)))
            }
        }
    }

    /// A run of `check` that never left this machine.
    #[must_use]
    pub fn unsent(check: Check, cause: SendFailure) -> Self {
        match check.layout() {
            Layout::Echo => Self::Echo(EchoOutcome::Unsent(cause)),
            Layout::Endpoint => {
                let result = EndpointResult::Unsent(cause);
                Self::Endpoint(Box::new(EndpointOutcome::undialled(result)))
            }
            Layout::Connect => {
                let result = ConnectResult::Unsent(cause);
                Self::Connect(Box::new(ConnectOutcome::undialled(result)))
            }
        }
    }

    /// In which columns it travels.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        match self {
            Self::Echo(_) => Layout::Echo,
            Self::Endpoint(_) => Layout::Endpoint,
            Self::Connect(_) => Layout::Connect,
        }
    }

    /// Whether it may carry texts of its own: with many of them a batch could exceed its bytes.
    #[must_use]
    pub fn carries_text(&self) -> bool {
        match self {
            Self::Echo(_) => false,
            Self::Endpoint(_) => true,
            Self::Connect(outcome) => matches!(outcome.result, ConnectResult::Failed { .. }),
        }
    }
}
