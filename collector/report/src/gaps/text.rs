//! The report as text for a terminal, or as Markdown: the answer first, then the first eyes, then all.

use super::words::{answer, told};
use super::{GapsReport, tables};
use crate::lines::Lines;

pub(super) fn body(report: &GapsReport, lines: &mut Lines) {
    lines.blank();
    answer(report).iter().for_each(|sentence| lines.wrapped(sentence));
    let told = told(report);
    if !told.is_empty() {
        lines.blank();
        told.iter().for_each(|sentence| lines.item(sentence));
    }
    let gaps = &report.gaps;
    let all = [
        (!gaps.eyes.is_empty()).then(|| tables::eyes(report)),
        (!gaps.contenders.is_empty()).then(|| tables::contenders(report)),
    ];
    for table in all.iter().flatten() {
        lines.blank();
        lines.heading(2, table.title());
        lines.table(table);
    }
    if !gaps.eyes.is_empty() {
        lines.blank();
        lines.wrapped(DRAFT);
    }
}

/// How to get them.
pub(super) const DRAFT: &str = "`gaps --draft globalping` and `gaps --draft atlas` print the requests for these eyes, ready to send by hand, and what they cost.";
