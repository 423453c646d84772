//! RIPE Atlas: results as its API and its stream give them, and lists of its probes.

mod access;
mod outcome;
mod probes;
mod raw;
mod results;

pub use self::probes::Probes;
pub use self::results::AtlasResults;
