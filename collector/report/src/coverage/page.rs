//! The report as one HTML page.

mod figure;
mod nodes;

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{ClassReport, CoverageReport, Region};
use maud::{Markup, html};

use super::answer::answer;
use super::words::{self, of_what};
use super::{borrowed, caveats, count, measured, predicted, tables, top};
use crate::characters::capital;
use crate::charts::{Part, bar};
use crate::frame::Frame;
use crate::prose;
use crate::words::{budget, percent, range, weight};

/// What this page has beside every page.
const STYLE: &str = include_str!("page/style.css");
/// How many unmeasured regions are listed.
const UNMEASURED: usize = 12;

pub(super) fn html(report: &CoverageReport, mut frame: Frame) -> String {
    let source = match report.source {
        Source::Store => "the collector's store",
        Source::Files => "files",
        Source::Elasticsearch => "Elasticsearch",
        Source::Demo => "the demo's simulated world",
        Source::Imported => "imported documents of others, none of our own",
    };
    let source = format!("Source: {source}. Weights: {}.", of_what(report));
    frame.sources.insert(0, source);
    frame.method.extend(caveats::first_byte(report));
    let answer = answer(report);
    let body = html! {
        (prose::answer_box(&answer.wrong, &answer.says))
        @for (index, class) in report.classes.iter().enumerate() { (section(report, index, class)) }
        (whole(report))
    };
    frame.html(&format!("{STYLE}{}", budget_style(report)), &body)
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
                 #b{index}:checked~.map .soft.p{index}{{stroke:var(--within)}}\
                 #b{index}:checked~.map .soft.q{index}{{stroke:var(--beyond);stroke-linecap:square}}\
                 #b{index}:checked~.map .hatch.p{index},#b{index}:checked~.map .hatch.q{index}{{display:none}}\
                 #b{index}:checked~.map .c{index}{{display:inline}}\
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
            p.first { (prose::page(&words::first_line(report, class))) }
            @if index == 0 { (figure::world(report, class)) }
            (headline(report, class))
            @if index == 0 { (counting(report, class)) }
            (unmeasured(class))
            @for (title, regions) in words::region_lists(class) {
                @if let Some(regions) = measured(regions) {
                    (tables::regions(report, title, &regions, at).html())
                }
            }
            @if class.regions.iter().any(|region| region.measured.is_some()) {
                p.hint { (capital(&words::columns(report, ""))) }
            }
            @if class.regions.iter().any(words::narrow) { p.hint { "¹ " (words::NARROW) "." } }
            (tables::vantages(report, class).html())
            (beyond_measured(report, class))
        }
    }
}

/// What is predicted by country, and coverage in depth.
fn beyond_measured(report: &CoverageReport, class: &ClassReport) -> Markup {
    let depth = predicted::depth(report, class);
    html! {
        @if let Some(regions) = predicted::regions(report, class) { (regions.html()) }
        @if let Some(parts) = predicted::subdivisions(report, class) { (parts.html()) }
        @if !depth.is_empty() {
            h3 { "In depth" }
            ul.depth { @for sentence in &depth { li { (prose::page(sentence)) } } }
        }
    }
}

/// What concerns the whole report.
fn whole(report: &CoverageReport) -> Markup {
    let sentences = top::sentences(report);
    html! {
        @if let Some(beside) = predicted::beside(report) { (beside.html()) }
        (borrowed::html(report))
        @if !sentences.is_empty() {
            h3 { (top::TITLE) }
            ul.depth { @for sentence in &sentences { li { (prose::page(sentence)) } } }
        }
        h3 { "To disagree with it" }
        p.first {
            "Every figure of this page stands unrounded, with its interval and count, in the same report as JSON or CSV \
             (" code { "report coverage --format json" } "); which node is worth what in " code { "report count" }
            ", whose place does not fit in " code { "locate" } ", and each measurement in " code { "export ndjson" } "."
        }
    }
}

/// Too many or too few, and node by node.
fn counting(report: &CoverageReport, class: &ClassReport) -> Markup {
    html! {
        @if let Some(counted) = &report.count {
            h2 { "Too many or too few?" }
            ul.depth { @for sentence in count::beside_coverage(counted, of_what(report)) { li { (prose::page(&sentence)) } } }
            (count::curve_figure(counted))
            (count::node_bars(counted))
        }
        (nodes::table(report, class).html())
    }
}

fn headline(report: &CoverageReport, class: &ClassReport) -> Markup {
    let counted = html! { @for sentence in words::counted(report, class) { p { (prose::page(&sentence)) } } };
    let share = class.shares.get(report.first_budget(class));
    html! {
        @if !class.withheld.is_empty() {
            div.callout role="note" {
                h3 { "No measured share as a headline" }
                @for why in words::withheld(class) { p { (prose::page(why)) } }
                (counted)
            }
        } @else if let Some(share) = share {
            p.headline {
                strong { (percent(share.within)) } " "
                span {
                    "of " (of_what(report)) " within " (budget(share.budget_ms))
                    @if let Some(interval) = share.interval {
                        " (90 % interval " (range(percent(interval.low), &percent(interval.high), " to ")) ")"
                    }
                }
            }
            (counted)
            (tables::shares(report, class).html())
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
