//! The audit as JSON, `isochrone.audit/1`: keys are never renamed, further ones may be added.

use isochrone_base::words::rfc3339;
use isochrone_chain::Finding;
use isochrone_chain::plan::{Act, Step};
use serde_json::{Value, json};

use super::ChainAudit;
use super::words::{answer, draft, wrong};
use crate::Printed as _;

pub(super) fn document(audit: &ChainAudit) -> Value {
    let (topology, frame) = (&audit.copy.topology, audit.frame());
    json!({
        "schema": "isochrone.audit/1",
        "demo": audit.demo,
        "block": topology.block,
        "age_s": audit.copy.age_ms(audit.now) as f64 / 1_000.0,
        "from": audit.copy.from,
        "taken": rfc3339(audit.copy.taken),
        "failed": audit.copy.failed.as_ref().map(|failed| json!({ "at": rfc3339(failed.at), "says": failed.says })),
        "families": topology.families.len(),
        "buckets": topology.buckets().count(),
        "operators": topology.operators().count(),
        "nodes": audit.nodes,
        "vantages": audit.vantages,
        "left_out": { "count": topology.left_out.count, "first": topology.left_out.first },
        "answer": wrong(audit).into_iter().chain(answer(audit)).collect::<Vec<_>>(),
        "findings": audit.findings.iter().map(|one| finding(audit, one)).collect::<Vec<_>>(),
        "plan": {
            "withheld": audit.plan.withheld,
            "block": audit.plan.block,
            "steps": audit.plan.steps.iter().map(step).collect::<Vec<_>>(),
        },
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

fn finding(audit: &ChainAudit, finding: &Finding) -> Value {
    json!({
        "rule": finding.rule.id(),
        "severity": finding.rule.severity().as_str(),
        "subject": finding.subject.to_string(),
        "says": finding.says,
        "evidence": finding.evidence,
        "draft": draft(audit, finding),
    })
}

fn step(step: &Step) -> Value {
    let act = match step.act {
        Act::AskOperator { .. } => "ask",
        Act::DescribeFamily { .. } => "describe",
        Act::Distribute { .. } => "mode",
        Act::Accept { .. } => "status",
        Act::MoveBags { .. } => "move-bags",
        Act::Later { .. } => "later",
    };
    json!({
        "act": act,
        "command": step.act.command(),
        "by_hand": step.act.by_hand(),
        "file": step.act.file().map(|(name, content)| json!({ "name": name, "content": content })),
        "reason": step.reason,
        "of": step.of.iter().map(|(rule, subject)| json!({ "rule": rule.id(), "subject": subject.to_string() })).collect::<Vec<_>>(),
    })
}
