//! Fills the page's view from live state, verdicts and the outbox.

use std::collections::BTreeMap;

use isochrone_base::kinds::{CountsFor, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_base::words::timestamp;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_watch::alert::Board;
use isochrone_watch::health::{Health, Standing, State};
use isochrone_watch::incident::{Cause, Incident, IncidentCheck};
use isochrone_watch::live::window::{Tally, WINDOW_S};
use isochrone_watch::live::{Cell, Live, Seen, Vantage};
use isochrone_web::view;
use jiff::Timestamp;

/// More loss than this is unusual.
const LOSS_UNUSUAL: f64 = 0.05;

/// Everything that a view is made from.
#[derive(Clone, Debug)]
pub struct ViewParts<'a> {
    /// What the vantages see.
    pub live: &'a Live,
    /// The verdicts.
    pub health: &'a Health,
    /// Names and places.
    pub roster: &'a Roster,
    /// The outbox.
    pub board: &'a Board,
    /// Receivers that are configured.
    pub receivers: u32,
    /// What is known of each probe's connection.
    pub links: &'a BTreeMap<ProbeId, Link>,
    /// The instant.
    pub now: UnixMillis,
    /// What live state does not know.
    pub collector: CollectorFacts,
}

/// The parts of the view that others fill.
#[derive(Clone, Debug)]
pub struct CollectorFacts {
    /// Measured or demo.
    pub source: view::Source,
    /// The collector itself.
    pub collector: view::CollectorView,
    /// The newest plan.
    pub plan: Option<view::PlanView>,
    /// The ledger's totals.
    pub ledger: view::LedgerTotals,
    /// Further notices; those about nodes without data are added.
    pub notices: Vec<view::Notice>,
}

/// What the session layer knows of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its connection is open.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: UnixMillis,
    /// Its release, once it said Hello.
    pub version: Option<String>,
    /// The number of the plan it follows.
    pub plan_version: Option<u64>,
    /// Round trip of the control stream, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Measurements in its spool that are not stored here.
    pub backlog: Option<u64>,
    /// Its current epoch, in hex.
    pub epoch: Option<String>,
    /// Whether its echo port answers.
    pub echo_port: view::EchoPorts,
    /// Which UDP port that is, once it said Hello.
    pub echo_port_number: Option<u16>,
}

impl ViewParts<'_> {
    /// The whole view.
    #[must_use]
    pub fn view(self) -> view::LiveView {
        let probes = self.roster.probes().map(|probe| self.probe(probe)).collect();
        let nodes = self.roster.nodes().map(|node| self.node(node)).collect();
        let (mesh, incidents) = (self.mesh(), self.incidents());
        let mut notices = self.collector.notices.clone();
        notices.extend(self.missing_data());
        notices.extend(self.roster.probes().filter_map(|probe| self.closed_port(probe)));
        view::LiveView {
            generated_at: timestamp(self.now),
            source: self.collector.source,
            window_s: WINDOW_S,
            alerts: view::AlertsView {
                receivers: self.receivers,
                pending: self.board.pending.len() as u64,
                oldest: self.board.oldest().map(timestamp),
            },
            collector: self.collector.collector,
            plan: self.collector.plan,
            probes,
            mesh,
            nodes,
            incidents,
            ledger: self.collector.ledger,
            notices,
        }
    }

    fn probe(&self, probe: &ProbeEntry) -> view::ProbeView {
        let link = self.links.get(&probe.id);
        let vantage = self.live.vantage(probe.id);
        let state = if !probe.active {
            view::ProbeState::Revoked
        } else if self.health.is_silent(probe.id) {
            view::ProbeState::Silent
        } else if link.is_some_and(|link| link.connected) {
            view::ProbeState::Connected
        } else {
            view::ProbeState::Away
        };
        let epoch = || vantage.map(|vantage| vantage.epoch.to_string());
        view::ProbeView {
            name: probe.name.clone(),
            worker: probe.worker.clone(),
            site: probe.site.clone(),
            latitude: probe.latitude,
            longitude: probe.longitude,
            network: probe.network,
            state,
            since: timestamp(link.map_or(probe.joined, |link| link.since)),
            version: link.and_then(|link| link.version.clone()),
            plan_version: link.and_then(|link| link.plan_version),
            rtt_ms: link.and_then(|link| link.rtt_ms),
            backlog: link.and_then(|link| link.backlog),
            epoch: link.and_then(|link| link.epoch.clone()).or_else(epoch),
            last_measurement: vantage.and_then(|vantage| vantage.last_slot).map(timestamp),
            echo_port: link.map_or(NO_PORTS, |link| link.echo_port),
        }
    }

    fn mesh(&self) -> Vec<view::MeshCell> {
        let mut cells = Vec::new();
        for (from, vantage) in self.live.vantages() {
            let Some(from) = self.roster.probe(from).filter(|probe| probe.active) else {
                continue;
            };
            let echoes = vantage
                .cells()
                .filter(|cell| cell.planned && cell.kind.check == Check::Echo);
            for cell in echoes {
                if let Some(to) = self.roster.peer(cell.target).filter(|probe| probe.active) {
                    cells.push(self.mesh_cell(from, to, cell));
                }
            }
        }
        cells.extend(self.closed_cells());
        cells
    }

    /// The pairs that no plan holds because nobody ever reached the peer: shown as what they are, not left out.
    fn closed_cells(&self) -> Vec<view::MeshCell> {
        let mut cells = Vec::new();
        for of in [Family::V4, Family::V6] {
            let port = |probe: &ProbeEntry| self.links.get(&probe.id).map(|link| port_of(link.echo_port, of));
            let active = || self.roster.probes().filter(|probe| probe.active);
            let closed = active().filter(|probe| port(probe) == Some(view::EchoPort::Closed));
            for to in closed {
                let speaks = |from: &&ProbeEntry| {
                    from.id != to.id && port(from).is_some_and(|port| port != view::EchoPort::Unknown)
                };
                for from in active()
                    .filter(speaks)
                    .filter(|from| !self.is_planned(from, to, of))
                {
                    cells.push(closed_cell(from, to, of));
                }
            }
        }
        cells
    }

    fn is_planned(&self, from: &ProbeEntry, to: &ProbeEntry, of: Family) -> bool {
        let vantage = self.live.vantage(from.id);
        let echo = Kind::new(Check::Echo, of);
        let cell = vantage.and_then(|vantage| vantage.cell(TargetId::of_peer(to.id), echo));
        cell.is_some_and(|cell| cell.planned)
    }

    /// What to do about an echo port that does not answer.
    fn closed_port(&self, probe: &ProbeEntry) -> Option<view::Notice> {
        let link = self
            .links
            .get(&probe.id)
            .filter(|link| link.connected && probe.active)?;
        let port = link.echo_port_number?;
        let families = match (link.echo_port.v4, link.echo_port.v6) {
            (view::EchoPort::Closed, view::EchoPort::Closed) => "IPv4 and IPv6",
            (view::EchoPort::Closed, _) => "IPv4",
            (_, view::EchoPort::Closed) => "IPv6",
            _ => return None,
        };
        Some(view::Notice {
            level: view::NoticeLevel::Warning,
            text: format!(
                "{}: its echo port does not answer over {families}, so no probe measures the way to it. On its server: \
                 `sudo ufw allow {port}/udp`, or `sudo firewall-cmd --permanent --add-port={port}/udp && sudo \
                 firewall-cmd --reload`.",
                probe.name
            ),
            at: timestamp(self.now),
        })
    }

    fn mesh_cell(&self, from: &ProbeEntry, to: &ProbeEntry, cell: &Cell) -> view::MeshCell {
        let mut figures = cell.window().figures(self.now);
        let loss = figures.loss();
        let ports = self.links.get(&to.id).map(|link| link.echo_port);
        let port = ports.map(|ports| port_of(ports, cell.kind.family));
        let state = match cell.word(self.now) {
            None => view::MeshState::NoData,
            Some(_) if figures.succeeded == 0 && port == Some(view::EchoPort::Closed) => {
                view::MeshState::EchoPortClosed
            }
            Some(run) if run.seen == Seen::Bad && cell.runs().failures() >= 3 => view::MeshState::Lost,
            Some(_) if loss.is_some_and(|loss| loss > LOSS_UNUSUAL) => view::MeshState::Degraded,
            Some(_) => view::MeshState::Ok,
        };
        view::MeshCell {
            from: from.name.clone(),
            to: to.name.clone(),
            family: family(cell.kind.family),
            p50_ms: figures.quantile_ms(0.5),
            p90_ms: figures.quantile_ms(0.9),
            loss,
            samples: figures.runs(),
            state,
            last: cell.runs().newest().map(|run| timestamp(run.slot)),
        }
    }

    fn node(&self, node: &NodeEntry) -> view::NodeView {
        let (mut connect, mut ttfb) = (Tally::default(), Tally::default());
        let mut certificate: Option<(UnixMillis, u64)> = None;
        let mut cells = Vec::new();
        for (probe, vantage) in self.live.vantages() {
            let Some(probe) = self.roster.probe(probe).filter(|probe| probe.active) else {
                continue;
            };
            let is_own = node.is_own(probe);
            for of in [Family::V4, Family::V6] {
                let seen = planned(vantage, node.id, of);
                if !seen.is_empty() {
                    cells.push(self.node_cell(probe, (of, is_own), &seen));
                }
                for cell in seen {
                    let Some(endpoint) = cell.endpoint() else { continue };
                    if !is_own {
                        connect.add(cell.window(), self.now);
                    }
                    if !is_own && counts_for(cell.kind.check) != CountsFor::Status {
                        ttfb.add(&endpoint.ttfb, self.now);
                    }
                    let newest = cell.runs().newest().map(|run| run.slot);
                    let seen = newest.zip(endpoint.certificate_expires);
                    certificate = certificate.max(seen);
                }
            }
        }
        let plain = self.health.standing(node.id, IncidentCheck::Http);
        let status = self.health.standing(node.id, IncidentCheck::Status);
        let has_status = status.is_some_and(|standing| standing.state != State::NoData);
        view::NodeView {
            name: node.name.clone(),
            worker: node.worker.clone().unwrap_or_default(),
            place: node.place.clone(),
            latitude: node.latitude,
            longitude: node.longitude,
            network: node.network,
            url: node.url.clone(),
            status: verdict(if has_status { status } else { plain.or(status) }),
            asset: verdict(self.health.standing(node.id, IncidentCheck::Asset)),
            connect_p50_ms: connect.quantile_ms(0.5),
            connect_samples: connect.timed(),
            ttfb_p50_ms: ttfb.quantile_ms(0.5),
            ttfb_samples: ttfb.timed(),
            cert_expires: certificate
                .and_then(|(_, seconds)| Timestamp::from_second(i64::try_from(seconds).ok()?).ok()),
            cells,
            samples: connect.runs(),
        }
    }

    fn node_cell(&self, probe: &ProbeEntry, (of, own): (Family, bool), cells: &[&Cell]) -> view::NodeCell {
        let word = |of: &[CountsFor]| {
            let words = cells
                .iter()
                .filter(|cell| of.contains(&counts_for(cell.kind.check)))
                .filter_map(|cell| cell.word(self.now));
            let words: Vec<_> = words.map(|run| run.seen).collect();
            if words.is_empty() {
                view::CellOutcome::NoData
            } else if words.iter().all(|seen| *seen == Seen::Good) {
                view::CellOutcome::Ok
            } else {
                view::CellOutcome::Failed
            }
        };
        let fails = cells.iter().filter(|cell| {
            let word = cell.word(self.now);
            word.is_some_and(|run| run.seen != Seen::Good)
        });
        let failure = fails
            .filter_map(|cell| cell.endpoint()?.failure.as_ref())
            .max_by_key(|failure| failure.slot);
        let newest = |cell: &&&Cell| cell.runs().newest().map(|run| run.slot);
        let connect = cells
            .iter()
            .filter(|cell| cell.is_fresh(self.now))
            .max_by_key(newest)
            .and_then(|cell| cell.endpoint()?.connect);
        view::NodeCell {
            vantage: probe.name.clone(),
            network: probe.network,
            family: family(of),
            status: word(&[CountsFor::Status, CountsFor::Http]),
            asset: word(&[CountsFor::Asset]),
            connect_ms: connect.map(|connect| connect.as_millis_f64()),
            phase: failure.map(|failure| failure.phase.to_string()),
            error: failure.map(|failure| failure.text.clone()),
            own,
            at: cells.iter().filter_map(|cell| newest(&cell)).max().map(timestamp),
        }
    }

    fn incidents(&self) -> Vec<view::IncidentView> {
        let shown = self.health.open().chain(self.health.recent());
        shown
            .filter_map(|incident| {
                let check = match incident.check {
                    IncidentCheck::Status | IncidentCheck::Http => view::IncidentCheck::Status,
                    IncidentCheck::Asset => view::IncidentCheck::Asset,
                    IncidentCheck::Probe => view::IncidentCheck::Probe,
                    IncidentCheck::Data => return None, // a notice says it
                };
                Some(self.incident(incident, check))
            })
            .collect()
    }

    fn incident(&self, incident: &Incident, check: view::IncidentCheck) -> view::IncidentView {
        let (alerts_delivered, alerts_pending) = self.board.of_incident(&incident.id);
        let evidence = incident.evidence.iter().map(|cell| view::Evidence {
            vantage: cell.vantage.clone(),
            network: cell.network,
            phase: cell.phase.to_string(),
            error: cell.error.clone(),
            at: timestamp(cell.slot),
        });
        view::IncidentView {
            id: incident.id.clone(),
            target: incident.target.clone(),
            check,
            state: match incident.end {
                None => view::IncidentState::Open,
                Some(_) => view::IncidentState::Recovered,
            },
            start: timestamp(incident.start),
            end: incident.end.map(timestamp),
            duration_s: incident.duration_ms(self.now) / 1_000,
            cause: match incident.cause {
                Cause::Node => view::Cause::Node,
                Cause::Path => view::Cause::Path,
                Cause::Probe => view::Cause::Probe,
                Cause::Unknown => view::Cause::Unknown,
            },
            caveat: incident.caveat.clone(),
            evidence: evidence.collect(),
            alerts_delivered,
            alerts_pending,
        }
    }

    fn missing_data(&self) -> impl Iterator<Item = view::Notice> {
        let open = self.health.open();
        open.filter(|incident| incident.check == IncidentCheck::Data)
            .map(|incident| view::Notice {
                level: view::NoticeLevel::Warning,
                text: format!(
                    "{}: no probe that may judge it measures it any more. Whether it works is not known; see the \
                     probes' states.",
                    incident.target
                ),
                at: timestamp(incident.start),
            })
    }
}

const NO_PORTS: view::EchoPorts = view::EchoPorts {
    v4: view::EchoPort::Unknown,
    v6: view::EchoPort::Unknown,
};

fn port_of(ports: view::EchoPorts, family: Family) -> view::EchoPort {
    match family {
        Family::V4 => ports.v4,
        Family::V6 => ports.v6,
    }
}

fn closed_cell(from: &ProbeEntry, to: &ProbeEntry, of: Family) -> view::MeshCell {
    view::MeshCell {
        from: from.name.clone(),
        to: to.name.clone(),
        family: family(of),
        p50_ms: None,
        p90_ms: None,
        loss: None,
        samples: 0,
        state: view::MeshState::EchoPortClosed,
        last: None,
    }
}

fn planned(vantage: &Vantage, node: TargetId, of: Family) -> Vec<&Cell> {
    let cells = Check::ALL
        .into_iter()
        .filter(|check| check.is_endpoint())
        .filter_map(|check| vantage.cell(node, Kind::new(check, of)));
    cells.filter(|cell| cell.planned && cell.counts()).collect()
}

fn verdict(standing: Option<Standing>) -> view::Verdict {
    let state = standing.map_or(State::NoData, |standing| standing.state);
    view::Verdict {
        state: match state {
            State::Up => view::VerdictState::Up,
            State::Down => view::VerdictState::Down,
            State::Degraded | State::Partial => view::VerdictState::Degraded,
            State::NoData => view::VerdictState::NoData,
            State::Paused => view::VerdictState::Paused,
        },
        since: standing.and_then(|standing| standing.since).map(timestamp),
        vantages_ok: standing.map_or(0, |standing| standing.vantages_ok),
        vantages_total: standing.map_or(0, |standing| standing.vantages_total),
        networks: standing.map_or(0, |standing| standing.networks),
    }
}

fn family(of: Family) -> view::Family {
    match of {
        Family::V4 => view::Family::V4,
        Family::V6 => view::Family::V6,
    }
}

#[cfg(test)]
mod tests;
