//! The report as one HTML page.

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{ClassReport, CoverageReport, Region, Share};
use maud::{Markup, html};

use super::map;
use super::words::{self, of_what};
use super::{caveats, measured, tables};
use crate::charts::{Part, bar};
use crate::frame::Frame;
use crate::words::{budget, percent, weight};

/// How many unmeasured regions are listed.
const UNMEASURED: usize = 12;

pub(super) fn html(report: &CoverageReport, mut frame: Frame) -> String {
    let source = match report.source {
        Source::Store => "the collector's store",
        Source::Files => "files",
        Source::Elasticsearch => "Elasticsearch",
        Source::Demo => "the demo's simulated world",
    };
    let source = format!("Source: {source}. Weights: {}.", of_what(report));
    frame.sources.insert(0, source);
    frame.method.extend(caveats::first_byte(report));
    let body = html! {
        @for (index, class) in report.classes.iter().enumerate() { (section(report, index, class)) }
    };
    frame.html(&budget_style(report), &body)
}

/// One rule for each budget: the chosen one colours its dots.
fn budget_style(report: &CoverageReport) -> String {
    let budgets = report.classes.first().map_or(0, |class| class.shares.len());
    (0..budgets)
        .map(|index| {
            format!(
                "#b{index}:checked~.map .i{index}{{stroke:var(--within);stroke-linecap:round;opacity:1}}\
                 #b{index}:checked~.map .o{index}{{stroke:var(--beyond);stroke-linecap:square;opacity:1}}\
                 #b{index}:checked~.map .n{index}{{stroke:var(--own);stroke-linecap:square;opacity:1}}\
                 #b{index}:checked~.tally .t{index}{{display:flex}}\
                 #b{index}:checked~.choice label[for=b{index}]{{display:block;background:var(--ink);color:var(--paper);border-color:var(--ink)}}\
                 #b{index}:focus-visible~.choice label[for=b{index}]{{outline:3px solid var(--focus);outline-offset:2px}}"
            )
        })
        .collect()
}

fn section(report: &CoverageReport, index: usize, class: &ClassReport) -> Markup {
    let at = report.first_budget(class);
    html! {
        section.class {
            h2 { (words::class_title(class.access)) }
            p.first { (words::first_line(report, class)) }
            (headline(report, class))
            @if index == 0 { (map_figure(report, class)) }
            (unmeasured(class))
            @for (title, regions) in words::region_lists(class) {
                @if let Some(regions) = measured(regions) {
                    (tables::regions(report, title, &regions, at).html())
                }
            }
            @if class.regions.iter().any(words::narrow) { p.hint { "¹ " (words::NARROW) "." } }
            (tables::vantages(report, class).html())
        }
    }
}

fn headline(report: &CoverageReport, class: &ClassReport) -> Markup {
    let counted = html! { @for sentence in words::counted(report, class) { p { (sentence) } } };
    let share = class.shares.get(report.first_budget(class));
    html! {
        @if !class.withheld.is_empty() {
            div.callout role="note" {
                h3 { "No headline share" }
                @for why in words::withheld(class) { p { (why) } }
                p { "What can be said: the distances below, what is not measured, and a count." }
                (counted)
            }
        } @else if let Some(share) = share {
            p.headline {
                strong { (percent(share.within)) } " "
                span {
                    "of " (of_what(report)) " within " (budget(share.budget_ms))
                    @if let Some(interval) = share.interval {
                        " (90 % interval " (percent(interval.low)) " to " (percent(interval.high)) ")"
                    }
                }
            }
            (counted)
            (tables::shares(report, class).html())
        }
    }
}

fn map_figure(report: &CoverageReport, class: &ClassReport) -> Markup {
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
                // Only without figures where none may be a headline.
                @if class.withheld.is_empty() {
                    @for (index, share) in shares() { div class={ "t" (index) } { (tally(share)) } }
                }
            }
            figcaption {
                (legend())
                span.hint {
                    "Dots: places, by " (of_what(report)) ". Dots that lie close together are drawn as one."
                }
            }
        }
    }
}

/// A bar with its figures in words below it.
fn tally(share: &Share) -> Markup {
    html! {
        (words::bar(share))
        p {
            span { b { (percent(share.within)) } " within" }
            span { b { (percent(share.beyond)) } " beyond" }
            span {
                b { (percent(share.unknown)) } " not measured"
                @if share.own_node > 0.0 {
                    ", " (percent(share.own_node)) " of it with its own node, the next beyond"
                }
            }
        }
    }
}

fn legend() -> Markup {
    let dots = [
        ("l-within", "within"),
        ("l-beyond", "beyond"),
        ("l-own", "has its own node, the next is beyond"),
        ("l-unknown", "not measured"),
    ];
    html! {
        ul.legend {
            @for (class, words) in dots {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { path class=(class) d="M8 8h.02" {} } (words) }
            }
            li { svg viewBox="0 0 16 16" aria-hidden="true" { path.node d="M8 13l-5.6-10h11.2z" {} } "node" }
            li { svg viewBox="0 0 16 16" aria-hidden="true" { circle.vantage cx="8" cy="8" {} } "vantage" }
        }
    }
}

fn unmeasured(class: &ClassReport) -> Markup {
    let unmeasured: Vec<(&Region, f64)> = class.unmeasured();
    let Some((_, heaviest)) = unmeasured.first() else {
        return Markup::default();
    };
    let part = |missing: &f64| Part {
        class: "unknown",
        share: missing / heaviest,
    };
    html! {
        h3 { "Heaviest not measured" }
        ul.missing {
            @for (region, missing) in unmeasured.iter().take(UNMEASURED) {
                @let share = percent(missing / class.total_weight);
                li {
                    span.name { (words::region_name(&region.id)) }
                    (bar(&share, &[part(missing)]))
                    span.num { (weight(*missing)) }
                    span.num { (share) }
                }
            }
        }
        @if let Some(more) = unmeasured.len().checked_sub(UNMEASURED).filter(|more| *more > 0) {
            p.hint { "… and " (more) " more." }
        }
    }
}

#[cfg(test)]
mod tests;
