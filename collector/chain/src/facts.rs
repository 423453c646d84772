//! What is known beside the chain: what nodes say of themselves, whether they live, where light allows them to stand, and
//! whom they serve best. All of it values: nobody is asked here.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_coverage::geo::Position;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::topology::{BucketId, OperatorId};

/// Everything that the rules hold the chain against. What is not known is left out, and judges nothing.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Now.
    pub now: UnixMillis,
    /// The nodes that are measured, by endpoint; where there are none, nothing is said of what is not listed.
    pub nodes: BTreeMap<Endpoint, NodeFacts>,
    /// Where each operator's claimed place on the chain cannot be.
    pub misplaced: BTreeMap<OperatorId, Misplaced>,
    /// Since when each operator has been seen invited.
    pub invited_since: BTreeMap<OperatorId, UnixMillis>,
    /// Whom each family serves, by its number.
    pub reach: BTreeMap<u32, Reach>,
}

/// One node as it is measured, and what it says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    /// Its name in targets.toml.
    pub name: String,
    /// The buckets that targets.toml says it should serve; empty: it does not say.
    pub listed: Vec<BucketId>,
    /// Whether it lives.
    pub standing: Standing,
    /// The buckets it says that it serves, and when it said so.
    pub buckets: Option<(SaidBuckets, UnixMillis)>,
    /// The worker it says that it belongs to, and when it said so.
    pub worker: Option<(u64, UnixMillis)>,
    /// Whose users are nearest to it.
    pub nearest: Option<Nearest>,
}

/// Whether a node lives, as the mesh judges it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nobody can say.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It is down.
    Down {
        /// Since then.
        since: UnixMillis,
    },
}

/// What a node says of its buckets: in its answer to `buckets`, or by the objects that it does not serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaidBuckets {
    /// These.
    These(BTreeSet<BucketId>),
    /// All that the chain gives this worker.
    AllOf(u64),
    /// Not this one: it answered 421 to an object of it.
    Not {
        /// The bucket.
        bucket: BucketId,
        /// The object's number.
        object: String,
        /// So many answers.
        answers: u64,
        /// From so many vantages.
        vantages: u64,
    },
}

/// Why a claimed place cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Misplaced {
    /// Who contradicts it, each in a sentence with its time and distance.
    pub witnesses: Vec<String>,
    /// Where it probably stands instead.
    pub probably: Option<Position>,
    /// What the claim may have been meant to be.
    pub meant: Option<Position>,
}

/// Whose users are nearest to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The family in whose areas the vantage stands that it answers soonest.
    pub family: u32,
    /// That vantage.
    pub vantage: String,
    /// In so many milliseconds.
    pub ms: f64,
    /// For each other family with a vantage in its areas: the soonest one, and its time in milliseconds.
    pub others: BTreeMap<u32, (String, f64)>,
}

/// Whom a family serves: the vantages in its areas stand for its users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// Vantages in its areas that measured its nodes and others'.
    pub vantages: usize,
    /// Of these, those that one of its nodes answers soonest.
    pub best: usize,
    /// Whose nodes answer the rest soonest: families by number of vantages.
    pub instead: BTreeMap<u32, usize>,
    /// Countries, inside its areas or not, whose vantages one of its nodes answers soonest, with how many of them.
    pub countries: BTreeMap<String, usize>,
}
