//! What others measured and was imported: apart from our own.
//!
//! It is in the report of nodes as tables of its own, and a coverage report is made from it alone. Who measured it, with
//! which line and which clock, nobody here can check: it judges nothing.

mod borrowed;
mod counts;
mod nodes;
mod observations;
mod tables;

use isochrone_base::words::{count, date_time, rfc3339_second};
use isochrone_store::borrowed::BorrowedVantage;
use isochrone_store::imported::ImportedSource;
use serde_json::{Value, json};

pub use self::nodes::{ImportedDayReport, ImportedNode, ImportedNodes, ImportedVantage};
pub use self::observations::{from_store as observations, nothing};
pub(crate) use self::tables::{csv_rows, page, text};
use crate::lines::Lines;
use crate::tables::{Column, Table};

/// What `import list` says.
#[derive(Clone, Debug)]
pub struct SourcesReport {
    /// By index and name.
    pub sources: Vec<ImportedSource>,
    /// Vantages of public platforms, by platform and name.
    pub borrowed: Vec<BorrowedVantage>,
}

/// `isochrone.imported/1`.
#[must_use]
pub fn sources_json(report: &SourcesReport) -> Value {
    let source = |source: &ImportedSource| {
        let place = source.place.as_ref();
        json!({
            "index": source.index.word(), "vantage": source.vantage, "documents": source.documents,
            "from": rfc3339_second(source.first), "to": rfc3339_second(source.last),
            "site": place.map(|place| &place.site), "latitude": place.map(|place| place.latitude),
            "longitude": place.map(|place| place.longitude), "country": place.map(|place| &place.country),
        })
    };
    let sources: Vec<_> = report.sources.iter().map(source).collect();
    let borrowed: Vec<_> = report.borrowed.iter().map(borrowed::json).collect();
    json!({ "schema": "isochrone.imported/1", "vantages": sources, "borrowed": borrowed })
}

/// For people.
#[must_use]
pub fn sources_text(report: &SourcesReport, width: usize) -> String {
    let mut lines = Lines::text(width);
    if report.sources.is_empty() && report.borrowed.is_empty() {
        lines.wrapped("Nothing is imported yet: see `isochrone-collector import --help`.");
        return lines.finish();
    }
    if !report.sources.is_empty() {
        documents(&mut lines, report);
    }
    if !report.borrowed.is_empty() {
        borrowed::text(&mut lines, &report.borrowed);
    }
    lines.finish()
}

fn documents(lines: &mut Lines, report: &SourcesReport) {
    let columns = [
        Column::names("vantage"),
        Column::names("index"),
        Column::figures("documents"),
        Column::names("first (UTC)").whole(),
        Column::names("last").whole(),
        Column::names("place"),
    ];
    let rows = report.sources.iter().map(|source| {
        let minute = |at| date_time(at)[..16].to_owned();
        vec![
            source.vantage.as_str().into(),
            source.index.word().into(),
            source.documents.to_string().into(),
            minute(source.first).into(),
            minute(source.last).into(),
            source
                .place
                .as_ref()
                .map_or("not said", |place| &place.site)
                .into(),
        ]
    });
    lines.table(&Table::new("Imported vantages", columns).rows(rows));
    let unplaced = report
        .sources
        .iter()
        .filter(|source| source.place.is_none())
        .count();
    if unplaced > 0 {
        lines.wrapped(&format!(
            "{} without a place: in `report nodes`, not in `report coverage --imported`. Say it: \
             isochrone-collector import place VANTAGE 'City, CC'",
            count(unplaced, "vantage")
        ));
    }
}

#[cfg(test)]
mod tests;
