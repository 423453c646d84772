//! The page's tables.

use super::super::words::{self, budget, ms, ms_interval, percent, weight, whole_percent};
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
        html += &region_table(report, title, &measured, at);
    }
    if class.regions.iter().any(words::narrow) {
        html += &format!("<p class=\"hint\">¹ {}.</p>", words::NARROW);
    }
    html
}

fn region_table(report: &CoverageReport, title: &str, regions: &[&Region], at: usize) -> String {
    let head = region_head(report, regions, at);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(
        title,
        &head,
        regions.iter().map(|region| region_row(report, region, at)),
    )
}

fn region_head(report: &CoverageReport, regions: &[&Region], at: usize) -> Vec<String> {
    let share = regions.first().and_then(|region| region.shares.get(at));
    let budget = share.map_or_else(String::new, |share| format!("At {}", budget(share.budget_ms)));
    let mut head = vec![
        "Region".to_owned(),
        weight_title(report).to_owned(),
        ">Known".to_owned(),
    ];
    head.extend([">Vantages / networks".to_owned(), budget, "Best node".to_owned()]);
    if report.days.is_some() {
        head.extend([">min / p50 / p90 ms", ">90 % interval", ">Loss", ">Runs"].map(str::to_owned));
    } else {
        head.push(format!(">{}", words::column(report.statistic)));
    }
    if report.ttfb.is_some() {
        head.push(">TTFB p50 / p90".to_owned());
    }
    head.push(format!("Next node, {}", words::column(report.statistic)));
    head
}

fn region_row(report: &CoverageReport, region: &Region, at: usize) -> String {
    let measured = region.measured.as_ref();
    let figures = measured.map(|measured| measured.figures).unwrap_or_default();
    let mut row = format!(
        "<tr><th scope=\"row\"><span class=\"code\">{}</span> {}{}</th>{}{}{}<td class=\"mini\">{}</td><td>{}</td>",
        words::region_code(&region.id),
        escape(words::region_name(&region.id)),
        if measured.is_some_and(|measured| measured.own_node) {
            "&nbsp;*"
        } else {
            ""
        },
        num(&weight(region.weight)),
        num(&whole_percent(region.known_share())),
        num(&witnesses(region)),
        region.shares.get(at).map(bare_bar).unwrap_or_default(),
        best_nodes(region),
    );
    if report.days.is_some() {
        row += &num(&[figures.min_ms, figures.p50_ms, figures.p90_ms]
            .map(ms)
            .join(" / "));
        row += &num(&ms_interval(measured.and_then(|measured| measured.interval)));
        row += &num(&figures.loss.map_or_else(|| "–".to_owned(), percent));
        row += &num(&figures
            .samples
            .map_or_else(|| "–".to_owned(), |runs| weight(runs as f64)));
    } else {
        row += &num(&ms(measured.map(|measured| measured.value_ms)));
    }
    if report.ttfb.is_some() {
        row += &num(&[figures.ttfb_p50_ms, figures.ttfb_p90_ms].map(ms).join(" / "));
    }
    let next = measured.and_then(|measured| Some((measured.runner_up.as_ref()?, measured.runner_up_ms)));
    row += &next.map_or_else(
        || "<td>–</td></tr>".to_owned(),
        |(node, time)| {
            format!(
                "<td>{} <span class=\"soft\">{}</span></td></tr>",
                escape(node),
                ms(time)
            )
        },
    );
    row
}

/// The nodes that cannot be told from the best, and how sure the verdict is.
fn best_nodes(region: &Region) -> String {
    let Some(measured) = &region.measured else {
        return "<span class=\"tag\">not measured</span>".to_owned();
    };
    let names: Vec<String> = measured.tie_set.iter().map(|node| escape(node)).collect();
    let tie = if words::verdict(region) == "tie" {
        " <span class=\"tag\">tie</span>"
    } else {
        ""
    };
    format!(
        "{}{tie}{}",
        names.join(" = "),
        if words::narrow(region) { " ¹" } else { "" }
    )
}

/// How many vantages, in how many networks if these are known.
fn witnesses(region: &Region) -> String {
    match region.networks_given {
        true => format!("{} / {}", region.vantages, region.networks),
        false => format!("{} / ?", region.vantages),
    }
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
            if vantage.own_node { "&nbsp;*" } else { "" },
            escape(place(vantage)),
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
        "Place",
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

/// The place's name, or the country's where the vantage is called by its place.
fn place(vantage: &VantageReport) -> &str {
    match (vantage.site == vantage.name, &vantage.country) {
        (false, _) => &vantage.site,
        (true, Some(country)) => country.name(),
        (true, None) => "–",
    }
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
    let own = match share.own_node {
        nothing if nothing <= 0.0 => String::new(),
        part => format!(", {} of it with its own node, the next beyond", percent(part)),
    };
    format!(
        "{}<p><span><b>{}</b> within</span><span><b>{}</b> beyond</span><span><b>{}</b> not measured{own}</span></p>",
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
         <i class=\"in\" style=\"width:{:.2}%\"></i><i class=\"out\" style=\"width:{:.2}%\"></i>\
         <i class=\"own\" style=\"width:{:.2}%\"></i></span>",
        percent(share.within),
        percent(share.beyond),
        percent(share.unknown),
        share.within * 100.0,
        share.beyond * 100.0,
        share.own_node * 100.0,
    )
}

fn num(text: &str) -> String {
    format!("<td class=\"num\">{text}</td>")
}

/// A table of more rows than this is folded: the page's style hides its further rows until they are asked for.
const FOLD: usize = 24;

/// A title that begins with `>` stands over figures, to the right.
fn table(title: &str, head: &[&str], rows: impl Iterator<Item = String>) -> String {
    let cell = |title: &&str| match title.strip_prefix('>') {
        Some(title) => format!("<th scope=\"col\" class=\"num\">{title}</th>"),
        None => format!("<th scope=\"col\">{title}</th>"),
    };
    let head: String = head.iter().map(cell).collect();
    let rows: Vec<String> = rows.collect();
    let (fold, all) = match rows.len() {
        0..=FOLD => ("", String::new()),
        count => (
            " fold",
            format!("<details><summary>All {count} rows</summary></details>"),
        ),
    };
    format!(
        "<div class=\"sheet{fold}\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table>\
         <caption><span class=\"title\">{title}</span><span class=\"sideways\">scroll sideways →</span></caption>\
         <thead><tr>{head}</tr></thead><tbody>{}</tbody></table></div>{all}</div>\n",
        rows.concat()
    )
}
