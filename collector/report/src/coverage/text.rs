//! The report as text for a terminal, or as Markdown: the summary first, then tables.

use isochrone_coverage::report::{ClassReport, CoverageReport, Region};
use isochrone_coverage::weights::WeightKind;

use super::answer::answer;
use super::words;
use super::{borrowed, measured, predicted, tables, top};
use crate::lines::Lines;
use crate::words::{percent, weight};

/// How many unmeasured regions are listed.
const UNMEASURED: usize = 10;

pub(super) fn body(report: &CoverageReport, lines: &mut Lines) {
    lines.blank();
    let answer = answer(report).sentences();
    answer.iter().for_each(|sentence| lines.wrapped(sentence));
    for class in &report.classes {
        lines.blank();
        self::class(report, class, lines);
    }
    if let Some(beside) = predicted::beside(report) {
        lines.blank();
        lines.heading(2, beside.title());
        lines.table(&beside);
    }
    borrowed::text(report, lines);
    let sentences = top::sentences(report);
    if !sentences.is_empty() {
        lines.blank();
        lines.heading(2, top::TITLE);
        sentences.iter().for_each(|sentence| lines.wrapped(sentence));
    }
}

fn class(report: &CoverageReport, class: &ClassReport, lines: &mut Lines) {
    lines.heading(2, words::class_title(class.access));
    lines.wrapped(&words::first_line(report, class));
    for sentence in words::counted(report, class) {
        lines.wrapped(&sentence);
    }
    lines.blank();
    if class.withheld.is_empty() {
        lines.table(&tables::shares(report, class));
    } else {
        words::withheld(class)
            .into_iter()
            .for_each(|sentence| lines.wrapped(sentence));
    }
    if let Some(shares) = predicted::shares(report, class) {
        lines.blank();
        lines.heading(3, shares.title());
        lines.table(&shares);
    }
    let unmeasured = class.unmeasured();
    if !unmeasured.is_empty() {
        lines.blank();
        lines.wrapped(&unmeasured_line(report, class, &unmeasured));
    }
    for (title, regions) in words::region_lists(class) {
        if let Some(measured) = measured(regions) {
            lines.blank();
            lines.heading(3, title);
            lines.table(&tables::regions(
                report,
                title,
                &measured,
                report.first_budget(class),
            ));
            if measured.iter().any(|region| words::narrow(region)) {
                lines.marked("¹ ", words::NARROW);
            }
        }
    }
    columns(report, class, lines);
    lines.blank();
    let vantages = tables::vantages(report, class);
    lines.heading(3, vantages.title());
    lines.table(&vantages);
    predicted::body(report, class, lines);
}

/// What the columns of the regions' tables mean.
fn columns(report: &CoverageReport, class: &ClassReport, lines: &mut Lines) {
    if class.regions.iter().any(|region| region.measured.is_some()) {
        let short = " a < b: a is best, and b is next. v/n: vantages, and the networks they sit in.";
        lines.wrapped(&words::columns(report, short));
    }
}

fn unmeasured_line(report: &CoverageReport, class: &ClassReport, unmeasured: &[(&Region, f64)]) -> String {
    let listed: Vec<String> = unmeasured
        .iter()
        .take(UNMEASURED)
        .map(|(region, missing)| {
            let share = percent(missing / class.total_weight);
            match report.weights.kind {
                WeightKind::Sites => format!("{} {}", words::region_name(&region.id), weight(*missing)),
                _ => format!(
                    "{} {} ({share})",
                    words::region_name(&region.id),
                    weight(*missing)
                ),
            }
        })
        .collect();
    let more = unmeasured.len().saturating_sub(UNMEASURED);
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!("Heaviest not measured: {}{more}.", listed.join(", "))
}

#[cfg(test)]
mod tests;
