//! Delivers what the outbox holds: one receiver never waits for another.
//!
//! What is over before it could be told is one line, not two; after a receiver's outage the newest state goes first.
//! Pauses are measured by the clock that nobody sets.

mod queue;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;
use isochrone_store::StoreError;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Receiver;
use super::deliver::{Deliver, DeliverError, Request};
use super::outbox::{Outbox, Pending};

/// First pause after a failure; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(900);
/// A receiver that names a later time is not asked to be patient longer than this.
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(3_600);
/// An alert that its receiver refused so often steps aside for the next ones until the collector starts
/// again; it stays in the outbox, and is shown as pending.
const REFUSALS_MAX: u32 = 5;
/// What waits is looked at so often at least: while it waits for its time, the clock may be set.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// How long deliveries under way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(2);

/// Decides what is sent when. Pure but for the outbox.
#[derive(Debug)]
pub struct Courier {
    outbox: Outbox,
    lanes: Vec<Lane>,
}

/// One receiver's queue: oldest first, one at a time.
#[derive(Debug)]
struct Lane {
    receiver: Receiver,
    under_way: bool,
    failures: u32,
    refusals: u32,
    /// `None`: at once.
    not_before: Option<Instant>,
    aside: BTreeSet<String>,
    /// What is over before so long has passed is not told.
    after: Duration,
}

/// A delivery to be made.
#[derive(Clone, Debug)]
pub struct Parcel {
    pending: Arc<Pending>,
    lane: usize,
    /// What is sent.
    pub(crate) request: Request,
}

impl Courier {
    /// A courier for an outbox; the only one.
    #[must_use]
    pub fn new(outbox: Outbox) -> Self {
        let lanes = outbox
            .receivers()
            .iter()
            .map(|receiver| Lane {
                receiver: receiver.clone(),
                under_way: false,
                failures: 0,
                refusals: 0,
                not_before: None,
                aside: BTreeSet::new(),
                after: receiver.after,
            })
            .collect();
        Self { outbox, lanes }
    }

    /// What is to be sent now: at most one parcel for each receiver. Each must come back through
    /// [`Courier::settle`].
    pub(crate) fn due(&mut self, (now, at): (UnixMillis, Instant)) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.under_way || !lane.pause_left(at).is_zero() {
                continue;
            }
            let queue = lane.queue(&self.outbox, now);
            for covered in &queue.covered {
                if let Err(error) = self.outbox.covered(covered, now) {
                    tracing::error!(%error, "what need not be told could not be noted");
                }
            }
            for shortened in &queue.shortened {
                if let Err(error) = self.outbox.shortened(shortened) {
                    tracing::error!(%error, "what is over could not be taken out of an alert");
                }
            }
            let Some(pending) = queue.next else { continue };
            let alert = match queue::is_late(&pending, lane.after, now) {
                true => Cow::Owned(pending.alert.told_late(pending.created)),
                false => Cow::Borrowed(&pending.alert),
            };
            match lane.receiver.request(&alert) {
                Ok(request) => {
                    lane.under_way = true;
                    parcels.push(Parcel {
                        pending,
                        lane: index,
                        request,
                    });
                }
                Err(error) => {
                    tracing::error!(%error, alert = %pending.alert.id, "an alert cannot be written as JSON");
                    lane.aside.insert(pending.alert.id.clone());
                }
            }
        }
        parcels
    }

    /// Notes what became of a parcel. `jitter`: a random number from 0.5 to 1.5 that stretches the pause.
    ///
    /// # Errors
    /// When the store failed: the alert stays, and will be sent again.
    pub(crate) fn settle(
        &mut self,
        parcel: &Parcel,
        result: Result<(), DeliverError>,
        (now, at): (UnixMillis, Instant),
        jitter: f64,
    ) -> Result<(), StoreError> {
        let lane = &mut self.lanes[parcel.lane];
        lane.under_way = false;
        let error = match result {
            Ok(()) => {
                (lane.failures, lane.refusals) = (0, 0);
                lane.not_before = None;
                return match self.outbox.delivered(&parcel.pending, now) {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        lane.not_before = Some(at + PAUSE_FIRST); // or it would be sent again at once
                        Err(error)
                    }
                };
            }
            Err(error) => error,
        };
        lane.not_before = Some(at + lane.pause(&error, jitter));
        lane.failures = lane.failures.saturating_add(1);
        if matches!(error, DeliverError::Rejected { .. }) {
            lane.refusals += 1;
            if lane.refusals >= REFUSALS_MAX {
                tracing::error!(receiver = lane.receiver.name(), alert = %parcel.pending.alert.id, %error,
                    "a receiver refuses an alert; it stays in the outbox and is tried again after a restart");
                lane.aside.insert(parcel.pending.alert.id.clone());
                (lane.refusals, lane.failures) = (0, 0);
            }
        }
        tracing::warn!(receiver = lane.receiver.name(), alert = %parcel.pending.alert.id, %error,
            "alert not delivered yet");
        self.outbox
            .failed(&parcel.pending, cleaned(&error.to_string()).into_owned())
    }

    /// How long it is until the next receiver may be tried that is not tried now.
    #[must_use]
    pub(crate) fn next_due(&self, (now, at): (UnixMillis, Instant)) -> Option<Duration> {
        let waiting = self.lanes.iter().filter(|lane| !lane.under_way);
        let due = waiting.filter_map(|lane| {
            let first = lane.queue(&self.outbox, UnixMillis(u64::MAX)).next?;
            Some(lane.pause_left(at).max(queue::ripe_in(&first, lane.after, now)))
        });
        due.min()
    }

    /// Delivers until `stop`.
    ///
    /// # Cancel safety
    /// Alerts under way when it is dropped stay in the outbox, and are sent again at the next start.
    pub async fn run(
        mut self,
        deliver: Arc<dyn Deliver>,
        clock: Clock,
        mut random: StdRng,
        stop: CancellationToken,
    ) {
        let mut under_way = JoinSet::new();
        let outbox = self.outbox.clone();
        loop {
            for parcel in self.due((clock.wall(), clock.now())) {
                let deliver = Arc::clone(&deliver);
                under_way.spawn_blocking(move || {
                    let result = deliver.deliver(&parcel.request);
                    (parcel, result)
                });
            }
            let due = self.next_due((clock.wall(), clock.now()));
            let pause = due.map_or(LONGEST_LOOK, |due| {
                due.clamp(Duration::from_millis(100), LONGEST_LOOK)
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = under_way.join_next() => self.note(done, &clock, &mut random),
                () = outbox.filled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        let drained = async {
            while let Some(done) = under_way.join_next().await {
                self.note(done, &clock, &mut random);
            }
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::info!("alerts under way will be sent again at the next start");
        }
    }

    fn note(
        &mut self,
        done: Result<(Parcel, Result<(), DeliverError>), tokio::task::JoinError>,
        clock: &Clock,
        random: &mut StdRng,
    ) {
        let (parcel, result) = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a delivery broke off");
                for lane in &mut self.lanes {
                    lane.under_way = false; // which one is not known; a second delivery has the same id
                }
                return;
            }
        };
        let now = (clock.wall(), clock.now());
        if let Err(error) = self.settle(&parcel, result, now, random.random_range(0.5..1.5)) {
            tracing::error!(%error, "a delivery could not be noted; the alert will be sent again");
        }
    }
}

impl Lane {
    /// What waits for it, and what of that is to be sent.
    fn queue(&self, outbox: &Outbox, now: UnixMillis) -> queue::Queue {
        let mut waiting = outbox.waiting_for(self.receiver.name());
        waiting.retain(|pending| !self.aside.contains(&pending.alert.id));
        let board = outbox.board();
        let is_told = |id: &str| board.of_incident(id).0 > 0;
        queue::Queue::of(waiting, self.after, (now, is_told))
    }

    fn pause_left(&self, at: Instant) -> Duration {
        let left = self.not_before.map(|due| due.saturating_duration_since(at));
        left.unwrap_or_default()
    }

    fn pause(&self, error: &DeliverError, jitter: f64) -> Duration {
        let doubled = PAUSE_FIRST.saturating_mul(1 << self.failures.min(16));
        let pause = doubled.min(PAUSE_LONGEST).mul_f64(jitter.clamp(0.5, 1.5));
        match error {
            DeliverError::Busy {
                retry_after: Some(after),
                ..
            } => pause.max((*after).min(RETRY_AFTER_LONGEST)),
            _ => pause,
        }
    }
}
