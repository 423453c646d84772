//! The collector's clock was set: every instant that the engine knows is read by the new one, so that it goes on as if
//! nobody had touched the clock.
//!
//! The structures are taken apart field by field: one that is added and holds an instant is no forgotten one.

use isochrone_proto::units::UnixMillis;

use super::anew::{Anew, each};
use super::node::Node;
use super::state::Standing;
use super::vantage::{Session, Vantage};
use super::{Engine, Output};
use crate::incident::{CheckSpan, EvidenceCell, Incident, Spell};

impl Engine {
    /// The collector's clock was set by so much: nobody is silent for it, and the next call of [`Engine::advance`] is no
    /// gap.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        let anew = |at: UnixMillis| UnixMillis(at.0.saturating_add_signed(by_ms));
        let anew: Anew<'_> = &anew;
        each([&mut self.started, &mut self.now], anew);
        self.vantages.iter_mut().for_each(|vantage| vantage.reckon(anew));
        self.cells.iter_mut().for_each(|cell| cell.reckon(anew));
        self.nodes.iter_mut().for_each(|node| node.reckon(anew));
        self.collector_line.reckon(anew);
        self.silences.reckon(anew);
        self.groups.iter_mut().for_each(|group| group.reckon(anew));
        self.gathered.reckon(anew);
        let open: Vec<Output> = self.open().cloned().map(Output::Kept).collect();
        self.output.extend(open); // a restart goes on with them as they are now
    }
}

impl Vantage {
    fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            probe: _,
            entry,
            worker: _,
            addresses: _,
            heard,
            excused,
            session,
            cells: _,
            lines,
            quiet_ms: _,
            is_plan_known: _,
        } = self;
        each([heard, excused], anew);
        each(entry.as_mut().map(|entry| &mut entry.joined), anew);
        if let Session::Down(at) = session {
            each([at], anew);
        }
        lines.iter_mut().for_each(|line| line.reckon(anew));
    }
}

impl Node {
    fn reckon(&mut self, anew: Anew<'_>) {
        self.grids.iter_mut().for_each(|grid| grid.reckon(anew));
        self.memory.reckon(anew);
        let incidents = [&mut self.outage, &mut self.blindness];
        for incident in incidents.into_iter().flatten() {
            incident.reckon(anew);
        }
        let services = self.services.iter_mut().flatten();
        for Standing { since, .. } in services.chain([&mut self.connect]) {
            each(since.as_mut(), anew);
        }
        each([&mut self.wake], anew);
    }
}

impl Incident {
    /// The clock was set: its instants are read by the new one. Its id stays.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        each([&mut self.start, &mut self.noticed], anew);
        each(self.end.as_mut(), anew);
        let flapping = self.flapping.iter_mut();
        each(
            flapping.flat_map(|flapping| [&mut flapping.first, &mut flapping.last]),
            anew,
        );
        for CheckSpan { start, end, .. } in &mut self.checks {
            each([start].into_iter().chain(end), anew);
        }
        for EvidenceCell { slot, first_slot, .. } in &mut self.evidence {
            each([slot, first_slot], anew);
        }
        for Spell {
            last_green,
            first_red,
            last_red,
            first_green,
            shared_since,
        } in &mut self.spells
        {
            let noted = [last_green, first_red, last_red].into_iter();
            each(noted.chain(first_green).chain(shared_since), anew);
        }
    }
}
