//! The watch of the world's collector: the supervisor and the gate's alerts of production, which end in a letter box.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use isochrone_base::clock::Clock;
use isochrone_collector::gate_alerts::GateAlerts;
use isochrone_gate::events::{EventSink, GateEvent, GateEventKind};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{StoreError, Transaction};
use isochrone_watch::alert::{Deliver, DeliverError, Outbox, Request};
use serde_json::Value;
use tokio::sync::watch;

/// collector.toml of a collector that keeps watch.
pub const WATCHED: &str = "[alerts]\nwebhook = \"https://hook.example.org/x\"\n";

/// What happened at the gate, since the world began.
pub type Happened = Arc<Mutex<Vec<(ProbeId, GateEventKind)>>>;

/// Writes down what happens at the gate, and tells the lead of it where there is a watch.
pub struct Gatekeeper {
    alerts: Option<GateAlerts>,
    happened: Happened,
}

impl Gatekeeper {
    /// `outbox`: of the watch.
    #[must_use]
    pub fn new(outbox: Option<Outbox>, happened: Happened) -> Self {
        let alerts = outbox.map(|outbox| GateAlerts::new(outbox, "lead"));
        Self { alerts, happened }
    }

    fn note(&self, event: &GateEvent) {
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        happened.push((event.probe, event.kind.clone()));
    }
}

impl EventSink for Gatekeeper {
    fn tell_in(&self, transaction: &Transaction, event: &GateEvent) -> Result<(), StoreError> {
        let alerts = self.alerts.as_ref();
        alerts.map_or(Ok(()), |alerts| alerts.tell_in(transaction, event))
    }

    fn committed(&self, event: GateEvent) {
        self.note(&event);
        if let Some(alerts) = &self.alerts {
            alerts.committed(event);
        }
    }

    fn tell(&self, event: GateEvent) {
        self.note(&event);
        if let Some(alerts) = &self.alerts {
            alerts.tell(event);
        }
    }
}

/// An alert as its receiver got it.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// When it came.
    pub at: UnixMillis,
    /// The receiver.
    pub receiver: &'static str,
    /// What it said: `isochrone.alert/1`.
    pub alert: Value,
}

impl Letter {
    /// `opened`, `ended` and so on.
    #[must_use]
    pub fn event(&self) -> &str {
        self.alert["event"].as_str().unwrap_or_default()
    }

    /// The whole in a sentence.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.alert["summary"].as_str().unwrap_or_default()
    }

    /// The alert's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.alert["id"].as_str().unwrap_or_default()
    }

    /// Of an incident: what fails.
    #[must_use]
    pub fn check(&self) -> Option<&str> {
        self.alert["incident"]["check"].as_str()
    }

    /// Whether it is meant to wake somebody.
    #[must_use]
    pub fn pages(&self) -> bool {
        self.alert["pages"] == true
    }

    /// Whom it is about, in its order.
    #[must_use]
    pub fn targets(&self) -> Vec<&str> {
        let others = self.alert["others"].as_array();
        let bodies = std::iter::once(&self.alert["incident"]).chain(others.into_iter().flatten());
        bodies.filter_map(|body| body["target"].as_str()).collect()
    }
}

/// Where alerts arrive. Clones are the same box.
#[derive(Clone)]
pub struct LetterBox {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    letters: Vec<Letter>,
    is_away: bool,
}

impl LetterBox {
    /// An empty one; letters are dated by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            inner: Arc::default(),
        }
    }

    /// What came, in order.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.with(|inner| inner.letters.clone())
    }

    /// Nobody takes letters, or somebody does again.
    pub fn set_away(&self, is_away: bool) {
        self.with(|inner| inner.is_away = is_away);
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Deliver for LetterBox {
    fn deliver(&self, request: &Request) -> Result<(), DeliverError> {
        let letter = Letter {
            at: self.clock.wall(),
            receiver: request.receiver,
            alert: request.body.clone().unwrap_or_default(),
        };
        self.with(|inner| {
            if inner.is_away {
                return Err(DeliverError::NoHost);
            }
            inner.letters.push(letter);
            Ok(())
        })
    }
}

/// A process that can be suspended: while it is, nothing of it happens.
pub struct Suspendable<F> {
    inner: Pin<Box<F>>,
    changes: Pin<Box<dyn Future<Output = ()> + Send>>,
    suspended: watch::Receiver<bool>,
}

impl<F: Future> Suspendable<F> {
    /// `inner`, suspended while `suspended` says so.
    pub fn new(inner: F, suspended: watch::Receiver<bool>) -> Self {
        Self {
            inner: Box::pin(inner),
            changes: changed(suspended.clone()),
            suspended,
        }
    }
}

impl<F: Future> Future for Suspendable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        while self.changes.as_mut().poll(context).is_ready() {
            self.changes = changed(self.suspended.clone());
        }
        if *self.suspended.borrow() {
            return Poll::Pending;
        }
        self.inner.as_mut().poll(context)
    }
}

/// Ends with the next change; never, once nobody can make one.
fn changed(suspended: watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let mut suspended = suspended;
    suspended.mark_unchanged();
    Box::pin(async move {
        if suspended.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
