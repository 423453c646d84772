//! The count's tables.

use isochrone_coverage::count::{Count, REDUNDANT_MS};
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::Interval;

use super::words::{mark, node_verdict, why_unpriced};
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, ms, ms_interval, weight};

/// What losing each node costs.
pub(super) fn drop_one(count: &Count, what: &str) -> Table {
    let mark = mark(count.is_predicted());
    let columns = [
        Column::names("node"),
        Column::figures(format!("{mark}cost ms")).on_page(format!("{mark}Mean without it, ms more")),
        Column::figures(format!("{mark}interval")).on_page(format!("{mark}90 % interval")),
        Column::figures(format!("{mark}nearest to ({what})")),
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
    let unpriced = count.unpriced.iter().map(|one| -> Vec<Cell> {
        let why = format!("cannot tell: {}", why_unpriced(one.why));
        vec![
            one.node.clone().into(),
            NONE.into(),
            NONE.into(),
            NONE.into(),
            why.into(),
        ]
    });
    Table::new("If one node were gone", columns).rows(rows.chain(unpriced))
}

/// What each number of nodes gives.
pub(super) fn curve(count: &Count) -> Table {
    let mark = mark(count.is_predicted());
    let columns = [
        Column::figures("nodes"),
        Column::figures(format!("{mark}mean ms")),
        Column::figures(format!("{mark}interval")).on_page(format!("{mark}90 % interval")),
        Column::names("added"),
    ];
    let before = std::iter::once(&[][..]).chain(count.curve.iter().map(|point| point.chosen.as_slice()));
    let rows = count
        .curve
        .iter()
        .zip(before)
        .map(|(point, before)| -> Vec<Cell> {
            vec![
                point.k.to_string().into(),
                ms(Some(point.mean_ms)).into(),
                ms_interval(point.interval).into(),
                step(before, &point.chosen).into(),
            ]
        });
    Table::new("With the best so many nodes", columns).rows(rows)
}

/// What a set has and the one before has not: `Paris, FR; Lagos, NG − London, GB`.
fn step(before: &[String], set: &[String]) -> String {
    let added = without(set, before).join("; ");
    match without(before, set) {
        left if left.is_empty() => added,
        left => format!("{added} − {}", left.join("; − ")),
    }
}

/// The names of one set that are not in another.
pub(super) fn without<'a>(set: &'a [String], other: &[String]) -> Vec<&'a str> {
    let own = set.iter().filter(|name| !other.contains(name));
    own.map(String::as_str).collect()
}

/// How to read the curve's last column.
pub(super) const STEPS: &str = "Each line's set is that of the line above with what is added; − marks what a swap took out of it. JSON and CSV list whole sets.";

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
    let mut columns = vec![
        Column::names("measure from"),
        Column::figures(format!("{what} that nobody speaks for")),
    ];
    let predicted = !nothing_predicted(count);
    if predicted {
        columns.push(Column::figures("~nearest node, ms").on_page("~Nearest node, 90 % interval, ms"));
    }
    let rows = count.measure.iter().map(|wanted| -> Vec<Cell> {
        let mut row = vec![wanted.place.clone().into(), weight(wanted.weight).into()];
        let interval = wanted.interval.map(|interval| ms_interval(Some(interval)));
        if predicted {
            row.push(interval.unwrap_or_else(|| "not predicted".to_owned()).into());
        }
        row
    });
    Table::new("These measurements would decide", columns)
        .rows(rows)
        .at_most(12, "place")
}

/// Whether nothing is predicted at any of the places to measure from.
fn nothing_predicted(count: &Count) -> bool {
    count.measure.iter().all(|wanted| wanted.interval.is_none())
}

/// Why the table of places to measure from holds no times.
pub(super) fn why_no_times(count: &Count) -> Option<&'static str> {
    (nothing_predicted(count) && !count.measure.is_empty()).then_some(
        "No time to the nearest node is predicted for any of these places, so each could be near or far: that is why they \
         would decide most.",
    )
}

/// A line for each figure; figures are not rounded.
pub(super) fn csv(count: &Count, source: Source) -> Table {
    let predicted = if count.is_predicted() { "true" } else { "false" };
    let columns = [
        "part",
        "name",
        "k",
        "ms",
        "low_ms",
        "high_ms",
        "weight",
        "verdict",
        "source",
        "predicted",
        "site",
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
        let site = city.site.as_deref().unwrap_or_default();
        let row = row(
            ("next", &city.place),
            None,
            Some(city.gain_ms),
            city.interval,
            (None, known),
        );
        (row, site)
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
        without_site(curve.chain(drop_one))
            .chain(next)
            .chain(without_site(measure))
            .map(|(mut row, site)| {
                row.extend([source.as_str(), predicted, site].map(Cell::from));
                row
            }),
    )
}

fn without_site<'a>(rows: impl Iterator<Item = Vec<Cell>>) -> impl Iterator<Item = (Vec<Cell>, &'a str)> {
    rows.map(|row| (row, ""))
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
