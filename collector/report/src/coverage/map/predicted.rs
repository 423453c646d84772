//! What is predicted, on the map: lighter dots where an interval decides, hatching where it does not, and contours
//! where vantages stand close enough to carry them.

use std::collections::BTreeMap;

use isochrone_coverage::geo::Position;
use isochrone_coverage::report::{ClassPrediction, ClassReport, PredictedCell, PredictedTime, Standing};
use maud::{Markup, html};

use super::{CELL, Dot, LOWER, UPPER, push, short};
use crate::world::EqualEarth;

/// A contour is drawn only where so many vantages lie within so many kilometres.
pub(in crate::coverage) const CONTOUR_VANTAGES: usize = 3;
pub(in crate::coverage) const CONTOUR_KM: f64 = 1_000.0;
/// Half the length of a stroke of hatching, by the size of its dot.
const STROKES: [f64; 5] = [0.6, 0.9, 1.3, 1.8, 2.4];

/// Dots and hatching of the cells that nobody speaks for.
pub(super) fn cells(class: &ClassReport, predicted: &ClassPrediction, heaviest: f64) -> Markup {
    let mut dots: BTreeMap<(String, &str, i32, i32), Dot> = BTreeMap::new();
    for cell in &predicted.cells {
        let (x, y) = EqualEarth::project(cell.position);
        let y = y.clamp(UPPER, LOWER);
        let node = cell.nearest.as_ref().map_or("", |nearest| nearest.node.as_str());
        let key = (
            standing_classes(class, cell),
            node,
            (x / CELL) as i32,
            (y / CELL) as i32,
        );
        dots.entry(key).or_default().add(cell.weight, (x, y));
    }
    let mut paths: BTreeMap<(String, &str, usize), (String, String)> = BTreeMap::new();
    for ((standing, node, ..), dot) in dots {
        let size = dot.size(heaviest);
        let (drawn, hatched) = paths.entry((standing, node, size)).or_default();
        let stroke = STROKES[size];
        push(drawn, format_args!("M{} {}h.02", short(dot.x), short(dot.y)));
        push(
            hatched,
            format_args!(
                "M{} {}l{} -{}",
                short(dot.x - stroke),
                short(dot.y + stroke),
                short(2.0 * stroke),
                short(2.0 * stroke)
            ),
        );
    }
    html! {
        @for ((standing, node, size), (drawn, hatched)) in &paths {
            path class={ "hatch" (standing) } d=(hatched) { title { "Not measured, and no prediction decides here" } }
            @if !node.is_empty() {
                path class={ "dot soft s" (size) (standing) } d=(drawn) { title { "Predicted, not measured: nearest node " (node) } }
            }
        }
    }
}

/// For each budget the area within it, where vantages carry a contour.
pub(super) fn contours(class: &ClassReport) -> Markup {
    let points = contour_points(class);
    html! {
        @for (index, points) in points.iter().enumerate().filter(|(_, points)| !points.is_empty()) {
            @let d = points.iter().map(|(x, y)| format!("M{} {}h.02", short(*x), short(*y))).collect::<String>();
            g class={ "iso c" (index) } aria-hidden="true" { path.edge d=(d) {} path.area d=(d) {} }
        }
    }
}

/// Whether any contour is drawn.
pub(in crate::coverage) fn has_contours(class: &ClassReport) -> bool {
    contour_points(class).iter().any(|points| !points.is_empty())
}

/// By budget: the places within it, for sure, that enough vantages stand around.
fn contour_points(class: &ClassReport) -> Vec<Vec<(f64, f64)>> {
    let carried = |position: Position| {
        let near = class
            .vantages
            .iter()
            .filter(|vantage| vantage.position.distance_km(position) <= CONTOUR_KM);
        near.take(CONTOUR_VANTAGES).count() == CONTOUR_VANTAGES
    };
    let mut grid: BTreeMap<(i32, i32), (Position, Vec<bool>)> = BTreeMap::new();
    let mut add = |position: Position, within: Vec<bool>| {
        let (x, y) = EqualEarth::project(position);
        let known = grid
            .entry(((x / CELL) as i32, (y / CELL) as i32))
            .or_insert_with(|| (position, within.clone()));
        known
            .1
            .iter_mut()
            .zip(within)
            .for_each(|(known, within)| *known |= within);
    };
    for place in &class.places {
        if let Some(speaker) = place.speaker {
            let vantage = &class.vantages[speaker];
            let within = |budget| vantage.standing(budget) == Standing::Within;
            add(
                place.position,
                class.shares.iter().map(|share| within(share.budget_ms)).collect(),
            );
        }
    }
    for cell in class.predicted.iter().flat_map(|predicted| &predicted.cells) {
        let within = |budget| standing(cell.nearest.as_ref(), budget) == Standing::Within;
        add(
            cell.position,
            class.shares.iter().map(|share| within(share.budget_ms)).collect(),
        );
    }
    let mut points = vec![Vec::new(); class.shares.len()];
    for (position, within) in grid.into_values() {
        if within.contains(&true) && carried(position) {
            let at = EqualEarth::project(position);
            within
                .iter()
                .zip(&mut points)
                .filter(|(within, _)| **within)
                .for_each(|(_, points)| points.push(at));
        }
    }
    points
}

/// ` p1` for each budget that a prediction is within, ` q1` for each that it is beyond.
fn standing_classes(class: &ClassReport, cell: &PredictedCell) -> String {
    let mut classes = String::new();
    for (index, share) in class.shares.iter().enumerate() {
        match standing(cell.nearest.as_ref(), share.budget_ms) {
            Standing::Within => push(&mut classes, format_args!(" p{index}")),
            Standing::Beyond => push(&mut classes, format_args!(" q{index}")),
            Standing::OwnNode | Standing::Unknown | Standing::Unmeasured => {}
        }
    }
    classes
}

/// Within only if the interval's upper end is, beyond only if its lower end is.
fn standing(nearest: Option<&PredictedTime>, budget_ms: f64) -> Standing {
    match nearest.map(|nearest| nearest.interval) {
        Some(interval) if interval.high <= budget_ms => Standing::Within,
        Some(interval) if interval.low > budget_ms => Standing::Beyond,
        _ => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isochrone_coverage::report::Interval;

    #[test]
    fn prediction_whose_interval_reaches_across_a_budget_decides_nothing() {
        let nearest = PredictedTime {
            node: "tokyo".to_owned(),
            ms: 60.0,
            interval: Interval {
                low: 40.0,
                high: 90.0,
            },
            second_ms: None,
        };
        let at = |budget| standing(Some(&nearest), budget);
        assert_eq!(
            [20.0, 60.0, 90.0].map(at),
            [Standing::Beyond, Standing::Unknown, Standing::Within]
        );
        assert_eq!(standing(None, 1e9), Standing::Unknown);
    }
}
