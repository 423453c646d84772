//! The count as one HTML page, and the figures that the coverage page shows too.

use isochrone_coverage::count::{Count, NodeVerdict};
use maud::{Markup, html};

use super::super::top;
use super::super::words::weight_title;
use super::words::{answer, calibration, mark, node_verdict, wrong};
use super::{CountReport, tables};
use crate::charts::{Mark, Scale, curve, interval_bar};
use crate::frame::Frame;
use crate::prose;
use crate::words::{ms, ms_interval, range};

pub(super) fn html(report: &CountReport, frame: &Frame) -> String {
    let (count, what) = (&report.count, weight_title(&report.coverage));
    let body = html! {
        section.class {
            (prose::answer_box(&wrong(report), &answer(count)))
            @let sentences = top::sentences(&report.coverage);
            @if !sentences.is_empty() {
                h3 { (top::TITLE) }
                ul.depth { @for sentence in &sentences { li { (prose::page(sentence)) } } }
            }
            (curve_figure(count))
            (node_bars(count))
            @if !count.measure.is_empty() { (tables::measure(count, what).html()) }
            @if let Some(why) = tables::why_no_times(count) { p.hint { (why) } }
            @if !count.drop_one.is_empty() { (tables::drop_one(count, what).html()) }
            @if !count.curve.is_empty() { (tables::curve(count).html()) p.hint { (tables::STEPS) } }
            @if !count.redundancy.is_empty() { (tables::redundancy(count).html()) }
        }
    };
    frame.html("", &body)
}

/// The mean time by the number of nodes.
pub(crate) fn curve_figure(count: &Count) -> Markup {
    let marks: Vec<Mark> = count
        .curve
        .iter()
        .map(|point| Mark {
            at: point.k,
            value: point.mean_ms,
            ends: point.interval.map(|interval| (interval.low, interval.high)),
            hollow: point.k > count.nodes,
        })
        .collect();
    if marks.len() < 2 {
        return Markup::default();
    }
    let predicted = mark(count.is_predicted());
    let says = |mark: &Mark| {
        let interval = mark
            .ends
            .map(|(low, high)| format!(" ({})", range(ms(Some(low)), &ms(Some(high)), "–")));
        format!(
            "{} nodes: {predicted}{} ms{}",
            mark.at,
            ms(Some(mark.value)),
            interval.unwrap_or_default()
        )
    };
    let rest = match count.is_predicted() {
        true => " Where nobody measured, every time is predicted (~).",
        false => "",
    };
    html! {
        figure.chart-figure {
            h3 { "Mean time by the number of nodes" }
            (curve(("Mean time by the number of nodes", "The table below says the same."), "ms", &marks, says))
            figcaption {
                span.hint {
                    "Filled: the best so many of today's " (count.nodes) " nodes. Hollow: further cities beside all of them, \
                     predicted. Lines: 90 % intervals." @if count.is_predicted() { " " (calibration()) } (rest)
                }
            }
        }
    }
}

/// What losing each node costs, as bars with intervals.
pub(crate) fn node_bars(count: &Count) -> Markup {
    if count.drop_one.is_empty() {
        return Markup::default();
    }
    let highs = count
        .drop_one
        .iter()
        .map(|drop| drop.interval.map_or(drop.cost_ms, |interval| interval.high));
    let lows = count
        .drop_one
        .iter()
        .map(|drop| drop.interval.map_or(drop.cost_ms, |interval| interval.low));
    let scale = Scale::over(lows.chain([0.0]), highs.chain([count.thresholds.drop_ms]));
    html! {
        h3 { "If one node were gone: milliseconds more in the mean" }
        ul.worth {
            @for drop in &count.drop_one {
                @let ends = drop.interval.map(|interval| (interval.low, interval.high));
                @let class = match drop.verdict {
                    NodeVerdict::Needed => "needed",
                    NodeVerdict::MayGo { .. } => "may-go",
                    NodeVerdict::CannotTell { .. } => "open",
                };
                li {
                    span.name { (drop.node) }
                    (interval_bar(&scale, class, (drop.cost_ms, ends), count.thresholds.drop_ms))
                    span.num { (mark(count.is_predicted())) (ms(Some(drop.cost_ms))) " " span.soft { (ms_interval(drop.interval)) } }
                    span.verdict { (node_verdict(drop)) }
                }
            }
        }
        p.hint { "The upright line is the threshold: " (count.thresholds.drop_ms) " ms. Thin lines are 90 % intervals." @if count.is_predicted() { " " (calibration()) } }
    }
}
