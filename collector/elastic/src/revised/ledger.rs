//! A row of the ledger as a document: one hour of one epoch of a probe.

use isochrone_store::ledger::Row;
use serde::Serialize;

use crate::document::{Document, DocumentId};
use crate::index::{Family, Names};

/// The keys of a row of `ledger --format json`.
#[derive(Serialize)]
struct Fields<'r> {
    probe: &'r str,
    probe_id: String,
    epoch: String,
    hour: u64,
    planned: u64,
    run: u64,
    skipped: u64,
    absent: u64,
    stored: u64,
    spooled: u64,
    dropped: u64,
    refused: u64,
    forked: u64,
    balanced: bool,
}

pub(super) fn document(row: &Row, names: &Names) -> Document {
    let fields = Fields {
        probe: &row.probe_name,
        probe_id: row.probe.to_string(),
        epoch: row.epoch.to_string(),
        hour: row.hour.start().0,
        planned: row.planned,
        run: row.run,
        skipped: row.skipped,
        absent: row.absent,
        stored: row.stored,
        spooled: row.spooled,
        dropped: row.dropped,
        refused: row.refused,
        forked: row.forked,
        balanced: row.balanced,
    };
    let parts: [&[u8]; 3] = [
        &row.probe.0.to_be_bytes(),
        &row.epoch.0,
        &row.hour.0.to_be_bytes(),
    ];
    Document {
        id: DocumentId::of_parts(DOMAIN, &parts),
        index: names.index(Family::Ledger, row.hour.start()).into(),
        source: serde_json::to_vec(&fields).expect("text and numbers are JSON"),
        version: None,
    }
}

const DOMAIN: &[u8] = b"isochrone ledger document 1";
