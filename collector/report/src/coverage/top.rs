//! The lead's rule of the heaviest countries, in sentences and in JSON.

use isochrone_coverage::report::{CoverageReport, Meets, TopCountries, TopCountry, TopVerdict};
use serde_json::{Value, json};

use crate::words::budget;

/// Its title.
pub(super) const TITLE: &str = "The rule of the heaviest countries";

/// The rule and what it says of each country; nothing where it was not asked for.
pub(super) fn sentences(report: &CoverageReport) -> Vec<String> {
    let Some(top) = &report.top_countries else {
        return Vec::new();
    };
    let named = |verdict: TopVerdict| {
        let of = top.countries.iter().filter(|country| country.verdict == verdict);
        of.map(|country| country.country.name().to_owned())
            .collect::<Vec<_>>()
    };
    let mut sentences = vec![format!(
        "Rule: a node is added only where one of the {} heaviest countries has none that meets the targets ({} to the \
         first byte, {} Mbps) for two terms of 15 days.",
        top.countries.len(),
        budget(report.targets.ttfb_ms),
        report.targets.mbps
    )];
    for (verdict, says) in [
        (
            TopVerdict::Add,
            "No node met them for two terms, a node may be added",
        ),
        (TopVerdict::Served, "Some node met them"),
        (
            TopVerdict::CannotTell,
            "Cannot be told, for it is not measured for two terms",
        ),
    ] {
        let names = named(verdict);
        if !names.is_empty() {
            sentences.push(format!("{says}: {}.", names.join(", ")));
        }
    }
    sentences
}

/// The rule in JSON.
pub(super) fn json(top: &TopCountries) -> Value {
    json!({
        "two_terms": top.two_terms,
        "countries": top.countries.iter().map(top_country).collect::<Vec<_>>(),
    })
}

fn top_country(top: &TopCountry) -> Value {
    let meets = |meets: &Meets| match meets {
        Meets::All => "met",
        Meets::AllMeasured => "met-without-throughput",
        Meets::No => "missed",
        Meets::Unknown => "unknown",
    };
    json!({
        "country": top.country.to_string(),
        "name": top.country.name(),
        "share": top.share,
        "best": top.best,
        "ttfb_p50_ms": top.ttfb_ms,
        "met_by": top.met_by,
        "terms": top.halves.iter().map(meets).collect::<Vec<_>>(),
        "verdict": top.verdict.as_str(),
    })
}
