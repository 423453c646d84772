//! Node by node: whom it serves best, as measured and as predicted, and what its loss would cost.

use isochrone_coverage::count::Count;
use isochrone_coverage::report::{ClassReport, CoverageReport};

use super::super::count;
use super::super::predicted::MARK;
use super::super::words::weight_title;
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, ms, ms_interval, weight};

/// Vantages that are listed for a node.
const NAMED: usize = 4;

/// A row for each node.
pub(super) fn table(report: &CoverageReport, class: &ClassReport) -> Table {
    let (what, predicts) = (weight_title(report), class.predicted.is_some());
    let mut columns = vec![
        Column::names("Node"),
        Column::names("Place"),
        Column::names("Nearest of all from").wraps(),
        Column::figures(format!("{what}, measured")),
    ];
    if predicts {
        columns.push(Column::figures(format!("{MARK}{what}, predicted")));
    }
    if prices(report) {
        let counted = report.count.as_ref();
        let mark = count::mark(counted.is_some_and(Count::is_predicted));
        columns.extend([
            Column::figures(format!("{mark}If gone,\u{a0}ms more")),
            Column::figures(format!("{mark}90\u{a0}% interval")),
            Column::names("Verdict").wraps(),
        ]);
    }
    let rows = report.nodes.iter().map(|node| -> Vec<Cell> {
        let nearest = || {
            class
                .vantages
                .iter()
                .filter(|vantage| vantage.best.as_ref().is_some_and(|best| best.node == node.name))
        };
        let names: Vec<&str> = nearest().map(|vantage| vantage.name.as_str()).collect();
        let mut row: Vec<Cell> = vec![
            node.name.clone().into(),
            node.site.clone().into(),
            listed(&names).into(),
            amount(nearest().map(|vantage| vantage.weight).sum()).into(),
        ];
        if let Some(predicted) = &class.predicted {
            let cells = predicted.cells.iter();
            let own = cells.filter(|cell| {
                cell.nearest
                    .as_ref()
                    .is_some_and(|nearest| nearest.node == node.name)
            });
            row.push(amount(own.map(|cell| cell.weight).sum()).into());
        }
        if prices(report) {
            let drop = report.count.iter().flat_map(|count| &count.drop_one);
            let drop = drop.into_iter().find(|drop| drop.node == node.name);
            row.push(ms(drop.map(|drop| drop.cost_ms)).into());
            row.push(ms_interval(drop.and_then(|drop| drop.interval)).into());
            row.push(drop.map_or_else(|| NONE.to_owned(), count::node_verdict).into());
        }
        row
    });
    Table::new("Node by node", columns).rows(rows)
}

/// Whether nodes have a price.
fn prices(report: &CoverageReport) -> bool {
    report
        .count
        .as_ref()
        .is_some_and(|count| !count.drop_one.is_empty())
}

fn amount(value: f64) -> String {
    if value > 0.0 {
        weight(value)
    } else {
        NONE.to_owned()
    }
}

fn listed(names: &[&str]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 if names.is_empty() => NONE.to_owned(),
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}
