//! The audit as text for a terminal, or as Markdown: the answer, what was found, what to do.

use isochrone_chain::Severity;
use isochrone_chain::plan::Step;

use super::ChainAudit;
use super::words::{answer, heading, plan, wrong};
use crate::lines::Lines;

/// So many findings of one severity are told in full; the rest is in JSON and CSV.
const TOLD: usize = 100;

pub(super) fn body(audit: &ChainAudit, lines: &mut Lines) {
    lines.blank();
    wrong(audit)
        .iter()
        .chain(&answer(audit))
        .for_each(|sentence| lines.wrapped(sentence));
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        findings(audit, severity, lines);
    }
    steps(audit, lines);
}

fn findings(audit: &ChainAudit, severity: Severity, lines: &mut Lines) {
    let found: Vec<_> = audit
        .findings
        .iter()
        .filter(|finding| finding.rule.severity() == severity)
        .collect();
    if found.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, heading(severity));
    for finding in found.iter().take(TOLD) {
        lines.item(&format!("{} (`{}`)", finding.says, finding.rule.id()));
        for evidence in &finding.evidence {
            lines.hung_below(evidence);
        }
    }
    if found.len() > TOLD {
        let more = found.len() - TOLD;
        lines.wrapped(&format!("And {more} more; see --format json or csv."));
    }
}

fn steps(audit: &ChainAudit, lines: &mut Lines) {
    if let Some(withheld) = &audit.plan.withheld {
        lines.blank();
        lines.heading(2, "What to do");
        lines.wrapped(withheld);
        return;
    }
    if audit.plan.steps.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, "What to do, in this order");
    lines.wrapped(&plan(audit));
    for (at, step) in audit.plan.steps.iter().enumerate() {
        self::step(at + 1, step, lines);
    }
    let files: Vec<_> = audit
        .plan
        .steps
        .iter()
        .filter_map(|step| step.act.file())
        .collect();
    for (name, content) in files {
        lines.blank();
        lines.heading(3, &format!("{name}:"));
        lines.code(&format!("{content:#}"));
    }
}

fn step(number: usize, step: &Step, lines: &mut Lines) {
    let mark = format!("{number}. ");
    let what = match (step.act.command(), step.act.by_hand()) {
        (Some(command), _) => format!("`{command}`"),
        (None, by_hand) => by_hand.unwrap_or_default(),
    };
    lines.marked(&mark, &what);
    if step.act.command().is_some() && !step.reason.is_empty() {
        lines.hung_below(&step.reason);
    }
}
