//! What proves an outage: the failures that its judges saw, and what could not be had.

use isochrone_proto::units::UnixMillis;

use super::Engine;
use super::cell::{Cell, Failure};
use super::sight::{Matter, Sight};
use crate::incident::EvidenceCell;

impl Engine {
    /// The failures of those who say that it is down.
    pub(super) fn evidence(&self, sight: &Sight, matter: Matter) -> Vec<EvidenceCell> {
        let reds = sight.reds().map(|word| &self.cells[word.cell]);
        let mut cells: Vec<_> = reds
            .filter_map(|cell| {
                let streak = if matter == Matter::Way {
                    &cell.way
                } else {
                    &cell.name
                };
                let span = (streak.since, streak.runs);
                self.evidence_cell(cell, cell.failure.as_deref()?, span)
            })
            .collect();
        cells.sort_by_key(|cell| (cell.first_slot, cell.probe));
        cells
    }

    pub(super) fn evidence_cell(
        &self,
        cell: &Cell,
        failure: &Failure,
        (first_slot, failures): (UnixMillis, u32),
    ) -> Option<EvidenceCell> {
        let entry = self.vantages[cell.vantage].entry.as_ref()?;
        Some(EvidenceCell {
            probe: entry.id,
            vantage: entry.name.clone(),
            place: entry.site.clone(),
            network: entry.network,
            kind: cell.kind,
            phase: failure.phase,
            failure: failure.cause,
            error: failure.text.to_string(),
            slot: failure.began,
            first_slot,
            failures,
        })
    }
}

/// Said where one network only can judge.
pub(super) fn caveat(network: Option<u32>) -> String {
    match network {
        Some(network) => format!(
            "All vantages that can judge it are in one network (AS {network}): the fault may be that network's. A \
             probe in a second network would tell."
        ),
        None => "No vantage that can judge it has a known network, so they count as one: the fault may be theirs. \
                 Give probes their AS number to tell."
            .to_owned(),
    }
}
