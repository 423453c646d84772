//! One row of cells over time: what share was good in each.

use maud::{Markup, html};

use super::{Axis, picture, short};

/// Units of height; the page's style says how high that is.
const HEIGHT: f64 = 100.0;
/// A failure is at least so high, so that a single one can be seen.
const LEAST: f64 = 22.0;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    /// Its first instant, in milliseconds since 1970.
    pub(crate) from: u64,
    /// The first instant after it.
    pub(crate) until: u64,
    /// The share that was good, 0…1; `None`: no data.
    pub(crate) good: Option<f64>,
}

/// Equal cells are drawn as one; what failed stands from the bottom, as high as its share. `says` says a cell in
/// words.
#[must_use]
pub(crate) fn strip(
    axis: Axis,
    words: (&str, &str),
    cells: &[Cell],
    says: impl Fn(&Cell) -> String,
) -> Markup {
    let x = |cell: &Cell| (axis.x(cell.from), axis.x(cell.until) - axis.x(cell.from));
    let failed = cells.iter().filter_map(|cell| {
        let failed = 1.0 - cell.good?;
        (failed > 0.0).then(|| (cell, (failed * HEIGHT).clamp(LEAST, HEIGHT)))
    });
    let drawn = html! {
        @for run in cells.chunk_by(|one, next| one.good.is_some() == next.good.is_some() && one.until == next.from) {
            @let whole = Cell { until: run[run.len() - 1].until, ..run[0] };
            @let ((x, width), class) = (x(&whole), if whole.good.is_some() { "measured" } else { "silent" });
            rect class=(class) x=(short(x)) y="0" width=(short(width)) height=(HEIGHT) {}
        }
        @for (cell, height) in failed {
            @let (x, width) = x(cell);
            rect.failed x=(short(x)) y=(short(HEIGHT - height)) width=(short(width.max(1.5))) height=(short(height)) {
                title { (says(cell)) }
            }
        }
        (axis.grid(HEIGHT))
    };
    picture("strip", HEIGHT, words, &drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(hour: u64, good: Option<f64>) -> Cell {
        Cell {
            from: hour * 10,
            until: hour * 10 + 10,
            good,
        }
    }

    #[test]
    fn silence_is_drawn_apart_and_a_failure_can_be_seen() {
        let cells = [
            cell(0, Some(1.0)),
            cell(1, Some(0.999)),
            cell(2, None),
            cell(3, Some(0.0)),
        ];
        let svg = strip(Axis::new(0, 40), ("Checks", "by hour"), &cells, |cell| {
            format!("{:?}", cell.good)
        });
        let svg = svg.into_string();
        assert_eq!(svg.matches("class=\"measured\"").count(), 2, "{svg}");
        assert_eq!(svg.matches("class=\"silent\"").count(), 1, "{svg}");
        assert!(
            svg.contains("x=\"250\" y=\"78\" width=\"250\" height=\"22\"><title>Some(0.999)</title>"),
            "{svg}"
        );
        assert!(
            svg.contains("x=\"750\" y=\"0\" width=\"250\" height=\"100\"><title>Some(0.0)</title>"),
            "{svg}"
        );
        assert!(svg.contains("<title>Checks</title><desc>by hour</desc>"), "{svg}");
    }
}
