//! The endpoint prober: one cold HTTP/1.1 request per check, timed phase by phase.
//!
//! Reached ([`crate::reach`]), then request, first byte, body. No redirect is followed.

mod check;
mod exchange;
mod foreign;
mod marks;
mod phases;
mod run;
mod verdict;
mod wire;

use std::sync::Arc;

pub(crate) use check::Limits;
pub use check::{
    Absence, AbsenceReason, Answer, AnswerKind, ByteCount, Check, CheckOutcome, CheckReport, CheckRequest,
    Timeouts,
};
pub use phases::Phases;
pub use wire::UnusableTarget;

use crate::reach::Reach;
use run::Run;

/// What every request says it is, so that probe traffic can be told from visitors'.
pub const USER_AGENT: &str = concat!("isochrone-probe/", env!("CARGO_PKG_VERSION"));

/// Runs checks; any number may run at once.
#[derive(Debug)]
pub struct EndpointProber {
    reach: Arc<Reach>,
    limits: Limits,
}

impl EndpointProber {
    /// A prober with the default `Limits`.
    pub fn new(reach: Arc<Reach>) -> Self {
        Self {
            reach,
            limits: Limits::default(),
        }
    }

    /// Runs one check to its end; at most [`Timeouts::total`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and leaves nothing behind, not even a task.
    pub async fn check(&self, request: &CheckRequest) -> CheckReport {
        Run::new(self, request).finish().await
    }
}

#[cfg(test)]
mod tests;
