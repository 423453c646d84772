//! The tables of what was imported, in every format of the report of nodes.

use isochrone_base::words::count;
use maud::{Markup, html};

use super::nodes::{ImportedFigures, ImportedNode, ImportedNodes};
use crate::lines::Lines;
use crate::shares::{share, times};
use crate::tables::{Cell, Column, Table};

/// Beside each of these tables.
const ABOUT: &str = "Imported, not ours: what others' probers wrote down, as they told it. Nobody here can check their lines, \
     places and clocks, and a worker's own prober may be among them. It is in no share, outage and availability above, \
     in no alert and in no ledger.";
const TIMES: &str = "Times are those to the first byte of assets the node held (operators-ping), or of whole answers, held or not \
     (distributors-status). A degraded node answers; 404, 421 and switched-off buckets are in no asset share.";

/// As text or Markdown.
pub(crate) fn text(imported: &ImportedNodes, lines: &mut Lines) {
    if let Some(beyond) = imported.beyond() {
        lines.blank();
        return lines.wrapped(&beyond);
    }
    if imported.nodes.is_empty() {
        return;
    }
    lines.blank();
    lines.heading(2, "Imported");
    lines.wrapped(ABOUT);
    lines.table(&overview(imported));
    lines.wrapped(TIMES);
    let days = lines.alike(imported.nodes.iter().map(days).collect());
    for (node, days) in imported.nodes.iter().zip(days) {
        lines.blank();
        lines.heading(3, &title(node));
        lines.table(&days);
        if node.vantages.len() > 1 {
            lines.table(&vantages(node));
        }
    }
}

/// As a part of a page.
pub(crate) fn page(imported: &ImportedNodes) -> Markup {
    html! {
        @if let Some(beyond) = imported.beyond() { p { (beyond) } }
        @if !imported.nodes.is_empty() {
            h2 { "Imported" }
            p { (ABOUT) }
            (overview(imported).html())
            p { (TIMES) }
            @for node in &imported.nodes {
                section.node {
                    h3 { (title(node)) }
                    div.figures {
                        details { summary { "Imported figures by day, and by vantage" } }
                        (days(node).html())
                        (vantages(node).html())
                    }
                }
            }
        }
    }
}

fn title(node: &ImportedNode) -> String {
    let documents = count(
        usize::try_from(node.whole.checks).unwrap_or(usize::MAX),
        "document",
    );
    format!("{} · imported from {} · {documents}", node.name(), node.source)
}

fn overview(imported: &ImportedNodes) -> Table {
    let columns = [Column::names("node"), Column::names("imported from").whole()];
    let columns = columns
        .into_iter()
        .chain(figures_columns())
        .chain([Column::figures("vantages")]);
    let rows = imported.nodes.iter().map(|node| {
        let mut row = vec![node.name().into(), node.source.into()];
        row.extend(figures(&node.whole));
        row.push(node.vantages.len().to_string().into());
        row
    });
    Table::new("Imported: all nodes", columns).rows(rows)
}

fn days(node: &ImportedNode) -> Table {
    let columns = [Column::names("day (UTC)")].into_iter().chain(figures_columns());
    let columns = columns.chain([Column::figures("vantages").spare()]);
    let rows = node.days.iter().map(|day| {
        let mut row = vec![day.day.as_str().into()];
        row.extend(figures(&day.figures));
        row.push(day.vantages.to_string().into());
        row
    });
    Table::new("Imported: by day", columns).rows(rows).newest_last()
}

fn vantages(node: &ImportedNode) -> Table {
    let columns = [Column::names("imported vantage"), Column::names("place").whole()];
    let rows = node.vantages.iter().map(|vantage| {
        let place = vantage.site.as_deref().unwrap_or("not said");
        let mut row = vec![vantage.vantage.as_str().into(), place.into()];
        row.extend(figures(&vantage.figures));
        row
    });
    Table::new(
        "Imported: by vantage",
        columns.into_iter().chain(figures_columns()),
    )
    .rows(rows)
}

fn figures_columns() -> [Column; 4] {
    [
        Column::figures("documents"),
        Column::figures("status ok"),
        Column::figures("asset ok"),
        Column::figures("p50/p90 ms").on_page("time p50 / p90 ms"),
    ]
}

/// Documents of one index have one kind of time, and none of the other.
fn figures(of: &ImportedFigures) -> [Cell; 4] {
    let (p50, p90, samples) = match of.answer_samples {
        0 => (of.ttfb_p50_ms, of.ttfb_p90_ms, of.ttfb_samples),
        samples => (of.answer_p50_ms, of.answer_p90_ms, samples),
    };
    [
        of.checks.to_string().into(),
        share(of.status_ok, of.checks).into(),
        share(of.asset_ok, of.asset_checks).into(),
        times(p50, p90, samples).into(),
    ]
}

/// One line for each node and day, as the columns of the report are called; the source says that it was imported.
pub(crate) fn csv_rows(imported: &ImportedNodes, columns: &[&str]) -> Vec<Vec<Cell>> {
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut rows = Vec::new();
    for node in &imported.nodes {
        for day in &node.days {
            let of = &day.figures;
            let cell = |column: &&str| match *column {
                "node" => node.name().to_owned(),
                "day" => day.day.clone(),
                "checks" | "status_checks" => of.checks.to_string(),
                "status_ok" => figure(of.status_ok),
                "asset_ok" => figure(of.asset_ok),
                "asset_checks" => of.asset_checks.to_string(),
                "ttfb_p50_ms" => figure(of.ttfb_p50_ms),
                "ttfb_p90_ms" => figure(of.ttfb_p90_ms),
                "ttfb_samples" => of.ttfb_samples.to_string(),
                "absent" => of.absent.to_string(),
                "vantages" => day.vantages.to_string(),
                "source" => format!("imported:{}", node.source),
                _ => String::new(), // nobody measured it there
            };
            rows.push(columns.iter().map(cell).map(Cell::from).collect());
        }
    }
    rows
}
