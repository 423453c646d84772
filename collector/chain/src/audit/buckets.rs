//! Rules about buckets and whoever serves them.

use isochrone_base::words::{count, date_time};

use super::Found;
use crate::facts::{Facts, Standing};
use crate::rule::{Rule, Subject};
use crate::topology::{Bucket, Status, Topology};

/// Invited for longer than this is long, in milliseconds: 14 days.
const INVITED_MS: u64 = 14 * 24 * 3_600_000;
/// Down for so long is dead, in milliseconds: an hour. What is shorter, alerts tell.
pub(crate) const DEAD_MS: u64 = 3_600_000;

pub(super) fn judge(topology: &Topology, facts: &Facts, found: &mut Found) {
    for (family, bucket) in topology.buckets() {
        let subject = || Subject::Bucket(bucket.id);
        let label = family.label();
        if bucket.distributing && bucket.active().next().is_none() {
            let says = format!(
                "Users are sent to bucket {} of {label}, and it has no active operator.",
                bucket.id
            );
            let finding = found.add(Rule::NoActiveOperator, subject(), says);
            let invited = count(bucket.operators.len(), "operator");
            finding.because(format!("The chain lists {invited} there, and none is ACTIVE."));
        }
        if bucket.accepting && !bucket.distributing {
            let says = format!(
                "Bucket {} of {label} takes new bags while nobody is sent to it: what is assigned to it is not served from there.",
                bucket.id
            );
            found.add(Rule::AcceptingWhileOff, subject(), says);
        }
        if bucket.distributing && bucket.bags == Some(0) && bucket.active().next().is_some() {
            let says = format!(
                "Bucket {} of {label} is on and holds no bag: its node has nothing to serve.",
                bucket.id
            );
            found.add(Rule::NoBags, subject(), says);
        }
        lives(bucket, &label, facts, found);
        invited(bucket, facts, found);
    }
}

fn lives(bucket: &Bucket, label: &str, facts: &Facts, found: &mut Found) {
    let Some((standing, names)) = standing(bucket, facts) else {
        return;
    };
    let names = names.join(", ");
    match standing {
        Standing::Down { since } if bucket.distributing => {
            if facts.now.0.saturating_sub(since.0) < DEAD_MS {
                return;
            }
            let says = format!(
                "Users are sent to bucket {} of {label}, and its node is down: each of them waits for a timeout first.",
                bucket.id
            );
            found
                .add(Rule::DistributingDead, Subject::Bucket(bucket.id), says)
                .because(format!(
                    "{names}: down since {} UTC, as the mesh sees it.",
                    date_time(since)
                ));
        }
        Standing::Up if !bucket.distributing => {
            let says = format!(
                "The node of bucket {} of {label} answers, and nobody is sent to it.",
                bucket.id
            );
            found
                .add(Rule::OffThoughAlive, Subject::Bucket(bucket.id), says)
                .because(format!(
                    "{names}: up, as the mesh sees it; the chain has distributing off."
                ));
        }
        _ => {}
    }
}

/// Whether a bucket's active nodes live: up where one is, down where all are, since the last of them went.
pub(crate) fn standing(bucket: &Bucket, facts: &Facts) -> Option<(Standing, Vec<String>)> {
    let endpoints = bucket.active().map(|one| one.endpoint());
    let nodes: Option<Vec<_>> = endpoints.map(|endpoint| facts.nodes.get(&endpoint?)).collect();
    let nodes = nodes.filter(|nodes| !nodes.is_empty())?;
    let names = nodes.iter().map(|node| node.name.clone()).collect();
    if nodes.iter().any(|node| node.standing == Standing::Up) {
        return Some((Standing::Up, names));
    }
    let mut last = None;
    for node in nodes {
        match node.standing {
            Standing::Down { since } => last = last.max(Some(since)),
            Standing::Up | Standing::Unknown => return None,
        }
    }
    Some((Standing::Down { since: last? }, names))
}

fn invited(bucket: &Bucket, facts: &Facts, found: &mut Found) {
    for operator in bucket
        .operators
        .iter()
        .filter(|one| one.status == Status::Invited)
    {
        let id = bucket.operator_id(operator);
        let Some(since) = facts.invited_since.get(&id) else {
            continue;
        };
        let for_ms = facts.now.0.saturating_sub(since.0);
        if for_ms >= INVITED_MS {
            let days = for_ms / (24 * 3_600_000);
            let says = format!("Operator {id} was invited at least {days} days ago and has not accepted.");
            found
                .add(Rule::InvitedLong, Subject::Operator(id), says)
                .because(format!("Seen as INVITED since {} UTC.", date_time(*since)));
        }
    }
}
