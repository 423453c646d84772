//! The report as JSON, `isochrone.locate/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::geo::Position;
use isochrone_coverage::locate::{Estimate, Misplaced, Suggestion};
use isochrone_coverage::observations::Source;
use serde_json::{Value, json};

use super::words::{answer, label, wrong};
use super::{DatabaseWord, LocateReport};
use crate::Printed as _;

/// Numbers are not rounded.
pub(super) fn document(report: &LocateReport) -> Value {
    let (survey, location) = (&report.surveyed.survey, &report.surveyed.location);
    let frame = report.frame();
    let labels = |sites: &[usize]| sites.iter().map(|&site| label(report, site)).collect::<Vec<_>>();
    json!({
        "schema": "isochrone.locate/1",
        "source": survey.source.as_str(),
        "demo": survey.source == Source::Demo,
        "statistic": survey.statistic.as_str(),
        "window": survey.window.map(|window| json!({ "from": window.from.to_string(), "to": window.to.to_string() })),
        "answer": wrong(report).into_iter().chain(answer(report)).collect::<Vec<_>>(),
        "sites": (0..survey.sites.len()).map(|at| site(report, at)).collect::<Vec<_>>(),
        "suspects": labels(&location.suspects),
        "smallest": location.smallest,
        "anycast": report.surveyed.anycast.iter().map(|one| json!({
            "site": label(report, one.site),
            "least_places": one.places.len(),
            "witnesses": labels(&one.places),
        })).collect::<Vec<_>>(),
        "eyes": super::eyes::json(report),
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

fn site(report: &LocateReport, at: usize) -> Value {
    let (site, located) = (
        &report.surveyed.survey.sites[at],
        &report.surveyed.location.sites[at],
    );
    let misplaced = report.surveyed.impossible.get(&at);
    let databases = report.databases.iter().filter(|word| word.site == at);
    json!({
        "site": label(report, at),
        "kind": site.kind.as_str(),
        "place": (!site.site.is_empty()).then_some(&site.site),
        "latitude": site.place.position.latitude(),
        "longitude": site.place.position.longitude(),
        "network": site.place.network.map(|network| network.0),
        "verdict": located.verdict.as_str(),
        "radius_km": located.verdict.radius_km(),
        "centre": located.centre().map(|centre| label(report, centre)),
        "witnesses": located.witnesses.iter().map(|&witness| label(report, witness)).collect::<Vec<_>>(),
        "violations": located.violations,
        "contradictions": misplaced.map(|misplaced| contradictions(report, misplaced)).unwrap_or_default(),
        "suggestion": located.suggestion.map(suggestion),
        "region": misplaced.and_then(|misplaced| misplaced.estimate.as_ref()).map(region),
        "databases": databases.map(|word| database(word, site.place.position)).collect::<Vec<_>>(),
    })
}

fn contradictions(report: &LocateReport, misplaced: &Misplaced) -> Vec<Value> {
    let each = misplaced.contradictions.iter();
    each.map(|one| {
        json!({
            "witness": label(report, one.witness),
            "rtt_ms": one.rtt_ms,
            "km": one.km,
            "least_ms": one.least_ms,
        })
    })
    .collect()
}

fn suggestion(meant: Suggestion) -> Value {
    json!({
        "typo": meant.typo.as_str(),
        "latitude": meant.position.latitude(),
        "longitude": meant.position.longitude(),
    })
}

fn region(estimate: &Estimate) -> Value {
    json!({
        "latitude": estimate.position.latitude(),
        "longitude": estimate.position.longitude(),
        "reach_km": estimate.reach_km(),
        "apart_km": estimate.region.apart_km,
    })
}

fn database(word: &DatabaseWord, claimed: Position) -> Value {
    json!({
        "database": word.database,
        "latitude": word.position.map(|position| position.latitude()),
        "longitude": word.position.map(|position| position.longitude()),
        "country": word.country.map(|country| country.to_string()),
        "km": word.position.map(|position| position.distance_km(claimed)),
    })
}
