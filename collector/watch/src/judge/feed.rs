//! What comes in: runs, echoes, batches, sessions, addresses, clocks.

use std::net::IpAddr;
use std::time::Duration;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;

use super::cell::{Cell, Colour};
use super::line::{Host, Line, is_near};
use super::observation::{Cadence, Observation, Reached, Word, is_certificate, service_of};
use super::sight::Matter;
use super::state::Verdict;
use super::vantage::{Session, light_us, of};
use super::{CellId, Engine, GAP_MS, VantageId};
use crate::incident::IncidentCheck;

impl Engine {
    /// The handle of a probe as a vantage, to be had once a plan.
    pub fn vantage(&mut self, probe: ProbeId) -> VantageId {
        VantageId(self.vantage_place(probe))
    }

    /// The handle of a check, to be had once a plan. Where a vantage connects, only that says whether the node can
    /// be reached; where it does not, its status or page does.
    pub fn cell(&mut self, probe: ProbeId, target: TargetId, kind: Kind, cadence: Cadence) -> CellId {
        self.paced(probe, cadence);
        let (vantage, node) = (self.vantage_place(probe), self.node_place(target));
        let key = (vantage, node, kind);
        if let Some(&place) = self.by_key.get(&key) {
            self.cells[place].cadence = cadence;
            return CellId(place);
        }
        let light_us = self.light_us(vantage, node);
        let place = self.cells.len();
        self.cells
            .push(Cell::new((vantage, node), kind, cadence, light_us));
        self.by_key.insert(key, place);
        self.nodes[node].is_plain |= kind.check == Check::Http;
        self.vantages[vantage].cells.push(place);
        self.list(place);
        CellId(place)
    }

    /// It measures something so often, whatever that is.
    pub(crate) fn paced(&mut self, probe: ProbeId, cadence: Cadence) {
        let vantage = self.vantage_place(probe);
        let quiet_ms = &mut self.vantages[vantage].quiet_ms;
        *quiet_ms = cadence.apart_ms().min(*quiet_ms);
    }

    fn light_us(&self, vantage: usize, node: usize) -> u32 {
        let (vantage, node) = (&self.vantages[vantage].entry, &self.nodes[node].entry);
        match (vantage, node) {
            (Some(vantage), Some(node)) => light_us(
                (vantage.latitude, vantage.longitude),
                (node.latitude, node.longitude),
            ),
            _ => 0,
        }
    }

    /// Takes in a run. False if it came too late to say anything now: it changes history only.
    pub fn observe(&mut self, cell: CellId, run: &Observation<'_>) -> bool {
        let place = cell.0;
        let (vantage, node) = (self.cells[place].vantage, self.cells[place].target);
        let cell = &mut self.cells[place];
        cell.measured = cell.measured.max(run.began);
        if run.word == Word::Forbidden {
            cell.forbidden = cell.forbidden.max(run.began);
        }
        let mut reached = cell.reached(run);
        if let Reached::Failed(_, cause) = reached
            && is_certificate(cause)
        {
            self.cells[place].mistrusted = run.began;
            if !self.is_known_host(node, place, run) {
                reached = Reached::Unknown; // the line led it to a stranger
            }
        }
        self.prove(vantage, place, reached, run);
        let taken = self.take_way(place, reached, run);
        self.take_name(place, reached, run);
        self.take_service(place, reached, run);
        let now = self.now;
        let node = &mut self.nodes[node];
        let is_red = !matches!(reached, Reached::Stood);
        node.is_dirty |= taken && (is_red || node.wake <= now);
        taken
    }

    /// A proof for the vantage's line, unless the host stands beside it.
    fn prove(&mut self, vantage: usize, place: usize, reached: Reached, run: &Observation<'_>) {
        let cell = &self.cells[place];
        let (family, target) = (of(cell.kind.family), cell.target);
        let vantage = &mut self.vantages[vantage];
        let beside = vantage.addresses[family];
        let line = &mut vantage.lines[family];
        if matches!(reached, Reached::Stood | Reached::Failed(..)) {
            line.resolved(target, run.finished);
        }
        if let (Reached::Stood, Some(address)) = (reached, run.address) {
            let is_beside = !self.is_one_place && beside.is_some_and(|beside| is_near(beside, address));
            if !is_beside {
                let host = Host::of(self.is_one_place, target, address);
                line.reached(host, run.secured, run.finished);
            }
        }
    }

    fn take_way(&mut self, place: usize, reached: Reached, run: &Observation<'_>) -> bool {
        let (colour, failure) = match reached {
            Reached::Stood => (Colour::Green, None),
            Reached::Failed(phase, cause) => (Colour::Red, Some((phase, cause))),
            Reached::Unresolved(_) | Reached::Unknown => return false,
        };
        let cell = &mut self.cells[place];
        let was_maybe_alone = std::mem::take(&mut cell.maybe_alone);
        let is_new_host = run.address.is_some() && cell.host != run.address;
        cell.host = run.address.or(cell.host);
        let is_taken = cell.take_way(colour, run);
        if !is_taken {
            cell.maybe_alone = was_maybe_alone;
        }
        if let Some(address) = run.address.filter(|_| is_new_host) {
            self.note_address(address);
        }
        if !is_taken {
            return false;
        }
        let cell = &mut self.cells[place];
        let (vantage, family, cadence) = (cell.vantage, of(cell.kind.family), cell.cadence);
        let is_way = cell.is_way;
        if let Some(failure) = failure {
            cell.fail(failure, run);
            cell.maybe_alone = cell.is_way;
            if cell.way.runs == 1 {
                let line = &self.vantages[vantage].lines[family];
                cell.proven_before = line.is_proven_before(failure.0, run.began, cadence);
            }
        }
        if is_way {
            if was_maybe_alone && self.is_alone(place) {
                let target = self.cells[place].target;
                self.vantages[vantage].lines[family].failed_alone(target, run.began);
            }
            self.vantages[vantage].lines[family].ran(run.began);
        }
        true
    }

    fn take_name(&mut self, place: usize, reached: Reached, run: &Observation<'_>) {
        let colour = match reached {
            Reached::Stood | Reached::Failed(..) => Colour::Green,
            Reached::Unresolved(_) => Colour::Red,
            Reached::Unknown => return,
        };
        let cell = &mut self.cells[place];
        let cadence = cell.cadence;
        if !cell.name.take(colour, run.began, cadence) {
            return;
        }
        if colour == Colour::Red && cell.name.runs == 1 {
            let line = &self.vantages[cell.vantage].lines[of(cell.kind.family)];
            cell.named_before = line.resolved_before(run.began, cadence);
        }
        if let Reached::Unresolved(cause) = reached {
            cell.fail((isochrone_proto::measurement::Phase::Resolve, cause), run);
            let node = cell.target;
            self.nodes[node].is_dirty = true;
        }
    }

    /// Whether another vantage was led to this address a moment ago, or one of another network got a wrong certificate,
    /// too, from whatever address it was led to.
    fn is_known_host(&self, node: usize, place: usize, run: &Observation<'_>) -> bool {
        let vantage = self.cells[place].vantage;
        let network = self.vantages[vantage].network();
        let of_node = &self.nodes[node];
        let cells = of_node.ways.iter().chain(&of_node.asks).flatten();
        let mut others = cells
            .map(|&cell| &self.cells[cell])
            .filter(|cell| cell.vantage != vantage);
        others.any(|cell| {
            let lasts_ms = cell.cadence.apart_ms();
            let is_alike = self.vantages[cell.vantage].network() != network;
            (cell.host == run.address && run.began.0 <= cell.measured.0 + lasts_ms)
                || (is_alike && run.began.0 <= cell.mistrusted.0 + lasts_ms)
        })
    }

    /// Whether most other judges of the target get through now: the failure before was this vantage's alone.
    fn is_alone(&self, place: usize) -> bool {
        let cell = &self.cells[place];
        self.is_reached_by_others(cell.target, of(cell.kind.family), cell.vantage)
    }

    /// An echo of `from` to `to` was answered: UDP gets through, unless both stand beside each other.
    pub fn echoed(
        &mut self,
        VantageId(from): VantageId,
        VantageId(to): VantageId,
        family: Family,
        at: UnixMillis,
    ) {
        let family = of(family);
        let addresses = (
            self.vantages[from].addresses[family],
            self.vantages[to].addresses[family],
        );
        let is_beside = match addresses {
            (Some(from), Some(to)) => !self.is_one_place && is_near(from, to),
            _ => false,
        };
        if !is_beside {
            self.vantages[from].lines[family].udp(at);
        }
    }

    /// A batch of `probe` arrived, over the family of its session.
    pub fn heard(&mut self, probe: ProbeId, family: Family, at: UnixMillis) {
        let place = self.vantage_place(probe);
        let at = at.min(UnixMillis(self.now.0 + GAP_MS)); // later only by a clock that was wrong
        let vantage = &mut self.vantages[place];
        vantage.heard = vantage.heard.max(at);
        vantage.lines[of(family)].udp(at);
        self.collector_line.heard(place, at);
    }

    /// UDP got through, as the log of the past shows.
    pub(crate) fn lived(&mut self, probe: ProbeId, family: Family, at: UnixMillis) {
        let place = self.vantage_place(probe);
        self.vantages[place].lines[of(family)].udp(at);
    }

    /// The plan that the next runs of a cell are from.
    pub(crate) fn set_cadence(&mut self, cell: CellId, cadence: Cadence) {
        self.cells[cell.0].cadence = cadence;
    }

    /// Whether a failure that was just taken in speaks against its target.
    pub(crate) fn counts(&self, cell: CellId, run: &Observation<'_>) -> bool {
        let place = cell.0;
        let cell = &self.cells[place];
        match run.word.reached() {
            Reached::Failed(..) => self.verdict(cell.target, cell, Matter::Way) == Verdict::Red,
            Reached::Unresolved(_) => self.verdict(cell.target, cell, Matter::Name) == Verdict::Red,
            Reached::Unknown => false,
            Reached::Stood => self.is_heard(CellId(place)) && self.reaches(place),
        }
    }

    /// Whether a vantage may judge its target at this moment: it is none of its worker's, does not stand on its server, and
    /// is not sick. Asked of what it says for the target as of what it says against it.
    pub(crate) fn is_heard(&self, cell: CellId) -> bool {
        let cell = &self.cells[cell.0];
        let line = &self.vantages[cell.vantage].lines[of(cell.kind.family)];
        self.may_judge(cell.target, cell) && !line.is_sick(self.now)
    }

    /// What a failure that was just taken in says of its target, proven or not; `None` where its vantage may not judge
    /// it, or is sick.
    pub(crate) fn accuses(&self, cell: CellId, run: &Observation<'_>) -> Option<IncidentCheck> {
        if !self.is_heard(cell) {
            return None;
        }
        let cell = &self.cells[cell.0];
        match run.word.reached() {
            Reached::Failed(..) => Some(IncidentCheck::Connect),
            Reached::Unresolved(_) => Some(IncidentCheck::Name),
            Reached::Stood => service_of(cell.kind.check).map(|of| self.nodes[cell.target].check_of(of)),
            Reached::Unknown => None,
        }
    }

    /// Whether the line of a cell's vantage carried anything since a failure of that cell began.
    pub(crate) fn held_since(&self, cell: CellId, began: UnixMillis) -> bool {
        let cell = &self.cells[cell.0];
        self.vantages[cell.vantage].lines[of(cell.kind.family)].held_since(began)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.now
    }

    /// Its session came up or ended.
    pub fn session(&mut self, probe: ProbeId, is_up: bool, at: UnixMillis) {
        let place = self.vantage_place(probe);
        let session = &mut self.vantages[place].session;
        match (is_up, *session) {
            (true, _) => *session = Session::Up,
            (false, Session::Up) => *session = Session::Down(at),
            (false, _) => {}
        }
    }

    /// Where its sessions come from.
    pub fn set_address(&mut self, probe: ProbeId, address: IpAddr) {
        let place = self.vantage_place(probe);
        let family = usize::from(address.is_ipv6());
        let known = &mut self.vantages[place].addresses[family];
        if *known != Some(address) {
            *known = Some(address);
            self.note_address(address);
        }
    }

    /// Its clock is not what it was taken for: what its rows said is dated wrong.
    pub(crate) fn start_anew(&mut self, probe: ProbeId) {
        let place = self.vantage_place(probe);
        self.vantages[place].lines = [Line::default(), Line::default()];
        for cell in self.cells.iter_mut().filter(|cell| cell.vantage == place) {
            cell.start_anew();
            self.nodes[cell.target].is_dirty = true;
        }
        for grid in self.nodes.iter_mut().flat_map(|node| &mut node.grids) {
            grid.forget(place);
        }
    }

    /// How long a vantage may be quiet.
    pub(super) fn quiet(&self, vantage: usize) -> Duration {
        let quiet_ms = self.vantages[vantage].quiet_ms;
        let asked = Duration::from_millis(if quiet_ms == u64::MAX { 0 } else { quiet_ms });
        self.patience.silent_after.max(asked)
    }
}
