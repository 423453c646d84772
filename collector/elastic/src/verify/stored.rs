//! The store's side.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use isochrone_proto::measurement::{ConnectResult, EchoOutcome, EndpointResult, Measurement, Outcome};
use isochrone_proto::plan::{PlannedCheck, Target};
use isochrone_store::{ScanRange, Store, StoreError, Stored};

use super::Window;
use super::compare::{Hours, Part, What, hour};
use crate::document::{Document, DocumentId, MeasurementId, Writer};
use crate::index::Names;

/// What the store has of a window.
pub(super) struct Ours {
    pub(super) hours: Hours,
    /// Measurements that the sink has not sent yet; not in `hours`.
    pub(super) unsent: u64,
}

pub(super) fn hours(store: &Store, window: Window) -> Result<Ours, StoreError> {
    let mut ours = Ours {
        hours: Hours::new(),
        unsent: 0,
    };
    each(store, window, |stored, row, check, _| {
        if stored.commit > window.commit {
            ours.unsent += 1;
            return;
        }
        let part = (What::Kind(check.kind), hour(row.slot));
        let tally = ours.hours.entry(part).or_default();
        tally.count += 1;
        tally.first += u64::from(row.lateness.get());
        tally.second += time_us(&row.outcome);
    })?;
    Ok(ours)
}

/// The time that a document carries as `rtt_us` or `connect_us`.
fn time_us(outcome: &Outcome) -> u64 {
    let time = match outcome {
        Outcome::Echo(EchoOutcome::Replied { rtt, .. }) => Some(*rtt),
        Outcome::Echo(EchoOutcome::TimedOut | EchoOutcome::Unsent(_)) => None,
        Outcome::Endpoint(outcome) => match &outcome.result {
            EndpointResult::Ok { phases, .. } => Some(phases.connect),
            EndpointResult::Failed { .. } | EndpointResult::Unsent(_) => None,
        },
        Outcome::Connect(outcome) => match &outcome.result {
            ConnectResult::Connected(phases) => Some(phases.connect),
            ConnectResult::Failed { .. } | ConnectResult::Unsent(_) => None,
        },
    };
    time.map_or(0, |time| u64::from(time.get()))
}

/// Every id of some parts, and whether it should be in the cluster by now.
pub(super) fn ids(
    store: &Store,
    window: Window,
    parts: &BTreeSet<Part>,
) -> Result<BTreeMap<Part, BTreeMap<DocumentId, bool>>, StoreError> {
    let mut ids: BTreeMap<Part, BTreeMap<DocumentId, bool>> = BTreeMap::new();
    each(store, window, |stored, row, check, target| {
        let part = (What::Kind(check.kind), hour(row.slot));
        if parts.contains(&part) {
            let id = DocumentId::of(&MeasurementId {
                probe: stored.probe,
                epoch: stored.epoch,
                kind: check.kind,
                target: target.id,
                slot: row.slot,
            });
            let is_due = stored.commit <= window.commit;
            ids.entry(part).or_default().insert(id, is_due);
        }
    })?;
    Ok(ids)
}

/// The documents of some ids.
pub(super) fn documents(
    store: &Store,
    names: Names,
    window: Window,
    wanted: &BTreeSet<DocumentId>,
) -> Result<Vec<Document>, StoreError> {
    let mut writer = Writer::new(names);
    let mut documents = Vec::new();
    store.scan(ScanRange::slots(window.from, window.until), |stored| {
        writer.documents(&stored, |document| {
            if wanted.contains(&document.id) {
                documents.push(document);
            }
        });
        ControlFlow::Continue(())
    })?;
    Ok(documents)
}

/// Gives each measurement of the window to `take`.
fn each(
    store: &Store,
    window: Window,
    mut take: impl FnMut(&Stored, &Measurement, &PlannedCheck, &Target),
) -> Result<(), StoreError> {
    store.scan(ScanRange::slots(window.from, window.until), |stored| {
        for row in stored.batch.measurements() {
            if row.slot < window.from || row.slot >= window.until {
                continue;
            }
            if let Some((check, target)) = stored.plan.target_of(row.check) {
                take(&stored, &row, check, target);
            }
        }
        ControlFlow::Continue(())
    })
}
