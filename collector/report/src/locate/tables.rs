//! The report's tables.

use isochrone_coverage::locate::Verdict;
use maud::html;

use super::LocateReport;
use super::words::{claim, label, names, proved, said, verdict};
use crate::tables::{Cell, Column, Table};
use crate::words::NONE;

/// What can be said of each place: what does not fit first.
pub(super) fn places(report: &LocateReport) -> Table {
    let sites = &report.surveyed.location.sites;
    let mut order: Vec<usize> = (0..sites.len()).collect();
    let standing = |site: usize| match sites[site].verdict {
        Verdict::Impossible => 0,
        Verdict::Unknown if sites[site].violations > 0 => 1,
        Verdict::Unknown => 4,
        Verdict::Consistent { .. } => 2,
        Verdict::Confirmed { .. } => 3,
    };
    order.sort_by(|&a, &b| {
        let radius = |site: usize| sites[site].verdict.radius_km().unwrap_or(0.0);
        standing(a)
            .cmp(&standing(b))
            .then(radius(b).total_cmp(&radius(a)))
    });
    let columns = [
        Column::names("site"),
        Column::names("kind"),
        Column::names("claims"),
        Column::names("place"),
        Column::names("could be anywhere"),
        Column::figures("contradictions"),
    ];
    let row = |site: usize| -> Vec<Cell> {
        let (claimed, located) = (&report.surveyed.survey.sites[site], &sites[site]);
        let words = verdict(located);
        vec![
            label(report, site).into(),
            claimed.kind.as_str().into(),
            claim(claimed).into(),
            Cell::from(words).on_page(html! { span.tag { (words) } }),
            proved(report, site).into(),
            match located.violations {
                0 => NONE.into(),
                some if standing(site) > 1 => format!("{some}, explained").into(),
                some => some.to_string().into(),
            },
        ]
    };
    Table::new("Each place", columns)
        .rows(order.into_iter().map(row))
        .at_most(60, "site")
}

/// What databases of addresses say, beside the claims.
pub(super) fn databases(report: &LocateReport) -> Option<Table> {
    if report.databases.is_empty() {
        return None;
    }
    let columns = [
        Column::names("site"),
        Column::names("claims"),
        Column::names("the database says"),
        Column::names("database"),
    ];
    let rows = report.databases.iter().map(|word| -> Vec<Cell> {
        vec![
            label(report, word.site).into(),
            claim(&report.surveyed.survey.sites[word.site]).into(),
            said(report, word).into(),
            word.database.clone().into(),
        ]
    });
    Some(Table::new("What databases say (in no verdict)", columns).rows(rows))
}

/// A line for each site, in the survey's order; figures are not rounded.
pub(super) fn csv(report: &LocateReport) -> Table {
    let columns = [
        "site",
        "kind",
        "latitude",
        "longitude",
        "verdict",
        "radius_km",
        "witnesses",
        "violations",
        "suspect",
        "suggested_latitude",
        "suggested_longitude",
        "source",
        "centre",
    ];
    let number = |value: Option<f64>| Cell::from(value.map_or_else(String::new, |value| value.to_string()));
    let sites = report
        .surveyed
        .survey
        .sites
        .iter()
        .zip(&report.surveyed.location.sites);
    let rows = sites.enumerate().map(|(at, (site, located))| {
        let meant = located.suggestion.map(|meant| meant.position);
        vec![
            label(report, at).into(),
            site.kind.as_str().into(),
            number(Some(site.place.position.latitude())),
            number(Some(site.place.position.longitude())),
            located.verdict.as_str().into(),
            number(located.verdict.radius_km()),
            names_of(report, &located.witnesses).into(),
            located.violations.to_string().into(),
            report.surveyed.location.suspects.contains(&at).to_string().into(),
            number(meant.map(|meant| meant.latitude())),
            number(meant.map(|meant| meant.longitude())),
            report.surveyed.survey.source.as_str().into(),
            located
                .centre()
                .map_or_else(String::new, |centre| label(report, centre))
                .into(),
        ]
    });
    Table::new("sites", columns.map(Column::names)).rows(rows)
}

fn names_of(report: &LocateReport, sites: &[usize]) -> String {
    let all: Vec<String> = sites.iter().map(|site| names(report, &[*site])).collect();
    all.join(" ")
}
