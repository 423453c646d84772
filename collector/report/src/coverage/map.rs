//! The world map: one SVG that shows, for each budget, which places are within it.

pub(super) mod predicted;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use isochrone_coverage::geo::Position;
use isochrone_coverage::report::{ClassReport, CoverageReport, Standing, VantageReport};
use isochrone_coverage::weights::WeightKind;
use maud::{Markup, html};

use super::words::{first_line, of_what, vantage_title};
use crate::world::{EqualEarth, tenths};

/// Places of one speaker within a square of this side become one dot, so that a page stays small.
const CELL: f64 = 2.5;
/// Dots come in five sizes, whose diameters the page's style sets: above each of these shares of the heaviest
/// dot's diameter it takes the next.
const SIZES: [f64; 4] = [0.04, 0.1, 0.25, 0.6];
/// Marks stand whole between these heights of the picture.
const UPPER: f64 = 14.0;
const LOWER: f64 = EqualEarth::HEIGHT - 6.0;
/// Cities after the best guess that are marked.
const RUNNERS_UP: usize = 4;
/// Numbered marks stand so far apart.
const MARK: f64 = 13.5;
/// With more vantages than this, their rings are smaller.
const CROWD: usize = 60;

/// The map of one class. Which budget's classes are coloured is decided by the page's style.
pub(super) fn coverage(report: &CoverageReport, class: &ClassReport) -> Markup {
    let (width, height) = (EqualEarth::WIDTH, EqualEarth::HEIGHT);
    let crowded = (class.vantages.len() > CROWD).then_some("crowded");
    let nodes = || {
        report
            .nodes
            .iter()
            .filter_map(|node| Some((node, node.position?)))
    };
    html! {
        svg.map class=[crowded] viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby="map-title map-text" {
            title #map-title { "World map of coverage" }
            desc #map-text {
                (first_line(report, class)) " Dots are places, larger where more " (of_what(report))
                " live or count; triangles are nodes, rings are vantages. The tables below say the same in figures."
            }
            path.land d=(EqualEarth::land_path()) {}
            (predicted::contours(class))
            (dots(report, class))
            @for vantage in &class.vantages {
                @let (x, y) = at(vantage.position);
                circle.vantage cx=(x) cy=(y) { title { (vantage_title(vantage)) (beyond(vantage.position)) } }
            }
            (next_cities(report))
            @for (node, position) in nodes() {
                @let (x, y) = at(position);
                path.node d={ "M" (x) " " (y) "m0-3.5l-5.6-10h11.2z" } { title { "Node " (node.name) ", " (node.site) (beyond(position)) } }
            }
        }
    }
}

/// The dots: first what is not measured, then each speaker's places, so that colour lies on top.
fn dots(report: &CoverageReport, class: &ClassReport) -> Markup {
    let mut cells: BTreeMap<(Option<usize>, i32, i32), Dot> = BTreeMap::new();
    for place in &class.places {
        let (x, y) = EqualEarth::project(place.position);
        let y = y.clamp(UPPER, LOWER);
        let key = (place.speaker, (x / CELL) as i32, (y / CELL) as i32);
        cells.entry(key).or_default().add(place.weight, (x, y));
    }
    let heaviest = cells.values().map(|dot| dot.weight).fold(0.0, f64::max);
    if class.predicted.is_some() {
        cells.retain(|(speaker, ..), _| speaker.is_some());
    }
    let mut paths: BTreeMap<(Option<usize>, usize), String> = BTreeMap::new();
    for ((speaker, ..), dot) in &cells {
        let path = paths.entry((*speaker, dot.size(heaviest))).or_default();
        let (x, y) = dot.middle();
        push(path, format_args!("M{x} {y}h.02"));
    }
    let title = |vantage: Option<&VantageReport>| match vantage {
        None => "Not measured: no vantage of the same country within 300 km".to_owned(),
        Some(vantage) if report.weights.kind == WeightKind::Sites => vantage_title(vantage),
        Some(vantage) => format!("Spoken for by {}", vantage_title(vantage)),
    };
    html! {
        @if let Some(predicted) = &class.predicted { (predicted::cells(class, predicted, heaviest)) }
        @for ((speaker, size), path) in &paths {
            @let vantage = speaker.map(|index| &class.vantages[index]);
            @let standing = vantage.map_or_else(String::new, |vantage| standing_classes(class, vantage));
            @let class = if vantage.is_some() { "dot s" } else { "dot blank s" };
            path class={ (class) (size) (standing) } d=(path) { title { (title(vantage)) } }
        }
    }
}

/// Where the next node belongs, as far as is known; the best guess largest.
fn next_cities(report: &CoverageReport) -> Markup {
    let next = report.count.as_ref().and_then(|count| count.next.as_ref());
    let cities: Vec<_> = next
        .iter()
        .flat_map(|next| std::iter::once(&next.best).chain(&next.runners_up))
        .take(1 + RUNNERS_UP)
        .collect();
    let places = apart(cities.iter().map(|city| EqualEarth::project(city.position)));
    let marks = cities.iter().zip(places).enumerate();
    html! {
        @for (rank, (city, (x, y))) in marks.map(|(at, mark)| (at + 1, mark)).rev() {
                @let (x, y) = (short(x), short(y.clamp(UPPER, LOWER)));
                g.next.best[rank == 1] {
                    title { "Best guess for the next node, number " (rank) ": " (city.place) }
                    circle cx=(x) cy=(y) r=(if rank == 1 { 7.5 } else { 5.5 }) {}
                    text x=(x) y=(y) dy=".36em" text-anchor="middle" { (rank) }
                }
        }
    }
}

/// Places of marks, moved so far that none hides another: each away from those before it.
fn apart(places: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut set: Vec<(f64, f64)> = Vec::new();
    for (x, y) in places {
        let free = |&(x, y): &(f64, f64)| set.iter().all(|&(a, b)| (x - a).hypot(y - b) >= MARK);
        let mut rings = (0..8).flat_map(|ring| {
            let turn = move |step: i32| {
                let angle = f64::from(step) * std::f64::consts::FRAC_PI_4;
                let away = MARK * f64::from(ring) / 2.0;
                (x - away * angle.cos(), y - away * angle.sin())
            };
            (0..8).map(turn)
        });
        let found = rings.find(free).unwrap_or((x, y));
        set.push(found);
    }
    set
}

/// ` i1` for each budget the speaker is within, ` o1` for each it is beyond, ` n1` where it has its own node and
/// the next one is beyond.
fn standing_classes(class: &ClassReport, vantage: &VantageReport) -> String {
    let mut classes = String::new();
    for (index, share) in class.shares.iter().enumerate() {
        match vantage.standing(share.budget_ms) {
            Standing::Within => push(&mut classes, format_args!(" i{index}")),
            Standing::Beyond => push(&mut classes, format_args!(" o{index}")),
            Standing::OwnNode => push(&mut classes, format_args!(" n{index}")),
            Standing::Unknown | Standing::Unmeasured => {}
        }
    }
    classes
}

#[derive(Default)]
struct Dot {
    weight: f64,
    x: f64,
    y: f64,
}

impl Dot {
    fn add(&mut self, weight: f64, (x, y): (f64, f64)) {
        // A place without weight still marks where it lies.
        let weight = weight.max(f64::MIN_POSITIVE);
        let part = weight / (self.weight + weight);
        self.weight += weight;
        self.x += (x - self.x) * part;
        self.y += (y - self.y) * part;
    }

    fn size(&self, heaviest: f64) -> usize {
        let share = (self.weight / heaviest).sqrt();
        SIZES.iter().take_while(|&&edge| share > edge).count()
    }

    fn middle(&self) -> (String, String) {
        (short(self.x), short(self.y))
    }
}

/// Where a mark stands. What lies beyond the picture stands at its edge: better there than nowhere.
fn at(position: Position) -> (String, String) {
    let (x, y) = EqualEarth::project(position);
    (short(x), short(y.clamp(UPPER, LOWER)))
}

/// What a mark's title says of a place beyond the picture.
fn beyond(position: Position) -> &'static str {
    let (_, y) = EqualEarth::project(position);
    match (0.0..=EqualEarth::HEIGHT).contains(&y) {
        true => "",
        false => " (it lies beyond the map, and is drawn at its edge)",
    }
}

fn short(value: f64) -> String {
    tenths((value * 10.0).round() as i32)
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_neighbours_stand_side_by_side_and_others_where_they_are() {
        let moved = apart([(100.0, 100.0), (101.0, 99.0), (100.0, 100.0), (300.0, 50.0)].into_iter());
        assert_eq!((moved[0], moved[3]), ((100.0, 100.0), (300.0, 50.0)));
        for (at, one) in moved.iter().enumerate() {
            let others = moved[..at].iter();
            assert!(
                others
                    .into_iter()
                    .all(|other| (one.0 - other.0).hypot(one.1 - other.1) >= MARK - 1e-9),
                "{moved:?}"
            );
        }
    }

    #[test]
    fn site_beyond_the_picture_stands_at_its_edge_and_says_so() {
        let south = Position::new(-77.85, 166.67).unwrap();
        let (_, y) = at(south);
        let y: f64 = y.parse().unwrap();
        assert!((400.0..EqualEarth::HEIGHT).contains(&y), "{y}");
        assert!(beyond(south).contains("beyond the map"));
        assert_eq!(
            beyond(Position::new(-54.8, -68.3).unwrap()),
            "",
            "Ushuaia is on it"
        );
        let north: f64 = at(Position::new(89.9, 0.0).unwrap()).1.parse().unwrap();
        assert!(north > 0.0, "{north}");
    }
}
