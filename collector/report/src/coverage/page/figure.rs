//! The map with its choice of budgets, its legend and its shares.

use isochrone_coverage::report::{ClassReport, CoverageReport, Share};
use maud::{Markup, html};

use super::super::map;
use super::super::map::predicted::{CONTOUR_KM, CONTOUR_VANTAGES, has_contours};
use super::super::words::{self, of_what};
use crate::words::{budget, percent, range};

/// The map of one class; a button for each budget.
pub(super) fn world(report: &CoverageReport, class: &ClassReport) -> Markup {
    let first = report.first_budget(class);
    let shares = || class.shares.iter().enumerate();
    html! {
        figure.world role="group" aria-label="Map by budget" {
            @for (index, share) in shares() {
                input type="radio" name="budget" id={ "b" (index) } aria-label=(budget(share.budget_ms)) checked[index == first];
            }
            p.choice {
                span { "Round-trip time within" }
                @for (index, share) in shares() { label for={ "b" (index) } { (budget(share.budget_ms)) } }
            }
            (map::coverage(report, class))
            div.tally {
                @for (index, share) in shares() { div class={ "t" (index) } { (tally(class, index, share)) } }
            }
            figcaption {
                (legend(report, class))
                span.hint {
                    "Dots: places, by " (of_what(report)) ". Dots that lie close together are drawn as one."
                    @if !has_contours(class) {
                        " No contours: nowhere do " (CONTOUR_VANTAGES) " vantages within " (CONTOUR_KM) " km carry one."
                    }
                }
            }
        }
    }
}

/// Bars with their figures in words: what was measured, where that may be a headline, and beside it what is predicted.
fn tally(class: &ClassReport, index: usize, measured: &Share) -> Markup {
    let predicted = class
        .predicted
        .as_ref()
        .and_then(|predicted| predicted.shares.get(index));
    html! {
        @if class.withheld.is_empty() || predicted.is_some() {
            (one("Measured", measured))
        }
        @if let Some(share) = predicted { (with_predictions(share)) }
    }
}

/// What is sure by predictions, what they cannot tell, and what they do not reach.
fn with_predictions(share: &Share) -> Markup {
    html! {
        div.sum.soft {
            span.name { "With predictions" }
            (words::bar(share))
            p {
                span { b { (percent(share.within)) } " surely within" }
                span { b { (percent(share.beyond)) } " surely beyond" }
                span { b { (percent(words::cannot_tell(share))) } " cannot be told: the interval of their time reaches across, or their node is judged by nobody else" }
                span { b { (percent(words::not_predicted(share))) } " not predicted" }
                @if let Some(interval) = share.interval {
                    span { "the true share within, 90 %: " (range(percent(interval.low), &percent(interval.high), " to ")) }
                }
            }
        }
    }
}

fn one(title: &str, share: &Share) -> Markup {
    html! {
        div.sum {
            span.name { (title) }
            (words::bar(share))
            p {
                span { b { (percent(share.within)) } " within" }
                span { b { (percent(share.beyond)) } " beyond" }
                span {
                    b { (percent(share.unknown)) } " unknown"
                    @if share.own_node > 0.0 { ", " (percent(share.own_node)) " of it with its own node, the next beyond" }
                }
                @if let Some(interval) = share.interval {
                    span { "90 % interval " (range(percent(interval.low), &percent(interval.high), " to ")) }
                }
            }
        }
    }
}

fn legend(report: &CoverageReport, class: &ClassReport) -> Markup {
    let predicts = class.predicted.is_some();
    let own = class.vantages.iter().any(|vantage| vantage.own_node);
    let dots = [
        (true, "l-within", "within"),
        (predicts, "l-within soft", "predicted, surely within"),
        (true, "l-beyond", "beyond"),
        (predicts, "l-beyond soft", "predicted, surely beyond"),
        (own, "l-own", "has its own node, the next is beyond"),
        (!predicts, "l-unknown", "not measured"),
    ];
    html! {
        ul.legend {
            @for (_, class, words) in dots.into_iter().filter(|(shown, ..)| *shown) {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { path class=(class) d="M8 8h.02" {} } (words) }
            }
            @if predicts {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { path.hatch d="M2 8l6 -6M3 14l11 -11M9 14l5 -5" {} } "not predicted, or no interval decides" }
            }
            @if has_contours(class) {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { g.iso.shown { path.edge d="M8 8h.02" {} path.area d="M8 8h.02" {} } } "within, as an area" }
            }
            li { svg viewBox="0 0 16 16" aria-hidden="true" { path.node d="M8 13l-5.6-10h11.2z" {} } "node" }
            li { svg viewBox="0 0 16 16" aria-hidden="true" { circle.vantage cx="8" cy="8" {} } "vantage" }
            @if report.count.as_ref().is_some_and(|count| count.next.is_some()) {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { g.next.best { circle cx="8" cy="8" r="6.5" {} text x="8" y="8" dy=".36em" text-anchor="middle" { "1" } } } "best guess for the next node" }
            }
        }
    }
}
