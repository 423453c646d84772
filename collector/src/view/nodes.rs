//! Nodes, and what each vantage sees of them.

use std::collections::BTreeSet;

use isochrone_base::kinds::{CountsFor, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry};
use isochrone_base::words::timestamp;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_watch::incident::{IncidentCheck, Subject};
use isochrone_watch::judge::{Said, Standing, State, Verdict};
use isochrone_watch::live::window::WindowSum;
use isochrone_watch::live::{Cell, Finding, Vantage};
use isochrone_web::view;
use jiff::Timestamp;

use super::{ViewParts, family};

/// Of what nobody asked so far.
const NO_DATA: Standing = Standing {
    state: State::NoData,
    since: None,
    judges_ok: 0,
    judges: 0,
    networks: 0,
};

/// Of what nobody is to ask.
const NOT_ASKED: view::Verdict = view::Verdict {
    state: view::VerdictState::NotAsked,
    since: None,
    vantages_ok: 0,
    vantages_total: 0,
    networks: 0,
};

impl ViewParts<'_> {
    /// What all vantages together see of a node.
    fn seen(&self, node: &NodeEntry) -> NodeSeen {
        let mut seen = NodeSeen::default();
        let said = self.engine.standing(node.id);
        let said = said.map_or_else(Vec::new, |standing| standing.vantages);
        for (probe, vantage) in self.live.vantages() {
            let Some(probe) = self.roster.probe(probe).filter(|probe| probe.active) else {
                continue;
            };
            for of in [Family::V4, Family::V6] {
                let said = said
                    .iter()
                    .find(|said| (said.probe, said.family) == (probe.id, of));
                let is_own = node.is_own(probe) || said.is_some_and(|said| said.verdict == Verdict::Own);
                let witness = Witness {
                    probe,
                    family: of,
                    is_own,
                    said: said.copied(),
                    cells: planned(vantage, node.id, of),
                };
                seen.kinds.extend(witness.checks());
                if !witness.cells.is_empty() {
                    seen.cells.push(self.node_cell(&witness));
                }
                for cell in witness.cells {
                    let Some(endpoint) = cell.endpoint() else { continue };
                    if !is_own {
                        seen.connect.add(cell.window(), self.now);
                    }
                    if !is_own && counts_for(cell.kind.check) != CountsFor::Status {
                        seen.ttfb.add(&endpoint.ttfb, self.now);
                    }
                    let certificate = cell.newest().zip(endpoint.certificate_expires);
                    seen.certificate = seen.certificate.max(certificate);
                }
            }
        }
        seen
    }

    pub(super) fn node(&self, node: &NodeEntry) -> view::NodeView {
        let NodeSeen {
            mut connect,
            mut ttfb,
            certificate,
            cells,
            kinds,
        } = self.seen(node);
        let standing = self.engine.standing(node.id);
        let is_asked = |checks: &[IncidentCheck]| {
            let is_way = checks.contains(&IncidentCheck::Connect); // any check shows whether a node is reached
            is_way || kinds.is_empty() || checks.iter().any(|check| kinds.contains(check))
        };
        let of = |standing: Option<Standing>, checks: &[IncidentCheck]| {
            let mut standing = standing.unwrap_or(NO_DATA);
            if standing.state == State::NoData && !is_asked(checks) {
                return NOT_ASKED;
            }
            if standing.state == State::Down {
                standing.since = self.down_since(node.id, checks).or(standing.since);
            }
            verdict(standing)
        };
        view::NodeView {
            name: node.name.clone(),
            worker: node.worker.clone().unwrap_or_default(),
            place: node.place.clone(),
            latitude: node.latitude,
            longitude: node.longitude,
            network: node.network,
            url: node.url.clone(),
            plain: kinds.contains(&IncidentCheck::Http),
            connect: of(
                standing.as_ref().map(|standing| standing.connect),
                &[IncidentCheck::Connect, IncidentCheck::Name],
            ),
            status: of(
                standing.as_ref().and_then(|standing| standing.status),
                &[IncidentCheck::Status, IncidentCheck::Http],
            ),
            asset: of(
                standing.as_ref().and_then(|standing| standing.asset),
                &[IncidentCheck::Asset],
            ),
            connect_p50_ms: connect.quantile_ms(0.5),
            connect_samples: connect.timed(),
            ttfb_p50_ms: ttfb.quantile_ms(0.5),
            ttfb_samples: ttfb.timed(),
            cert_expires: certificate.map(|(_, seconds)| expiry(seconds)),
            cells,
            samples: connect.runs(),
        }
    }

    /// When what is out began to fail, as its incident and its alert say it: it was noticed later.
    fn down_since(&self, node: TargetId, checks: &[IncidentCheck]) -> Option<UnixMillis> {
        let mut open = self.engine.open();
        let incident =
            open.find(|incident| incident.subject == Subject::Node(node) && incident.check.is_outage())?;
        let spans = incident.checks.iter();
        let fails = spans.filter(|span| span.end.is_none() && checks.contains(&span.check));
        fails.map(|span| span.start).min()
    }

    fn node_cell(&self, witness: &Witness) -> view::NodeCell {
        let cells = &witness.cells;
        let word = |of: &[IncidentCheck]| {
            let is_of =
                |cell: &&&Cell| IncidentCheck::of(cell.kind.check).is_some_and(|check| of.contains(&check));
            let words = cells.iter().filter(is_of);
            let words: Vec<bool> = words.filter_map(|cell| witness.word(cell, self.now)).collect();
            if !witness.checks().any(|check| of.contains(&check)) {
                view::CellOutcome::NotAsked
            } else if words.is_empty() {
                view::CellOutcome::NoData
            } else if words.iter().all(|is_good| *is_good) {
                view::CellOutcome::Ok
            } else {
                view::CellOutcome::Failed
            }
        };
        let failure = cells
            .iter()
            .filter(|cell| witness.word(cell, self.now) == Some(false))
            .filter_map(|cell| cell.endpoint()?.failure.as_ref())
            .max_by_key(|failure| failure.slot);
        let newest = |cell: &&&Cell| cell.newest();
        let connect = cells
            .iter()
            .filter(|cell| cell.is_fresh(self.now))
            .max_by_key(newest)
            .and_then(|cell| cell.endpoint()?.connect);
        view::NodeCell {
            vantage: witness.probe.name.clone(),
            network: witness.probe.network,
            family: family(witness.family),
            connect: word(&[IncidentCheck::Connect]),
            status: word(&[IncidentCheck::Status, IncidentCheck::Http]),
            asset: word(&[IncidentCheck::Asset]),
            connect_ms: connect.map(|connect| connect.as_millis_f64()),
            phase: failure.map(|failure| failure.phase.to_string()),
            error: failure.map(|failure| failure.text.clone()),
            own: witness.is_own,
            verdict: witness.verdict(),
            at: cells.iter().filter_map(|cell| newest(&cell)).max().map(timestamp),
        }
    }
}

/// A node's checks, of all vantages together. What its own worker's probes see counts for no time.
#[derive(Default)]
struct NodeSeen {
    connect: WindowSum,
    ttfb: WindowSum,
    /// Of the newest run that saw one: its slot, and the certificate's end in Unix seconds.
    certificate: Option<(UnixMillis, u64)>,
    cells: Vec<view::NodeCell>,
    /// What somebody is to ask it.
    kinds: BTreeSet<IncidentCheck>,
}

/// What one probe sees of a node over one family.
struct Witness<'a> {
    probe: &'a ProbeEntry,
    family: Family,
    is_own: bool,
    /// The engine's word on it; `None` before its first run.
    said: Option<Said>,
    cells: Vec<&'a Cell>,
}

/// When a certificate expires, of seconds of Unix time. One without an end says the last second of 9999, which lies
/// beyond what instants are made for.
fn expiry(seconds: u64) -> Timestamp {
    let at = i64::try_from(seconds).ok();
    at.and_then(|at| Timestamp::from_second(at).ok())
        .unwrap_or(Timestamp::MAX)
}

impl Witness<'_> {
    /// What it is to ask.
    fn checks(&self) -> impl Iterator<Item = IncidentCheck> {
        let cells = self.cells.iter();
        cells.filter_map(|cell| IncidentCheck::of(cell.kind.check))
    }

    /// Whether a check of it works now: the way to the node by the engine's word.
    fn word(&self, cell: &Cell, now: UnixMillis) -> Option<bool> {
        match cell.kind.check {
            Check::Connect => self.said?.gets_through,
            _ => cell.word(now).map(|seen| seen == Finding::Good),
        }
    }

    fn verdict(&self) -> view::CellVerdict {
        match self.said.map(|said| said.verdict) {
            _ if self.is_own => view::CellVerdict::Own,
            Some(Verdict::Green) => view::CellVerdict::Green,
            Some(Verdict::Red) => view::CellVerdict::Red,
            Some(Verdict::Unproven) => view::CellVerdict::Unproven,
            Some(Verdict::Sick) => view::CellVerdict::Sick,
            Some(Verdict::Own) => view::CellVerdict::Own,
            Some(Verdict::Silent) | None => view::CellVerdict::Silent,
        }
    }
}

fn planned(vantage: &Vantage, node: TargetId, of: Family) -> Vec<&Cell> {
    let cells = Check::ALL
        .into_iter()
        .filter(|check| check.is_endpoint() && counts_for(*check).is_judged())
        .filter_map(|check| vantage.cell(node, Kind::new(check, of)));
    cells.filter(|cell| cell.planned).collect()
}

fn verdict(standing: Standing) -> view::Verdict {
    view::Verdict {
        state: match standing.state {
            State::Up => view::VerdictState::Up,
            State::Down => view::VerdictState::Down,
            State::Degraded => view::VerdictState::Degraded,
            State::Partial => view::VerdictState::Partial,
            State::NoData => view::VerdictState::NoData,
            State::NobodyMayJudge => view::VerdictState::NobodyMayJudge,
            State::Maintenance => view::VerdictState::Maintenance,
            State::Paused => view::VerdictState::Paused,
        },
        since: standing.since.map(timestamp),
        vantages_ok: standing.judges_ok,
        vantages_total: standing.judges,
        networks: standing.networks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_without_an_end_has_the_last_of_all_instants() {
        assert_eq!(expiry(253_402_300_799), Timestamp::MAX);
        assert_eq!(expiry(1_795_316_400).to_string(), "2026-11-22T03:00:00Z");
    }
}
