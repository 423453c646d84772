//! A node's outages: the incidents that were kept, and what the engine finds in the log beside them.

use std::collections::BTreeMap;

use isochrone_base::roster::count_networks;
use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::incident::{Incident, Subject};

use super::values::{OutageReport, SpanReport};
use crate::log::Window;

/// Two outages of a node that lie closer together than this are one, seen twice.
const SAME_MS: u64 = 60_000;

/// The outages of every node, by start. What was kept at the time stands as it was kept; what the log shows beside it
/// (a store that was restored or filled up, rows that nobody judged yet) stands with it.
pub(super) fn merge(
    found: Vec<Incident>,
    kept: &[Incident],
    window: Window,
) -> BTreeMap<TargetId, Vec<Incident>> {
    let touches = |incident: &&Incident| {
        incident.start < window.until && incident.end.is_none_or(|end| end > window.from)
    };
    let is_outage = |incident: &&Incident| incident.check.is_outage();
    let mut all: Vec<Incident> = kept.iter().filter(is_outage).filter(touches).cloned().collect();
    for incident in found {
        if !all.iter().any(|known| is_same(known, &incident)) {
            all.push(incident);
        }
    }
    let mut outages: BTreeMap<TargetId, Vec<Incident>> = BTreeMap::new();
    for incident in all {
        if let Subject::Node(target) = incident.subject {
            outages.entry(target).or_default().push(incident);
        }
    }
    for of_node in outages.values_mut() {
        of_node.sort_by_key(|incident| incident.start);
    }
    outages
}

fn is_same(known: &Incident, found: &Incident) -> bool {
    let end = |of: &Incident| of.end.map_or(u64::MAX, |end| end.0.saturating_add(SAME_MS));
    known.subject == found.subject && known.start.0 <= end(found) && found.start.0 <= end(known)
}

/// An incident, as the report tells it. `until`: where the data ends.
pub(super) fn report(incident: &Incident, until: UnixMillis) -> OutageReport {
    let mut causes: BTreeMap<_, u64> = BTreeMap::new();
    for cell in &incident.evidence {
        *causes.entry((cell.phase, cell.failure)).or_default() += u64::from(cell.failures);
    }
    let most = causes.into_iter().max_by_key(|(_, count)| *count);
    OutageReport {
        id: incident.id.clone(),
        start: incident.start,
        end: incident.end,
        cause: incident.cause.word(),
        vantages: incident.vantages(),
        check: incident.check,
        checks: spans(incident),
        duration_s: incident.down_ms(until) as f64 / 1_000.0,
        networks: count_networks(incident.evidence.iter().map(|cell| cell.network)),
        failure: most.map(|((phase, cause), _)| format!("{phase}: {cause}")),
        flapping: incident.flapping.map(|flapping| flapping.openings),
        up_since: incident.up_since(),
        late: incident.late,
    }
}

fn spans(incident: &Incident) -> Vec<SpanReport> {
    let spans = incident.checks.iter().map(|span| SpanReport {
        check: span.check,
        start: span.start,
        end: span.end,
    });
    spans.collect()
}
