//! Active operators of the chain whose hosts nobody approved yet: no probe calls them before that.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_chain::{BucketId, Claim, Endpoint, Status, Topology};
use isochrone_planner::targets::Targets;

/// An endpoint that waits for approval, with what the chain says of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) endpoint: Endpoint,
    pub(crate) buckets: BTreeSet<BucketId>,
    /// The worker's number.
    pub(crate) worker: Option<u64>,
    /// Their family's region.
    pub(crate) region: String,
    pub(crate) place: Claim,
    /// An object that it must be able to serve.
    pub(crate) asset: Option<String>,
}

/// All that wait, by endpoint.
pub(crate) fn waiting(topology: &Topology, targets: &Targets) -> Vec<Waiting> {
    let listed: BTreeSet<Endpoint> = targets
        .nodes
        .iter()
        .filter_map(|node| Endpoint::of(node.url.as_str()))
        .collect();
    let mut found: BTreeMap<Endpoint, Waiting> = BTreeMap::new();
    for (family, bucket, operator) in topology.operators() {
        let Some(endpoint) = operator.endpoint().filter(|_| operator.status == Status::Active) else {
            continue;
        };
        if listed.contains(&endpoint) {
            continue;
        }
        let one = found.entry(endpoint.clone()).or_insert_with(|| Waiting {
            endpoint,
            buckets: BTreeSet::new(),
            worker: operator.worker,
            region: family.region.clone(),
            place: operator.place.clone(),
            asset: None,
        });
        one.buckets.insert(bucket.id);
        if one.asset.is_none() {
            one.asset = bucket.objects.first().map(|object| object.id.clone());
        }
    }
    found.into_values().collect()
}
