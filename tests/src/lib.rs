//! Isochrone's harness: an in-memory QUIC network on virtual time, disks that lose what was not synced, and the
//! simulated world built from them.

pub mod elasticsearch;
pub mod evaluate;
pub mod figures;
pub mod nginx;
pub mod programs;
pub mod same_reports;
pub mod statistics;
pub mod world;
