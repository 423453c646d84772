//! A node's outages, as the report tells them.

use std::collections::BTreeMap;

use isochrone_base::roster::count_networks;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::incident::Incident;

use super::values::{OutageReport, SpanReport};

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
        flapping: incident.falls(),
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
