//! Isochrone's probe: measures its peers and the nodes' public endpoints, and streams the results.

mod account;
pub mod address_policy;
pub mod agent;
pub mod argus;
mod batcher;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod disk;
mod dns;
pub mod echo;
mod epoch;
mod error_text;
mod grid;
pub mod http;
pub mod identity;
pub mod join;
pub mod log;
mod measure;
mod plans;
pub mod prober;
pub mod process;
pub mod reach;
pub mod recorder;
mod runner;
pub mod spool;
pub mod status;
pub mod tls;
mod uplink;

/// Version and commit.
pub const VERSION: &str = env!("ISOCHRONE_VERSION");
