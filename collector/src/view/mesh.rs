//! Probes, and the ways between them.

use isochrone_base::kinds::{CountsFor, counts_for};
use isochrone_base::roster::ProbeEntry;
use isochrone_base::words::timestamp;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_watch::live::{Cell, Finding};
use isochrone_web::view;

use super::{ViewParts, family};

/// So many echoes in a row that nobody answered are a path that is lost.
const LOST_IN_A_ROW: u32 = 3;
/// Of more probes not every pair is planned, and none is missed for a closed port.
const FULL_MESH_MAX: usize = 50;
/// More loss than this is unusual.
const LOSS_UNUSUAL: f64 = 0.05;

pub(super) const NO_PORTS: view::EchoPorts = view::EchoPorts {
    v4: view::EchoPort::Unknown,
    v6: view::EchoPort::Unknown,
};

impl ViewParts<'_> {
    pub(super) fn probe(&self, probe: &ProbeEntry) -> view::ProbeView {
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
            since: timestamp(self.since(probe, state)),
            version: link.and_then(|link| link.version.clone()),
            plan_version: link.and_then(|link| link.plan_version),
            rtt_ms: link.and_then(|link| link.rtt_ms),
            backlog: link.and_then(|link| link.backlog),
            epoch: link.and_then(|link| link.epoch.clone()).or_else(epoch),
            last_measurement: vantage.and_then(|vantage| vantage.last_slot).map(timestamp),
            echo_port: link.map_or(NO_PORTS, |link| link.echo_port),
        }
    }

    /// Since when a probe is in its state: of a silent one what its incident says, and where no session was seen since the
    /// collector began, its last word.
    fn since(&self, probe: &ProbeEntry, state: view::ProbeState) -> UnixMillis {
        let silent = || self.engine.silence_of(probe.id);
        let said = || self.live.vantage(probe.id).and_then(|vantage| vantage.last_slot);
        match (state, self.links.get(&probe.id)) {
            (view::ProbeState::Silent, _) => silent().map_or(probe.joined, |incident| incident.start),
            (_, Some(link)) => link.since,
            (_, None) => said().unwrap_or(probe.joined),
        }
    }

    pub(super) fn mesh(&self) -> Vec<view::MeshCell> {
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
        if self.roster.probes().filter(|probe| probe.active).count() > FULL_MESH_MAX {
            return cells; // the notices name the ports
        }
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
    pub(super) fn closed_port(&self, probe: &ProbeEntry) -> Option<view::Notice> {
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
}

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
