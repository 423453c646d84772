//! A placement's tables.

use isochrone_coverage::observations::Source;
use isochrone_coverage::report::Interval;
use isochrone_coverage::report::placement::Placement;

use super::super::count::mark;
use super::words::{figure, interval};
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, ms_interval, percent, weight};

pub(super) fn all(placement: &Placement, what: &str) -> Vec<Table> {
    let mut tables = vec![chosen(placement, what)];
    if !placement.rivals.is_empty() {
        tables.push(rivals(placement));
    }
    if !placement.shortlist.is_empty() {
        tables.push(shortlist(placement));
    }
    if !placement.measure.is_empty() {
        tables.push(measure(placement, what));
    }
    tables
}

fn chosen(placement: &Placement, what: &str) -> Table {
    let columns = [
        Column::names("place"),
        Column::names("today"),
        Column::figures(format!("{}share of {what}", mark(placement.predicted))),
        Column::names("measured"),
    ];
    let rows = placement.chosen.iter().map(|place| -> Vec<Cell> {
        let today = match (place.is_node, place.fixed) {
            (true, true) => "node, fixed",
            (true, false) => "node",
            (false, true) => "new, fixed",
            (false, false) => "new",
        };
        let times = match (&place.site, place.is_node) {
            (Some(_), _) if place.eyes > 0 => format!("in part, by {} eyes", place.eyes),
            (Some(site), _) => format!("in part, by {site}"),
            (None, true) if place.predicted => "in part".to_owned(),
            (None, true) => "yes".to_owned(),
            (None, false) => "no, predicted".to_owned(),
        };
        vec![
            place.name.clone().into(),
            today.into(),
            percent(place.share).into(),
            times.into(),
        ]
    });
    Table::new("The places", columns).rows(rows)
}

fn rivals(placement: &Placement) -> Table {
    let marked = mark(placement.predicted);
    let columns = [
        Column::names("instead of"),
        Column::names("place"),
        Column::figures(format!("{marked}worse by")),
        Column::figures(format!("{marked}interval")).on_page(format!("{marked}90 % interval")),
        Column::names("verdict"),
    ];
    let rows = placement.rivals.iter().map(|rival| -> Vec<Cell> {
        let verdict = if rival.tied {
            "cannot be told apart"
        } else {
            "worse"
        };
        vec![
            rival.instead_of.clone().into(),
            rival.place.clone().into(),
            figure(rival.worse.value, placement.objective).into(),
            interval(rival.worse.interval, placement.objective).into(),
            verdict.into(),
        ]
    });
    Table::new("The next best, by one place", columns).rows(rows)
}

fn shortlist(placement: &Placement) -> Table {
    let columns = [
        Column::names("measure towards"),
        Column::figures(format!("{}may gain", mark(placement.predicted))),
        Column::names("in the set"),
    ];
    let rows = placement.shortlist.iter().map(|one| -> Vec<Cell> {
        vec![
            one.place.clone().into(),
            figure(one.hope, placement.objective).into(),
            if one.chosen { "yes" } else { "no" }.into(),
        ]
    });
    Table::new(
        "Shortlist: what these places might gain at best guess and one usual deviation",
        columns,
    )
    .rows(rows)
}

fn measure(placement: &Placement, what: &str) -> Table {
    let columns = [
        Column::names("measure from"),
        Column::figures(format!("{what} that nobody speaks for")),
        Column::figures("~nearest node today, ms"),
    ];
    let rows = placement.measure.iter().map(|wanted| -> Vec<Cell> {
        vec![
            wanted.place.clone().into(),
            weight(wanted.weight).into(),
            wanted
                .interval
                .map_or(NONE.to_owned(), |ends| ms_interval(Some(ends)))
                .into(),
        ]
    });
    Table::new("From where measurements would decide most", columns).rows(rows)
}

/// A line for each place; figures are not rounded.
pub(super) fn csv(placement: &Placement, source: Source) -> Table {
    const COLUMNS: [&str; 9] = [
        "part",
        "place",
        "instead_of",
        "value",
        "low",
        "high",
        "share",
        "verdict",
        "source",
    ];
    let row = |part: &str,
               place: &str,
               instead: &str,
               figures: (Option<f64>, Option<Interval>),
               share: Option<f64>,
               verdict: &str|
     -> Vec<Cell> {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            part.into(),
            place.into(),
            instead.into(),
            number(figures.0).into(),
            number(figures.1.map(|ends| ends.low)).into(),
            number(figures.1.map(|ends| ends.high)).into(),
            number(share).into(),
            verdict.into(),
            source.as_str().into(),
        ]
    };
    let proven = if placement.proven { "proven" } else { "not-proven" };
    let set = row(
        "set",
        "",
        "",
        (Some(placement.priced.value), placement.priced.interval),
        None,
        proven,
    );
    let chosen = placement.chosen.iter().map(|place| {
        let kind = if place.is_node { "node" } else { "new" };
        row("chosen", &place.name, "", (None, None), Some(place.share), kind)
    });
    let rivals = placement.rivals.iter().map(|rival| {
        let verdict = if rival.tied { "tied" } else { "worse" };
        let figures = (Some(rival.worse.value), rival.worse.interval);
        row("rival", &rival.place, &rival.instead_of, figures, None, verdict)
    });
    let shortlist = placement.shortlist.iter().map(|one| {
        let kind = if one.chosen { "chosen" } else { "rival" };
        row("shortlist", &one.place, "", (Some(one.hope), None), None, kind)
    });
    let measure = placement
        .measure
        .iter()
        .map(|wanted| row("measure", &wanted.place, "", (None, wanted.interval), None, ""));
    let rows = std::iter::once(set)
        .chain(chosen)
        .chain(rivals)
        .chain(shortlist)
        .chain(measure);
    Table::new("", COLUMNS.map(Column::names)).rows(rows)
}
