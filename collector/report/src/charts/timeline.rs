//! Lanes of spans over time.

use maud::{Markup, html};

use super::{Axis, picture, short};

/// Units of height of a lane.
const LANE: f64 = 20.0;
/// A span is at least so long, so that a short one can be seen.
const LEAST: f64 = 3.0;

#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// What stands beside it.
    pub(crate) name: String,
    /// What is drawn in it.
    pub(crate) spans: Vec<Span>,
}

/// A span of time.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Its first instant, in milliseconds since 1970.
    pub(crate) from: u64,
    /// The first instant after it.
    pub(crate) until: u64,
    /// Drawn as an outline: less than the whole.
    pub(crate) hollow: bool,
    /// It, in words.
    pub(crate) title: String,
}

/// One picture for each lane, its name beside it.
#[must_use]
pub(crate) fn timeline(axis: Axis, lanes: &[Lane]) -> Markup {
    html! {
        @for lane in lanes {
            @let words = lane.spans.iter().map(|span| span.title.as_str()).collect::<Vec<_>>().join("; ");
            div.lane {
                span.beside { (lane.name) }
                (timeline_of(axis, (&lane.name, &words), &lane.spans))
            }
        }
    }
}

/// The picture of one lane.
#[must_use]
pub(crate) fn timeline_of(axis: Axis, words: (&str, &str), drawn: &[Span]) -> Markup {
    picture("timeline", LANE, words, &spans(axis, drawn))
}

fn spans(axis: Axis, spans: &[Span]) -> Markup {
    html! {
        (axis.grid(LANE))
        @for span in spans {
            @let width = (axis.x(span.until) - axis.x(span.from)).max(LEAST);
            @let x = axis.x(span.from).min(Axis::WIDTH - width);
            rect class=(if span.hollow { "span hollow" } else { "span" }) x=(short(x)) y="4" width=(short(width)) height="12" {
                title { (span.title) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_span_at_the_end_can_be_seen() {
        let span = Span {
            from: 999_999,
            until: 1_000_000,
            hollow: true,
            title: "1 s & more".to_owned(),
        };
        let lane = Lane {
            name: "status".to_owned(),
            spans: vec![span],
        };
        let svg = timeline(Axis::new(0, 1_000_000), &[lane]).into_string();
        assert!(
            svg.contains("class=\"span hollow\" x=\"997\" y=\"4\" width=\"3\""),
            "{svg}"
        );
        assert!(svg.contains("<desc>1 s &amp; more</desc>"), "{svg}");
    }
}
