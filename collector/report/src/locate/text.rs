//! The report as text for a terminal, or as Markdown: the answer first, then each place.

use super::words::{answer, anycast, impossible, label, story, wrong};
use super::{LocateReport, eyes, tables};
use crate::lines::Lines;

pub(super) fn body(report: &LocateReport, lines: &mut Lines) {
    lines.blank();
    let said = wrong(report)
        .into_iter()
        .chain(answer(report))
        .chain(anycast(report));
    said.for_each(|sentence| lines.wrapped(&sentence));
    for site in impossible(report) {
        lines.blank();
        lines.heading(2, &format!("{}: place does not fit; typo?", label(report, site)));
        story(report, site)
            .iter()
            .for_each(|sentence| lines.item(sentence));
    }
    lines.blank();
    let places = tables::places(report);
    lines.heading(2, places.title());
    lines.table(&places);
    eyes::text(report, lines);
    if let Some(databases) = tables::databases(report) {
        lines.blank();
        lines.heading(2, databases.title());
        lines.table(&databases);
    }
}
