//! The watch over a simulated mesh: the engine as the collector feeds it, and what it told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_base::clock::{Clock, ClockSteps};
use isochrone_collector::assembly::roster;
use isochrone_gate::registry::Registry;
use isochrone_gate::session::{SessionView, Sessions};
use isochrone_planner::targets::Targets;
use isochrone_proto::ids::ProbeId;
use isochrone_store::Store;
use isochrone_store::ingest::Committed;
use isochrone_watch::alert::Outbox;
use isochrone_watch::judge::{Output, Patience, What};
use isochrone_watch::monitor::{Monitor, MonitorParts, OpenSessions, SessionFacts};
use tokio::sync::{mpsc, watch};

/// How often everything is judged.
const TICK: Duration = Duration::from_secs(1);

/// What was told since the world began, with the names of those it is about. Clones share it.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<Message>>>);

/// What, and of whom.
pub type Message = (What, Vec<String>);

impl Told {
    /// All of it.
    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        self.lock().clone()
    }

    /// Whether something was told of `name`.
    #[must_use]
    pub fn has(&self, what: What, name: &str) -> bool {
        let told = self.lock();
        told.iter()
            .any(|(of, names)| *of == what && names.iter().any(|known| known == name))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the watch works with.
pub(super) struct Watch {
    pub(super) store: Store,
    pub(super) registry: Registry,
    pub(super) sessions: Sessions,
    pub(super) targets: watch::Receiver<Arc<Targets>>,
    pub(super) clock: Clock,
    pub(super) told: Told,
}

impl Watch {
    /// Takes in what is stored, and judges it once a second.
    pub(super) async fn keep(self, mut committed: mpsc::Receiver<Committed>) {
        let mut monitor = self.monitor();
        let mut steps = ClockSteps::new(self.clock.wall(), self.clock.now());
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased; // one seed of a simulation is one order of events
                _ = ticks.tick() => self.tick(&mut monitor, &mut steps),
                stored = committed.recv() => match stored {
                    Some(stored) => monitor.committed(&stored),
                    None => return,
                },
            }
        }
    }

    fn monitor(&self) -> Monitor {
        let now = self.clock.wall();
        let parts = MonitorParts {
            patience: Patience::default(),
            outbox: Outbox::open(&self.store, Vec::new(), now).expect("the store can be read"),
            collector: "lead".to_owned(),
            longest_interval: Duration::ZERO,
            roster: roster(&self.registry, &self.targets.borrow()),
        };
        Monitor::open(&self.store, parts, now).expect("the store can be read")
    }

    fn tick(&self, monitor: &mut Monitor, steps: &mut ClockSteps) {
        let now = self.clock.wall();
        if let Some(by_ms) = steps.step(now, self.clock.now()) {
            self.sessions.clock_stepped(by_ms);
            monitor.clock_stepped(by_ms, now);
        }
        let roster = roster(&self.registry, &self.targets.borrow());
        let sessions: OpenSessions = self.sessions.list().iter().map(facts).collect();
        let Ok(outputs) = monitor.tick(&roster, &sessions, now) else {
            return; // the disk fails; the next tick stores it
        };
        for output in outputs {
            if let Output::Told(telling) = output {
                let incidents = telling.incidents.iter();
                let names = incidents.map(|incident| incident.target.clone()).collect();
                self.told.lock().push((telling.what, names));
            }
        }
    }
}

fn facts(session: &SessionView) -> (ProbeId, SessionFacts) {
    let facts = SessionFacts {
        remote: session.remote,
        clock_offset_ms: session.clock_offset_ms,
        heard: session.heard,
    };
    (session.probe, facts)
}
