//! The report as one HTML page.

use maud::{Markup, html};

use super::words::{answer, anycast, impossible, label, story, wrong};
use super::{LocateReport, map, tables};
use crate::frame::Frame;
use crate::prose;

/// What this page has beside every page.
const STYLE: &str = include_str!("style.css");

pub(super) fn html(report: &LocateReport, frame: &Frame) -> String {
    let mut said = answer(report);
    said.extend(anycast(report));
    let body = html! {
        section.class {
            (prose::answer_box(&wrong(report), &said))
            (figure(report))
            @for site in impossible(report) {
                div.callout.wrong role="note" {
                    h3 { (label(report, site)) ": place does not fit; typo?" }
                    ul { @for sentence in story(report, site) { li { (prose::page(&sentence)) } } }
                }
            }
            (tables::places(report).html())
            @if let Some(databases) = tables::databases(report) { (databases.html()) }
        }
    };
    frame.html(STYLE, &body)
}

fn figure(report: &LocateReport) -> Markup {
    let marks = [
        ("claimed", "claimed, and nothing contradicts it"),
        ("false", "claimed, and it does not fit"),
        ("meant", "what may have been meant"),
        ("region", "where it probably stands"),
    ];
    let shown = if impossible(report).is_empty() {
        1
    } else {
        marks.len()
    };
    html! {
        figure.world {
            (map::places(report))
            figcaption {
                ul.legend {
                    @for (kind, words) in &marks[..shown] {
                        li { svg viewBox="0 0 16 16" aria-hidden="true" { (map::mark(kind, (8.0, 8.0))) } (words) }
                    }
                }
                @if shown > 1 {
                    span.hint { "Dashed: how far light can have come in the times of the witnesses that contradict it." }
                }
            }
        }
    }
}
