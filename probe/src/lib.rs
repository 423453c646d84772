//! Isochrone's probe: measures its peers and the nodes' public endpoints, and streams the results.

pub mod account;
pub mod address_policy;
pub mod agent;
pub mod argus;
pub mod batcher;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod disk;
pub mod dns;
pub mod echo;
pub mod epoch;
pub mod grid;
pub mod http;
pub mod identity;
pub mod join;
pub mod measure;
pub mod plans;
pub mod prober;
pub mod process;
pub mod reach;
pub mod recorder;
pub mod runner;
pub mod spool;
pub mod status;
pub mod tls;
pub mod uplink;

/// Version and commit.
pub const VERSION: &str = env!("ISOCHRONE_VERSION");
