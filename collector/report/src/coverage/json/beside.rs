//! What stands beside the measured figures: predictions, depth, further weights.

use isochrone_coverage::country::Country;
use isochrone_coverage::observations::Day;
use isochrone_coverage::report::{
    Beside, ByKilometres, ClassPrediction, ClassReport, Forecast, Half, Offsets, PredictedCell,
    RegionPrediction, TargetShare, Trend, Unseen, Widened,
};
use isochrone_coverage::weights::InternetSummary;
use serde_json::{Value, json};

use super::{high, low, shares};
use crate::coverage::notes;
use crate::coverage::predicted;

/// Predicted places that are listed: the heaviest.
const PLACES: usize = 50;

/// Measured and predicted together; `null` without predictions.
pub(super) fn shares_predicted(class: &ClassReport) -> Option<Vec<Value>> {
    let predicted = class.predicted.as_ref()?;
    Some(shares(&predicted.shares))
}

pub(super) fn forecast(forecast: &Forecast) -> Value {
    match forecast {
        Forecast::Made(method) => json!({
            "made": true,
            "prior": method.prior,
            "own_pairs": method.own_pairs,
            "reach_km": method.reach_km,
            "interval_holds": method.covered,
            "draws": method.draws,
            "missing": null,
        }),
        Forecast::Missing(why) => json!({
            "made": false,
            "prior": null,
            "own_pairs": null,
            "reach_km": null,
            "interval_holds": null,
            "draws": null,
            "missing": predicted::why_not(*why),
        }),
    }
}

pub(super) fn class(class: &ClassPrediction) -> Value {
    let interval = class.mean.and_then(|mean| mean.interval);
    json!({
        "weight": class.weight,
        "unknown_weight": class.unknown_weight,
        "survives_any_one_node": shares(&class.survives),
        "mean_ms": class.mean.map(|mean| mean.ms),
        "low_ms": low(interval),
        "high_ms": high(interval),
        "cells": class.cells.len(),
        "unpredictable": class.unseen.iter().map(unseen).collect::<Vec<_>>(),
        "doubtful": class.widened.iter().map(widened).collect::<Vec<_>>(),
        "places": class.cells.iter().take(PLACES).map(cell).collect::<Vec<_>>(),
    })
}

fn unseen(unseen: &Unseen) -> Value {
    json!({ "country": unseen.country.to_string(), "name": unseen.country.name(), "share": unseen.share })
}

fn widened(widened: &Widened) -> Value {
    json!({
        "country": widened.country.to_string(),
        "name": widened.country.name(),
        "share": widened.share,
        "sites": widened.sites,
        "median_error_ms": widened.median_ms,
        "usual_error_ms": widened.usual_ms,
        "widened": widened.times,
    })
}

fn cell(cell: &PredictedCell) -> Value {
    let nearest = cell.nearest.as_ref();
    json!({
        "latitude": cell.position.latitude(),
        "longitude": cell.position.longitude(),
        "country": country(cell.country),
        "weight": cell.weight,
        "best": nearest.map(|nearest| &nearest.node),
        "predicted_ms": nearest.map(|nearest| nearest.ms),
        "low_ms": nearest.map(|nearest| nearest.interval.low),
        "high_ms": nearest.map(|nearest| nearest.interval.high),
        "second_ms": nearest.and_then(|nearest| nearest.second_ms),
    })
}

pub(super) fn region(region: &RegionPrediction) -> Value {
    json!({
        "weight": region.weight,
        "best": region.best,
        "tie_set": region.tie_set,
        "ms": region.ms,
        "low_ms": region.interval.low,
        "high_ms": region.interval.high,
        "shares": shares(&region.shares),
    })
}

pub(super) fn depth(class: &ClassReport) -> Value {
    let depth = &class.depth;
    json!({
        "backup": depth.backup.map(|backup| json!({
            "nearest_ms": backup.nearest_ms,
            "next_ms": backup.next_ms,
            "weight": backup.weight,
        })),
        "targets": depth.targets.iter().map(target).collect::<Vec<_>>(),
        "by_kilometres": depth.by_km.as_ref().map(by_km),
        "by_kilometres_predicted": depth.by_km_predicted.as_ref().map(by_km),
        "trend": depth.trend.as_ref().map(trend),
    })
}

fn target(target: &TargetShare) -> Value {
    json!({
        "what": target.aim.as_str(),
        "target": target.target,
        "met": target.share.map(|share| share.within),
        "missed": target.share.map(|share| share.beyond),
        "unknown": target.share.map_or(1.0, |share| share.unknown),
        "measured": target.share.is_some(),
    })
}

fn by_km(by_km: &ByKilometres) -> Value {
    let worst = by_km.worst.iter().map(|detour| {
        json!({
            "place": detour.place,
            "chosen": detour.chosen,
            "best": detour.best,
            "cost_ms": detour.cost_ms,
            "weight": detour.weight,
        })
    });
    json!({
        "chosen_ms": by_km.chosen_ms,
        "best_ms": by_km.best_ms,
        "cost_ms": by_km.chosen_ms - by_km.best_ms,
        "weight": by_km.weight,
        "misled_weight": by_km.misled_weight,
        "worst": worst.collect::<Vec<_>>(),
    })
}

fn trend(trend: &Trend) -> Value {
    json!({
        "first": half(&trend.first),
        "second": half(&trend.second),
        "change_ms": trend.change_ms,
        "low_ms": low(trend.interval),
        "high_ms": high(trend.interval),
    })
}

fn half(half: &Half) -> Value {
    json!({
        "from": day(half.from),
        "to": day(half.to),
        "days": half.days,
        "mean_ms": half.mean_ms,
        "shares": shares(&half.shares),
    })
}

fn day(day: Day) -> Option<String> {
    let at = jiff::Timestamp::from_second(i64::from(day.0) * 86_400).ok()?;
    Some(at.strftime("%Y-%m-%d").to_string())
}

pub(super) fn weights(beside: &Beside) -> Value {
    json!({
        "kind": beside.weights.kind.as_str(),
        "total": beside.weights.total,
        "attribution": notes::attribution(&beside.weights.source),
        "internet": beside.weights.internet.as_ref().map(internet),
        "known": beside.known_share,
        "shares": shares(&beside.shares),
        "shares_predicted": beside.shares_predicted.as_deref().map(shares),
    })
}

pub(super) fn internet(internet: &InternetSummary) -> Value {
    json!({
        "file": internet.name,
        "countries": internet.countries,
        "counted_whole": internet.missing,
        "applied": internet.applied,
    })
}

pub(super) fn offsets(offsets: &Offsets) -> Vec<Value> {
    let offset = |(region, ms): &(String, f64)| json!({ "region": region, "ms": ms });
    offsets.given().iter().map(offset).collect()
}

fn country(country: Option<Country>) -> Option<String> {
    country.map(|country| country.to_string())
}
