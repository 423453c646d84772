//! Rules about the addresses that operators name.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::endpoint::Endpoint;
use crate::rule::{Rule, Subject};
use crate::topology::{OperatorId, Status, Topology};

pub(super) fn judge(topology: &Topology, found: &mut Found) {
    let mut named: BTreeMap<Endpoint, Vec<OperatorId>> = BTreeMap::new();
    for (_, bucket, operator) in topology.operators() {
        if operator.status != Status::Active {
            continue;
        }
        let id = bucket.operator_id(operator);
        let subject = Subject::Operator(id);
        let written = operator.endpoint.as_str();
        if written.trim().is_empty() {
            let says = format!("Operator {id} is active and names no endpoint: no user can reach it.");
            found.add(Rule::NoEndpoint, subject, says);
            continue;
        }
        let Some(endpoint) = operator.endpoint() else {
            let says = format!("The endpoint of operator {id} is no address that a browser could ask.");
            found
                .add(Rule::UnreadableEndpoint, subject, says)
                .because(format!(
                    "It is written {written:?}; https://HOST/distributor/ is meant."
                ));
            continue;
        };
        if endpoint.is_plain() {
            let says = format!(
                "The endpoint of operator {id} is http: browsers on a page that is https do not load from it."
            );
            found
                .add(Rule::PlainHttp, subject.clone(), says)
                .because(format!("It is written {written}."));
        }
        if !written.trim_end().ends_with('/') {
            let says = format!(
                "The endpoint of operator {id} lacks the slash at its end: programs that put addresses together by hand take its node for dead."
            );
            found
                .add(Rule::NoSlash, subject, says)
                .because(format!("It is written {written}; {endpoint} is meant."));
        }
        named.entry(endpoint).or_default().push(id);
    }
    named
        .into_iter()
        .for_each(|(endpoint, ids)| shared(&endpoint, &ids, found));
}

/// One worker's one node may serve several buckets; two workers, or two rows of one bucket, cannot have the same.
fn shared(endpoint: &Endpoint, ids: &[OperatorId], found: &mut Found) {
    let [first, rest @ ..] = ids else {
        return;
    };
    let mut seen = BTreeSet::from([first.bucket]);
    for id in rest {
        let is_same_worker = id.worker == first.worker;
        let is_new_bucket = seen.insert(id.bucket);
        if !is_same_worker || !is_new_bucket {
            let says =
                format!("Operators {first} and {id} name the same endpoint: one of the two rows is wrong.");
            found
                .add(Rule::DuplicateEndpoint, Subject::Operator(*id), says)
                .because(format!("Both name {endpoint}."));
        } else if id.bucket.family != first.bucket.family {
            let says = format!(
                "One server speaks for operators {first} and {id}, in two families: it can be near the users of one of them only."
            );
            found
                .add(Rule::TwoFamilies, Subject::Operator(*id), says)
                .because(format!("Both name {endpoint}."));
        }
    }
}
