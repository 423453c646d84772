//! The world map of families: each family's nodes where they claim to stand, joined by lines; what does not fit is marked.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use isochrone_chain::{Bucket, Family, Operator, OperatorId, Rule, Subject};
use isochrone_coverage::geo::Position;
use maud::{Markup, html};

use super::ChainAudit;
use crate::world::EqualEarth;

/// With more families than this their names would hide each other.
const NAMED: usize = 40;

/// The family that a finding is about, if it is about one.
pub(super) fn family_of(subject: &Subject) -> Option<u32> {
    match subject {
        Subject::Family(family) => Some(*family),
        Subject::Bucket(bucket) => Some(bucket.family),
        Subject::Operator(operator) => Some(operator.bucket.family),
        Subject::Node(_) => None,
    }
}

pub(super) fn families(audit: &ChainAudit) -> Markup {
    let (width, height) = (EqualEarth::WIDTH, EqualEarth::HEIGHT);
    let doubted: BTreeSet<OperatorId> = audit
        .findings
        .iter()
        .filter(|finding| is_of_place(finding.rule))
        .filter_map(|finding| match finding.subject {
            Subject::Operator(id) => Some(id),
            _ => None,
        })
        .collect();
    let families = &audit.copy.topology.families;
    html! {
        svg.map viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby="map-title map-text" {
            title #map-title { "World map of families" }
            desc #map-text { "Where the nodes of each family claim to stand. The table below says the same in words." }
            path.land d=(EqualEarth::land_path()) {}
            @for family in families { path.family d=(lines(family)) { title { (family.label()) } } }
            @for family in families {
                @for (bucket, operator, at) in placed(family) {
                    @let id = bucket.operator_id(operator);
                    g { title { (family.label()) ", operator " (id) ": " (claim(operator)) } (mark(doubted.contains(&id), at)) }
                }
            }
            @if families.len() <= NAMED { @for family in families { (name(family)) } }
        }
    }
}

/// Whether a rule doubts where an operator stands.
fn is_of_place(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Measured
            | Rule::OutsideAreas
            | Rule::SwappedPlace
            | Rule::OtherCountry
            | Rule::OtherCity
            | Rule::AnotherFamilyNearer
    )
}

fn placed(family: &Family) -> Vec<(&Bucket, &Operator, Position)> {
    let buckets = family.buckets.iter();
    let operators = buckets.flat_map(|bucket| bucket.active().map(move |one| (bucket, one)));
    operators
        .filter_map(|(bucket, one)| Some((bucket, one, one.place.position()?)))
        .collect()
}

fn claim(operator: &Operator) -> String {
    let parts = [operator.place.city.as_str(), operator.place.country.as_str()];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

/// From node to node; broken where it would cross the whole map.
fn lines(family: &Family) -> String {
    let (mut path, mut last): (String, Option<(f64, f64)>) = (String::new(), None);
    for (_, _, position) in placed(family) {
        let (x, y) = at(position);
        let is_near = last.is_some_and(|(before, _)| (before - x).abs() < EqualEarth::WIDTH / 2.0);
        let command = if is_near { 'L' } else { 'M' };
        write!(path, "{command}{} {}", short(x), short(y)).expect("writing to a string cannot fail");
        last = Some((x, y));
    }
    path
}

fn name(family: &Family) -> Markup {
    let Some((_, _, position)) = placed(family).into_iter().next() else {
        return Markup::default();
    };
    let (x, y) = at(position);
    let label = crate::words::cut(&family.region, 24);
    html! { text.at x=(short(x.clamp(60.0, EqualEarth::WIDTH - 60.0))) y=(short(y - 9.0)) text-anchor="middle" { (label) } }
}

/// A mark, in the map or its legend.
pub(super) fn mark_at(is_doubted: bool, (x, y): (f64, f64)) -> Markup {
    match is_doubted {
        true => html! { path.false d=(format!("M{} {}l8 8m0 -8l-8 8", short(x - 4.0), short(y - 4.0))) {} },
        false => html! { circle.claimed cx=(short(x)) cy=(short(y)) r="3.2" {} },
    }
}

fn mark(is_doubted: bool, position: Position) -> Markup {
    mark_at(is_doubted, at(position))
}

fn at(position: Position) -> (f64, f64) {
    let (x, y) = EqualEarth::project(position);
    (x, y.clamp(8.0, EqualEarth::HEIGHT - 6.0))
}

fn short(value: f64) -> String {
    crate::world::tenths((value * 10.0).round() as i32)
}
