//! The count as text for a terminal, or as Markdown: the answer first, then tables.

use super::super::top;
use super::super::words::weight_title;
use super::words::answer_of;
use super::{CountReport, tables};
use crate::lines::Lines;
use crate::tables::Table;

pub(super) fn body(report: &CountReport, lines: &mut Lines) {
    let (count, what) = (&report.count, weight_title(&report.coverage));
    lines.blank();
    answer_of(report)
        .iter()
        .for_each(|sentence| lines.wrapped(sentence));
    let sentences = top::sentences(&report.coverage);
    if !sentences.is_empty() {
        lines.blank();
        lines.heading(2, top::TITLE);
        sentences.iter().for_each(|sentence| lines.wrapped(sentence));
    }
    let tables = [
        (!count.drop_one.is_empty()).then(|| tables::drop_one(count, what)),
        (!count.curve.is_empty()).then(|| tables::curve(count)),
        (!count.measure.is_empty()).then(|| tables::measure(count, what)),
        (!count.redundancy.is_empty()).then(|| tables::redundancy(count)),
    ];
    let below = [
        None,
        (!count.curve.is_empty()).then_some(tables::STEPS),
        tables::why_no_times(count),
        None,
    ];
    for (table, below) in tables.into_iter().zip(below) {
        table.iter().for_each(|table| section(table, lines));
        below.iter().for_each(|sentence| lines.wrapped(sentence));
    }
}

fn section(table: &Table, lines: &mut Lines) {
    lines.blank();
    lines.heading(2, table.title());
    lines.table(table);
}
