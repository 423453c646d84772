//! The count as JSON, `isochrone.count/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::count::{
    Candidate, Count, CurvePoint, Doubt, Doubtful, DropOne, HELD_OF_TEN, NextNode, NodeVerdict, Priced,
    Redundancy, Unpriced, Wanted,
};
use isochrone_coverage::observations::Source;
use isochrone_coverage::predict::COVERED;
use isochrone_coverage::report::{Interval, Unseen};
use serde_json::{Value, json};

use super::super::top;
use super::CountReport;
use super::tables::without;
use super::words::{answer_of, verdict};
use crate::Printed as _;

/// Numbers are not rounded.
pub(super) fn document(report: &CountReport) -> Value {
    let (count, coverage) = (&report.count, &report.coverage);
    let frame = report.frame();
    json!({
        "schema": "isochrone.count/1",
        "source": coverage.source.as_str(),
        "demo": coverage.source == Source::Demo,
        "window": coverage.window.map(|window| json!({ "from": window.from.to_string(), "to": window.to.to_string() })),
        "verdict": count.verdict.as_str(),
        "says": verdict(count),
        "answer": answer_of(report),
        "reasons": count.reasons.iter().map(|doubt| reason(*doubt)).collect::<Vec<_>>(),
        "by_latency_alone": count.by_latency_alone,
        "thresholds": { "drop_ms": count.thresholds.drop_ms, "add_ms": count.thresholds.add_ms },
        "priced": priced(count.priced),
        "days_resampled": count.days_resampled,
        "intervals": intervals(count),
        "known_share": count.known_share,
        "measured_share": (count.known_share - count.predicted_share).max(0.0),
        "predicted_share": count.predicted_share,
        "predicted": count.is_predicted(),
        "vantages": count.vantages,
        "nodes": count.nodes,
        "curve": curve(&count.curve),
        "drop_one": count.drop_one.iter().map(drop_one).collect::<Vec<_>>(),
        "unpriced": count.unpriced.iter().map(unpriced).collect::<Vec<_>>(),
        "worst_loss": count.worst_loss.as_ref().map(drop_one),
        "next": count.next.as_ref().map(next),
        "unpredictable": count.unpredictable.iter().map(unpredictable).collect::<Vec<_>>(),
        "doubtful": count.doubtful.iter().map(doubtful).collect::<Vec<_>>(),
        "top_countries": coverage.top_countries.as_ref().map(top::json),
        "redundancy": count.redundancy.iter().map(redundancy).collect::<Vec<_>>(),
        "measure": count.measure.iter().map(measure).collect::<Vec<_>>(),
        "caveats": frame.method,
        "attributions": frame.sources,
    })
}

/// What the intervals promise, and how many of ten held the truth where it was known; `null` without predictions.
fn intervals(count: &Count) -> Value {
    match count.is_predicted() {
        true => json!({ "promised": COVERED, "calibrated": true, "held_of_ten": HELD_OF_TEN }),
        false => Value::Null,
    }
}

fn reason(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::FewVantages => "few-vantages",
        Doubt::WideIntervals => "wide-intervals",
        Doubt::NoPredictions => "no-predictions",
        Doubt::NoPrior => "no-prior",
        Doubt::NotByDays => "not-by-days",
        Doubt::FewDays => "few-days",
        Doubt::NothingKnown => "nothing-known",
        Doubt::NotBelieved => "not-believed",
    }
}

fn priced(priced: Priced) -> Value {
    match priced {
        Priced::ByDays { chosen, priced } => json!({ "chosen_days": chosen, "priced_days": priced }),
        Priced::Alike => Value::Null,
    }
}

fn ends(interval: Option<Interval>) -> (Option<f64>, Option<f64>) {
    (
        interval.map(|interval| interval.low),
        interval.map(|interval| interval.high),
    )
}

/// Each set whole, and what sets it apart from the one before.
fn curve(points: &[CurvePoint]) -> Vec<Value> {
    let before = std::iter::once(&[][..]).chain(points.iter().map(|point| point.chosen.as_slice()));
    let point = |(point, before): (&CurvePoint, &[String])| {
        let (low, high) = ends(point.interval);
        json!({
            "k": point.k,
            "mean_ms": point.mean_ms,
            "low_ms": low,
            "high_ms": high,
            "nodes": point.chosen,
            "added": without(&point.chosen, before),
            "left_out": without(before, &point.chosen),
        })
    };
    points.iter().zip(before).map(point).collect()
}

fn drop_one(drop: &DropOne) -> Value {
    let (low, high) = ends(drop.interval);
    let measure: &[String] = match &drop.verdict {
        NodeVerdict::Needed => &[],
        NodeVerdict::MayGo { confirm_with } => confirm_with,
        NodeVerdict::CannotTell { measure } => measure,
    };
    json!({
        "node": drop.node,
        "cost_ms": drop.cost_ms,
        "low_ms": low,
        "high_ms": high,
        "weight": drop.weight,
        "verdict": drop.verdict.as_str(),
        "measure": measure,
    })
}

fn unpriced(unpriced: &Unpriced) -> Value {
    json!({ "node": unpriced.node, "why": unpriced.why.as_str() })
}

fn next(next: &NextNode) -> Value {
    json!({
        "best": candidate(&next.best),
        "runners_up": next.runners_up.iter().map(candidate).collect::<Vec<_>>(),
        "calibrated": next.calibrated,
    })
}

fn candidate(city: &Candidate) -> Value {
    let (low, high) = ends(city.interval);
    json!({
        "place": city.place,
        "site": city.site,
        "latitude": city.position.latitude(),
        "longitude": city.position.longitude(),
        "country": city.country.map(|country| country.to_string()),
        "candidate": city.candidate,
        "eyes": city.eyes,
        "gain_ms": city.gain_ms,
        "low_ms": low,
        "high_ms": high,
        "predicted": city.predicted,
    })
}

/// A country without a known site: its errors and its city stay empty.
fn unpredictable(unseen: &Unseen) -> Value {
    json!({
        "country": unseen.country.to_string(),
        "name": unseen.country.name(),
        "share": unseen.share,
        "sites": 0,
        "median_error_ms": null,
        "usual_error_ms": null,
        "city": null,
    })
}

fn doubtful(doubtful: &Doubtful) -> Value {
    json!({
        "country": doubtful.how.country.to_string(),
        "name": doubtful.how.country.name(),
        "share": doubtful.how.share,
        "sites": doubtful.how.sites,
        "median_error_ms": doubtful.how.median_ms,
        "usual_error_ms": doubtful.how.usual_ms,
        "widened": doubtful.how.times,
        "city": doubtful.city.as_ref().map(candidate),
    })
}

fn redundancy(seen: &Redundancy) -> Value {
    json!({ "vantage": seen.vantage, "within_100_ms": seen.within, "second_ms": seen.second_ms })
}

fn measure(wanted: &Wanted) -> Value {
    let (low, high) = ends(wanted.interval);
    json!({
        "place": wanted.place,
        "latitude": wanted.position.latitude(),
        "longitude": wanted.position.longitude(),
        "weight": wanted.weight,
        "low_ms": low,
        "high_ms": high,
    })
}
