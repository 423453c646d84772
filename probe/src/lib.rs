//! Isochrone's probe: measures its peers and the nodes' public endpoints, and streams the results.

pub mod address_policy;
pub mod argus;
pub mod dns;
pub mod echo;
pub mod http;
