//! Incidents as Elasticsearch is given them: what watch keeps, in the words of its JSON.

use isochrone_elastic::revised::{Evidence, Incident, Incidents};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;
use isochrone_watch::incident::{self, EvidenceCell, Subject};
use isochrone_watch::monitor;

/// All that a store holds, whenever it is asked.
pub(crate) fn of(store: &Store) -> Incidents {
    let store = store.clone();
    Incidents::from(move || {
        let all = monitor::incidents(&store).list()?;
        Ok(all.iter().map(|(_, incident)| document(incident)).collect())
    })
}

fn document(incident: &incident::Incident) -> Incident {
    let mut checks: Vec<_> = incident.checks.iter().map(|span| span.check).collect();
    checks.sort_unstable();
    checks.dedup();
    let seconds =
        |of: fn(&incident::Incident, UnixMillis) -> u64| incident.end.map(|end| of(incident, end) / 1_000);
    Incident {
        incident: incident.id.clone(),
        subject: match incident.subject {
            Subject::Node(_) => "node",
            Subject::Probe(_) => "probe",
        },
        target: incident.target.clone(),
        check: incident.check.word(),
        checks: checks.into_iter().map(incident::IncidentCheck::word).collect(),
        cause: incident.cause.word(),
        state: if incident.end.is_some() { "over" } else { "open" },
        start: incident.start,
        noticed: incident.noticed,
        end: incident.end,
        ending: incident.ending.map(|ending| match ending {
            incident::Ending::Recovered => "recovered",
            incident::Ending::Paused => "paused",
            incident::Ending::Removed => "removed",
        }),
        duration_s: seconds(incident::Incident::duration_ms),
        down_s: seconds(incident::Incident::down_ms),
        falls: incident.falls(),
        caveat: incident.caveat.clone(),
        group: incident.group.clone(),
        late: incident.late,
        vantages: incident.vantages(),
        networks: incident.witnesses().1,
        evidence: incident.evidence.iter().map(evidence).collect(),
    }
}

fn evidence(cell: &EvidenceCell) -> Evidence {
    Evidence {
        vantage: cell.vantage.clone(),
        place: cell.place.clone(),
        network: cell.network,
        kind: cell.kind.to_string(),
        phase: cell.phase.word(),
        cause: cell.failure.word(),
        error: cell.error.clone(),
        slot: cell.slot,
        failures: cell.failures,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// As the store keeps one: fields are added to it, none renamed.
    fn kept() -> incident::Incident {
        serde_json::from_value(json!({
            "id": "1795305600000-0badcafe", "subject": { "node": isochrone_proto::ids::TargetId::of_node("tokyo") },
            "target": "tokyo", "check": "connect", "cause": "node",
            "checks": [{ "check": "connect", "start": 1_000, "end": 61_000, "cause": "node" }],
            "start": 1_000, "noticed": 9_000, "end": 61_000, "ending": "recovered", "caveat": null,
            "evidence": [{ "probe": isochrone_proto::ids::ProbeId(7), "vantage": "ada-berlin", "place": "Berlin, DE",
                "network": 64_500, "kind": "connect4", "phase": "connect", "failure": "timeout", "error": "none",
                "slot": 1_000, "first_slot": 1_000, "failures": 3 }],
            "spells": [], "flapping": null, "group": null, "told": true,
        }))
        .unwrap()
    }

    #[test]
    fn incident_is_a_document_of_the_keys_that_are_mapped() {
        let document = document(&kept());
        assert_eq!((document.duration_s, document.state), (Some(60), "over"));
        assert_eq!(
            (document.networks, document.vantages.clone()),
            (1, vec!["ada-berlin".to_owned()])
        );
        let names = isochrone_elastic::index::Names::new(
            isochrone_elastic::Prefix::default(),
            isochrone_elastic::Period::Month,
        );
        let family = isochrone_elastic::index::Family::Incident;
        let body = names.body(family, isochrone_elastic::index::Layout::default());
        let Value::Object(fields) = serde_json::to_value(&document).unwrap() else {
            panic!("an object");
        };
        for key in fields.keys() {
            assert!(body["mappings"]["properties"].get(key).is_some(), "{key}");
        }
    }
}
