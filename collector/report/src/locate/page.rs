//! The report as one HTML page.

use maud::{Markup, html};

use super::words::{answer, anycast, impossible, label, story, wrong};
use super::{LocateReport, eyes, map, tables};
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
            (eyes::html(report))
            @if let Some(databases) = tables::databases(report) { (databases.html()) }
        }
    };
    frame.html(STYLE, &body)
}

fn figure(report: &LocateReport) -> Markup {
    let wrong = impossible(report);
    let sites = &report.surveyed.location.sites;
    let meant = wrong.iter().any(|&site| sites[site].suggestion.is_some());
    let marks = [
        ("claimed", "claimed, and nothing contradicts it", true),
        ("false", "claimed, and it does not fit", !wrong.is_empty()),
        ("meant", "what may have been meant", meant),
        ("region", "where it probably stands", map::draws_region(report)),
    ];
    let drawn = marks.into_iter().filter(|(_, _, drawn)| *drawn);
    html! {
        figure.world {
            (map::places(report))
            figcaption {
                ul.legend {
                    @for (kind, words, _) in drawn {
                        li { svg viewBox="0 0 16 16" aria-hidden="true" { (map::mark(kind, (8.0, 8.0))) } (words) }
                    }
                }
                @if map::circles(&wrong) {
                    span.hint { "Dashed: how far light can have come in the times of the witnesses that contradict it." }
                }
            }
        }
    }
}
