//! A calculation as JSON, `isochrone.whatif/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::Share;
use isochrone_coverage::report::placement::Drawn;
use isochrone_coverage::report::what_if::{AddedPlace, Rest, State};
use serde_json::{Value, json};

use super::super::count::unpredictable;
use super::WhatIfReport;
use crate::Printed as _;

/// Numbers are not rounded.
pub(super) fn document(report: &WhatIfReport) -> Value {
    let (what, coverage) = (&report.what_if, &report.coverage);
    let frame = report.frame();
    json!({
        "schema": "isochrone.whatif/1",
        "source": coverage.source.as_str(),
        "demo": coverage.source == Source::Demo,
        "window": coverage.window.map(|window| json!({ "from": window.from.to_string(), "to": window.to.to_string() })),
        "answer": report.answer(),
        "added": what.added.iter().map(added).collect::<Vec<_>>(),
        "removed": what.removed,
        "today": state(&what.today),
        "then": state(&what.then),
        "difference": mean(&what.difference),
        "shares": what.then.shares.iter().map(share).collect::<Vec<_>>(),
        "rests_on": what.rests_on.iter().map(rest).collect::<Vec<_>>(),
        "by_point": what.by_point,
        "known_share": what.known_share,
        "predicted_share": what.predicted_share,
        "days_resampled": what.days_resampled,
        "vantages": what.vantages,
        "unpredictable": what.unpredictable.iter().map(unpredictable).collect::<Vec<_>>(),
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

fn mean(drawn: &Drawn) -> Value {
    json!({
        "mean_ms": drawn.value,
        "low_ms": drawn.interval.map(|interval| interval.low),
        "high_ms": drawn.interval.map(|interval| interval.high),
    })
}

fn state(state: &State) -> Value {
    json!({
        "nodes": state.nodes,
        "mean_ms": state.mean.value,
        "low_ms": state.mean.interval.map(|interval| interval.low),
        "high_ms": state.mean.interval.map(|interval| interval.high),
        "shares": state.shares.iter().map(share).collect::<Vec<_>>(),
        "shares_predicted": state.shares_predicted.iter().map(share).collect::<Vec<_>>(),
        "unknown": state.shares_predicted.first().map(|share| share.unknown - share.undecided),
    })
}

fn share(share: &Share) -> Value {
    json!({
        "budget_ms": share.budget_ms,
        "in": share.within,
        "out": share.beyond,
        "unknown": share.unknown,
        "undecided": share.undecided,
        "low": share.interval.map(|interval| interval.low),
        "high": share.interval.map(|interval| interval.high),
    })
}

fn added(place: &AddedPlace) -> Value {
    json!({
        "place": place.name,
        "site": place.site,
        "eyes": place.eyes,
        "latitude": place.position.latitude(),
        "longitude": place.position.longitude(),
        "country": place.country.map(|country| country.to_string()),
        "share": place.share,
        "own_city": place.own_city.map(|own| json!({
            "share": own.share,
            "predicted": true,
            "today": mean(&own.today),
            "then": mean(&own.then),
        })),
    })
}

fn rest(rest: &Rest) -> Value {
    json!({
        "why": rest.why.as_str(),
        "place": rest.place,
        "vantage": rest.vantage,
        "node": rest.node,
        "ms": rest.ms,
        "low_ms": rest.interval.map(|interval| interval.low),
        "high_ms": rest.interval.map(|interval| interval.high),
        "km": rest.km,
    })
}
