//! The report as JSON, `isochrone.gaps/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::gaps::{Contender, WantedEye};
use serde_json::{Value, json};

use super::GapsReport;
use super::words::{answer, told};
use crate::Printed as _;

/// Numbers are not rounded.
pub(super) fn document(report: &GapsReport) -> Value {
    let (gaps, frame) = (&report.gaps, report.frame());
    json!({
        "schema": "isochrone.gaps/1",
        "source": report.source.as_str(),
        "demo": report.source == Source::Demo,
        "window": report.window.map(|window| json!({ "from": window.from.to_string(), "to": window.to.to_string() })),
        "weights": report.weights.as_str(),
        "answer": answer(report).into_iter().chain(told(report)).collect::<Vec<_>>(),
        "nodes": gaps.nodes,
        "vantages": gaps.vantages,
        "known_eyes": gaps.known_eyes,
        "why_not": gaps.why_not.map(|why| why.as_str()),
        "eyes": gaps.eyes.iter().map(eye).collect::<Vec<_>>(),
        "contenders": gaps.contenders.iter().map(contender).collect::<Vec<_>>(),
        "unseen": gaps.unseen.iter().map(|one| json!({
            "country": one.country.to_string(),
            "name": one.country.name(),
            "share": one.share,
        })).collect::<Vec<_>>(),
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

fn eye(eye: &WantedEye) -> Value {
    json!({
        "place": eye.place,
        "city": eye.city,
        "country": eye.country.to_string(),
        "latitude": eye.position.latitude(),
        "longitude": eye.position.longitude(),
        "share": eye.share,
        "takes_off_ms": eye.worth_ms,
        "best": eye.between[0],
        "rival": eye.between[1],
        "toward": eye.between[eye.toward],
        "low_ms": eye.now.low,
        "high_ms": eye.now.high,
        "known_network": eye.known_networks.first().map(|network| network.0),
        "networks": eye.networks.iter().map(|there| json!({
            "network": there.network.0,
            "vantages": there.vantages,
        })).collect::<Vec<_>>(),
    })
}

fn contender(city: &Contender) -> Value {
    json!({
        "place": city.place,
        "latitude": city.position.latitude(),
        "longitude": city.position.longitude(),
        "country": city.country.map(|country| country.to_string()),
        "gain_ms": city.gain_ms,
        "deviation_ms": city.deviation_ms,
        "candidate": city.candidate,
        "eyes": city.eyes,
    })
}
