//! Nodes that serve the wrong family: a bucket cannot change its family, so its bags go over to a bucket of the right one, and
//! each stays served until it is there.

use super::{Act, Draft};
use crate::rule::{Finding, Rule, Subject};
use crate::topology::{Area, Bucket, Family, OperatorId, Status};
use crate::whereabouts::Whereabouts;

pub(super) fn draft(draft: &mut Draft<'_>) {
    let wrong = [Rule::OutsideAreas, Rule::AnotherFamilyNearer];
    let findings: Vec<&Finding> = wrong.into_iter().flat_map(|rule| draft.of_rule(rule)).collect();
    for finding in findings {
        let Subject::Operator(id) = finding.subject else {
            continue;
        };
        // A place that is wrong on the chain alone is for the worker to correct: nothing moves for it.
        if draft.has(Rule::Measured, &finding.subject) {
            continue;
        }
        let Some(from) = draft.bucket(id.bucket) else {
            continue;
        };
        if others_serve(from, id) {
            continue; // the bucket has a further operator, who may stand right
        }
        let of = vec![(finding.rule, finding.subject.clone())];
        let Some(family) = right_family(draft, id) else {
            continue;
        };
        match right_bucket(draft, family, from) {
            Some(to) => move_over(draft, from, to, family, of),
            None => {
                let what = format!(
                    "Make a bucket in {} and let its operator accept: no bucket there has a node that is known to live. Then the next \
                     audit drafts how the bags of bucket {} go over.",
                    family.label(),
                    from.id
                );
                draft.add(Act::Later { what }, finding.says.clone(), of);
            }
        }
    }
}

fn others_serve(bucket: &Bucket, id: OperatorId) -> bool {
    bucket.active().any(|one| one.worker != id.worker)
}

/// The family whose users are nearest as measured; without measurements the one in whose areas it stands, if it is one only.
fn right_family<'a>(draft: &Draft<'a>, id: OperatorId) -> Option<&'a Family> {
    let bucket = draft.bucket(id.bucket)?;
    let operator = bucket
        .operators
        .iter()
        .find(|one| one.worker == id.worker && one.status == Status::Active)?;
    let node = draft.facts.nodes.get(&operator.endpoint()?);
    if let Some(nearest) = node.and_then(|node| node.nearest.as_ref()) {
        let family = draft.topology.family(nearest.family);
        return family.filter(|family| family.id != id.bucket.family);
    }
    let here = Whereabouts::of(&operator.place)?;
    let is_there = |family: &&Family| {
        let mut named = family
            .areas
            .iter()
            .filter(|area| !matches!(area, Area::Continent(_)));
        family.id != id.bucket.family && named.any(|area| here.is_in(area))
    };
    let mut fitting = draft.topology.families.iter().filter(is_there);
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

/// A bucket of the family whose node lives and stands right: one that is on rather than one that is off.
fn right_bucket<'a>(draft: &Draft<'a>, family: &'a Family, from: &Bucket) -> Option<&'a Bucket> {
    let stands_right = |bucket: &&Bucket| {
        let doubts = [
            Rule::OutsideAreas,
            Rule::AnotherFamilyNearer,
            Rule::Measured,
            Rule::SaidWorker,
        ];
        let is_doubted = bucket.active().any(|one| {
            let subject = Subject::Operator(bucket.operator_id(one));
            doubts.iter().any(|rule| draft.has(*rule, &subject))
        });
        let is_known = !draft.has(Rule::SaidBuckets, &Subject::Bucket(bucket.id));
        bucket.id != from.id && !is_doubted && is_known && draft.lives(bucket)
    };
    let mut fitting: Vec<&Bucket> = family.buckets.iter().filter(stands_right).collect();
    fitting.sort_by_key(|bucket| !bucket.distributing);
    fitting.first().copied()
}

fn move_over(draft: &mut Draft<'_>, from: &Bucket, to: &Bucket, family: &Family, of: Vec<(Rule, Subject)>) {
    let label = family.label();
    if from.bags == Some(0) {
        if from.accepting {
            let reason =
                format!("Its node belongs to {label}, and it holds no bag: nothing has to be moved.");
            draft.add(
                Act::Accept {
                    bucket: from.id,
                    yes: false,
                },
                reason,
                of.clone(),
            );
        }
        if from.distributing {
            let reason = format!("Its node belongs to {label}, and it holds no bag: nobody loses anything.");
            draft.add(
                Act::Distribute {
                    bucket: from.id,
                    on: false,
                },
                reason,
                of,
            );
        }
        return;
    }
    if !to.distributing {
        let reason = format!(
            "It takes over from bucket {}, and users have to be sent to it before.",
            from.id
        );
        draft.add(
            Act::Distribute {
                bucket: to.id,
                on: true,
            },
            reason,
            of.clone(),
        );
    }
    if !to.accepting {
        let reason = format!("It takes over the bags of bucket {}.", from.id);
        draft.add(
            Act::Accept {
                bucket: to.id,
                yes: true,
            },
            reason,
            of.clone(),
        );
    }
    if from.accepting {
        let reason = format!(
            "So that no further bag is assigned to it; what it holds it goes on serving until {} does.",
            to.id
        );
        draft.add(
            Act::Accept {
                bucket: from.id,
                yes: false,
            },
            reason,
            of.clone(),
        );
    }
    let reason = format!(
        "The node of bucket {} belongs to {label}, and a bucket cannot change its family.",
        from.id
    );
    let act = Act::MoveBags {
        from: from.id,
        to: to.id,
        bags: from.bags,
    };
    draft.add(act, reason, of.clone());
    let what = format!(
        "Once bucket {} holds no bag, ask for the audit again: then, and not before, it drafts how it is switched off.",
        from.id
    );
    draft.add(
        Act::Later { what },
        "A bag that is still in it would be unserved.",
        of,
    );
}
