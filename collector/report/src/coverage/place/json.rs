//! A placement as JSON, `isochrone.placement/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::observations::Source;
use isochrone_coverage::place::Objective;
use isochrone_coverage::report::placement::{ChosenPlace, Drawn, RivalPlace, Shortlisted};
use serde_json::{Value, json};

use super::super::count::{doubtful, measure, unpredictable};
use super::PlaceReport;
use crate::Printed as _;

/// Numbers are not rounded.
pub(super) fn document(report: &PlaceReport) -> Value {
    let (placement, coverage) = (&report.placement, &report.coverage);
    let frame = report.frame();
    json!({
        "schema": "isochrone.placement/1",
        "source": coverage.source.as_str(),
        "demo": coverage.source == Source::Demo,
        "window": coverage.window.map(|window| json!({ "from": window.from.to_string(), "to": window.to.to_string() })),
        "answer": report.answer(),
        "objective": placement.objective.as_str(),
        "budget_ms": match placement.objective { Objective::Cover(budget) => Some(budget), _ => None },
        "k": placement.k,
        "nodes": placement.chosen.iter().map(|place| &place.name).collect::<Vec<_>>(),
        "value": placement.value,
        "costs": placement.costs,
        "lower_bound": placement.bound,
        "gap": placement.gap.is_finite().then_some(placement.gap),
        "proven_optimal": placement.proven,
        "priced": drawn(&placement.priced),
        "today": placement.today.as_ref().map(drawn),
        "better": placement.better.as_ref().map(drawn),
        "places": placement.chosen.iter().map(chosen).collect::<Vec<_>>(),
        "rivals": placement.rivals.iter().map(rival).collect::<Vec<_>>(),
        "shortlist": placement.shortlist.iter().map(shortlisted).collect::<Vec<_>>(),
        "measure": placement.measure.iter().map(measure).collect::<Vec<_>>(),
        "candidates": placement.candidates,
        "by_point": placement.by_point,
        "predicted": placement.predicted,
        "known_share": placement.known_share,
        "predicted_share": placement.predicted_share,
        "days_resampled": placement.days_resampled,
        "gathered": placement.gathered,
        "unpredictable": placement.unpredictable.iter().map(unpredictable).collect::<Vec<_>>(),
        "doubtful": placement.doubtful.iter().map(doubtful).collect::<Vec<_>>(),
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

fn drawn(drawn: &Drawn) -> Value {
    json!({
        "value": drawn.value,
        "low": drawn.interval.map(|interval| interval.low),
        "high": drawn.interval.map(|interval| interval.high),
    })
}

fn chosen(place: &ChosenPlace) -> Value {
    json!({
        "place": place.name,
        "is_node": place.is_node,
        "fixed": place.fixed,
        "site": place.site,
        "eyes": place.eyes,
        "latitude": place.position.map(|position| position.latitude()),
        "longitude": place.position.map(|position| position.longitude()),
        "country": place.country.map(|country| country.to_string()),
        "share": place.share,
        "predicted": place.predicted,
    })
}

fn rival(rival: &RivalPlace) -> Value {
    json!({
        "instead_of": rival.instead_of,
        "place": rival.place,
        "worse": drawn(&rival.worse),
        "tied": rival.tied,
    })
}

fn shortlisted(one: &Shortlisted) -> Value {
    json!({
        "place": one.place,
        "latitude": one.position.map(|position| position.latitude()),
        "longitude": one.position.map(|position| position.longitude()),
        "may_gain": one.hope,
        "chosen": one.chosen,
    })
}
