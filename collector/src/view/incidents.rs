//! Incidents with their evidence, and what is known only in part.

use isochrone_base::words::timestamp;
use isochrone_watch::incident::{Cause, Incident, IncidentCheck};
use isochrone_web::view;

use super::ViewParts;

/// Incidents whose evidence is in a view, which is made once a second for every browser; of a whole fleet the rest are
/// counted.
const PROVEN_MAX: usize = 50;

impl ViewParts<'_> {
    pub(super) fn incidents(&self) -> Vec<view::IncidentView> {
        let shown = self.engine.open().chain(self.recent.iter().copied());
        let views = shown.enumerate().map(|(place, incident)| {
            let cells = if place < PROVEN_MAX { usize::MAX } else { 0 };
            self.incident(incident, cells)
        });
        views.collect()
    }

    /// With so many cells of evidence at most.
    fn incident(&self, incident: &Incident, cells: usize) -> view::IncidentView {
        let (alerts_delivered, alerts_pending) = self.alerts(incident);
        let evidence = incident.evidence.iter().take(cells).map(|cell| view::Evidence {
            vantage: cell.vantage.clone(),
            network: cell.network,
            phase: cell.phase.to_string(),
            error: cell.error.clone(),
            at: timestamp(cell.slot),
        });
        view::IncidentView {
            id: incident.id.clone(),
            target: incident.target.clone(),
            check: shown_check(incident.check),
            checks: shown_checks(incident),
            flapping: incident.falls(),
            openings_per_hour: incident.flapping.and_then(|flapping| flapping.per_hour()),
            up_since: incident.up_since().map(timestamp),
            late: incident.late,
            state: match incident.end {
                None => view::IncidentState::Open,
                Some(_) => view::IncidentState::Recovered,
            },
            start: timestamp(incident.start),
            end: incident.end.map(timestamp),
            duration_s: incident.duration_ms(self.now) / 1_000,
            cause: match incident.cause {
                Cause::Node => view::Cause::Node,
                Cause::Source => view::Cause::Source,
                Cause::Shared => view::Cause::Shared,
                Cause::Path => view::Cause::Path,
                Cause::Probe => view::Cause::Probe,
                Cause::Unknown => view::Cause::Unknown,
            },
            caveat: incident.caveat.clone(),
            vantages: incident.witnesses().0 as u32,
            evidence: evidence.collect(),
            alerts_delivered,
            alerts_pending,
        }
    }

    /// Alerts that named it: where it has none of its own, those of the shared outage that it joined.
    fn alerts(&self, incident: &Incident) -> (u32, u32) {
        let shared = || incident.group.as_deref().filter(|_| incident.told);
        match self.board.of_incident(&incident.id) {
            (0, 0) => shared().map_or((0, 0), |group| self.board.of_incident(group)),
            own => own,
        }
    }

    /// What is known of some nodes only in part.
    pub(super) fn unclear(&self) -> Vec<view::Notice> {
        let notice = |text, at| view::Notice {
            level: view::NoticeLevel::Warning,
            text,
            at: timestamp(at),
        };
        let partial = self.engine.partial().filter_map(|(target, since)| {
            let name = &self.roster.node(target)?.name;
            let text = format!(
                "{name}: some vantages have failed to reach it for five minutes and more, too few of them for an \
                 outage. Compare the vantages on its page: what they share is the path to look at."
            );
            Some(notice(text, since))
        });
        let own_line = self.engine.own_line_suspect_since().map(|since| {
            let text = "This collector's own line is the suspect: half of the probes' connections ended at once, and \
                        fewer networks report than before. It judges nobody until they do again.";
            notice(text.to_owned(), since)
        });
        partial.chain(own_line).collect()
    }
}

fn shown_check(check: IncidentCheck) -> view::IncidentCheck {
    match check {
        IncidentCheck::Connect => view::IncidentCheck::Connect,
        IncidentCheck::Name => view::IncidentCheck::Name,
        IncidentCheck::Status => view::IncidentCheck::Status,
        IncidentCheck::Http => view::IncidentCheck::Http,
        IncidentCheck::Asset => view::IncidentCheck::Asset,
        IncidentCheck::Probe => view::IncidentCheck::Probe,
        IncidentCheck::Data => view::IncidentCheck::Data,
    }
}

fn shown_checks(incident: &Incident) -> Vec<view::IncidentCheck> {
    let mut checks: Vec<_> = incident.checks.iter().map(|span| span.check).collect();
    checks.sort_unstable();
    checks.dedup();
    checks.into_iter().map(shown_check).collect()
}
