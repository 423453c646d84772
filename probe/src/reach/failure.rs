//! How a check breaks: the phase, the cause, and the words of whoever said so.

use std::time::Duration;

use isochrone_proto::measurement::{Cause, FailureCause, Phase};

use crate::address_policy::ForbiddenAddress;
use crate::error_text::ErrorText;

/// A check that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In which phase it broke.
    pub phase: Phase,
    /// What broke.
    pub cause: Cause,
    /// The error as the system or the server worded it, bounded.
    pub text: ErrorText,
    /// How long it took to know: never a latency.
    pub elapsed: Duration,
}

/// Why an attempt cannot go on. The phase is the one that was running.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) cause: Cause,
    pub(crate) text: ErrorText,
}

impl Broken {
    pub(crate) fn new(cause: impl Into<Cause>, text: ErrorText) -> Self {
        Self {
            cause: cause.into(),
            text,
        }
    }
}

impl From<ForbiddenAddress> for Broken {
    fn from(refused: ForbiddenAddress) -> Self {
        Self::new(FailureCause::ForbiddenAddress, ErrorText::of(&refused))
    }
}
