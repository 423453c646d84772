//! The world map of claimed places: what fits, what does not, and where that probably stands.

use std::f64::consts::PI;
use std::fmt::Write as _;

use isochrone_coverage::geo::Position;
use isochrone_coverage::light::most_km;
use isochrone_coverage::locate::{Misplaced, Verdict};
use maud::{Markup, html};

use super::LocateReport;
use super::words::{answer, claim, impossible, label, near};
use crate::world::EqualEarth;

/// Points of a circle.
const POINTS: usize = 180;
/// With more wrong places than this, the circles of their witnesses would hide each other.
const CIRCLED: usize = 3;

/// All claimed places.
pub(super) fn places(report: &LocateReport) -> Markup {
    let (width, height) = (EqualEarth::WIDTH, EqualEarth::HEIGHT);
    let sites = report.surveyed.survey.sites.iter().enumerate();
    let is_wrong = |site: usize| report.surveyed.location.sites[site].verdict == Verdict::Impossible;
    let wrong = impossible(report);
    html! {
        svg.map viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby="map-title map-text" {
            title #map-title { "World map of claimed places" }
            desc #map-text { (answer(report).join(" ")) " The table below says the same in words." }
            path.land d=(EqualEarth::land_path()) {}
            @for &site in &wrong { (region(report, site, circles(&wrong))) }
            @for (site, claimed) in sites.filter(|(site, _)| !is_wrong(*site)) {
                g { title { (label(report, site)) ": " (claim(claimed)) } (mark("claimed", at(claimed.place.position))) }
            }
            @for &site in &wrong { (wrong_place(report, site)) }
        }
    }
}

/// Whether how far light can have come is drawn around the witnesses against so many wrong places.
pub(super) fn circles(wrong: &[usize]) -> bool {
    (1..=CIRCLED).contains(&wrong.len())
}

/// Whether somewhere is drawn where a wrong place probably is.
pub(super) fn draws_region(report: &LocateReport) -> bool {
    let mut misplaced = report.surveyed.impossible.values();
    misplaced.any(|one| {
        let estimate = one.estimate.as_ref();
        estimate.is_some_and(|estimate| !estimate.region.points.is_empty())
    })
}

/// Where a site probably stands, and how far light can have come to those who contradict its claim.
fn region(report: &LocateReport, site: usize, circled: bool) -> Markup {
    let Some(Misplaced {
        contradictions,
        estimate,
    }) = report.surveyed.impossible.get(&site)
    else {
        return Markup::default();
    };
    let centre = |witness: usize| report.surveyed.survey.sites[witness].place.position;
    let points = estimate.iter().flat_map(|estimate| &estimate.region.points);
    let path: String = points.map(|&point| dot(at(point))).collect();
    html! {
        path.region d=(path) {
            @if let Some(estimate) = estimate {
                title { (label(report, site)) " probably stands here, " (near(estimate.position)) }
            }
        }
        @if circled {
            @for one in contradictions {
                path.reach d=(circle(centre(one.witness), most_km(one.rtt_ms))) {
                    title { "As far as light reaches from " (label(report, one.witness)) " in half of " (one.rtt_ms) " ms" }
                }
            }
        }
    }
}

fn wrong_place(report: &LocateReport, site: usize) -> Markup {
    let claimed = report.surveyed.survey.sites[site].place.position;
    let meant = report.surveyed.location.sites[site]
        .suggestion
        .map(|meant| meant.position);
    let (x, y) = at(claimed);
    html! {
        @if let Some(meant) = meant {
            @let to = at(meant);
            path.towards d={ "M" (short(x)) " " (short(y)) "L" (short(to.0)) " " (short(to.1)) } {}
            g { title { "Meant to be here? " (near(meant)) } (mark("meant", to)) }
        }
        g { title { (label(report, site)) ": place does not fit; typo?" } (mark("false", (x, y))) }
        text.at x=(short(x.clamp(60.0, EqualEarth::WIDTH - 60.0))) y=(short(y - 9.0)) text-anchor="middle" { (label(report, site)) }
    }
}

/// A mark of a kind, in the map or its legend.
pub(super) fn mark(kind: &str, (x, y): (f64, f64)) -> Markup {
    let d = match kind {
        "false" => format!("M{} {}l8 8m0 -8l-8 8", short(x - 4.0), short(y - 4.0)),
        "region" => dot((x, y)),
        _ => {
            let radius = if kind == "meant" { 6.0 } else { 3.2 };
            return html! { circle class=(kind) cx=(short(x)) cy=(short(y)) r=(radius) {} };
        }
    };
    html! { path class=(kind) d=(d) {} }
}

fn dot((x, y): (f64, f64)) -> String {
    format!("M{} {}h.02", short(x), short(y))
}

/// A circle on the globe; its line is broken where it leaves the map on one side.
fn circle(centre: Position, km: f64) -> String {
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for step in 0..=POINTS {
        let Some(point) = centre.towards(2.0 * PI * step as f64 / POINTS as f64, km) else {
            continue;
        };
        let (x, y) = EqualEarth::project(point);
        let is_near = last.is_some_and(|(before, _)| (before - x).abs() < EqualEarth::WIDTH / 4.0);
        let command = if is_near { 'L' } else { 'M' };
        write!(path, "{command}{} {}", short(x), short(y)).expect("writing to a string cannot fail");
        last = Some((x, y));
    }
    path
}

/// Where a mark stands; what lies beyond the picture stands at its edge.
fn at(position: Position) -> (f64, f64) {
    let (x, y) = EqualEarth::project(position);
    (x, y.clamp(8.0, EqualEarth::HEIGHT - 6.0))
}

fn short(value: f64) -> String {
    crate::world::tenths((value * 10.0).round() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circle_across_the_date_line_is_drawn_at_both_sides_and_not_across_the_map() {
        let fiji = Position::new(-17.7, 178.0).unwrap();
        let path = circle(fiji, 1_000.0);
        assert_eq!(path.matches('M').count(), 3, "{path}");
        let berlin = Position::new(52.5, 13.4).unwrap();
        assert_eq!(circle(berlin, 1_000.0).matches('M').count(), 1);
    }
}
