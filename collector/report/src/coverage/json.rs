//! The report as JSON, `isochrone.coverage/1`: keys are never renamed, further ones may be added.

mod beside;

use isochrone_coverage::note::{Note, ReadFrom};
use isochrone_coverage::observations::{Node, Source, Window};
use isochrone_coverage::report::{
    ClassReport, CoverageReport, Figures, Interval, NodeTime, Region, Share, VantageReport, Withheld,
    WorstLoss,
};
use serde_json::{Value, json};

use super::{borrowed, caveats, notes, predicted, top, words};

/// The report as `isochrone.coverage/1`. Numbers are not rounded.
pub(super) fn document(report: &CoverageReport) -> Value {
    let main = report.classes.first();
    let shares_of =
        |pick: fn(&ClassReport) -> &Vec<Share>| main.map(|class| shares(pick(class))).unwrap_or_default();
    let losses = main.map(|class| class.worst_losses.iter().map(loss).collect::<Vec<_>>());
    let vantages = report
        .classes
        .iter()
        .flat_map(|class| class.vantages.iter().map(|seen| vantage(class, seen)));
    let caveats = caveats::all(report)
        .into_iter()
        .chain(caveats::first_byte(report))
        .chain(predicted::method(report))
        .chain(predicted::settings(report))
        .chain(borrowed::sentences(report));
    json!({
        "schema": "isochrone.coverage/1",
        "source": report.source.as_str(),
        "demo": report.source == Source::Demo,
        "statistic": report.statistic.as_str(),
        "basis": report.basis.as_str(),
        "window": report.window.map(window),
        "tiers": tiers(&report.notes),
        "before_kept": before_kept(&report.notes),
        "days": report.days,
        "provisional": report.provisional(),
        "nodes": report.nodes.iter().map(node).collect::<Vec<_>>(),
        "weights": {
            "kind": report.weights.kind.as_str(),
            "total": report.weights.total,
            "attribution": notes::attribution(&report.weights.source),
            "internet": report.weights.internet.as_ref().map(beside::internet),
        },
        "access": main.map(|class| class.access.as_str()),
        "summary": main.map(summary),
        "reading": reading(),
        "shares": shares_of(|class| &class.shares),
        "shares_predicted": main.and_then(beside::shares_predicted),
        "survives_any_one_node": shares_of(|class| &class.survives),
        "prediction": beside::forecast(&report.forecast),
        "depth": main.map(beside::depth),
        "weights_beside": report.beside.iter().map(beside::weights).collect::<Vec<_>>(),
        "top_countries": report.top_countries.as_ref().map(top::json),
        "targets": { "ttfb_ms": report.targets.ttfb_ms, "mbps": report.targets.mbps },
        "access_offsets": beside::offsets(&report.offsets),
        "worst_single_loss": losses.unwrap_or_default(),
        "regions": of_classes(&report.classes, |class| &class.regions),
        "continents": of_classes(&report.classes, |class| &class.continents),
        "subdivisions": of_classes(&report.classes, |class| &class.subdivisions),
        "vantages": vantages.collect::<Vec<_>>(),
        "classes": report.classes.iter().map(class).collect::<Vec<_>>(),
        "borrowed": borrowed::json(report),
        "answer": super::answer::answer(report).sentences(),
        "ttfb_kind": report.ttfb.map(|kind| kind.as_str()),
        "target_ms": report.target_ms,
        "caveats": caveats.collect::<Vec<_>>(),
        "notes": report.notes.iter().map(notes::sentence).collect::<Vec<_>>(),
        "attributions": super::attributions(report),
    })
}

/// What was read; `null` where no store was.
fn tiers(notes: &[Note]) -> Option<Value> {
    let spans = notes.iter().find_map(|note| match note {
        Note::ReadFrom(spans) => Some(spans),
        _ => None,
    })?;
    let span = |span: &ReadFrom| json!({ "tier": span.tier.as_str(), "from": span.from.to_string(), "to": span.to.to_string() });
    Some(spans.iter().map(span).collect())
}

/// What was asked for before anything that is kept; `null`: nothing was.
fn before_kept(notes: &[Note]) -> Option<Value> {
    notes.iter().find_map(|note| match note {
        Note::BeforeKept(before) => Some(json!({
            "asked_from": before.asked_from.to_string(),
            "kept_from": before.kept_from.map(|at| at.to_string()),
            "removed": before.removed,
        })),
        _ => None,
    })
}

fn window(window: Window) -> Value {
    json!({ "from": window.from.to_string(), "to": window.to.to_string() })
}

fn node(node: &Node) -> Value {
    json!({
        "node": node.name,
        "site": node.site,
        "country": node.country.map(|country| country.to_string()),
        "latitude": node.position.map(|position| position.latitude()),
        "longitude": node.position.map(|position| position.longitude()),
    })
}

fn class(class: &ClassReport) -> Value {
    json!({
        "access": class.access.as_str(),
        "summary": summary(class),
        "shares": shares(&class.shares),
        "survives_any_one_node": shares(&class.survives),
        "shares_predicted": beside::shares_predicted(class),
        "predicted": class.predicted.as_ref().map(beside::class),
        "depth": beside::depth(class),
    })
}

/// The first line of the report; `heaviest_share` is a share of what is known.
fn summary(class: &ClassReport) -> Value {
    let reason = |withheld: &Withheld| match withheld {
        Withheld::TooLittleKnown => "too-little-known",
        Withheld::OneVantageDominates => "one-vantage-dominates",
        Withheld::NotBelieved => "not-believed",
    };
    json!({
        "vantages": class.vantages.len(),
        "measuring_vantages": class.measuring.vantages,
        "networks": class.witnesses.networks,
        "measuring_networks": class.measuring.networks,
        "known": class.known_share(),
        "known_weight": class.known_weight,
        "heaviest_vantage": class.heaviest.map(|index| &class.vantages[index].name),
        "heaviest_share": class.heaviest_share(),
        "headline": class.withheld.is_empty(),
        "headline_withheld": class.withheld.iter().map(reason).collect::<Vec<_>>(),
    })
}

/// All rows of the first class, and of the others those that have a vantage.
fn of_classes(classes: &[ClassReport], pick: fn(&ClassReport) -> &Vec<Region>) -> Vec<Value> {
    let rows = |(index, class)| {
        let kept = move |row: &&Region| index == 0 || row.witnesses.vantages > 0;
        pick(class).iter().filter(kept).map(move |row| region(class, row))
    };
    classes.iter().enumerate().flat_map(rows).collect()
}

fn region(class: &ClassReport, region: &Region) -> Value {
    let measured = region.measured.as_ref();
    let interval = measured.and_then(|measured| measured.interval);
    let figures = measured.map_or_else(Figures::default, |measured| measured.figures);
    let row = json!({
        "region": words::region_code(&region.id),
        "country": region.id.country().map(|country| country.to_string()),
        "name": words::region_name(&region.id),
        "continent": region.continent.map(|continent| continent.as_str()),
        "weight": region.weight,
        "known_weight": region.known_weight,
        "vantages": region.witnesses.vantages,
        "networks": region.witnesses.networks,
        "access": class.access.as_str(),
        "best": measured.map(|measured| &measured.best),
        "tie_set": measured.map_or(&[][..], |measured| &measured.tie_set),
        "runner_up": measured.and_then(|measured| measured.runner_up.as_ref()),
        "runner_up_ms": measured.and_then(|measured| measured.runner_up_ms),
        "best_ms": measured.map(|measured| measured.value_ms),
        "rtt_ms": figures.unnamed_ms,
        "low_ms": low(interval),
        "high_ms": high(interval),
        "verdict": words::verdict(region),
        "own_node": measured.is_some_and(|measured| measured.own_node),
        "shares": shares(&region.shares),
        "predicted": region.predicted.as_ref().map(beside::region),
    });
    with_figures(row, figures)
}

fn vantage(class: &ClassReport, vantage: &VantageReport) -> Value {
    let (best, second) = (vantage.best.as_ref(), vantage.second.as_ref());
    let interval = |time: Option<&NodeTime>| time.and_then(|time| time.interval);
    let row = json!({
        "site": vantage.site,
        "vantage": vantage.name,
        "access": class.access.as_str(),
        "country": vantage.country.map(|country| country.to_string()),
        "latitude": vantage.position.latitude(),
        "longitude": vantage.position.longitude(),
        "weight": vantage.weight,
        "best": best.map(|time| &time.node),
        "best_ms": best.map(|time| time.ms),
        "best_low_ms": low(interval(best)),
        "best_high_ms": high(interval(best)),
        "best_reversed": best.is_some_and(|time| time.reversed),
        "tie_set": vantage.tie_set,
        "second": second.map(|time| &time.node),
        "second_ms": second.map(|time| time.ms),
        "second_low_ms": low(interval(second)),
        "second_high_ms": high(interval(second)),
        "second_reversed": second.is_some_and(|time| time.reversed),
        "own_node": vantage.own_node,
    });
    with_figures(row, vantage.figures)
}

fn with_figures(mut row: Value, figures: Figures) -> Value {
    for (key, figure) in [
        ("min_ms", json!(figures.min_ms)),
        ("p50_ms", json!(figures.p50_ms)),
        ("p90_ms", json!(figures.p90_ms)),
        ("p99_ms", json!(figures.p99_ms)),
        ("loss", json!(figures.loss)),
        ("samples", json!(figures.samples)),
        ("ttfb_p50_ms", json!(figures.ttfb_p50_ms)),
        ("ttfb_p90_ms", json!(figures.ttfb_p90_ms)),
        ("ttfb_samples", json!(figures.ttfb_samples)),
        ("mbps", json!(figures.mbps)),
        ("mbps_samples", json!(figures.mbps_samples)),
        ("mbps_lost", json!(figures.mbps_lost)),
    ] {
        row[key] = figure;
    }
    row
}

fn shares(shares: &[Share]) -> Vec<Value> {
    let share = |share: &Share| {
        json!({
            "budget_ms": share.budget_ms,
            "in": share.within,
            "out": share.beyond,
            "unknown": share.unknown,
            "undecided": share.undecided,
            "own_node": share.own_node,
            "in_low": low(share.interval),
            "in_high": high(share.interval),
            "true_in_low": low(share.interval),
            "true_in_high": high(share.interval),
        })
    };
    shares.iter().map(share).collect()
}

/// What the keys of a share mean, for whoever has only this document.
fn reading() -> Value {
    json!({
        "in": "the part that is surely within the budget: the upper end of its time is",
        "out": "the part that is surely beyond: the lower end of its time is",
        "unknown": "the rest: not measured, not predicted, or not sure",
        "true_in_low": "with true_in_high the 90 % interval in which the true part within lies. It is no interval around `in`, \
                        which counts only what is sure and mostly lies at its lower end or below it",
        "true_in_high": "see true_in_low; all that is not predicted counts as within here",
        "in_low": "an older name of true_in_low",
        "in_high": "an older name of true_in_high",
        "shares": "as measured only; in shares_predicted with predictions",
    })
}

fn loss(loss: &WorstLoss) -> Value {
    let share = &loss.share;
    json!({
        "budget_ms": share.budget_ms,
        "node": loss.node,
        "in": share.within,
        "out": share.beyond,
        "unknown": share.unknown,
    })
}

fn low(interval: Option<Interval>) -> Option<f64> {
    interval.map(|interval| interval.low)
}

fn high(interval: Option<Interval>) -> Option<f64> {
    interval.map(|interval| interval.high)
}

#[cfg(test)]
mod tests;
