//! Does the chain represent reality? Families, buckets and operators as the indexer tells them, held against what nodes
//! say of themselves and what the mesh measures, with commands drafted for a person to send.
//!
//! Pure but for [`client`], which asks an indexer. Nothing here sends a chain command, knows a store, or reads a clock.

mod answer;
mod audit;
pub mod client;
pub mod copy;
mod endpoint;
pub mod facts;
mod fetch;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, missing_docs, reason = "helpers of tests may panic")]
pub mod fixture;
pub mod measured;
pub mod plan;
mod query;
mod rule;
mod topology;
mod whereabouts;

pub use self::answer::AnswerError;
pub use self::audit::audit;
pub use self::endpoint::Endpoint;
pub use self::fetch::{FetchError, fetch, from_file};
pub use self::rule::{Finding, Rule, Severity, Subject};
pub use self::topology::{
    Area, Bucket, BucketId, Claim, Family, LeftOut, NoBucketId, Operator, OperatorId, Status, TestObject,
    Topology,
};
