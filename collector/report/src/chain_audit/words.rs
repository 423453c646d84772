//! What the audit says in sentences.

use isochrone_base::words::{count, date_time, duration};
use isochrone_chain::plan::{AGE_MAX_MS, Step};
use isochrone_chain::{Finding, Severity, Subject};

use super::ChainAudit;

pub(super) const GLOSSARY: [(&str, &str); 5] = [
    (
        "Family",
        "A region of the chain, with the areas that it is meant to serve.",
    ),
    (
        "Bucket",
        "A part of a family: what is assigned to operators as one. It cannot change its family.",
    ),
    ("Bag", "Objects that are assigned to buckets together."),
    (
        "Operator",
        "A worker who serves a bucket, with the endpoint and place that they claim for their node.",
    ),
    (
        "Vantage",
        "A probe that measures; here it stands for the users around it.",
    ),
];

/// The block in the report's head.
pub(super) fn block(audit: &ChainAudit) -> String {
    match audit.copy.topology.block {
        Some(block) => format!("block {block}"),
        None => "at a block that the indexer does not tell".to_owned(),
    }
}

/// How old the copy is.
pub(super) fn age(audit: &ChainAudit) -> String {
    let age = audit.copy.age_ms(audit.now);
    match age {
        0..60_000 => "fetched just now".to_owned(),
        _ => format!("fetched {} ago", duration(age)),
    }
}

/// What is wrong with the copy itself.
pub(super) fn wrong(audit: &ChainAudit) -> Vec<String> {
    let mut wrong = Vec::new();
    if audit.copy.age_ms(audit.now) > AGE_MAX_MS {
        wrong.push(format!(
            "This copy of the chain is {} old; what changed since is not in it.",
            duration(audit.copy.age_ms(audit.now))
        ));
    }
    if let Some(failed) = &audit.copy.failed {
        wrong.push(format!(
            "The last attempt to fetch it anew failed, {} UTC: {}",
            date_time(failed.at),
            failed.says
        ));
    }
    let left_out = &audit.copy.topology.left_out;
    if left_out.count > 0 {
        let told: Vec<&str> = left_out.first.iter().take(5).map(String::as_str).collect();
        let more = if left_out.count as usize > told.len() {
            "; …"
        } else {
            ""
        };
        let parts = count(left_out.count as usize, "part");
        wrong.push(format!(
            "{parts} of the answer could not be taken as they were: {}{more}.",
            told.join("; ")
        ));
    }
    wrong
}

/// Of more findings than this the gravest is told at once.
const MANY: usize = 5;

/// The answer in a sentence or two.
pub(super) fn answer(audit: &ChainAudit) -> Vec<String> {
    let of = |severity: Severity| {
        audit
            .findings
            .iter()
            .filter(move |finding| finding.rule.severity() == severity)
    };
    let (errors, warnings, notes) = (
        of(Severity::Error).count(),
        of(Severity::Warning).count(),
        of(Severity::Note).count(),
    );
    if audit.findings.is_empty() {
        return vec![format!(
            "Nothing that was looked at contradicts the chain: {} held against {} of targets.toml and the times of {}.",
            count(audit.copy.topology.families.len(), "family"),
            count(audit.nodes, "node"),
            count(audit.vantages, "vantage")
        )];
    }
    let kinds = [
        (errors, "that users feel"),
        (warnings, "that the chain says wrong or leaves out"),
        (notes, "worth knowing"),
    ];
    let parts = kinds.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{number} {what}")).collect();
    let all = count(audit.findings.len(), "thing");
    let is = if audit.findings.len() == 1 { "does" } else { "do" };
    let mut said = vec![format!("{all} on the chain {is} not fit: {}.", parts.join(", "))];
    if let Some(first) = audit.findings.first().filter(|_| audit.findings.len() > MANY) {
        said.push(format!("First: {}", first.says));
    }
    if audit.nodes == 0 {
        said.push(
            "targets.toml lists no node of the chain, so nothing was held against measurements: only what the chain says of itself."
                .to_owned(),
        );
    }
    said
}

/// A severity's heading.
pub(super) fn heading(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "What users feel",
        Severity::Warning => "What the chain says wrong, or leaves out",
        Severity::Note => "Worth knowing",
    }
}

/// What to do about a finding: the commands that answer it, or what is done by hand.
pub(super) fn draft(audit: &ChainAudit, finding: &Finding) -> Option<String> {
    let steps = audit.plan.steps.iter().filter(|step| answers(step, finding));
    let parts: Vec<String> = steps
        .filter_map(|step| step.act.command().or_else(|| step.act.by_hand()))
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn answers(step: &Step, finding: &Finding) -> bool {
    let is_it = |of: &(isochrone_chain::Rule, Subject)| of.0 == finding.rule && of.1 == finding.subject;
    step.of.iter().any(is_it)
}

/// How the plan is to be read.
pub(super) fn plan(audit: &ChainAudit) -> String {
    let block = match audit.plan.block {
        Some(block) => format!("Each step rests on block {block}"),
        None => "The indexer does not tell the block that these steps rest on".to_owned(),
    };
    format!(
        "{block}. Nothing was sent: send what you agree with, in this order, and look at the next audit before you go on."
    )
}

/// How to read the report.
pub(super) fn method(audit: &ChainAudit) -> Vec<String> {
    vec![
        format!(
            "The chain as {} told it {} UTC, held against the {} of targets.toml that it has and the times of {}.",
            audit.copy.from,
            date_time(audit.copy.taken),
            count(audit.nodes, "node"),
            count(audit.vantages, "vantage")
        ),
        "A place is called impossible only where two independent vantages were answered sooner than light allows; see `locate`.".to_owned(),
        "Vantages are servers and stand for the users around them: “served best” is said between servers.".to_owned(),
        "What is not measured, or could not be read, judges nothing. What each rule means and how to act on it: docs/audit.md.".to_owned(),
    ]
}
