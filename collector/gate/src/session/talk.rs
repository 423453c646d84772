//! What the parts of one conversation share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_base::aside::aside;
use isochrone_proto::codec;
use isochrone_proto::control::{self, CollectorMessage, EpochMark, Hello, Refusal};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::units::UnixMillis;
use tokio::sync::watch;
use tokio::time::timeout;

use super::end::{End, ProtocolBreak};
use super::gate::Gate;
use super::{Arrival, Live};
use crate::authority::ProbeLeaf;
use crate::clocks::TOLD_ABOVE_MS;
use crate::events::{GateEvent, GateEventKind};
use crate::registry::ProbeRecord;

/// A probe with an expired leaf renews within this time, or is refused.
const RENEWAL: Duration = Duration::from_secs(30);
/// The wall clock was set where it moved by more than this against the clock that nobody sets.
const OWN_STEP_MS: u64 = 100;
/// A probe that was asked for plans answers within this time.
const PLANS: Duration = Duration::from_secs(30);

/// A seated connection and what it needs.
pub(super) struct Talk {
    pub(super) gate: Gate,
    pub(super) probe: ProbeId,
    pub(super) name: String,
    pub(super) leaf: ProbeLeaf,
    pub(super) live: Arc<Live>,
    /// Held while a plan is asked for: answers carry no number, so there is one question at a time.
    asking: tokio::sync::Mutex<()>,
    /// Counts the probe's answers to NeedPlans.
    plans_came: watch::Sender<u64>,
    /// Epochs whose fork was told on this connection.
    forks_told: Mutex<BTreeSet<EpochId>>,
    ping: Mutex<Option<Ping>>,
    pings: AtomicU64,
}

/// A ping that is under way.
#[derive(Clone, Copy)]
pub(super) struct Ping {
    nonce: u64,
    /// By the clock that nobody sets.
    sent: Duration,
    /// By the wall clock.
    at: UnixMillis,
}

/// An answer to a ping, by the collector's own clocks.
#[derive(Clone, Copy)]
pub(super) struct Answered {
    pub(super) rtt: Duration,
    /// Half a round trip after the ping was sent.
    pub(super) here: UnixMillis,
}

impl Talk {
    pub(super) fn new(gate: &Gate, record: &ProbeRecord, leaf: ProbeLeaf, live: Arc<Live>) -> Self {
        Self {
            gate: gate.clone(),
            probe: record.id,
            name: record.name.clone(),
            leaf,
            live,
            asking: tokio::sync::Mutex::new(()),
            plans_came: watch::Sender::new(0),
            forks_told: Mutex::default(),
            ping: Mutex::new(None),
            pings: AtomicU64::new(0),
        }
    }

    /// Takes the Hello in: notes its epochs, finds their marks, and puts the probe's plan on its way.
    pub(super) async fn take_seat(&self, arrival: Arrival, hello: &Hello) -> Result<Vec<EpochMark>, End> {
        if arrival == Arrival::SupersededInstance {
            let remote = self.live.connection.remote_address();
            tracing::warn!(probe = %self.probe, %remote, "two processes take turns with one key");
            self.tell(GateEventKind::KeyLiveTwice { remote });
        }
        let is_news = self.gate.registry.is_news_of_release(self.probe, &hello.known);
        if is_news && !self.gate.sessions.may_announce(self.probe, self.gate.clock.now()) {
            return Err(End::Refused(Refusal::Busy {
                reason: "what its release can read changed less than a minute ago; it is welcome again in a minute"
                    .to_owned(),
            }));
        }
        let announced = aside(|| self.gate.registry.announce(self.probe, &hello.known));
        if let Err(error) = announced {
            tracing::error!(%error, "cannot note what a probe's release can read");
            return Err(self.unstored());
        }
        let marks = self
            .gate
            .ingest
            .hello(self.probe, hello.epochs.clone())
            .await
            .map_err(|error| {
                tracing::error!(%error, "cannot read the marks of a probe");
                self.unstored()
            })?;
        self.notice_fork(hello, &marks);
        if !*self.live.expired.borrow() {
            self.send_plan(hello.plan);
        }
        Ok(marks)
    }

    /// It was heard, and the store does not take it.
    fn unstored(&self) -> End {
        let now = self.gate.clock.wall();
        self.gate.sessions.note_unstored(self.probe, now);
        End::StoreUnavailable
    }

    /// A mark above what the current epoch has written: the machine was restored or cloned. The probe sees
    /// the same in its Welcome and opens a new epoch; here it becomes an event.
    fn notice_fork(&self, hello: &Hello, marks: &[EpochMark]) {
        let Some(current) = hello.epochs.last() else {
            return;
        };
        let mark = marks.iter().find(|mark| mark.epoch == current.epoch);
        let forked = mark.filter(|mark| {
            let same_length = mark.stored == current.last && mark.stored != Sequence::NONE;
            mark.stored > current.last
                || same_length && mark.digest != current.last_digest && current.last_digest != Digest::ZERO
        });
        if let Some(mark) = forked {
            let (epoch, sequence) = (mark.epoch, mark.stored);
            self.tell_fork(epoch, sequence);
        }
    }

    /// Tells of a fork once for each epoch and connection.
    pub(super) fn tell_fork(&self, epoch: EpochId, sequence: Sequence) {
        if self
            .forks_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(epoch)
        {
            tracing::warn!(probe = %self.probe, %epoch, %sequence, "the epoch went on elsewhere: a cloned or restored machine");
            self.tell(GateEventKind::ForkDetected { epoch, sequence });
        }
    }

    fn send_plan(&self, followed: Option<PlanVersion>) {
        let Some(signed) = self.gate.plans.current(self.probe) else {
            return;
        };
        let version = codec::decode_plan(&signed.plan).map(|plan| plan.version).ok();
        if version > followed {
            self.live.send_plan(signed); // an older one would be refused
        }
    }

    /// Waits until batches may be taken: not before an expired leaf is renewed.
    pub(super) async fn ready(&self) -> Result<(), End> {
        let mut expired = self.live.expired.subscribe();
        let late = timeout(RENEWAL, expired.wait_for(|expired| !expired))
            .await
            .is_err();
        if late {
            Err(End::Refused(Refusal::Expired))
        } else {
            Ok(())
        }
    }

    /// Asks for plans that the store lacks, one at a time, and waits for each answer, whatever it holds.
    pub(super) async fn need_plans(&self, versions: &[PlanVersion]) -> Result<(), End> {
        let _one_question = self.asking.lock().await;
        for version in versions {
            if matches!(self.gate.store.plan(self.probe, *version), Ok(Some(_))) {
                continue; // another stream asked before
            }
            let mut came = self.plans_came.subscribe();
            self.live.replies.need_plans([*version]);
            if timeout(PLANS, came.changed()).await.is_err() {
                return Err(End::Protocol(ProtocolBreak::PlanUnanswered { version: *version }));
            }
        }
        Ok(())
    }

    /// Asks for plans that the probe says it has, if the store lacks them: of the newest only the plan itself, signed,
    /// says that numbering must go on above it; the others bring back what was stored under them. Never ends by
    /// itself.
    pub(super) async fn prove_plans(&self, claimed: &[PlanVersion]) -> End {
        if let Err(end) = self.need_plans(claimed).await {
            return end;
        }
        std::future::pending().await
    }

    /// The probe answered a NeedPlans.
    pub(super) fn plans_came(&self) {
        self.plans_came.send_modify(|answers| *answers += 1);
    }

    /// The probe has a new leaf: everything is open to it.
    pub(super) fn renewed(&self) {
        if self.live.expired.send_replace(false) {
            let followed = self.live.lock().plan;
            self.send_plan(followed);
        }
    }

    /// A batch says which plan the probe follows; one of an older epoch may name an older plan, to which a
    /// probe never goes back.
    pub(super) fn follows(&self, version: PlanVersion) {
        let news = {
            let followed = &mut self.live.lock().plan;
            let news = *followed < Some(version);
            if news {
                *followed = Some(version);
            }
            news
        };
        if news {
            self.gate.sessions.changed();
        }
    }

    /// The next ping; an unanswered one before it is forgotten.
    pub(super) fn ping(&self) -> CollectorMessage {
        let nonce = self.pings.fetch_add(1, Ordering::Relaxed);
        let (sent, at) = (self.gate.clock.since_boot(), self.gate.clock.wall());
        *self.ping.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ping { nonce, sent, at });
        CollectorMessage::Ping {
            nonce,
            collector_time: at,
            clocks: self.clocks(),
        }
    }

    /// What the probe should know of its clock: nothing before its first answer.
    fn clocks(&self) -> Option<control::Clocks> {
        self.live.offsets().best()?;
        let offset_ms = self.live.lock().clock_offset_ms?;
        Some(control::Clocks {
            offset_ms,
            collector_is_wrong: self.gate.sessions.is_own_clock_wrong(self.gate.clock.now()),
        })
    }

    /// The answer to the newest ping; `None` for one to an older ping, and for one while which our own clock was set: it
    /// compares two clocks of which one is gone.
    pub(super) fn answered(&self, nonce: u64) -> Option<Answered> {
        let mut ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        let Ping { sent, at, .. } = ping.take_if(|ping| ping.nonce == nonce)?;
        let rtt = self.gate.clock.since_boot().saturating_sub(sent);
        let expected = at.plus(rtt);
        let is_apart = self.gate.clock.wall().0.abs_diff(expected.0) > OWN_STEP_MS;
        (!is_apart).then(|| Answered {
            rtt,
            here: at.plus(rtt / 2),
        })
    }

    /// Tells the lead of clocks that are far apart: of the collector's where that is the wrong one.
    pub(super) fn tell_clock(&self, offset_ms: i64) {
        let clocks = self.gate.sessions.clocks();
        let own = clocks.probes.iter().find(|(probe, ..)| *probe == self.probe);
        if let Some((_, _, clock)) = own.filter(|(_, _, clock)| clock.ms() > TOLD_ABOVE_MS) {
            tracing::warn!(probe = %self.probe, offset_ms, "the clock of a probe is wrong");
            self.tell(GateEventKind::ClockWrong(*clock));
        }
        let at = self.gate.clock.wall();
        let wrong = clocks.collector_ms;
        let Some(ahead_ms) = wrong.filter(|ahead_ms| ahead_ms.unsigned_abs() > TOLD_ABOVE_MS) else {
            return;
        };
        tracing::warn!(ahead_ms, "this collector's clock is wrong");
        let event = GateEvent {
            at,
            probe: ProbeId::COLLECTOR,
            name: "collector".to_owned(),
            kind: GateEventKind::OwnClockWrong { ahead_ms },
        };
        aside(|| self.gate.events.tell(event));
    }

    pub(super) fn tell(&self, kind: GateEventKind) {
        let event = GateEvent {
            at: self.gate.clock.wall(),
            probe: self.probe,
            name: self.name.clone(),
            kind,
        };
        aside(|| self.gate.events.tell(event));
    }
}
