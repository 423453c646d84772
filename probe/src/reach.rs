//! From a URL to an open stream, cold: resolve, judge the address, connect to exactly that address, TLS. Every
//! check of an endpoint begins here.
//!
//! One address family per attempt, no fallback, no connection, session ticket or DNS answer kept.

mod attempt;
mod dial;
mod endpoint_url;
mod failure;
mod handshake_failure;
mod shown;
mod stopwatch;
mod tls;
mod tried;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use attempt::Attempt;
pub(crate) use dial::socket_cause;
pub use dial::{ByteStream, Connection, Dial, TcpDial};
pub use endpoint_url::{BadUrl, EndpointUrl, Lint};
pub(crate) use failure::Broken;
pub use failure::Failure;
pub(crate) use shown::{NEVER, instant};
pub(crate) use stopwatch::{Spans, Stopwatch, whole_micros};
pub use tls::{TlsRoots, TlsRootsError};
pub use tried::Tried;

use crate::address_policy::AddressPolicy;
use crate::dns::NameResolver;
pub use crate::error_text::ErrorText;

/// How endpoints are reached from here. Shares nothing between attempts that could make one warm: any number may
/// run at once.
pub struct Reach {
    policy: AddressPolicy,
    resolver: NameResolver,
    dial: Arc<dyn Dial>,
    roots: TlsRoots,
    now: fn() -> Instant,
}

impl Reach {
    /// With real sockets and this machine's name resolution. `now` is the monotonic clock that the phases are
    /// read from.
    pub fn new(policy: AddressPolicy, roots: TlsRoots, now: fn() -> Instant) -> Self {
        Self {
            policy,
            resolver: NameResolver::system(),
            dial: Arc::new(TcpDial),
            roots,
            now,
        }
    }

    /// The same with another name resolution.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_resolver(mut self, resolver: NameResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// The same with another way to open connections.
    #[must_use]
    pub fn with_dial(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = dial;
        self
    }

    /// The monotonic clock.
    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    /// The clock itself, for what marks time of its own.
    pub(crate) fn clock(&self) -> fn() -> Instant {
        self.now
    }
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod fixture;
