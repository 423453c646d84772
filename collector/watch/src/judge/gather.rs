//! What begins or ends for many at once, and is no outage of the fleet: silent probes, nodes of which nothing is known,
//! flapping nodes that stay down. One message, held back a moment while more are about to join.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::anew::{Anew, each};
use super::fleet::{Fault, fails_since};
use super::silence::{FORBIDDEN, MEASURED};
use super::what::What;
use crate::incident::{Incident, IncidentCheck, Subject};

/// Held back so long at most.
const HOLD_MS: u64 = 10_000;
/// What wakes nobody is held as long as the end of a shared outage.
const HOLD_BETTER_MS: u64 = 22_000;
/// What is gathered, in the order in which it is told.
const GATHERED: [What; 7] = [
    What::Silent,
    What::NoData,
    What::NobodyMayJudge,
    What::Steady,
    What::Better,
    What::Heard,
    What::Seen,
];

/// What waits to be said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gathered {
    waiting: Vec<(What, UnixMillis, Incident)>,
}

impl Gathered {
    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        for (_, since, waiting) in &mut self.waiting {
            each([since], anew);
            waiting.reckon(anew);
        }
    }

    /// Nobody is to be told of an incident any more.
    pub(super) fn forget(&mut self, id: &str) {
        self.waiting.retain(|(_, _, waiting)| waiting.id != id);
    }
}

/// What the beginning of a lack is: of a probe's word, or of a node's verdict.
fn what_began(lack: &Incident) -> What {
    match lack.check {
        IncidentCheck::Data if matches!(lack.caveat.as_deref(), Some(MEASURED | FORBIDDEN)) => {
            What::NobodyMayJudge
        }
        IncidentCheck::Data => What::NoData,
        _ => What::Silent,
    }
}

impl Engine {
    /// The beginning of a silence or of blindness is to be told.
    pub(super) fn say_began(&mut self, lack: Incident) {
        self.say_soon(what_began(&lack), lack);
    }

    /// Its end is to be told, if its beginning was.
    pub(super) fn say_over(&mut self, what: What, lack: Incident) {
        self.gathered.forget(&lack.id);
        if lack.told {
            let waits = Incident {
                end_waits: true,
                ..lack
            };
            self.keep(&waits);
            self.say_soon(what, waits);
        }
    }

    /// What was to be told of a lack when the collector ended.
    pub(super) fn resume_gathered(&mut self, lack: &Incident) {
        let over = match lack.subject {
            Subject::Probe(_) => What::Heard,
            Subject::Node(_) => What::Seen,
        };
        if lack.end_waits {
            self.say_soon(over, lack.clone());
        } else if lack.end.is_none() && !lack.told {
            self.say_began(lack.clone());
        }
    }

    pub(super) fn say_soon(&mut self, what: What, incident: Incident) {
        self.gathered.waiting.push((what, self.now, incident));
    }

    /// Tells what waited long enough, or what nothing else will join.
    pub(super) fn tell_gathered(&mut self) {
        for what in GATHERED {
            let mut of_kind = self.gathered.waiting.iter().filter(|(of, ..)| *of == what);
            let Some(&(_, since, _)) = of_kind.next() else {
                continue;
            };
            let hold_ms = if what == What::Better {
                HOLD_BETTER_MS
            } else {
                HOLD_MS
            };
            let is_held = since <= self.now && self.now.0 < since.0 + hold_ms;
            if is_held && self.is_more_to_come(what) {
                continue;
            }
            let waiting = std::mem::take(&mut self.gathered.waiting);
            let (told, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(of, ..)| *of == what);
            self.gathered.waiting = rest;
            let told = told.into_iter().map(|(_, _, incident)| self.note_told(incident));
            let told = told.collect();
            self.say(what, told);
        }
    }

    /// Notes that people know of the beginning of a lack, or of its end.
    fn note_told(&mut self, mut incident: Incident) -> Incident {
        if std::mem::take(&mut incident.end_waits) {
            self.keep(&incident);
        }
        if incident.told {
            return incident;
        }
        incident.told = true;
        self.keep(&incident);
        match incident.subject {
            Subject::Probe(_) => self.silences.resume(incident.clone()),
            Subject::Node(target) => {
                let place = self.node_place(target);
                self.nodes[place].blindness = Some(incident.clone());
            }
        }
        incident
    }

    fn is_more_to_come(&self, what: What) -> bool {
        match what {
            What::Silent => self.is_probe_about_to_be_silent(HOLD_MS),
            What::NoData | What::NobodyMayJudge => {
                let mut nodes = self.nodes.iter();
                nodes.any(|node| node.blindness.is_none() && node.memory.blind_since.is_some())
            }
            What::Steady => self.nodes.iter().any(|node| {
                let is_awaited = |outage: &Incident| {
                    let is_said = outage.flapping.is_none_or(|flapping| flapping.is_steady_said);
                    !is_said && outage.is_failing()
                };
                node.outage.as_ref().is_some_and(is_awaited)
            }),
            What::Better => self.nodes.iter().any(|node| {
                let is_both = |outage: &Incident| {
                    let fails = |fault| fails_since(outage, fault).is_some();
                    fails(Fault::Way) && fails(Fault::Service)
                };
                node.memory.reached.is_some() || node.outage.as_ref().is_some_and(is_both)
            }),
            What::Heard => self.silences.open().next().is_some(),
            What::Seen => self.nodes.iter().any(|node| node.blindness.is_some()),
            _ => false,
        }
    }
}
