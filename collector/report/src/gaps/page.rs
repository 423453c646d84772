//! The report as one HTML page.

use maud::html;

use super::words::{answer, told};
use super::{GapsReport, tables, text};
use crate::frame::Frame;
use crate::prose;

pub(super) fn html(report: &GapsReport, frame: &Frame) -> String {
    let gaps = &report.gaps;
    let body = html! {
        section.class {
            (prose::answer_box(&[], &answer(report)))
            ul { @for sentence in told(report) { li { (prose::page(&sentence)) } } }
            @if !gaps.eyes.is_empty() {
                (tables::eyes(report).html())
                p { (prose::page(text::DRAFT)) }
            }
            @if !gaps.contenders.is_empty() { (tables::contenders(report).html()) }
        }
    };
    frame.html("", &body)
}
