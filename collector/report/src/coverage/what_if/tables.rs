//! A calculation's tables.

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::what_if::{Rest, State, WhatIf, Why};
use isochrone_coverage::report::{Interval, Share};

use super::super::count::mark;
use super::super::words::percent_interval;
use super::words::is_predicted;
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, km, ms, ms_interval, percent};

pub(super) fn all(what: &WhatIf, of_what: &str) -> Vec<Table> {
    let mut tables = vec![
        shares(
            (&what.today.shares_predicted, &what.then.shares_predicted),
            format!("Share of {of_what}, with predictions"),
            mark(is_predicted(what)),
        ),
        shares(
            (&what.today.shares, &what.then.shares),
            format!("Share of {of_what}, as measured"),
            "",
        ),
    ];
    if !what.rests_on.is_empty() {
        tables.push(rests_on(what));
    }
    tables
}

fn shares((today, then): (&[Share], &[Share]), title: String, mark: &str) -> Table {
    let column = |text: &str| Column::figures(format!("{mark}{text}"));
    let columns = [
        Column::figures("budget ms"),
        column("within today"),
        column("within then"),
        column("interval then"),
        column("beyond today"),
        column("beyond then"),
        column("unknown today"),
        column("unknown then"),
    ];
    let rows = today.iter().zip(then).map(|(today, then)| -> Vec<Cell> {
        vec![
            today.budget_ms.to_string().into(),
            percent(today.within).into(),
            percent(then.within).into(),
            percent_interval(then.interval).into(),
            percent(today.beyond).into(),
            percent(then.beyond).into(),
            percent(today.unknown).into(),
            percent(then.unknown).into(),
        ]
    });
    Table::new(title, columns).rows(rows)
}

fn rests_on(what: &WhatIf) -> Table {
    let columns = [
        Column::names("place"),
        Column::names("why"),
        Column::names("vantage"),
        Column::names("node"),
        Column::figures("ms"),
        Column::figures("interval").on_page("90 % interval"),
        Column::figures("away"),
    ];
    let rows = what.rests_on.iter().map(|rest| -> Vec<Cell> {
        vec![
            rest.place.clone().into(),
            why(rest).into(),
            rest.vantage.clone().into(),
            rest.node.clone().into(),
            ms(Some(rest.ms)).into(),
            ms_interval(rest.interval).into(),
            rest.km.map_or(NONE.to_owned(), km).into(),
        ]
    });
    Table::new("Measured pairs that this rests on", columns).rows(rows)
}

fn why(rest: &Rest) -> &'static str {
    match rest.why {
        Why::NearAdded => "near to it",
        Why::Removed => "now nearest",
        Why::Instead => "then nearest",
    }
}

/// A line for each figure; figures are not rounded.
pub(super) fn csv(what: &WhatIf, source: Source) -> Table {
    const COLUMNS: [&str; 10] = [
        "part",
        "name",
        "when",
        "budget_ms",
        "value",
        "low",
        "high",
        "beyond",
        "unknown",
        "source",
    ];
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let line = |head: [&str; 3],
                figures: [Option<f64>; 2],
                ends: Option<Interval>,
                rest: [Option<f64>; 2]|
     -> Vec<Cell> {
        vec![
            head[0].into(),
            head[1].into(),
            head[2].into(),
            number(figures[0]).into(),
            number(figures[1]).into(),
            number(ends.map(|ends| ends.low)).into(),
            number(ends.map(|ends| ends.high)).into(),
            number(rest[0]).into(),
            number(rest[1]).into(),
            source.as_str().into(),
        ]
    };
    let more = &what.difference;
    let mut rows = vec![line(
        ["difference", "mean_ms", ""],
        [None, Some(more.value)],
        more.interval,
        [None, None],
    )];
    let states: [(&str, &State); 2] = [("today", &what.today), ("then", &what.then)];
    for (when, state) in states {
        rows.push(line(
            ["mean", "mean_ms", when],
            [None, Some(state.mean.value)],
            state.mean.interval,
            [None, None],
        ));
        for (part, shares) in [
            ("share", &state.shares),
            ("share-predicted", &state.shares_predicted),
        ] {
            for share in shares {
                rows.push(line(
                    [part, "within", when],
                    [Some(share.budget_ms), Some(share.within)],
                    share.interval,
                    [Some(share.beyond), Some(share.unknown)],
                ));
            }
        }
    }
    for place in &what.added {
        if let Some(own) = &place.own_city {
            for (when, drawn) in [("today", own.today), ("then", own.then)] {
                rows.push(line(
                    ["own-city", &place.name, when],
                    [None, Some(drawn.value)],
                    drawn.interval,
                    [None, None],
                ));
            }
        }
    }
    for rest in &what.rests_on {
        let pair = format!("{} to {}", rest.vantage, rest.node);
        rows.push(line(
            ["rests-on", &pair, rest.why.as_str()],
            [None, Some(rest.ms)],
            rest.interval,
            [None, None],
        ));
    }
    Table::new("", COLUMNS.map(Column::names)).rows(rows)
}
