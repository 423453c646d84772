//! What judges a simulated mesh without sending alerts: the monitor as `collector/src/supervisor.rs` feeds it, without
//! page and messengers. What is told waits in the outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_base::clock::{Clock, ClockSteps};
use isochrone_collector::assembly::roster;
use isochrone_collector::store_watch::StoreWatch;
use isochrone_gate::registry::Registry;
use isochrone_gate::session::Sessions;
use isochrone_planner::targets::Targets;
use isochrone_store::ingest::Committed;
use isochrone_store::{Store, ledger};
use isochrone_watch::alert::{Alert, Outbox, Receiver, ReceiverKind, SecretUrl};
use isochrone_watch::judge::{Output, Patience, What};
use isochrone_watch::monitor::{Monitor, MonitorParts, SessionFacts, longest_interval};
use tokio::sync::{mpsc, watch};
use tokio::time::interval;

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

/// What is watched.
#[derive(Clone)]
pub struct Watched {
    /// The store.
    pub store: Store,
    /// Who may be in.
    pub registry: Registry,
    /// Who is connected.
    pub sessions: Sessions,
    /// The nodes.
    pub targets: watch::Receiver<Arc<Targets>>,
    /// The collector's clock.
    pub clock: Clock,
    /// Where it says what it tells.
    pub told: Told,
}

/// What judges. Handles share it.
#[derive(Clone)]
pub struct Judging(Arc<Mutex<Inner>>);

struct Inner {
    of: Watched,
    monitor: Monitor,
    store_watch: StoreWatch,
    outbox: Outbox,
    steps: ClockSteps,
}

impl Judging {
    /// Takes up what the store keeps.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    pub fn open(of: Watched) -> Self {
        let now = of.clock.wall();
        let url = SecretUrl::try_from("https://hook.example.org/x".to_owned()).expect("an address");
        let receivers = vec![Receiver::new(ReceiverKind::Webhook, url)];
        let outbox = Outbox::open(&of.store, receivers, now).expect("the store can be read");
        let probes = of.registry.list().into_iter().map(|probe| probe.id);
        let parts = MonitorParts {
            patience: Patience::default(),
            outbox: outbox.clone(),
            collector: "lead".to_owned(),
            longest_interval: longest_interval(&of.store, probes).expect("the store can be read"),
            roster: roster(&of.registry, &of.targets.borrow()),
        };
        Self(Arc::new(Mutex::new(Inner {
            monitor: Monitor::open(&of.store, parts, now).expect("the store can be read"),
            store_watch: StoreWatch::open(&of.store, &outbox, "lead").expect("the store can be read"),
            outbox,
            steps: ClockSteps::new(&of.clock),
            of,
        })))
    }

    /// Takes in what is stored, and judges once a second.
    pub async fn run(self, mut committed: mpsc::Receiver<Committed>) {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                biased; // one seed of a simulation is one order of events
                _ = ticks.tick() => self.lock().tick(),
                stored = committed.recv() => match stored {
                    Some(stored) => self.lock().monitor.committed(&stored),
                    None => return,
                },
            }
        }
    }

    /// Everything that was told, oldest first.
    #[must_use]
    pub fn told(&self) -> Vec<Alert> {
        let mut pending = self.lock().outbox.board().pending;
        pending.sort_by_key(|pending| pending.created);
        pending.into_iter().map(|pending| pending.alert).collect()
    }

    /// What the page says of the store.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let inner = self.lock();
        let now = inner.of.clock.wall();
        let ledger = ledger::read(&inner.of.store, now).expect("the store can be read");
        let notices = inner.store_watch.notices(&ledger.damage, now);
        notices.into_iter().map(|notice| notice.text).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A store that fails is tried again with the next tick.
    fn tick(&mut self) {
        let now = self.of.clock.wall();
        if let Some(by_ms) = self.steps.step(&self.of.clock) {
            self.of.sessions.clock_stepped(by_ms);
            self.monitor.clock_stepped(by_ms, now);
        }
        let told = self.store_watch.tick(&mut self.monitor, &self.of.sessions, now);
        let roster = roster(&self.of.registry, &self.of.targets.borrow());
        let sessions = self.of.sessions.list().into_iter().map(|session| {
            let facts = SessionFacts {
                remote: session.remote,
                clock_offset_ms: session.clock_offset_ms,
                heard: session.heard,
            };
            (session.probe, facts)
        });
        let judged = self.monitor.tick(&roster, &sessions.collect(), now);
        if told.is_err() || judged.is_err() {
            tracing::warn!("what was decided could not be kept");
        }
        for output in judged.into_iter().flatten() {
            if let Output::Told(telling) = output {
                let incidents = telling.incidents.iter();
                let names = incidents.map(|incident| incident.target.clone()).collect();
                self.of.told.lock().push((telling.what, names));
            }
        }
    }
}
