//! Small pictures inside a page: no script, legible in the dark and on paper, each with its figures in words.
//!
//! A chart over time is drawn 1,000 units wide and stretched to the page; its words stand beside it as text of the
//! page, so that they keep their size on a narrow screen.

mod axis;
mod bar;
mod curve;
mod interval_bar;
mod lines;
mod strip;
mod timeline;

pub(crate) use axis::Axis;
pub(crate) use bar::{Part, bar};
pub(crate) use curve::{Mark, curve};
pub(crate) use interval_bar::{Scale, interval_bar};
pub(crate) use lines::{Line, Point, lines};
use maud::{Markup, html};
pub(crate) use strip::{Cell, strip};
pub(crate) use timeline::{Lane, Span, timeline, timeline_of};

/// An SVG as high as `height` units, with what it shows in words.
fn picture(class: &str, height: f64, (title, description): (&str, &str), drawn: &Markup) -> Markup {
    html! {
        svg class=(class) viewBox={ "0 0 " (Axis::WIDTH) " " (height) } preserveAspectRatio="none" role="img" {
            title { (title) }
            desc { (description) }
            (drawn)
        }
    }
}

/// A coordinate, as short as it can be written.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
