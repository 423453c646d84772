//! The report's tables.

use isochrone_coverage::report::{
    ClassReport, CoverageReport, Figures, NodeTime, Region, VantageReport, Witnesses,
};
use maud::html;
use serde_json::Value;

use super::words::{self, percent_interval};
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, budget, cut, ms, ms_interval, percent, weight, whole_percent};

/// Rows of a table beyond this are left to JSON and HTML.
const ROWS: usize = 40;
/// Letters of a region's name in a terminal's table.
const NAME: usize = 16;
/// Between nodes that cannot be told apart. A line may break before it, never behind it.
const TIED: &str = " =\u{a0}";

/// How every budget splits.
pub(super) fn shares(report: &CoverageReport, class: &ClassReport) -> Table {
    let columns = [
        Column::names("budget"),
        Column::names("").page_only(),
        Column::figures("within"),
        Column::figures("90 % interval"),
        Column::figures("beyond"),
        Column::figures("not measured"),
        Column::figures("within if any one node dies"),
        Column::names("Worst single loss").page_only(),
    ];
    let rows = class.shares.iter().zip(&class.survives).zip(&class.worst_losses);
    let rows = rows.map(|((share, survives), worst)| {
        let title = budget(share.budget_ms);
        let is_target = report.target_ms == Some(share.budget_ms);
        let target = html! { (title) @if is_target { " " span.tag { "target" } } };
        let loss = html! { (percent(worst.share.within)) " without " (worst.node) };
        vec![
            Cell::from(format!("{title}{}", if is_target { " (target)" } else { "" })).on_page(target),
            Cell::page_only(html! { div.wide { (words::bar(share)) } }),
            percent(share.within).into(),
            percent_interval(share.interval).into(),
            percent(share.beyond).into(),
            percent(share.unknown).into(),
            percent(survives.within).into(),
            Cell::page_only(loss),
        ]
    });
    Table::new("Shares by budget", columns).rows(rows)
}

/// Regions in which something was measured; the budget at `at` is shown as a bar on a page.
pub(super) fn regions(report: &CoverageReport, title: &str, regions: &[&Region], at: usize) -> Table {
    let timed = regions.iter().any(|region| is_timed(&figures_of(region)));
    let rows = regions
        .iter()
        .map(|region| region_row(report, region, (at, timed)));
    Table::new(title, region_columns(report, regions, at))
        .rows(rows)
        .at_most(ROWS, "region")
}

fn region_columns(report: &CoverageReport, regions: &[&Region], at: usize) -> Vec<Column> {
    let share = regions.first().and_then(|region| region.shares.get(at));
    let bar = share.map_or_else(String::new, |share| format!("At {}", budget(share.budget_ms)));
    let (by_days, time) = (report.days.is_some(), words::column(report.statistic));
    let mut columns = vec![
        Column::names("").on_page("Region"),
        Column::figures(words::weight_title(report)),
        Column::figures("known"),
        Column::figures(if by_days { "v/n" } else { "vantages" }).on_page("Vantages /\u{a0}networks"),
        Column::names(bar).page_only(),
        Column::names(if by_days { "best < next" } else { "best node" }).on_page("Best node"),
    ];
    if by_days {
        columns.extend([
            Column::figures("min/p50/p90 ms").on_page("min / p50 / p90 ms"),
            Column::figures("interval").on_page("90 % interval"),
            Column::figures("loss"),
            Column::figures("runs"),
        ]);
    } else {
        columns.extend([
            Column::figures(time),
            Column::names("next node").lines_only(),
            Column::figures(time).lines_only(),
        ]);
    }
    if report.ttfb.is_some() {
        columns.push(Column::figures("TTFB p50 / p90").page_only());
    }
    if regions.iter().any(|region| is_timed(&figures_of(region))) {
        columns.push(Column::figures(MBPS).page_only());
    }
    columns.push(Column::names(format!("Next node, {time}")).page_only());
    columns
}

fn figures_of(region: &Region) -> Figures {
    let measured = region.measured.as_ref();
    measured.map(|measured| measured.figures).unwrap_or_default()
}

/// `timed`: somewhere it was measured how fast the nodes send.
fn region_row(report: &CoverageReport, region: &Region, (at, timed): (usize, bool)) -> Vec<Cell> {
    let measured = region.measured.as_ref();
    let figures = figures_of(region);
    let by_days = report.days.is_some();
    let known = region.known_share();
    let share = region.shares.get(at);
    let mut row = vec![
        region_name(region),
        weight(region.weight).into(),
        if by_days {
            whole_percent(known)
        } else {
            percent(known)
        }
        .into(),
        witnesses(region, by_days),
        Cell::page_only(html! { @if let Some(share) = share { div.mini { (words::bar(share)) } } }),
        best_nodes(region, by_days),
    ];
    let next = measured.and_then(|measured| Some((measured.runner_up.as_deref()?, measured.runner_up_ms)));
    if by_days {
        row.extend([
            times(&[figures.min_ms, figures.p50_ms, figures.p90_ms]),
            ms_interval(measured.and_then(|measured| measured.interval)).into(),
            figures.loss.map_or_else(|| NONE.to_owned(), percent).into(),
            figures
                .samples
                .map_or_else(|| NONE.to_owned(), |runs| weight(runs as f64))
                .into(),
        ]);
    } else {
        row.extend([
            ms(measured.map(|measured| measured.value_ms)).into(),
            next.map_or(NONE, |(node, _)| node).into(),
            ms(measured.and_then(|measured| measured.runner_up_ms)).into(),
        ]);
    }
    if report.ttfb.is_some() {
        row.push(times(&[figures.ttfb_p50_ms, figures.ttfb_p90_ms]));
    }
    if timed {
        row.push(throughput(&figures).into());
    }
    row.push(Cell::page_only(html! {
        @if let Some((node, time)) = next { (node) " " span.soft { (ms(time)) } } @else { (NONE) }
    }));
    row
}

/// Cut in text, where it would push the figures off the page.
fn region_name(region: &Region) -> Cell {
    let name = words::region_name(&region.id);
    let cut = cut(&name, NAME);
    let own = region.measured.as_ref().is_some_and(|measured| measured.own_node);
    let code = words::region_code(&region.id);
    Cell::from(format!("{cut}{}", if own { " *" } else { "" }))
        .on_page(html! { span.code { (code) } " " (name) @if own { "\u{a0}*" } })
}

/// How many vantages, and in how many networks.
fn witnesses(region: &Region, by_days: bool) -> Cell {
    let Witnesses {
        vantages,
        networks,
        networks_given,
    } = region.witnesses;
    let text = match by_days {
        true => format!("{vantages}/{networks}"),
        false => vantages.to_string(),
    };
    Cell::from(text).on_page(match networks_given {
        true => html! { (vantages) " / " (networks) },
        false => html! { (vantages) " / ?" },
    })
}

/// The nodes that cannot be told from the best, in text by days also the one after them, and how sure it is.
fn best_nodes(region: &Region, by_days: bool) -> Cell {
    let Some(measured) = &region.measured else {
        return NONE.into();
    };
    let narrow = if words::narrow(region) { "\u{a0}¹" } else { "" };
    let tied = measured.tie_set.join(TIED);
    let next = measured
        .runner_up
        .iter()
        .filter(|next| by_days && !measured.tie_set.contains(next));
    let text = next.fold(tied, |text, next| format!("{text} <\u{a0}{next}"));
    Cell::from(text + narrow).on_page(html! {
        (measured.tie_set.join(" = "))
        @if words::verdict(region) == "tie" { " " span.tag { "tie" } }
        (narrow)
    })
}

fn times(times: &[Option<f64>]) -> Cell {
    let times: Vec<String> = times.iter().copied().map(ms).collect();
    Cell::from(times.join("/")).on_page(html! { (times.join(" / ")) })
}

/// Vantages, the one that speaks for most first.
pub(super) fn vantages(report: &CoverageReport, class: &ClassReport) -> Table {
    let time = words::column(report.statistic);
    let timed = class.vantages.iter().any(|vantage| is_timed(&vantage.figures));
    let mut columns = vec![
        Column::names("vantage"),
        Column::names("Place").page_only(),
        Column::figures("speaks for"),
        Column::names("nearest").on_page("Nearest node"),
        Column::figures(time),
        Column::figures("interval").on_page("90 % interval"),
        Column::names("next").on_page("Next node"),
        Column::figures(time),
    ];
    columns.extend(timed.then(|| Column::figures(MBPS)));
    let mut listed: Vec<&VantageReport> = class.vantages.iter().collect();
    listed.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.name.cmp(&b.name)));
    let rows = listed.into_iter().map(|vantage| {
        let (best, second) = (vantage.best.as_ref(), vantage.second.as_ref());
        let own = if vantage.own_node { " *" } else { "" };
        let mut row = vec![
            format!("{}{own}", vantage.name).into(),
            Cell::page_only(html! { (place(vantage)) }),
            weight(vantage.weight).into(),
            node(best).into(),
            ms(best.map(|time| time.ms)).into(),
            ms_interval(best.and_then(|time| time.interval)).into(),
            node(second).into(),
            ms(second.map(|time| time.ms)).into(),
        ];
        if timed {
            row.push(throughput(&vantage.figures).into());
        }
        row
    });
    Table::new(
        "Backup distances: the nearest node of each vantage, and the next",
        columns,
    )
    .rows(rows)
    .at_most(ROWS, "vantage")
}

/// Heads the column of how fast the nearest node sends, with the count of ranges.
const MBPS: &str = "Mbps (runs)";

fn is_timed(figures: &Figures) -> bool {
    figures.mbps_samples.is_some()
}

/// `55.3 (12)`; where some ranges were cut short, `2.1 (3 of 4)`, and `too slow (1 of 4)` where most were.
fn throughput(figures: &Figures) -> String {
    let whole = figures.mbps_samples.unwrap_or_default();
    let all = whole + figures.mbps_lost.unwrap_or_default();
    let runs = match all == whole {
        true => whole.to_string(),
        false => format!("{whole} of {all}"),
    };
    match figures.mbps {
        Some(mbps) => format!("{mbps:.1} ({runs})"),
        None if all > 0 => format!("too slow ({runs})"),
        None => NONE.to_owned(),
    }
}

/// The place's name, or the country's where the vantage is called by its place.
fn place(vantage: &VantageReport) -> &str {
    match (vantage.site == vantage.name, &vantage.country) {
        (false, _) => &vantage.site,
        (true, Some(country)) => country.name(),
        (true, None) => NONE,
    }
}

fn node(time: Option<&NodeTime>) -> String {
    let arrow = |time: &NodeTime| if time.reversed { " ←" } else { "" };
    time.map_or_else(|| NONE.to_owned(), |time| format!("{}{}", time.node, arrow(time)))
}

/// Keys of a region in JSON, in the order of the columns. `source` is the report's, so that rows of the demo's
/// world stay marked wherever they are pasted; `level` is `country`, `continent` or `subdivision`, the first two
/// of whose codes are partly the same. Shares are those at the budget that is shown first, the target's if there is one;
/// `predicted_in` and the others hold measured and predicted together; `true_in_low` and `true_in_high` are where the true share
/// within lies, not an interval around `in`.
const CSV: &str = "access region name continent weight known_weight vantages networks best tie_set runner_up \
    runner_up_ms best_ms min_ms p50_ms p90_ms p99_ms rtt_ms low_ms high_ms loss samples verdict source \
    predicted_weight predicted_best predicted_ms predicted_low_ms predicted_high_ms level budget_ms in out undecided unknown \
    predicted_in predicted_out predicted_undecided predicted_unknown true_in_low true_in_high predicted_true_in_low \
    predicted_true_in_high";

/// Columns of the share at the budget that is shown first, by their keys in JSON.
const SHARE: [&str; 7] = [
    "budget_ms",
    "in",
    "out",
    "undecided",
    "unknown",
    "true_in_low",
    "true_in_high",
];

/// A row for each region of the JSON.
pub(super) fn csv(json: &Value, at: usize) -> Table {
    let of_list = |(list, level): (&str, &'static str)| {
        let regions = json[list].as_array().into_iter().flatten();
        let rows = regions.map(move |region| {
            let cells = CSV.split(' ').map(|column| match column {
                "source" => csv_cell(&json["source"]),
                "level" => level.into(),
                _ if SHARE.contains(&column) => csv_cell(&region["shares"][at][column]),
                _ if column
                    .strip_prefix("predicted_")
                    .is_some_and(|key| SHARE.contains(&key)) =>
                {
                    csv_cell(&region["predicted"]["shares"][at][&column["predicted_".len()..]])
                }
                _ if column.starts_with("predicted_") => {
                    csv_cell(&region["predicted"][&column["predicted_".len()..]])
                }
                _ => csv_cell(&region[column]),
            });
            cells.collect()
        });
        rows.collect::<Vec<_>>()
    };
    let lists = [
        ("regions", "country"),
        ("continents", "continent"),
        ("subdivisions", "subdivision"),
    ];
    let rows = lists.into_iter().flat_map(of_list);
    Table::new("regions", CSV.split(' ').map(Column::names)).rows(rows)
}

fn csv_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::default(),
        Value::String(text) => text.as_str().into(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" = ").into()
        }
        other => other.to_string().into(),
    }
}
