//! The page's tables.

use super::super::words::{self, budget, ms, ms_interval, percent, weight};
use super::super::{ClassReport, CoverageReport, NodeTime, Region, Share, VantageReport};
use super::escape;
use crate::weights::WeightKind;

/// How every budget splits, as bars and figures.
pub(super) fn shares(report: &CoverageReport, class: &ClassReport) -> String {
    let rows = class.shares.iter().zip(&class.survives).zip(&class.worst_losses).map(|((share, survives), worst)| {
        let target = if report.target_ms == Some(share.budget_ms) { " <span class=\"tag\">target</span>" } else { "" };
        let interval = share.interval.map_or_else(
            || "–".to_owned(),
            |interval| format!("{} – {}", percent(interval.low), percent(interval.high)),
        );
        format!(
            "<tr><th scope=\"row\">{}{target}</th><td class=\"wide\">{}</td>{}{}{}{}{}<td>{} without {}</td></tr>",
            budget(share.budget_ms),
            bare_bar(share),
            num(&percent(share.within)),
            num(&interval),
            num(&percent(share.beyond)),
            num(&percent(share.unknown)),
            num(&percent(survives.within)),
            percent(worst.share.within),
            escape(&worst.node),
        )
    });
    let head = [
        "Budget",
        "",
        ">Within",
        ">90 % interval",
        ">Beyond",
        ">Not measured",
        ">Within if any one node dies",
        "Worst single loss",
    ];
    table("Shares by budget", &head, rows)
}

/// Countries, and continents as their sums. Countries without a vantage are listed above as not measured.
pub(super) fn regions(report: &CoverageReport, class: &ClassReport, at: usize) -> String {
    let mut html = String::new();
    for (title, regions) in [
        ("Countries with a vantage", &class.regions),
        ("Continents: sums of their countries", &class.continents),
    ] {
        let measured: Vec<&Region> = regions
            .iter()
            .filter(|region| region.measured.is_some())
            .collect();
        if measured.is_empty() {
            continue;
        }
        html += &if report.days.is_some() {
            regions_by_days(report, title, &measured, at)
        } else {
            regions_by_values(report, title, &measured, at)
        };
    }
    if class.regions.iter().any(words::narrow) {
        html += &format!("<p class=\"hint\">¹ {}.</p>", words::NARROW);
    }
    html
}

fn regions_by_days(report: &CoverageReport, title: &str, regions: &[&Region], at: usize) -> String {
    let rows = regions.iter().map(|region| {
        let measured = region.measured.as_ref();
        let figures = measured.map(|measured| measured.figures).unwrap_or_default();
        let next = measured
            .and_then(|measured| measured.runner_up.as_deref())
            .unwrap_or("–");
        format!(
            "<tr>{}{}{}{}{}{}{}{}{}<td>{}</td>{}<td>{}</td></tr>",
            start(region, at),
            num(&ms(figures.min_ms)),
            num(&ms(figures.p50_ms)),
            num(&ms(figures.p90_ms)),
            num(&ms_interval(measured.and_then(|measured| measured.interval))),
            num(&figures.loss.map_or_else(|| "–".to_owned(), percent)),
            num(&figures
                .samples
                .map_or_else(|| "–".to_owned(), |runs| weight(runs as f64))),
            num(&ms(figures.ttfb_p50_ms)),
            num(&ms(figures.ttfb_p90_ms)),
            escape(next),
            num(&ms(measured.and_then(|measured| measured.runner_up_ms))),
            verdict(region),
        )
    });
    let at = region_budget(regions, at);
    let head = [
        "Region",
        weight_title(report),
        ">Known",
        ">Vantages / networks",
        &at,
        "Best node",
        ">min",
        ">p50",
        ">p90",
        ">90 % interval",
        ">Loss",
        ">Runs",
        ">TTFB p50",
        ">TTFB p90",
        "Next node",
        &format!(">{}", words::column(report.statistic)),
        "Verdict",
    ];
    table(title, &head, rows)
}

fn regions_by_values(report: &CoverageReport, title: &str, regions: &[&Region], at: usize) -> String {
    let rows = regions.iter().map(|region| {
        let measured = region.measured.as_ref();
        let next = measured
            .and_then(|measured| measured.runner_up.as_deref())
            .unwrap_or("–");
        format!(
            "<tr>{}{}<td>{}</td>{}<td>{}</td></tr>",
            start(region, at),
            num(&ms(measured.map(|measured| measured.value_ms))),
            escape(next),
            num(&ms(measured.and_then(|measured| measured.runner_up_ms))),
            verdict(region),
        )
    });
    let (time, at) = (
        &format!(">{}", words::column(report.statistic)),
        region_budget(regions, at),
    );
    let head = [
        "Region",
        weight_title(report),
        ">Known",
        ">Vantages / networks",
        &at,
        "Best node",
        time,
        "Next node",
        time,
        "Verdict",
    ];
    table(title, &head, rows)
}

/// The columns that both kinds of region table begin with.
fn start(region: &Region, at: usize) -> String {
    let measured = region.measured.as_ref();
    let own = if measured.is_some_and(|measured| measured.own_node) {
        " *"
    } else {
        ""
    };
    let best: Vec<String> = measured
        .map_or(&[][..], |measured| &measured.tie_set)
        .iter()
        .map(|node| escape(node))
        .collect();
    format!(
        "<th scope=\"row\"><span class=\"code\">{}</span> {}{own}</th>{}{}{}<td class=\"mini\">{}</td><td>{}</td>",
        words::region_code(&region.id),
        escape(words::region_name(&region.id)),
        num(&weight(region.weight)),
        num(&percent(region.known_share())),
        num(&witnesses(region)),
        region.shares.get(at).map(bare_bar).unwrap_or_default(),
        best.join(" = "),
    )
}

/// How many vantages, in how many networks if these are known.
fn witnesses(region: &Region) -> String {
    match region.networks_given {
        true => format!("{} / {}", region.vantages, region.networks),
        false => format!("{} / ?", region.vantages),
    }
}

fn region_budget(regions: &[&Region], at: usize) -> String {
    let share = regions.first().and_then(|region| region.shares.get(at));
    share.map_or_else(String::new, |share| format!("At {}", budget(share.budget_ms)))
}

fn verdict(region: &Region) -> String {
    let (word, class) = match words::verdict(region) {
        "unknown" => ("not measured", "unknown"),
        word => (word, word),
    };
    format!(
        "<span class=\"tag {class}\">{word}</span>{}",
        if words::narrow(region) { " ¹" } else { "" }
    )
}

/// Vantages, the one that speaks for most first.
pub(super) fn vantages(report: &CoverageReport, class: &ClassReport) -> String {
    let mut listed: Vec<&VantageReport> = class.vantages.iter().collect();
    listed.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.name.cmp(&b.name)));
    let rows = listed.into_iter().map(|vantage| {
        let (best, second) = (vantage.best.as_ref(), vantage.second.as_ref());
        format!(
            "<tr><th scope=\"row\">{}{}</th><td>{}</td>{}<td>{}</td>{}{}<td>{}</td>{}</tr>",
            escape(&vantage.name),
            if vantage.own_node { " *" } else { "" },
            vantage
                .country
                .map_or_else(|| "–".to_owned(), |country| escape(country.name())),
            num(&weight(vantage.weight)),
            node(best),
            num(&ms(best.map(|time| time.ms))),
            num(&ms_interval(best.and_then(|time| time.interval))),
            node(second),
            num(&ms(second.map(|time| time.ms))),
        )
    });
    let time = &format!(">{}", words::column(report.statistic));
    let head = [
        "Vantage",
        "Country",
        ">Speaks for",
        "Nearest node",
        time,
        ">90 % interval",
        "Next node",
        time,
    ];
    table(
        "Backup distances: each vantage's nearest node, and the next",
        &head,
        rows,
    )
}

fn node(time: Option<&NodeTime>) -> String {
    time.map_or_else(
        || "–".to_owned(),
        |time| format!("{}{}", escape(&time.node), if time.reversed { " ←" } else { "" }),
    )
}

fn weight_title(report: &CoverageReport) -> &'static str {
    match report.weights.kind {
        WeightKind::People => ">People",
        WeightKind::Sites => ">Sites",
        WeightKind::File => ">Weight",
    }
}

/// A bar with its figures in words below it.
pub(super) fn bar(share: &Share) -> String {
    format!(
        "{}<p><span><b>{}</b> within</span><span><b>{}</b> beyond</span><span><b>{}</b> not measured</span></p>",
        bare_bar(share),
        percent(share.within),
        percent(share.beyond),
        percent(share.unknown),
    )
}

/// The bar alone: its figures stand beside it, or in its label.
fn bare_bar(share: &Share) -> String {
    format!(
        "<span class=\"bar\" role=\"img\" aria-label=\"{} within, {} beyond, {} not measured\">\
         <i class=\"in\" style=\"width:{:.2}%\"></i><i class=\"out\" style=\"width:{:.2}%\"></i></span>",
        percent(share.within),
        percent(share.beyond),
        percent(share.unknown),
        share.within * 100.0,
        share.beyond * 100.0,
    )
}

fn num(text: &str) -> String {
    format!("<td class=\"num\">{text}</td>")
}

/// A title that begins with `>` stands over figures, to the right.
fn table(title: &str, head: &[&str], rows: impl Iterator<Item = String>) -> String {
    let cell = |title: &&str| match title.strip_prefix('>') {
        Some(title) => format!("<th scope=\"col\" class=\"num\">{title}</th>"),
        None => format!("<th scope=\"col\">{title}</th>"),
    };
    let head: String = head.iter().map(cell).collect();
    let rows: String = rows.collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><caption>{title}</caption>\
         <thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
}
