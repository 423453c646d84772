//! The report as JSON, `isochrone.coverage/1`: keys are never renamed, further ones may be added.

use isochrone_coverage::observations::{Node, Source};
use isochrone_coverage::report::{
    ClassReport, CoverageReport, Figures, Interval, NodeTime, Region, Share, VantageReport, Withheld,
};
use serde::Serialize;
use serde_json::Value;

use super::words;

/// The report as `isochrone.coverage/1`. Numbers are not rounded.
pub(super) fn document(report: &CoverageReport) -> Value {
    serde_json::to_value(Document::new(report)).expect("strings as keys and finite numbers are JSON")
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    source: &'static str,
    demo: bool,
    statistic: &'static str,
    basis: &'static str,
    window: Option<JsonWindow>,
    days: Option<usize>,
    provisional: bool,
    nodes: Vec<JsonNode<'a>>,
    weights: JsonWeights<'a>,
    access: Option<&'static str>,
    summary: Option<Summary<'a>>,
    shares: Vec<JsonShare>,
    survives_any_one_node: Vec<JsonShare>,
    worst_single_loss: Vec<JsonLoss<'a>>,
    regions: Vec<JsonRegion<'a>>,
    continents: Vec<JsonRegion<'a>>,
    vantages: Vec<JsonVantage<'a>>,
    classes: Vec<JsonClass<'a>>,
    ttfb_kind: Option<&'static str>,
    target_ms: Option<f64>,
    caveats: Vec<String>,
    notes: &'a [String],
    attributions: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonWindow {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct JsonNode<'a> {
    node: &'a str,
    site: &'a str,
    country: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Serialize)]
struct JsonWeights<'a> {
    kind: &'static str,
    total: f64,
    attribution: &'a str,
}

/// The first line of the report.
#[derive(Serialize)]
struct Summary<'a> {
    vantages: usize,
    networks: usize,
    known: f64,
    known_weight: f64,
    heaviest_vantage: Option<&'a str>,
    /// Its share of what is known.
    heaviest_share: Option<f64>,
    headline: bool,
    headline_withheld: Vec<&'static str>,
}

#[derive(Serialize)]
struct JsonShare {
    budget_ms: f64,
    r#in: f64,
    out: f64,
    unknown: f64,
    in_low: Option<f64>,
    in_high: Option<f64>,
}

#[derive(Serialize)]
struct JsonLoss<'a> {
    budget_ms: f64,
    node: &'a str,
    r#in: f64,
    out: f64,
    unknown: f64,
}

#[derive(Serialize)]
struct JsonRegion<'a> {
    region: String,
    name: &'a str,
    continent: Option<&'static str>,
    weight: f64,
    known_weight: f64,
    vantages: usize,
    networks: usize,
    access: &'static str,
    best: Option<&'a str>,
    tie_set: &'a [String],
    runner_up: Option<&'a str>,
    runner_up_ms: Option<f64>,
    /// The compared statistic of the best node.
    best_ms: Option<f64>,
    min_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    rtt_ms: Option<f64>,
    low_ms: Option<f64>,
    high_ms: Option<f64>,
    loss: Option<f64>,
    samples: Option<u64>,
    ttfb_p50_ms: Option<f64>,
    ttfb_p90_ms: Option<f64>,
    ttfb_samples: Option<u64>,
    verdict: &'static str,
    own_node: bool,
    shares: Vec<JsonShare>,
}

#[derive(Serialize)]
struct JsonVantage<'a> {
    site: &'a str,
    vantage: &'a str,
    access: &'static str,
    country: Option<String>,
    latitude: f64,
    longitude: f64,
    weight: f64,
    best: Option<&'a str>,
    best_ms: Option<f64>,
    best_low_ms: Option<f64>,
    best_high_ms: Option<f64>,
    best_reversed: bool,
    tie_set: &'a [String],
    second: Option<&'a str>,
    second_ms: Option<f64>,
    second_low_ms: Option<f64>,
    second_high_ms: Option<f64>,
    second_reversed: bool,
    own_node: bool,
    #[serde(flatten)]
    figures: JsonFigures,
}

#[derive(Serialize)]
struct JsonFigures {
    min_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    loss: Option<f64>,
    samples: Option<u64>,
    ttfb_p50_ms: Option<f64>,
    ttfb_p90_ms: Option<f64>,
    ttfb_samples: Option<u64>,
}

#[derive(Serialize)]
struct JsonClass<'a> {
    access: &'static str,
    summary: Summary<'a>,
    shares: Vec<JsonShare>,
    survives_any_one_node: Vec<JsonShare>,
}

impl<'a> Document<'a> {
    fn new(report: &'a CoverageReport) -> Self {
        let main = report.classes.first();
        let of_main = |pick: fn(&ClassReport) -> &Vec<Share>| main.map(|class| shares(pick(class)));
        Self {
            schema: "isochrone.coverage/1",
            source: report.source.as_str(),
            demo: report.source == Source::Demo,
            statistic: report.statistic.as_str(),
            basis: report.basis.as_str(),
            window: report.window.map(|window| JsonWindow {
                from: window.from.to_string(),
                to: window.to.to_string(),
            }),
            days: report.days,
            provisional: report.provisional(),
            nodes: report.nodes.iter().map(JsonNode::from).collect(),
            weights: JsonWeights {
                kind: report.weights.kind.as_str(),
                total: report.weights.total,
                attribution: &report.weights.attribution,
            },
            access: main.map(|class| class.access.as_str()),
            summary: main.map(Summary::from),
            shares: of_main(|class| &class.shares).unwrap_or_default(),
            survives_any_one_node: of_main(|class| &class.survives).unwrap_or_default(),
            worst_single_loss: main.map(losses).unwrap_or_default(),
            regions: of_classes(&report.classes, |class| &class.regions),
            continents: of_classes(&report.classes, |class| &class.continents),
            vantages: report.classes.iter().flat_map(vantages).collect(),
            classes: report.classes.iter().map(JsonClass::from).collect(),
            ttfb_kind: report.ttfb.map(|kind| kind.as_str()),
            target_ms: report.target_ms,
            caveats: words::caveats(report)
                .into_iter()
                .chain(words::first_byte(report))
                .collect(),
            notes: &report.notes,
            attributions: words::attributions(report),
        }
    }
}

impl<'a> From<&'a Node> for JsonNode<'a> {
    fn from(node: &'a Node) -> Self {
        Self {
            node: &node.name,
            site: &node.site,
            country: node.country.map(|country| country.to_string()),
            latitude: node.position.map(|position| position.latitude()),
            longitude: node.position.map(|position| position.longitude()),
        }
    }
}

impl<'a> From<&'a ClassReport> for JsonClass<'a> {
    fn from(class: &'a ClassReport) -> Self {
        Self {
            access: class.access.as_str(),
            summary: Summary::from(class),
            shares: shares(&class.shares),
            survives_any_one_node: shares(&class.survives),
        }
    }
}

impl<'a> From<&'a ClassReport> for Summary<'a> {
    fn from(class: &'a ClassReport) -> Self {
        let heaviest = class.heaviest.map(|index| &class.vantages[index]);
        Self {
            vantages: class.vantages.len(),
            networks: class.networks,
            known: class.known_share(),
            known_weight: class.known_weight,
            heaviest_vantage: heaviest.map(|vantage| vantage.name.as_str()),
            heaviest_share: class.heaviest_share(),
            headline: class.withheld.is_empty(),
            headline_withheld: class.withheld.iter().map(reason).collect(),
        }
    }
}

fn reason(withheld: &Withheld) -> &'static str {
    match withheld {
        Withheld::TooLittleKnown => "too-little-known",
        Withheld::OneVantageDominates => "one-vantage-dominates",
    }
}

/// All rows of the first class, and of the others those that have a vantage.
fn of_classes(classes: &[ClassReport], pick: fn(&ClassReport) -> &Vec<Region>) -> Vec<JsonRegion<'_>> {
    let rows = |(index, class)| {
        let kept = move |region: &&Region| index == 0 || region.vantages > 0;
        pick(class)
            .iter()
            .filter(kept)
            .map(move |region| JsonRegion::new(class, region))
    };
    classes.iter().enumerate().flat_map(rows).collect()
}

impl<'a> JsonRegion<'a> {
    fn new(class: &ClassReport, region: &'a Region) -> Self {
        let measured = region.measured.as_ref();
        let figures = measured.map_or_else(Figures::default, |measured| measured.figures);
        let interval = measured.and_then(|measured| measured.interval);
        Self {
            region: words::region_code(&region.id).to_owned(),
            name: words::region_name(&region.id),
            continent: region.continent.map(|continent| continent.as_str()),
            weight: region.weight,
            known_weight: region.known_weight,
            vantages: region.vantages,
            networks: region.networks,
            access: class.access.as_str(),
            best: measured.map(|measured| measured.best.as_str()),
            tie_set: measured.map_or(&[], |measured| &measured.tie_set),
            runner_up: measured.and_then(|measured| measured.runner_up.as_deref()),
            runner_up_ms: measured.and_then(|measured| measured.runner_up_ms),
            best_ms: measured.map(|measured| measured.value_ms),
            min_ms: figures.min_ms,
            p50_ms: figures.p50_ms,
            p90_ms: figures.p90_ms,
            p99_ms: figures.p99_ms,
            rtt_ms: figures.unnamed_ms,
            low_ms: low(interval),
            high_ms: high(interval),
            loss: figures.loss,
            samples: figures.samples,
            ttfb_p50_ms: figures.ttfb_p50_ms,
            ttfb_p90_ms: figures.ttfb_p90_ms,
            ttfb_samples: figures.ttfb_samples,
            verdict: words::verdict(region),
            own_node: measured.is_some_and(|measured| measured.own_node),
            shares: shares(&region.shares),
        }
    }
}

fn vantages(class: &ClassReport) -> impl Iterator<Item = JsonVantage<'_>> {
    class
        .vantages
        .iter()
        .map(|vantage| JsonVantage::new(class, vantage))
}

impl<'a> JsonVantage<'a> {
    fn new(class: &ClassReport, vantage: &'a VantageReport) -> Self {
        let (best, second) = (vantage.best.as_ref(), vantage.second.as_ref());
        let interval = |time: Option<&NodeTime>| time.and_then(|time| time.interval);
        let figures = vantage.figures;
        Self {
            site: &vantage.site,
            vantage: &vantage.name,
            access: class.access.as_str(),
            country: vantage.country.map(|country| country.to_string()),
            latitude: vantage.position.latitude(),
            longitude: vantage.position.longitude(),
            weight: vantage.weight,
            best: best.map(|time| time.node.as_str()),
            best_ms: best.map(|time| time.ms),
            best_low_ms: low(interval(best)),
            best_high_ms: high(interval(best)),
            best_reversed: best.is_some_and(|time| time.reversed),
            tie_set: &vantage.tie_set,
            second: second.map(|time| time.node.as_str()),
            second_ms: second.map(|time| time.ms),
            second_low_ms: low(interval(second)),
            second_high_ms: high(interval(second)),
            second_reversed: second.is_some_and(|time| time.reversed),
            own_node: vantage.own_node,
            figures: JsonFigures {
                min_ms: figures.min_ms,
                p50_ms: figures.p50_ms,
                p90_ms: figures.p90_ms,
                p99_ms: figures.p99_ms,
                loss: figures.loss,
                samples: figures.samples,
                ttfb_p50_ms: figures.ttfb_p50_ms,
                ttfb_p90_ms: figures.ttfb_p90_ms,
                ttfb_samples: figures.ttfb_samples,
            },
        }
    }
}

fn shares(shares: &[Share]) -> Vec<JsonShare> {
    let json = |share: &Share| JsonShare {
        budget_ms: share.budget_ms,
        r#in: share.within,
        out: share.beyond,
        unknown: share.unknown,
        in_low: low(share.interval),
        in_high: high(share.interval),
    };
    shares.iter().map(json).collect()
}

fn losses(class: &ClassReport) -> Vec<JsonLoss<'_>> {
    let losses = class.worst_losses.iter();
    losses
        .map(|loss| JsonLoss {
            budget_ms: loss.share.budget_ms,
            node: &loss.node,
            r#in: loss.share.within,
            out: loss.share.beyond,
            unknown: loss.share.unknown,
        })
        .collect()
}

fn low(interval: Option<Interval>) -> Option<f64> {
    interval.map(|interval| interval.low)
}

fn high(interval: Option<Interval>) -> Option<f64> {
    interval.map(|interval| interval.high)
}

#[cfg(test)]
mod tests;
