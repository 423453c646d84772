//! Fills the page's view from live state, verdicts and the outbox.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::kinds::{CountsFor, counts_for};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_base::words::timestamp;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_watch::alert::Board;
use isochrone_watch::incident::{Cause, Incident, IncidentCheck, Subject};
use isochrone_watch::judge::{Engine, Standing, State};
use isochrone_watch::live::window::{WINDOW_S, WindowSum};
use isochrone_watch::live::{Cell, Finding, Live, Vantage};
use isochrone_web::view;
use jiff::Timestamp;

/// So many echoes in a row that nobody answered are a path that is lost.
const LOST_IN_A_ROW: u32 = 3;
/// More loss than this is unusual.
const LOSS_UNUSUAL: f64 = 0.05;

/// Everything that a view is made from.
#[derive(Clone, Debug)]
pub struct ViewParts<'a> {
    /// What the vantages see.
    pub live: &'a Live,
    /// The verdicts.
    pub engine: &'a Engine,
    /// The newest ended incidents.
    pub recent: Vec<&'a Incident>,
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
        notices.extend(self.unclear());
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
        } else if self.engine.is_silent(probe.id) {
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
                .filter(|cell| cell.planned && counts_for(cell.kind.check) == CountsFor::Mesh);
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
        let Some(vantage) = self.live.vantage(from.id) else {
            return false;
        };
        let of_mesh = Check::ALL
            .into_iter()
            .filter(|check| counts_for(*check) == CountsFor::Mesh);
        let mut cells =
            of_mesh.filter_map(|check| vantage.cell(TargetId::of_peer(to.id), Kind::new(check, of)));
        cells.any(|cell| cell.planned)
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
            Some(Finding::Bad) if cell.failures() >= LOST_IN_A_ROW => view::MeshState::Lost,
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
            last: cell.newest().map(timestamp),
        }
    }

    /// What all vantages together see of a node.
    fn seen(&self, node: &NodeEntry) -> NodeSeen {
        let mut seen = NodeSeen::default();
        for (probe, vantage) in self.live.vantages() {
            let Some(probe) = self.roster.probe(probe).filter(|probe| probe.active) else {
                continue;
            };
            let is_own = node.is_own(probe);
            for of in [Family::V4, Family::V6] {
                let witness = Witness {
                    probe,
                    family: of,
                    is_own,
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

    fn node(&self, node: &NodeEntry) -> view::NodeView {
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
            cert_expires: certificate
                .and_then(|(_, seconds)| Timestamp::from_second(i64::try_from(seconds).ok()?).ok()),
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
            let words = cells.iter().filter(is_of).filter_map(|cell| cell.word(self.now));
            let words: Vec<_> = words.collect();
            if !witness.checks().any(|check| of.contains(&check)) {
                view::CellOutcome::NotAsked
            } else if words.is_empty() {
                view::CellOutcome::NoData
            } else if words.iter().all(|seen| *seen == Finding::Good) {
                view::CellOutcome::Ok
            } else {
                view::CellOutcome::Failed
            }
        };
        let fails = cells.iter().filter(|cell| {
            let word = cell.word(self.now);
            word.is_some_and(|seen| seen != Finding::Good)
        });
        let failure = fails
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
            at: cells.iter().filter_map(|cell| newest(&cell)).max().map(timestamp),
        }
    }

    fn incidents(&self) -> Vec<view::IncidentView> {
        let shown = self.engine.open().chain(self.recent.iter().copied());
        shown
            .filter_map(|incident| Some(self.incident(incident, shown_check(incident.check)?)))
            .collect()
    }

    fn incident(&self, incident: &Incident, check: view::IncidentCheck) -> view::IncidentView {
        let (alerts_delivered, alerts_pending) = self.alerts(incident);
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
            checks: shown_checks(incident),
            flapping: incident.flapping.map(|flapping| flapping.openings),
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

    /// What is known of no node, or of some only in part.
    fn unclear(&self) -> Vec<view::Notice> {
        let notice = |text, at| view::Notice {
            level: view::NoticeLevel::Warning,
            text,
            at: timestamp(at),
        };
        let open = self.engine.open();
        let blind = open
            .filter(|incident| incident.check == IncidentCheck::Data)
            .map(|incident| {
                let caveat = incident.caveat.as_deref().unwrap_or_default();
                notice(format!("{}: {caveat}", incident.target), incident.start)
            });
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
                        no two networks report. It judges nobody until they do.";
            notice(text.to_owned(), since)
        });
        blind.chain(partial).chain(own_line).collect()
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
    cells: Vec<&'a Cell>,
}

impl Witness<'_> {
    /// What it is to ask.
    fn checks(&self) -> impl Iterator<Item = IncidentCheck> {
        let cells = self.cells.iter();
        cells.filter_map(|cell| IncidentCheck::of(cell.kind.check))
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
    cells.filter(|cell| cell.planned).collect()
}

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

/// `None` for what a notice says.
fn shown_check(check: IncidentCheck) -> Option<view::IncidentCheck> {
    match check {
        IncidentCheck::Connect => Some(view::IncidentCheck::Connect),
        IncidentCheck::Name => Some(view::IncidentCheck::Name),
        IncidentCheck::Status | IncidentCheck::Http => Some(view::IncidentCheck::Status),
        IncidentCheck::Asset => Some(view::IncidentCheck::Asset),
        IncidentCheck::Probe => Some(view::IncidentCheck::Probe),
        IncidentCheck::Data => None,
    }
}

fn shown_checks(incident: &Incident) -> Vec<view::IncidentCheck> {
    let mut checks: Vec<_> = incident.checks.iter().map(|span| span.check).collect();
    checks.sort_unstable();
    checks.dedup();
    checks.into_iter().filter_map(shown_check).collect()
}

fn family(of: Family) -> view::Family {
    match of {
        Family::V4 => view::Family::V4,
        Family::V6 => view::Family::V6,
    }
}

#[cfg(test)]
mod tests;
