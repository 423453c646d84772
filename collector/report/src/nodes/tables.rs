//! The report's tables.

use isochrone_base::words::date_time;
use maud::html;

use super::strip;
use super::values::{DayReport, NodeReport, NodesReport, OutageReport};
use super::words::{cause, end, failing, lasted, share_of, ttfb_pair, watched};
use crate::imported;
use crate::shares::{NO_DATA, share, times};
use crate::tables::{Cell, Column, Table};

/// A line for each node.
pub(super) fn overview(report: &NodesReport) -> Table {
    let columns = [
        Column::names("node"),
        Column::names("checks").page_only(),
        Column::figures("checks ok").on_page("succeeded"),
        Column::figures("outages"),
        Column::figures("TTFB p50/p90 ms").on_page("TTFB p50 / p90 ms"),
        Column::names("worker"),
        Column::names("place"),
    ];
    let rows = report.nodes.iter().map(|node| {
        let name = match node.removed {
            true => format!("{} (removed since)", node.node),
            false => node.node.clone(),
        };
        let whole = &node.whole;
        vec![
            name.into(),
            Cell::page_only(
                html! { div.wide { (strip::strip(report, node)) (strip::outage_marks(report, node)) } },
            ),
            share_of(whole.good, whole.judged).into(),
            match whole.judged {
                0 => "-".into(),
                _ => node.outages.len().to_string().into(),
            },
            ttfb_pair(whole.ttfb.or(whole.status_ttfb)).into(),
            node.worker.as_deref().unwrap_or("-").into(),
            node.place.as_str().into(),
        ]
    });
    Table::new("All nodes", columns).rows(rows)
}

/// A line for each day.
pub(super) fn days(node: &NodeReport) -> Table {
    let first = if is_http(node) { "page ok" } else { "status ok" };
    let connect = connects(node).then(|| Column::figures("connect ok"));
    let columns = [Column::names("day (UTC)"), Column::figures("checks")];
    let rest = [
        Column::figures(first),
        Column::figures("asset ok"),
        Column::figures("TTFB p50/p90 ms").on_page("TTFB p50 / p90 ms"),
        Column::figures("status TTFB ms").on_page("Status TTFB"),
        Column::figures("vantages").spare(),
    ];
    let columns = columns.into_iter().chain(connect).chain(rest);
    let rows = node.days.iter().map(|day| {
        let mut row = day_row(day, is_http(node));
        if connects(node) {
            row.insert(2, share(day.connect_ok, day.connect_checks).into());
        }
        row
    });
    Table::new("By day", columns).rows(rows).newest_last()
}

fn connects(node: &NodeReport) -> bool {
    node.days.iter().any(|day| day.connect_checks > 0)
}

fn is_http(node: &NodeReport) -> bool {
    node.days.iter().any(|day| day.http_checks > 0)
}

fn day_row(day: &DayReport, is_http: bool) -> Vec<Cell> {
    let (first, checks) = match is_http {
        true => (day.http_ok, day.http_checks),
        false => (day.status_ok, day.status_checks),
    };
    if day.checks == 0 {
        return [day.day.as_str(), "0", NO_DATA, "-", "-", "-", "-"]
            .map(Cell::from)
            .into();
    }
    vec![
        day.day.as_str().into(),
        day.checks.to_string().into(),
        share(first, checks).into(),
        match is_http {
            true => "-".into(), // nobody asks for one
            false => share(day.asset_ok, day.asset_checks).into(),
        },
        times(day.ttfb_p50_ms, day.ttfb_p90_ms, day.ttfb_samples).into(),
        times(
            day.status_ttfb_p50_ms,
            day.status_ttfb_p90_ms,
            day.status_ttfb_samples,
        )
        .into(),
        day.vantages.to_string().into(),
    ]
}

/// A line for each outage.
pub(super) fn outages(node: &NodeReport) -> Table {
    let columns = ["start (UTC)", "end", "duration", "check", "cause", "seen by"];
    let rows = node.outages.iter().map(|outage| {
        vec![
            date_time(outage.start).into(),
            end(outage).map_or("goes on".to_owned(), date_time).into(),
            lasted(outage).into(),
            format!("{}{}", failing(outage), watched(outage)).into(),
            cause(outage).into(),
            outage.vantages.join(", ").into(),
        ]
    });
    Table::new("Outages", columns.map(Column::names))
        .rows(rows)
        .newest_last()
}

/// What the strip shows, in figures: the slices in which something failed.
pub(super) fn failures(node: &NodeReport) -> Table {
    let columns = [
        Column::names("from (UTC)"),
        Column::names("until"),
        Column::figures("judged checks"),
        Column::figures("succeeded"),
    ];
    let failed = node.slices.iter().filter(|slice| slice.good < slice.judged);
    let rows = failed.map(|slice| {
        vec![
            date_time(slice.from).into(),
            date_time(slice.until).into(),
            slice.judged.to_string().into(),
            share_of(slice.good, slice.judged).into(),
        ]
    });
    Table::new("When checks failed", columns)
        .rows(rows)
        .newest_last()
        .screen_only()
}

/// The keys of a day in JSON, in the order of the columns.
const CSV: &str = "node day checks status_ok status_checks asset_ok asset_checks http_ok http_checks ttfb_p50_ms \
    ttfb_p90_ms ttfb_samples status_ttfb_p50_ms status_ttfb_p90_ms status_ttfb_samples absent \
    unjudged vantages outages connect_ok connect_checks source";

/// The days, one line for each node and day; what was not measured is empty.
pub(super) fn csv(report: &NodesReport) -> Table {
    let of_node = |node: &'_ NodeReport| {
        let rows = node.days.iter().map(|day| csv_row(report, node, day));
        rows.collect::<Vec<_>>()
    };
    let columns: Vec<&str> = CSV.split_ascii_whitespace().collect();
    let imported = imported::csv_rows(&report.imported, &columns);
    let rows = report.nodes.iter().flat_map(of_node).chain(imported);
    Table::new("days", columns.into_iter().map(Column::names)).rows(rows)
}

fn csv_row(report: &NodesReport, node: &NodeReport, day: &DayReport) -> Vec<Cell> {
    let begun = |outage: &&OutageReport| date_time(outage.start).starts_with(&day.day);
    let outages = node.outages.iter().filter(begun).count();
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    [
        node.node.clone(),
        day.day.clone(),
        day.checks.to_string(),
        figure(day.status_ok),
        day.status_checks.to_string(),
        figure(day.asset_ok),
        day.asset_checks.to_string(),
        figure(day.http_ok),
        day.http_checks.to_string(),
        figure(day.ttfb_p50_ms),
        figure(day.ttfb_p90_ms),
        day.ttfb_samples.to_string(),
        figure(day.status_ttfb_p50_ms),
        figure(day.status_ttfb_p90_ms),
        day.status_ttfb_samples.to_string(),
        day.absent.to_string(),
        day.unjudged.to_string(),
        day.vantages.to_string(),
        outages.to_string(),
        figure(day.connect_ok),
        day.connect_checks.to_string(),
        report.source.to_owned(),
    ]
    .map(Cell::from)
    .into()
}
