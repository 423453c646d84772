//! The ground the crates of the collector stand on: clock, replacing files, error chains, instants as people
//! read them, kinds of checks, names, places, the roster, and which probes are one server.

pub mod aside;
pub mod clock;
pub mod error_chain;
pub mod files;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
pub mod kinds;
pub mod names;
pub mod place;
pub mod roster;
pub mod servers;
pub mod words;
