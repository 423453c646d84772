//! When an incident begins, and what is added to it while it goes on.

use isochrone_base::words;
use isochrone_proto::units::UnixMillis;

use super::rules::NETWORKS;
use super::witness::{Case, Witness};
use crate::incident::{Cause, EvidenceCell, Incident, Subject};
use crate::live::Seen;

/// Cells that one incident keeps.
const EVIDENCE_MAX: usize = 64;

/// A new incident, if enough vantages fail. `last_end`: when the previous one of the same check ended.
pub(super) fn open(case: &Case<'_>, last_end: Option<UnixMillis>) -> Option<Incident> {
    let failing = case.failing();
    if failing.is_empty() {
        return None;
    }
    let mut evidence: Vec<EvidenceCell> = failing.iter().filter_map(Witness::evidence).collect();
    evidence.sort_by_key(|cell| (cell.first_slot, cell.probe, cell.kind));
    let start = start(case, &evidence)?;
    let start = last_end.map_or(start, |end| start.max(end));
    evidence.truncate(EVIDENCE_MAX);
    Some(Incident {
        id: Incident::id_of(&case.node.name, case.check, start),
        subject: Subject::Node(case.node.id),
        target: case.node.name.clone(),
        check: case.check,
        cause: cause(case, &failing, start),
        start,
        noticed: case.now,
        end: None,
        ending: None,
        caveat: caveat(case, &failing),
        evidence,
    })
}

/// The same incident with witnesses that came later, or with another cause; `None` if nothing is new.
pub(super) fn update(case: &Case<'_>, open: &Incident) -> Option<Incident> {
    let failing: Vec<_> = case
        .witnesses
        .iter()
        .filter(|witness| witness.is_failing(case.rules, case.now))
        .copied()
        .collect();
    let is_known = |cell: &EvidenceCell| {
        open.evidence
            .iter()
            .any(|known| (known.probe, known.kind) == (cell.probe, cell.kind))
    };
    let room = EVIDENCE_MAX.saturating_sub(open.evidence.len());
    let new: Vec<_> = failing
        .iter()
        .filter_map(Witness::evidence)
        .filter(|cell| !is_known(cell))
        .take(room)
        .collect();
    let cause = if failing.is_empty() {
        open.cause
    } else {
        cause(case, &failing, open.start)
    };
    if new.is_empty() && cause == open.cause {
        return None;
    }
    let mut updated = open.clone();
    updated.evidence.extend(new);
    updated.cause = cause;
    Some(updated)
}

/// The slot of the first failure in the evidence. A vantage that failed alone long before the others joined
/// it proves that only from then on: more than three intervals before the quorum was complete do not count.
fn start(case: &Case<'_>, evidence: &[EvidenceCell]) -> Option<UnixMillis> {
    let complete = (1..=evidence.len()).find(|&count| {
        let first = evidence[..count].iter();
        case.is_quorum(first.map(|cell| (cell.probe, cell.network)))
    })?;
    let complete = evidence[complete - 1].first_slot;
    let reach = case
        .witnesses
        .iter()
        .map(|witness| witness.cell.pace().fresh_ms)
        .max()
        .unwrap_or(0);
    evidence
        .iter()
        .map(|cell| cell.first_slot)
        .find(|slot| slot.0 + reach >= complete.0)
}

/// At the node if no vantage got through all along. One that failed and answers again is a sign of recovery,
/// and says nothing about the cause.
fn cause(case: &Case<'_>, failing: &[Witness<'_>], start: UnixMillis) -> Cause {
    let gets_through = case.witnesses.iter().any(|witness| {
        witness.word == Seen::Good
            && witness
                .cell
                .runs()
                .good_since()
                .is_some_and(|since| since <= start)
            && failing.iter().any(|other| other.cell.kind == witness.cell.kind)
    });
    if gets_through { Cause::Path } else { Cause::Node }
}

fn caveat(case: &Case<'_>, failing: &[Witness<'_>]) -> Option<String> {
    if case.mesh_networks >= NETWORKS {
        return None;
    }
    let network = failing.first().and_then(|witness| witness.probe.network);
    Some(match network {
        Some(_) => format!(
            "All vantages that may judge it are in one network ({}): the fault may be that network's. \
             A probe in a second network would tell.",
            words::network(network)
        ),
        None => "No vantage that may judge it has a known network, so they count as one: the fault may be \
                 theirs. Give probes their AS number to tell."
            .to_owned(),
    })
}
