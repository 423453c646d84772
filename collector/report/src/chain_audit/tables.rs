//! The audit's tables.

use maud::html;

use super::ChainAudit;
use super::words::draft;
use crate::tables::{Cell, Column, Table};

/// Families, with what was found in each.
pub(super) fn families(audit: &ChainAudit) -> Table {
    let columns = [
        Column::names("family"),
        Column::names("region"),
        Column::names("areas").wraps(),
        Column::figures("buckets"),
        Column::figures("on"),
        Column::figures("bags"),
        Column::figures("findings"),
    ];
    let rows = audit.copy.topology.families.iter().map(|family| -> Vec<Cell> {
        let areas: Vec<&str> = family
            .areas
            .iter()
            .take(12)
            .map(isochrone_chain::Area::code)
            .collect();
        let more = if family.areas.len() > areas.len() {
            ", …"
        } else {
            ""
        };
        let on = family.buckets.iter().filter(|bucket| bucket.distributing).count();
        let bags: Option<u64> = family.buckets.iter().map(|bucket| bucket.bags).sum();
        let found = audit
            .findings
            .iter()
            .filter(|finding| super::map::family_of(&finding.subject) == Some(family.id));
        let found = found.count();
        vec![
            family.id.to_string().into(),
            family.region.clone().into(),
            format!("{}{more}", areas.join(", ")).into(),
            family.buckets.len().to_string().into(),
            on.to_string().into(),
            bags.map_or_else(|| crate::words::NONE.to_owned(), |bags| bags.to_string())
                .into(),
            Cell::from(found.to_string())
                .on_page(html! { @if found > 0 { strong { (found) } } @else { "0" } }),
        ]
    });
    Table::new("Families", columns).rows(rows).at_most(60, "family")
}

/// A line for each finding.
pub(super) fn csv(audit: &ChainAudit) -> Table {
    let columns = [
        "rule", "severity", "subject", "says", "evidence", "draft", "block",
    ];
    let block = audit
        .copy
        .topology
        .block
        .map_or_else(String::new, |block| block.to_string());
    let rows = audit.findings.iter().map(|finding| -> Vec<Cell> {
        vec![
            finding.rule.id().into(),
            finding.rule.severity().as_str().into(),
            finding.subject.to_string().into(),
            finding.says.clone().into(),
            finding.evidence.join(" ").into(),
            draft(audit, finding).unwrap_or_default().into(),
            block.clone().into(),
        ]
    });
    Table::new("findings", columns.map(Column::names)).rows(rows)
}
