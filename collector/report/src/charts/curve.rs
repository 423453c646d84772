//! Values by a whole number, with intervals: one upright for each.

use maud::{Markup, html};

use super::lines::round_above;
use super::{Axis, picture, short};

/// Units of height; the page's style says how high that is.
const HEIGHT: f64 = 100.0;
/// More labels than this do not fit beside each other.
const LABELS: usize = 20;

/// A value at a whole number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    /// The number, from 1.
    pub(crate) at: usize,
    /// The value, not negative.
    pub(crate) value: f64,
    /// Its interval.
    pub(crate) ends: Option<(f64, f64)>,
    /// Drawn as a ring: not measured.
    pub(crate) hollow: bool,
}

/// `marks` in order of their numbers; `says` says one in words.
#[must_use]
pub(crate) fn curve(
    words: (&str, &str),
    unit: &str,
    marks: &[Mark],
    says: impl Fn(&Mark) -> String,
) -> Markup {
    let last = marks.iter().map(|mark| mark.at).max().unwrap_or(1);
    let highest = marks
        .iter()
        .map(|mark| mark.ends.map_or(mark.value, |(_, high)| high.max(mark.value)));
    let top = round_above(highest.fold(0.0, f64::max));
    let x = |mark: &Mark| (mark.at as f64 - 0.5) / last as f64 * Axis::WIDTH;
    let y = |value: f64| HEIGHT - value / top * HEIGHT;
    let steps: Vec<String> = marks
        .iter()
        .map(|mark| format!("{} {}", short(x(mark)), short(y(mark.value))))
        .collect();
    let every = last.div_ceil(LABELS);
    let drawn = html! {
        path.grid d=(format!("M0 {}H1000", short(y(top / 2.0)))) {}
        path.line.first d={ "M" (steps.join("L")) } {}
        @for mark in marks {
            g {
                title { (says(mark)) }
                @if let Some((low, high)) = mark.ends {
                    path.whisker d=(format!("M{} {}V{}", short(x(mark)), short(y(low.max(0.0))), short(y(high)))) {}
                }
                @let d = format!("M{} {}h.01", short(x(mark)), short(y(mark.value)));
                path.point d=(d) {}
                @if mark.hollow { path.hole d=(d) {} }
            }
        }
    };
    html! {
        div.plot.by-number {
            div.scale aria-hidden="true" { span { (short(top)) " " (unit) } span { (short(top / 2.0)) } span { "0" } }
            (picture("lines", HEIGHT, words, &drawn))
        }
        div.numbers aria-hidden="true" {
            @for mark in marks.iter().filter(|mark| mark.at.is_multiple_of(every) || mark.at == 1) {
                span style=(format!("left:{:.2}%", x(mark) / 10.0)) { (mark.at) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_is_hollow_and_intervals_stand_upright() {
        let marks = [
            Mark {
                at: 1,
                value: 100.0,
                ends: Some((90.0, 120.0)),
                hollow: false,
            },
            Mark {
                at: 2,
                value: 50.0,
                ends: None,
                hollow: true,
            },
        ];
        let svg = curve(("Mean", "by number"), "ms", &marks, |mark| format!("{}", mark.at)).into_string();
        assert!(
            svg.contains("<path class=\"line first\" d=\"M250 50L750 75\""),
            "{svg}"
        );
        assert!(svg.contains("class=\"whisker\" d=\"M250 55V40\""), "{svg}");
        assert_eq!(svg.matches("class=\"hole\"").count(), 1, "{svg}");
        assert!(
            svg.contains("class=\"grid\" d=\"M0 50H1000\""),
            "each line has its label: {svg}"
        );
        assert!(
            svg.contains("<span>200 ms</span><span>100</span><span>0</span>"),
            "{svg}"
        );
    }
}
