//! Isochrone's probe: measures its peers and the nodes' public endpoints, and streams the results.

pub mod account;
pub mod address_policy;
pub mod argus;
pub mod batcher;
pub mod clock;
pub mod disk;
pub mod dns;
pub mod echo;
pub mod grid;
pub mod http;
pub mod measure;
pub mod prober;
pub mod spool;
