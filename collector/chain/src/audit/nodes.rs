//! Rules about nodes: what they say of themselves, and what targets.toml says of them.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::words::{count, date_time};

use super::Found;
use crate::endpoint::Endpoint;
use crate::facts::{Facts, NodeFacts, SaidBuckets};
use crate::rule::{Rule, Subject};
use crate::topology::{BucketId, Family, OperatorId, Status, Topology};

/// Another family's users must be nearer by so many milliseconds, and by a third.
const CLEARLY_MS: f64 = 30.0;
const CLEARLY_SHARE: f64 = 1.5;

pub(super) fn judge(topology: &Topology, facts: &Facts, found: &mut Found) {
    let mut on_chain: BTreeMap<Endpoint, Vec<OperatorId>> = BTreeMap::new();
    for (_, bucket, operator) in topology.operators() {
        if operator.status == Status::Active
            && let Some(endpoint) = operator.endpoint()
        {
            on_chain
                .entry(endpoint)
                .or_default()
                .push(bucket.operator_id(operator));
        }
    }
    for (endpoint, ids) in &on_chain {
        match facts.nodes.get(endpoint) {
            Some(node) => {
                said_buckets(node, ids, found);
                said_worker(node, ids, found);
                listed(node, ids, found);
                nearest(topology, node, ids, found);
            }
            None if facts.nodes.is_empty() => {}
            None => ids.iter().for_each(|id| {
                let says =
                    format!("The node of operator {id} is not measured: targets.toml does not list it.");
                found
                    .add(Rule::NotMeasured, Subject::Operator(*id), says)
                    .because(format!("Its endpoint is {endpoint}."));
            }),
        }
    }
    let is_partial = topology.families.iter().any(|family| family.partial);
    if topology.families.is_empty() || is_partial {
        return; // what is not read may hold it
    }
    for (endpoint, node) in facts
        .nodes
        .iter()
        .filter(|(endpoint, _)| !on_chain.contains_key(endpoint))
    {
        let says = format!(
            "Node {} is measured, and no active operator on the chain has its endpoint.",
            node.name
        );
        found
            .add(Rule::NotOnChain, Subject::Node(node.name.clone()), says)
            .because(format!("targets.toml gives it {endpoint}."));
    }
}

fn said_buckets(node: &NodeFacts, ids: &[OperatorId], found: &mut Found) {
    let Some((said, at)) = &node.buckets else {
        return;
    };
    let of_chain = buckets(ids);
    let said_words = match said {
        SaidBuckets::These(these) if *these == of_chain => return,
        SaidBuckets::AllOf(worker) if ids.iter().all(|id| id.worker == Some(*worker)) => return,
        SaidBuckets::These(these) => format!("it says that it serves {}", list(these)),
        SaidBuckets::AllOf(worker) => format!("it says that it serves all buckets of worker {worker}"),
        SaidBuckets::Not { bucket, .. } if !of_chain.contains(bucket) => return,
        SaidBuckets::Not { bucket, .. } => format!("it says that {bucket} is none of its buckets"),
    };
    // The bucket that the chain gives and the node does not know is what users feel: 421.
    let missing = |id: &&OperatorId| match said {
        SaidBuckets::These(these) => !these.contains(&id.bucket),
        SaidBuckets::AllOf(worker) => id.worker != Some(*worker),
        SaidBuckets::Not { bucket, .. } => id.bucket == *bucket,
    };
    let subject = ids.iter().find(missing).or(ids.first());
    let Some(subject) = subject else {
        return;
    };
    let says = format!(
        "Node {} and the chain disagree on its buckets: the chain gives it {}, {said_words}.",
        node.name,
        list(&of_chain)
    );
    let evidence = match said {
        SaidBuckets::Not {
            object,
            answers,
            vantages,
            ..
        } => format!(
            "It answered {answers} times with 421 (not served by this node) to object {object}, which that bucket holds, to {}; the last \
             time {} UTC.",
            count(usize::try_from(*vantages).unwrap_or(usize::MAX), "vantage"),
            date_time(*at)
        ),
        SaidBuckets::These(_) | SaidBuckets::AllOf(_) => {
            format!("Its own answer to GET buckets, {} UTC.", date_time(*at))
        }
    };
    found
        .add(Rule::SaidBuckets, Subject::Bucket(subject.bucket), says)
        .because(evidence);
}

fn said_worker(node: &NodeFacts, ids: &[OperatorId], found: &mut Found) {
    let Some((said, at)) = node.worker else {
        return;
    };
    let Some(other) = ids.iter().find(|id| id.worker != Some(said)) else {
        return;
    };
    let says = format!(
        "Node {} says that it belongs to worker {said}, and the chain knows it as operator {other}.",
        node.name
    );
    found
        .add(Rule::SaidWorker, Subject::Operator(*other), says)
        .because(format!("Its own status, {} UTC.", date_time(at)));
}

fn listed(node: &NodeFacts, ids: &[OperatorId], found: &mut Found) {
    let listed: BTreeSet<BucketId> = node.listed.iter().copied().collect();
    let of_chain = buckets(ids);
    if listed.is_empty() || listed == of_chain {
        return;
    }
    let says = format!(
        "targets.toml gives node {} {}, and the chain {}: one of the two is out of date.",
        node.name,
        list(&listed),
        list(&of_chain)
    );
    found.add(Rule::ListedBuckets, Subject::Node(node.name.clone()), says);
}

fn nearest(topology: &Topology, node: &NodeFacts, ids: &[OperatorId], found: &mut Found) {
    let Some(nearest) = &node.nearest else {
        return;
    };
    let label = |id: u32| {
        topology
            .family(id)
            .map_or_else(|| format!("family {id}"), Family::label)
    };
    let mut families: Vec<(u32, &OperatorId)> = ids.iter().map(|id| (id.bucket.family, id)).collect();
    families.dedup_by_key(|(family, _)| *family);
    for (family, id) in families {
        if family == nearest.family {
            continue;
        }
        let Some((vantage, ms)) = nearest.others.get(&family) else {
            continue; // nobody measures from its areas
        };
        if ms - nearest.ms < CLEARLY_MS || *ms < nearest.ms * CLEARLY_SHARE {
            continue;
        }
        let says = format!(
            "Node {} serves {}, and is nearer to the users of {}.",
            node.name,
            label(family),
            label(nearest.family)
        );
        found
            .add(Rule::AnotherFamilyNearer, Subject::Operator(*id), says)
            .because(format!(
                "It answers {} in the areas of {} in {:.0} ms, and {vantage}, the soonest of its own areas, in {ms:.0} ms.",
                nearest.vantage,
                label(nearest.family),
                nearest.ms
            ));
    }
}

fn buckets(ids: &[OperatorId]) -> BTreeSet<BucketId> {
    ids.iter().map(|id| id.bucket).collect()
}

fn list(buckets: &BTreeSet<BucketId>) -> String {
    match buckets.len() {
        0 => "none".to_owned(),
        1..=8 => {
            let all: Vec<String> = buckets.iter().map(ToString::to_string).collect();
            all.join(", ")
        }
        many => format!("{many} buckets"),
    }
}
