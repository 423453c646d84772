//! The count's tables.

use isochrone_coverage::count::{Count, REDUNDANT_MS};
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::Interval;

use super::words::node_verdict;
use crate::tables::{Cell, Column, Table};
use crate::words::{ms, ms_interval, weight};

/// What losing each node costs.
pub(super) fn drop_one(count: &Count, what: &str) -> Table {
    let columns = [
        Column::names("node"),
        Column::figures("cost ms").on_page("Mean without it, ms more"),
        Column::figures("interval").on_page("90 % interval"),
        Column::figures(format!("nearest to ({what})")),
        Column::names("verdict"),
    ];
    let rows = count.drop_one.iter().map(|drop| -> Vec<Cell> {
        vec![
            drop.node.clone().into(),
            ms(Some(drop.cost_ms)).into(),
            ms_interval(drop.interval).into(),
            weight(drop.weight).into(),
            node_verdict(drop).into(),
        ]
    });
    Table::new("If one node were gone", columns).rows(rows)
}

/// What each number of nodes gives.
pub(super) fn curve(count: &Count) -> Table {
    let columns = [
        Column::figures("nodes"),
        Column::figures("mean ms"),
        Column::figures("interval").on_page("90 % interval"),
        Column::names("the best set"),
    ];
    let rows = count.curve.iter().map(|point| -> Vec<Cell> {
        vec![
            point.k.to_string().into(),
            ms(Some(point.mean_ms)).into(),
            ms_interval(point.interval).into(),
            point.chosen.join("; ").into(),
        ]
    });
    Table::new("With the best so many nodes", columns).rows(rows)
}

/// How each vantage stands if its nearest node dies.
pub(super) fn redundancy(count: &Count) -> Table {
    let within = format!("nodes within {REDUNDANT_MS} ms");
    let columns = [
        Column::names("vantage"),
        Column::figures(within),
        Column::figures("second node, ms"),
    ];
    let rows = count.redundancy.iter().map(|seen| -> Vec<Cell> {
        vec![
            seen.vantage.clone().into(),
            seen.within.to_string().into(),
            ms(seen.second_ms).into(),
        ]
    });
    Table::new(
        "A second node, as measured from each vantage (its own not counted)",
        columns,
    )
    .rows(rows)
    .at_most(40, "vantage")
}

/// What to measure, heaviest first.
pub(super) fn measure(count: &Count, what: &str) -> Table {
    let columns = [
        Column::names("measure from"),
        Column::figures(format!("{what} that nobody speaks for")),
        Column::figures("nearest node, ms").on_page("Nearest node, 90 % interval, ms"),
    ];
    let rows = count.measure.iter().map(|wanted| -> Vec<Cell> {
        vec![
            wanted.place.clone().into(),
            weight(wanted.weight).into(),
            wanted
                .interval
                .map_or_else(|| "unknown".to_owned(), |interval| ms_interval(Some(interval)))
                .into(),
        ]
    });
    Table::new("These measurements would decide", columns)
        .rows(rows)
        .at_most(12, "place")
}

/// A line for each figure; figures are not rounded.
pub(super) fn csv(count: &Count, source: Source) -> Table {
    let columns = [
        "part", "name", "k", "ms", "low_ms", "high_ms", "weight", "verdict", "source",
    ];
    let curve = count.curve.iter().map(|point| {
        let k = Some(point.k as f64);
        row(
            ("curve", &point.chosen.join("; ")),
            k,
            Some(point.mean_ms),
            point.interval,
            (None, ""),
        )
    });
    let drop_one = count.drop_one.iter().map(|drop| {
        let (cost_ms, about) = (Some(drop.cost_ms), (Some(drop.weight), drop.verdict.as_str()));
        row(("drop-one", &drop.node), None, cost_ms, drop.interval, about)
    });
    let next = count
        .next
        .iter()
        .flat_map(|next| std::iter::once(&next.best).chain(&next.runners_up));
    let next = next.map(|city| {
        let known = if city.predicted { "predicted" } else { "measured" };
        row(
            ("next", &city.place),
            None,
            Some(city.gain_ms),
            city.interval,
            (None, known),
        )
    });
    let measure = count.measure.iter().map(|wanted| {
        row(
            ("measure", &wanted.place),
            None,
            None,
            wanted.interval,
            (Some(wanted.weight), ""),
        )
    });
    Table::new("count", columns.map(Column::names)).rows(
        curve.chain(drop_one).chain(next).chain(measure).map(|mut row| {
            row.push(source.as_str().into());
            row
        }),
    )
}

fn row(
    (part, name): (&str, &str),
    k: Option<f64>,
    ms: Option<f64>,
    interval: Option<Interval>,
    (weight, verdict): (Option<f64>, &str),
) -> Vec<Cell> {
    let number = |value: Option<f64>| Cell::from(value.map_or_else(String::new, |value| value.to_string()));
    vec![
        part.into(),
        name.into(),
        number(k),
        number(ms),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(weight),
        verdict.into(),
    ]
}
