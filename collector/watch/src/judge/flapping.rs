//! What comes and goes: a second fall soon after the first is said once, then nothing until it was steady.

use std::time::Duration;

use isochrone_proto::units::UnixMillis;

use super::Engine;
use super::fleet::Fault;
use super::grid::Grade;
use super::observation::{SERVICES, Service};
use super::sight::Sight;
use super::state::State;
use super::what::What;
use crate::incident::{CheckSpan, Flapping, Incident, IncidentCheck};

/// A second opening so soon after the first was over is flapping.
pub(super) const FLAPPING_MS: u64 = 1_800_000;
/// Steady for so long ends the silence about it.
pub(super) const STEADY_MS: u64 = 600_000;
/// Of a node of which nothing is known for longer, nobody can say that it was steady.
const UNKNOWN: Duration = Duration::from_secs(60);

impl Engine {
    /// Ends a flapping outage that stayed up, and tells of one that stays down.
    pub(super) fn settle(&mut self, place: usize, sights: &[Sight; 2]) {
        let now = self.now;
        self.tell_reached(place);
        let state = self.connect_standing(place, sights).state;
        let node = &mut self.nodes[place];
        let is_unknown = matches!(state, State::NoData | State::NobodyMayJudge);
        if node.memory.quiet_since.is_some() && is_unknown {
            // silence is not steady: the ten minutes begin anew once somebody judges
            let is_long = |since: UnixMillis| now.since(since) > UNKNOWN;
            if node.memory.blind_since.is_some_and(is_long) {
                node.memory.changed = now;
            }
            return;
        }
        let is_steady = now.0 >= node.memory.changed.0 + STEADY_MS;
        let Some(outage) = node.outage.as_mut().filter(|_| is_steady) else {
            return;
        };
        let (worst, is_told) = (outage.worst_open().map(|span| span.check), outage.told);
        let Some(flapping) = &mut outage.flapping else {
            return;
        };
        if node.memory.quiet_since.is_some() {
            self.end(place);
        } else if is_told && !std::mem::replace(&mut flapping.is_steady_said, true) {
            let what = worst.and_then(|worst| stays(flapping.said_of, worst));
            let outage = outage.clone();
            self.keep(&outage);
            if let Some(what) = what {
                self.say_soon(what, outage);
            }
        }
    }

    /// Says that a node can be reached again once a later answer shows that its service still fails.
    fn tell_reached(&mut self, place: usize) {
        let node = &self.nodes[place];
        let (Some(since), Some(outage)) = (node.memory.reached, &node.outage) else {
            return;
        };
        let fails = |service: Service| {
            let newest = node.grids[service as usize].newest(self.now);
            let is_open = self.is_open(place, node.check_of(service));
            is_open && newest.is_some_and(|answer| answer.grade != Grade::Good && answer.began >= since)
        };
        if SERVICES.into_iter().any(fails) {
            let outage = outage.clone();
            self.nodes[place].memory.reached = None;
            self.say_soon(What::Better, outage);
        }
    }
}

/// Something as bad as nothing that was failing begins to fail in an outage: for the first time in a while, or it comes
/// and goes. What people know to come and go is not said again before it was steady.
pub(super) fn fell_again(outage: &mut Incident, span: CheckSpan, was_steady: bool) {
    let before = outage
        .checks
        .iter()
        .filter(|before| before.check <= span.check)
        .filter_map(|before| Some((before.end?, before.start)))
        .filter(|(end, _)| span.start.0 < end.0 + FLAPPING_MS)
        .max();
    match (&mut outage.flapping, before) {
        (Some(flapping), Some(_)) => {
            flapping.openings += 1;
            (flapping.last, flapping.is_steady_said) = (span.start, false);
            flapping.said_of = flapping.said_of.filter(|_| !was_steady);
        }
        (None, Some((_, first))) => {
            outage.flapping = Some(Flapping {
                openings: 2,
                first,
                last: span.start,
                ..Flapping::default()
            });
        }
        (_, None) => {}
    }
    let is_known = outage
        .flapping
        .is_some_and(|flapping| flapping.covers(span.check));
    outage.worse_waits = outage.told && !is_known;
}

/// What is to be said of one that came and went, and fails in this way ever since.
fn stays(said_of: Option<IncidentCheck>, worst: IncidentCheck) -> Option<What> {
    match said_of {
        Some(said) if said < worst => {
            let is_reached = (Fault::of(said), Fault::of(worst)) == (Fault::Way, Fault::Service);
            is_reached.then_some(What::Better)
        }
        _ => Some(What::Steady),
    }
}

/// It changed: that it stays as it is is to be said anew.
pub(super) fn stay_unsaid(outage: &mut Incident) {
    if let Some(flapping) = &mut outage.flapping {
        flapping.is_steady_said = false;
    }
}
