//! The report as text for a terminal, or as Markdown.

use super::values::{NodeReport, NodesReport};
use super::words::{availability, left_out, no_outages, one_place, outage_line, pages, title, unjudged};
use super::{borrowed, tables};
use crate::imported;
use crate::lines::Lines;

pub(super) fn body(report: &NodesReport, lines: &mut Lines) {
    lines.blank();
    if report.nodes.is_empty() {
        lines.wrapped(super::NO_NODES);
        return imported::text(&report.imported, lines); // whom nobody lists no eye can have measured
    }
    lines.table(&tables::overview(report));
    let days = lines.alike(report.nodes.iter().map(tables::days).collect());
    for (node, days) in report.nodes.iter().zip(days) {
        lines.blank();
        lines.heading(2, &title(node));
        lines.table(&days);
        if let Some(left_out) = left_out(node) {
            lines.wrapped(&left_out);
        }
        if let Some(unjudged) = unjudged(node) {
            lines.wrapped(&unjudged);
        }
        if let Some(availability) = availability(node) {
            lines.wrapped(&availability);
        }
        outages(node, lines);
    }
    lines.blank();
    lines.wrapped(&pages(report));
    if let Some(one_place) = one_place(report) {
        lines.wrapped(one_place);
    }
    eyes(report, lines);
    imported::text(&report.imported, lines);
}

fn eyes(report: &NodesReport, lines: &mut Lines) {
    if report.borrowed.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, borrowed::TITLE);
    lines.wrapped(borrowed::ABOUT);
    borrowed::sentences(&report.borrowed)
        .iter()
        .for_each(|sentence| lines.item(sentence));
}

fn outages(node: &NodeReport, lines: &mut Lines) {
    if node.outages.is_empty() {
        return lines.wrapped(no_outages(node));
    }
    lines.heading(3, "Outages");
    if lines.is_markdown() {
        return lines.table(&tables::outages(node));
    }
    for outage in &node.outages {
        lines.item(&format!(
            "{}; seen by {}",
            outage_line(outage),
            outage.vantages.join(", ")
        ));
    }
}
