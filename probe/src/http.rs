//! The endpoint prober: one cold HTTP/1.1 request per check, timed phase by phase.
//!
//! Resolve, judge the address, connect to exactly that address, TLS, request, first byte, body. One address
//! family per check, no fallback, no redirect followed, no connection, session ticket or DNS answer kept.

mod check;
mod dial;
mod endpoint_url;
mod exchange;
mod failure;
mod marks;
mod run;
mod stopwatch;
mod tls;
mod verdict;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub use check::{
    Absence, AbsenceReason, Answer, AnswerKind, ByteCount, Check, CheckOutcome, CheckReport, CheckRequest,
    Limits, Timeouts,
};
pub use dial::{ByteStream, Connection, Dial, TcpDial};
pub use endpoint_url::{BadUrl, EndpointUrl, Lint};
pub use failure::{Cause, ErrorText, Failure};
pub use stopwatch::Phases;
pub use tls::{TlsRoots, TlsRootsError};
pub use wire::UnusableTarget;

use crate::address_policy::AddressPolicy;
use crate::dns::NameResolver;
use run::Run;

/// What every request says it is, so that probe traffic can be told from visitors'.
pub const USER_AGENT: &str = concat!("isochrone-probe/", env!("CARGO_PKG_VERSION"));

/// Runs checks. Shares nothing between them that could make one warm: any number may run at once.
pub struct EndpointProber {
    policy: AddressPolicy,
    resolver: NameResolver,
    dial: Arc<dyn Dial>,
    roots: TlsRoots,
    limits: Limits,
    now: fn() -> Instant,
}

impl EndpointProber {
    /// A prober with real sockets, this machine's name resolution and the default [`Limits`]. `now` is the
    /// monotonic clock that the phases are read from.
    pub fn new(policy: AddressPolicy, roots: TlsRoots, now: fn() -> Instant) -> Self {
        let resolver = NameResolver::system();
        Self {
            policy,
            resolver,
            dial: Arc::new(TcpDial),
            roots,
            limits: Limits::default(),
            now,
        }
    }

    /// The same with another name resolution.
    #[must_use]
    pub fn with_resolver(mut self, resolver: NameResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// The same with another way to open connections.
    #[must_use]
    pub fn with_dial(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = dial;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs one check to its end; at most [`Timeouts::total`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and leaves nothing behind, not even a task.
    pub async fn check(&self, request: &CheckRequest) -> CheckReport {
        Run::new(self, request).finish().await
    }

    /// Whether `address` may be measured from here.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_measure(&self, address: IpAddr) -> Result<(), crate::address_policy::ForbiddenAddress> {
        self.policy.check(address)
    }
}

impl std::fmt::Debug for EndpointProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointProber")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
