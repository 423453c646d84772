//! Lines over time, each with a band above it.

use maud::{Markup, html};

use super::{Axis, picture, short};

const HEIGHT: f64 = 100.0;

/// A line; where a point is missing it is broken.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its class in the style sheet: `first` or `second`.
    pub(crate) class: &'static str,
    /// In order of time; where two do not touch, the line is broken.
    pub(crate) points: Vec<Point>,
}

/// A stretch of time with its figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Its first instant, in milliseconds since 1970.
    pub(crate) from: u64,
    /// The first instant after it.
    pub(crate) until: u64,
    /// Where the line runs.
    pub(crate) value: f64,
    /// Where the band above it ends.
    pub(crate) high: f64,
}

/// The picture and its scale: from 0 to a round number above the highest band, in `unit`.
#[must_use]
pub(crate) fn lines(axis: Axis, words: (&str, &str), unit: &str, lines: &[Line]) -> Markup {
    let highest = lines.iter().flat_map(|line| &line.points).map(|point| point.high);
    let top = round_above(highest.fold(0.0, f64::max));
    let y = |value: f64| HEIGHT - value / top * HEIGHT;
    let drawn = html! {
        (axis.grid(HEIGHT))
        path.grid d={ "M0 " (HEIGHT / 2.0) "h" (Axis::WIDTH) } {}
        @for line in lines {
            @for run in line.points.chunk_by(|one, next| one.until == next.from) {
                path class={ "band " (line.class) } d=(band(axis, run, y)) {}
                path class={ "line " (line.class) } d={ "M" (steps(axis, run, |point| y(point.value))) } {}
            }
        }
    };
    html! {
        div.plot {
            div.scale aria-hidden="true" {
                span { (top) " " (unit) } span { (top / 2.0) } span { "0" }
            }
            (picture("lines", HEIGHT, words, &drawn))
        }
    }
}

/// Along a figure from left to right, level within each stretch of time.
fn steps(axis: Axis, run: &[Point], y: impl Fn(&Point) -> f64) -> String {
    let ends = run
        .iter()
        .flat_map(|point| [(point.from, y(point)), (point.until, y(point))]);
    let steps: Vec<String> = ends
        .map(|(at, y)| format!("{} {}", short(axis.x(at)), short(y)))
        .collect();
    steps.join("L")
}

fn band(axis: Axis, run: &[Point], y: impl Fn(f64) -> f64) -> String {
    let back: Vec<String> = run
        .iter()
        .rev()
        .flat_map(|point| [(point.until, y(point.value)), (point.from, y(point.value))])
        .map(|(at, y)| format!("{} {}", short(axis.x(at)), short(y)))
        .collect();
    format!("M{}L{}z", steps(axis, run, |point| y(point.high)), back.join("L"))
}

/// 1, 2 or 5 times a power of ten, at or above `value`.
pub(super) fn round_above(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-3).log10().floor());
    let fits = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    fits.into_iter()
        .find(|step| *step >= value)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(hour: u64, value: f64) -> Point {
        Point {
            from: hour * 10,
            until: hour * 10 + 10,
            value,
            high: value * 2.0,
        }
    }

    #[test]
    fn line_is_broken_where_nothing_was_measured() {
        let line = Line {
            class: "first",
            points: vec![point(0, 20.0), point(1, 30.0), point(3, 40.0)],
        };
        let svg = lines(Axis::new(0, 40), ("TTFB", "p50 and p90"), "ms", &[line]).into_string();
        assert_eq!(svg.matches("class=\"line first\"").count(), 2, "{svg}");
        assert!(svg.contains("d=\"M0 80L250 80L250 70L500 70\""), "{svg}");
        assert!(
            svg.contains("d=\"M0 60L250 60L250 40L500 40L500 70L250 70L250 80L0 80z\""),
            "{svg}"
        );
        assert!(
            svg.contains("<span>100 ms</span><span>50</span><span>0</span>"),
            "{svg}"
        );
    }

    #[test]
    fn scale_ends_at_a_round_number() {
        for (value, top) in [
            (0.0, 0.001),
            (1.0, 1.0),
            (1.1, 2.0),
            (33.0, 50.0),
            (501.0, 1000.0),
        ] {
            assert!(
                (round_above(value) - top).abs() < 1e-9,
                "{value}: {}",
                round_above(value)
            );
        }
    }
}
