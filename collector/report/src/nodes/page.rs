//! The report as one HTML page: all nodes at a glance, then each with its charts, its figures folded below.

use isochrone_base::words::count;
use isochrone_watch::incident::IncidentCheck;
use maud::{Markup, html};

use super::strip::{axis, span, strip};
use super::tables;
use super::values::{NodeReport, NodesReport, Slice, Ttfb};
use super::words::{
    availability, lasted, left_out, no_outages, one_place, pages, share_of, title, ttfb_pair, unjudged,
};
use crate::charts::{self, Lane, Line, Point, Span};
use crate::imported;
use crate::prose;

pub(super) fn body(report: &NodesReport) -> Markup {
    html! {
        @if report.nodes.is_empty() {
            p.first { (prose::page(super::NO_NODES)) }
        } @else {
            (tables::overview(report).html())
            (legend())
            @for node in &report.nodes { (section(report, node)) }
            p { (pages(report)) }
            @if let Some(one_place) = one_place(report) { p { (one_place) } }
        }
        @if !report.borrowed.is_empty() {
            h2 { (super::borrowed::TITLE) }
            p { (prose::page(super::borrowed::ABOUT)) }
            ul { @for sentence in super::borrowed::sentences(&report.borrowed) { li { (sentence) } } }
        }
        (imported::page(&report.imported))
    }
}

fn legend() -> Markup {
    html! {
        ul.legend aria-hidden="true" {
            li { i.key.measured {} "all checks succeeded" }
            li { i.key.failed {} "failed: the higher, the more" }
            li { i.key.silent {} "no data" }
            li { i.key.span {} "outage: nobody gets through" }
            li { i.key.span.hollow {} "outage on some paths" }
        }
    }
}

fn section(report: &NodesReport, node: &NodeReport) -> Markup {
    let about = title(node);
    let about = about.strip_prefix(&node.node).unwrap_or_default();
    html! {
        section.node {
            h2 { (node.node) span.soft { (about) } }
            (facts(node))
            @if node.whole.judged > 0 { (chart(report, node)) }
            div.figures {
                details { summary { "Figures by day, and every outage" } }
                (tables::days(node).html())
                @if let Some(left_out) = left_out(node) { p { (left_out) } }
                @if let Some(unjudged) = unjudged(node) { p { (unjudged) } }
                @if let Some(availability) = availability(node) { p { (availability) } }
                @if !node.outages.is_empty() { (tables::outages(node).html()) }
                @if node.whole.good < node.whole.judged { (tables::failures(node).html()) }
            }
        }
    }
}

/// The whole window in a few figures.
fn facts(node: &NodeReport) -> Markup {
    let longest = node
        .outages
        .iter()
        .max_by(|one, other| one.duration_s.total_cmp(&other.duration_s));
    let ttfb = node.whole.ttfb.or(node.whole.status_ttfb);
    html! {
        ul.facts {
            li { b { (share_of(node.whole.good, node.whole.judged)) } " of judged checks succeeded" }
            @match longest {
                None => li { (no_outages(node)) },
                Some(longest) => li {
                    b { (count(node.outages.len(), "outage")) } ", the longest " (lasted(longest))
                },
            }
            @if ttfb.is_some() { li { b { (ttfb_pair(ttfb)) " ms" } " to the first byte (p50 / p90)" } }
        }
    }
}

fn chart(report: &NodesReport, node: &NodeReport) -> Markup {
    let axis = axis(report);
    html! {
        figure.chart {
            span.beside { "Checks" }
            (strip(report, node))
            (charts::timeline(axis, &lanes(report, node)))
            @if let Some((words, lines)) = ttfb(node) {
                span.beside { "First byte" @if lines.len() > 1 { ul.legend aria-hidden="true" {
                    li { i.key.first {} "content" } li { i.key.second {} "status" }
                } } }
                (charts::lines(axis, ("Time to first byte", &words), "ms", &lines))
            }
            span.beside {}
            (axis.labels())
        }
    }
}

/// A lane for each check that saw an outage.
fn lanes(report: &NodesReport, node: &NodeReport) -> Vec<Lane> {
    let lane = |(check, name): (IncidentCheck, &str)| {
        let each = node.outages.iter().flat_map(|outage| {
            let of_check = outage.checks.iter().filter(move |span| span.check == check);
            of_check.map(move |span| (outage, span))
        });
        let spans = each.map(|(outage, of)| span(report, outage, (of.start, of.end)));
        let spans: Vec<Span> = spans.collect();
        (!spans.is_empty()).then(|| Lane {
            name: name.to_owned(),
            spans,
        })
    };
    let checks = [
        (IncidentCheck::Connect, "Unreachable"),
        (IncidentCheck::Name, "No address"),
        (IncidentCheck::Status, "Status out"),
        (IncidentCheck::Asset, "Assets out"),
        (IncidentCheck::Http, "Page out"),
    ];
    checks.into_iter().filter_map(lane).collect()
}

/// The lines of what was measured, and what they show.
fn ttfb(node: &NodeReport) -> Option<(String, Vec<Line>)> {
    let whole = [
        ("content", node.whole.ttfb),
        ("status answers", node.whole.status_ttfb),
    ];
    let words = whole.into_iter().filter_map(|(what, ttfb)| {
        ttfb?;
        Some(format!("{what}: p50 / p90 {} ms", ttfb_pair(ttfb)))
    });
    let words: Vec<String> = words.collect();
    let lines = [
        line(node, "second", |slice| slice.status_ttfb),
        line(node, "first", |slice| slice.ttfb),
    ];
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.points.is_empty()).collect();
    let words = format!(
        "{}. The line is p50, the band above it ends at p90.",
        words.join("; ")
    );
    (!lines.is_empty()).then_some((words, lines))
}

fn line(node: &NodeReport, class: &'static str, of: impl Fn(&Slice) -> Option<Ttfb>) -> Line {
    let points = node.slices.iter().filter_map(|slice| {
        let ttfb = of(slice)?;
        Some(Point {
            from: slice.from.0,
            until: slice.until.0,
            value: ttfb.p50_ms,
            high: ttfb.p90_ms,
        })
    });
    Line {
        class,
        points: points.collect(),
    }
}
