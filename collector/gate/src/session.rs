//! The conversation with each connected probe, and the handle through which others take part in it.
//!
//! One task per connection reads the control stream, writes it, and waits for batch streams; one task per open
//! batch stream feeds [`isochrone_store::ingest`]. Nothing is queued per batch for the way back: acknowledgements of an
//! epoch collapse into one, so a group commit costs each session one message.

mod batches;
mod control;
mod conversation;
mod end;
mod frames;
mod gate;
mod quota;
mod replies;
mod safe;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_proto::codec;
use isochrone_proto::control::{CloseCode, EpochState, Hello, SpoolState};
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::known::Known;
use isochrone_proto::plan::SignedPlan;
use isochrone_proto::units::UnixMillis;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use self::conversation::converse;
#[cfg(test)]
pub(crate) use self::frames::FrameReader;
pub use self::gate::Gate;
use self::quota::Bucket;
use self::replies::Replies;
use crate::clocks::{Clocks, Offsets, is_collector_wrong};
use crate::registry::Registry;

/// Instance numbers remembered of one probe, to notice one that comes back.
const INSTANCES_MAX: usize = 16;

/// What a probe's release can read changes no more often: it is updated, or rolled back.
const ANNOUNCED_EVERY: Duration = Duration::from_secs(60);

/// Which plan a probe should follow.
pub trait PlanSource: Send + Sync + 'static {
    /// The newest plan made for the probe.
    fn current(&self, probe: ProbeId) -> Option<SignedPlan>;

    /// A plan of this version, signed by our authority, came back from a probe: the next one must be above it
    /// (the collector may have been restored from an old backup). What a probe merely claims is not told here.
    fn seen(&self, version: PlanVersion);
}

/// A connected probe, as it was when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionView {
    /// As its certificate says, never as a message does.
    pub probe: ProbeId,
    /// The probe's name, as the lead gave it.
    pub name: String,
    /// Random number of its process.
    pub instance: u64,
    /// When it was welcomed.
    pub since: UnixMillis,
    /// Whence its connection comes now.
    pub remote: SocketAddr,
    /// Its release.
    pub software: String,
    /// The plan it follows, as its Hello or its newest batch says.
    pub plan: Option<PlanVersion>,
    /// How full its spool is.
    pub spool: SpoolState,
    /// The epochs in its spool when it connected, and those opened since.
    pub epochs: Vec<EpochState>,
    /// Round trip of the control stream; never a measurement.
    pub rtt: Option<Duration>,
    /// Its wall clock minus ours, in milliseconds; within half a round trip. As its Hello said, until it answered a ping.
    pub clock_offset_ms: Option<i64>,
    /// When a batch of it arrived last on this connection, stored or refused.
    pub heard: Option<UnixMillis>,
    /// Addresses it wants its responder to be known by.
    pub advertise: Vec<SocketAddr>,
    /// Port of its echo responder.
    pub echo_port: u16,
}

/// The connected probes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    seats: Mutex<HashMap<ProbeId, Seat>>,
    /// Whether the collector's clock is the wrong one, and until when that holds.
    own_clock: Mutex<Option<(Instant, bool)>>,
    changes: watch::Sender<u64>,
}

/// What is known of one probe's connections; stays when it is away.
#[derive(Default)]
struct Seat {
    live: Option<Arc<Live>>,
    instance: Option<u64>,
    /// Instances that another one took over from, oldest first.
    superseded: VecDeque<u64>,
    /// When it last sent something that could not be stored.
    unstored: Option<UnixMillis>,
    /// What is left of its greetings.
    greetings: Option<Bucket>,
    /// When it last announced something else than before.
    announced: Option<Instant>,
}

/// One welcomed connection.
pub(crate) struct Live {
    view: Mutex<SessionView>,
    connection: quinn::Connection,
    replies: Replies,
    /// What its release can read.
    known: Known,
    /// What its answers to pings said of its clock.
    offsets: Mutex<Offsets>,
    /// Answers in a row that said that the clocks are far apart.
    far: AtomicU32,
    /// Its leaf was past its end and was not renewed yet: nothing but renewal is open to it.
    expired: watch::Sender<bool>,
}

/// What a connection's arrival meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// Nothing unusual.
    Usual,
    /// A process that another one had taken over from is back: one key, two processes.
    SupersededInstance,
}

impl Sessions {
    /// Every connected probe, by name.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        let live: Vec<_> = self
            .seats()
            .values()
            .filter_map(|seat| seat.live.clone())
            .collect();
        let mut views: Vec<_> = live.iter().map(|live| live.view()).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The connected probes that follow a plan, and which.
    #[must_use]
    pub fn followed(&self) -> Vec<(ProbeId, PlanVersion)> {
        let seats = self.seats();
        let live = seats
            .iter()
            .filter_map(|(probe, seat)| Some((*probe, seat.live.as_ref()?)));
        live.filter_map(|(probe, live)| Some((probe, live.lock().plan?)))
            .collect()
    }

    /// Whether the collector's own clock is the wrong one. Each probe is told with each ping, and all of them are looked
    /// at for it: what was found holds for a millisecond for each of them.
    pub(crate) fn is_own_clock_wrong(&self, now: Instant) -> bool {
        let mut found = self.0.own_clock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, is_wrong)) = *found
            && now < until
        {
            return is_wrong;
        }
        let live: Vec<_> = self
            .seats()
            .values()
            .filter_map(|seat| seat.live.clone())
            .collect();
        let offsets: Vec<i64> = live
            .iter()
            .filter_map(|live| live.lock().clock_offset_ms)
            .collect();
        let holds = Duration::from_millis(offsets.len() as u64);
        let is_wrong = is_collector_wrong(offsets);
        *found = Some((now + holds, is_wrong));
        is_wrong
    }

    /// Whose clock is wrong, by what the connected probes answered.
    #[must_use]
    pub fn clocks(&self) -> Clocks {
        let live: Vec<_> = self
            .seats()
            .values()
            .filter_map(|seat| seat.live.clone())
            .collect();
        let offset = |live: &Arc<Live>| {
            let view = live.lock();
            Some((view.probe, view.name.clone(), view.clock_offset_ms?))
        };
        Clocks::of(live.iter().filter_map(offset).collect())
    }

    /// The collector's own clock was set, by so much: what was measured of the probes' clocks moves with it.
    pub fn clock_stepped(&self, by_ms: i64) {
        *self.0.own_clock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let moved = |at: UnixMillis| UnixMillis(at.0.saturating_add_signed(by_ms));
        for seat in self.seats().values_mut() {
            seat.unstored = seat.unstored.map(moved);
            let Some(live) = &seat.live else { continue };
            live.offsets().clear();
            let mut view = live.lock();
            view.clock_offset_ms = view
                .clock_offset_ms
                .map(|offset_ms| offset_ms.saturating_sub(by_ms));
            (view.since, view.heard) = (moved(view.since), view.heard.map(moved));
        }
    }

    /// The connection of one probe.
    #[must_use]
    pub fn view(&self, probe: ProbeId) -> Option<SessionView> {
        Some(self.live(probe)?.view())
    }

    /// When each probe last sent something that the store could not take: it was heard, and not acknowledged.
    #[must_use]
    pub fn unstored(&self) -> Vec<(ProbeId, UnixMillis)> {
        let seats = self.seats();
        let unstored = seats
            .iter()
            .filter_map(|(probe, seat)| Some((*probe, seat.unstored?)));
        unstored.collect()
    }

    pub(crate) fn note_unstored(&self, probe: ProbeId, at: UnixMillis) {
        self.seats().entry(probe).or_default().unstored = Some(at);
    }

    /// Counts up when a probe connects, leaves, opens an epoch or follows another plan.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Sends a plan to a probe if it is connected; one not yet on its way is replaced. A probe that is away
    /// gets its plan when it comes back ([`PlanSource::current`]).
    pub fn send_plan(&self, probe: ProbeId, plan: SignedPlan) {
        if let Some(live) = self.live(probe)
            && !*live.expired.borrow()
        {
            live.send_plan(plan);
        }
    }

    /// Closes a probe's connection at once; whether it had one.
    pub fn close(&self, probe: ProbeId, code: CloseCode, reason: &str) -> bool {
        let live = self.seats().get_mut(&probe).and_then(|seat| seat.live.take());
        if let Some(live) = &live {
            live.close(code, reason);
            self.changed();
        }
        live.is_some()
    }

    /// Closes the connections of probes that the registry no longer lets in.
    pub(crate) fn close_revoked(&self, registry: &Registry) {
        let seats = self.seats();
        let connected = seats.iter().filter(|(_, seat)| seat.live.is_some());
        let connected: Vec<_> = connected.map(|(probe, _)| *probe).collect();
        drop(seats);
        for probe in connected {
            if !registry.probe(probe).is_some_and(|record| record.is_active()) {
                let reason = isochrone_proto::control::Refusal::Revoked.to_string();
                self.close(probe, CloseCode::Revoked, &reason);
            }
        }
    }

    /// Takes a greeting of a probe's, if it did not greet too often; else says how long to wait.
    fn take_greeting(&self, probe: ProbeId, now: Instant) -> Result<(), Duration> {
        let mut seats = self.seats();
        let greetings = &mut seats.entry(probe).or_default().greetings;
        greetings
            .get_or_insert_with(|| Bucket::greetings(now))
            .take(1, now)
    }

    /// Whether a probe may announce something else than before: each time that is written down, and plans are made anew.
    fn may_announce(&self, probe: ProbeId, now: Instant) -> bool {
        let mut seats = self.seats();
        let announced = &mut seats.entry(probe).or_default().announced;
        let may = announced.is_none_or(|at| now.saturating_duration_since(at) >= ANNOUNCED_EVERY);
        if may {
            *announced = Some(now);
        }
        may
    }

    fn enter(&self, live: &Arc<Live>) -> Arrival {
        let (probe, instance) = {
            let view = live.lock();
            (view.probe, view.instance)
        };
        let (older, arrival) = {
            let mut seats = self.seats();
            let seat = seats.entry(probe).or_default();
            (seat.live.replace(Arc::clone(live)), seat.arrive(instance))
        };
        if let Some(older) = older {
            older.close(
                CloseCode::Replaced,
                "a newer connection of the same key took over",
            );
        }
        self.changed();
        arrival
    }

    fn leave(&self, live: &Arc<Live>) {
        let probe = live.lock().probe;
        if let Some(seat) = self.seats().get_mut(&probe)
            && seat
                .live
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, live))
        {
            seat.live = None;
        }
        self.changed();
    }

    fn live(&self, probe: ProbeId) -> Option<Arc<Live>> {
        self.seats().get(&probe).and_then(|seat| seat.live.clone())
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<ProbeId, Seat>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.0.changes.send_modify(|change| *change += 1);
    }
}

impl Seat {
    fn arrive(&mut self, instance: u64) -> Arrival {
        let previous = self.instance.replace(instance);
        if previous == Some(instance) {
            return Arrival::Usual;
        }
        let back = self.superseded.contains(&instance);
        self.superseded.retain(|known| *known != instance);
        self.superseded.extend(previous);
        if self.superseded.len() > INSTANCES_MAX {
            self.superseded.pop_front();
        }
        if back {
            Arrival::SupersededInstance
        } else {
            Arrival::Usual
        }
    }
}

impl Live {
    fn new(connection: quinn::Connection, view: SessionView, known: Known, expired: bool) -> Arc<Self> {
        Arc::new(Self {
            known,
            offsets: Mutex::default(),
            far: AtomicU32::new(0),
            view: Mutex::new(view),
            connection,
            replies: Replies::default(),
            expired: watch::Sender::new(expired),
        })
    }

    /// Puts a plan on its way, unless it holds what this release did not announce: the planner makes another one.
    fn send_plan(&self, signed: SignedPlan) {
        let plan = codec::decode_plan(&signed.plan);
        let Ok(unread) = plan.map(|plan| self.known.unread_in(&plan)) else {
            return; // none of ours
        };
        match unread {
            None => self.replies.plan(signed),
            Some(unread) => {
                let probe = self.lock().probe;
                tracing::info!(%probe, unread, "plan withheld: the probe's release does not know all of it");
            }
        }
    }

    fn view(&self) -> SessionView {
        let mut view = self.lock().clone();
        view.remote = self.connection.remote_address(); // a connection may move
        view
    }

    fn lock(&self) -> MutexGuard<'_, SessionView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code.code().into(), reason.as_bytes());
    }
}

impl SessionView {
    fn new((probe, name): (ProbeId, String), hello: Hello, remote: SocketAddr, since: UnixMillis) -> Self {
        Self {
            probe,
            name,
            instance: hello.instance,
            since,
            remote,
            software: hello.software,
            plan: hello.plan,
            spool: hello.spool,
            epochs: hello.epochs,
            rtt: None,
            clock_offset_ms: i64::try_from(i128::from(hello.probe_time.0) - i128::from(since.0)).ok(),
            heard: None,
            advertise: hello.advertise,
            echo_port: hello.echo_port,
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("seats", &self.seats().len())
            .finish_non_exhaustive()
    }
}
