//! Addresses of a name that did not answer before another one was tried.

use std::net::SocketAddr;

use isochrone_proto::measurement::FailureCause;

use crate::error_text::ErrorText;

/// An address that could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The address.
    pub address: SocketAddr,
    /// Why it could not.
    pub cause: FailureCause,
    /// In the system's words.
    pub text: ErrorText,
}

/// Them all, for a person: `192.0.2.1 refused, 192.0.2.2 timeout`.
pub(crate) fn words(tried: &[Tried]) -> String {
    let one = |tried: &Tried| format!("{}: {}", tried.address.ip(), tried.cause.word());
    tried.iter().map(one).collect::<Vec<_>>().join(", ")
}
