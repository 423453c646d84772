//! The audit as one HTML page.

use isochrone_chain::Severity;
use isochrone_chain::plan::Step;
use maud::{Markup, html};

use super::words::{answer, heading, plan, wrong};
use super::{ChainAudit, map, tables};
use crate::frame::Frame;
use crate::prose;

/// What this page has beside every page.
const STYLE: &str = include_str!("style.css");

/// So many findings of one severity stand on the page.
const TOLD: usize = 200;

pub(super) fn html(audit: &ChainAudit, frame: &Frame) -> String {
    let body = html! {
        section.class {
            (prose::answer_box(&wrong(audit), &answer(audit)))
            (figure(audit))
            @for severity in [Severity::Error, Severity::Warning, Severity::Note] { (findings(audit, severity)) }
            (steps(audit))
            (tables::families(audit).html())
        }
    };
    frame.html(STYLE, &body)
}

fn figure(audit: &ChainAudit) -> Markup {
    html! {
        figure.world {
            (map::families(audit))
            figcaption {
                ul.legend {
                    li { svg viewBox="0 0 16 16" aria-hidden="true" { (map::mark_at(false, (8.0, 8.0))) } "a node where it claims to stand; lines join a family" }
                    li { svg viewBox="0 0 16 16" aria-hidden="true" { (map::mark_at(true, (8.0, 8.0))) } "its place or its family does not fit" }
                }
            }
        }
    }
}

fn findings(audit: &ChainAudit, severity: Severity) -> Markup {
    let found: Vec<_> = audit
        .findings
        .iter()
        .filter(|finding| finding.rule.severity() == severity)
        .collect();
    html! {
        @if !found.is_empty() {
            h2 { (heading(severity)) }
            ul.findings {
                @for finding in found.iter().take(TOLD) {
                    li {
                        p { (prose::page(&finding.says)) " " code { (finding.rule.id()) } }
                        @for evidence in &finding.evidence { p.evidence { (prose::page(evidence)) } }
                    }
                }
            }
            @if found.len() > TOLD { p { "And " (found.len() - TOLD) " more; see the JSON or CSV form." } }
        }
    }
}

fn steps(audit: &ChainAudit) -> Markup {
    let plan_of = &audit.plan;
    html! {
        @if let Some(withheld) = &plan_of.withheld {
            h2 { "What to do" }
            p { (prose::page(withheld)) }
        } @else if !plan_of.steps.is_empty() {
            h2 { "What to do, in this order" }
            p { (plan(audit)) }
            ol.steps { @for step in &plan_of.steps { li { (self::step(step)) } } }
        }
    }
}

fn step(step: &Step) -> Markup {
    html! {
        @match (step.act.command(), step.act.by_hand()) {
            (Some(command), _) => { p { code { (command) } } }
            (None, Some(by_hand)) => { p { (prose::page(&by_hand)) } }
            (None, None) => {}
        }
        @if !step.reason.is_empty() { p.evidence { (prose::page(&step.reason)) } }
        @if let Some((name, content)) = step.act.file() {
            p.evidence { (name) ":" }
            pre { code { (format!("{content:#}")) } }
        }
    }
}
