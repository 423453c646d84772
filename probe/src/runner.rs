//! Drives the time grid: starts each run when it is due, and tells the recorder what became of every slot.
//!
//! One task with one timer; a task for each run that is under way, and none that only waits for its slot.

mod lane;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::EpochId;
use isochrone_proto::ledger::{Event, SkipCause, SkippedRange};
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_proto::plan::{Plan, ResponderPlan};
use isochrone_proto::units::{Micros, UnixMillis};
use rand::RngCore;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::lane::{Lane, Lanes};
use crate::batcher::BATCH_AGE_MAX;
use crate::clock::Clock;
use crate::echo::SelfStall;
use crate::epoch::{Entry, Generation, Record};
use crate::grid::Due;
use crate::prober::Prober;

/// A plan is adopted, and an epoch begins, this long after the decision: its first slot must not have begun.
pub(crate) const LEAD: Duration = Duration::from_millis(200);
/// Between two adoptions, so that a batch can tell each.
const ADOPTION_SPACING: Duration = Duration::from_secs(3);
/// The recorder hears of the time at least this often; the clock is watched for steps as often.
const TICK: Duration = Duration::from_secs(1);
/// Runs under way at once, of all checks together; more are skipped as overlap.
const IN_FLIGHT_MAX: usize = 4_096;
/// How long after its timeout a run that did not end is given up.
const GUARD: Duration = Duration::from_secs(2);
/// From the stop until runs under way are given up.
pub(crate) const DRAIN: Duration = Duration::from_secs(3);

/// What the runner is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Follow another plan (ignored unless its version is higher).
    Adopt(Arc<Plan>),
    /// Open an epoch: the probe was away, or the current epoch is forked. The answer comes once the spool
    /// knows it.
    OpenEpoch(oneshot::Sender<EpochState>),
    /// Measure nothing more, and answer nobody: the probe was revoked.
    EndPlan,
    /// The collector sees this probe under this address.
    Observed(IpAddr),
}

/// What a runner is made of.
pub(crate) struct RunnerParts<P> {
    /// Time.
    pub clock: Clock,
    /// Epoch ids come from here.
    pub rng: StdRng,
    /// Carries out the runs.
    pub prober: Arc<P>,
    /// Told how late timers fire.
    pub stall: SelfStall,
    /// The plan that was kept.
    pub plan: Option<Arc<Plan>>,
    /// To the recorder. Full: the runner waits, and slots that get too late meanwhile are skipped.
    pub records: mpsc::Sender<Entry>,
    /// The plan in force, for the status.
    pub following: watch::Sender<Option<Arc<Plan>>>,
}

/// The driver.
pub(crate) struct Runner<P> {
    parts: RunnerParts<P>,
    generation: Generation,
    lanes: Lanes,
    /// First slot of the last adoption or epoch.
    latest_first_slot: UnixMillis,
    runs: JoinSet<Outcome>,
    under_way: HashMap<Id, UnderWay>,
    next_tick_us: u64,
    /// When the oldest result that was told since the last look has waited long enough for a batch.
    batch_due_us: Option<u64>,
}

/// A run that has begun.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    lane: u64,
    check: u16,
    slot: UnixMillis,
    lateness: Micros,
}

/// The recorder is gone: nothing can be accounted for any more.
#[derive(Debug, thiserror::Error)]
#[error("the recorder has ended")]
pub(crate) struct RecorderGone;

impl<P: Prober> Runner<P> {
    /// A runner that has not begun.
    #[must_use]
    pub(crate) fn new(parts: RunnerParts<P>) -> Self {
        let next_tick_us = parts.clock.wall_us();
        Self {
            parts,
            generation: Generation(0),
            lanes: Lanes::default(),
            latest_first_slot: UnixMillis(0),
            runs: JoinSet::new(),
            under_way: HashMap::new(),
            next_tick_us,
            batch_due_us: None,
        }
    }

    /// Runs until `stop`, and then until what is under way has ended, at most [`DRAIN`].
    ///
    /// # Errors
    /// When the recorder is gone.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), RecorderGone> {
        let first_slot = self.parts.clock.wall().plus(LEAD);
        self.begin(first_slot, None, None).await?;
        loop {
            self.watch_clock().await?;
            self.start_due().await?;
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => self.obey(command).await?,
                Some(ended) = self.runs.join_next_with_id() => self.take(ended).await?,
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        drop(commands);
        self.drain().await
    }

    async fn obey(&mut self, command: Command) -> Result<(), RecorderGone> {
        match command {
            Command::Adopt(plan) => self.adopt(plan).await,
            Command::Observed(own) => {
                self.parts.prober.observed(own);
                Ok(())
            }
            Command::EndPlan => self.end_plan().await,
            Command::OpenEpoch(done) => {
                let soonest = self.next_first_slot();
                self.anchor();
                let first_slot = soonest.max(self.next_first_slot());
                self.end_generation(first_slot, false).await?;
                self.begin(first_slot, None, Some(done)).await
            }
        }
    }

    async fn adopt(&mut self, plan: Arc<Plan>) -> Result<(), RecorderGone> {
        if self
            .parts
            .plan
            .as_ref()
            .is_some_and(|known| known.version >= plan.version)
        {
            return Ok(());
        }
        let first_slot = self.next_first_slot();
        tracing::info!(version = %plan.version, checks = plan.checks.len(), "plan adopted");
        self.parts.plan = Some(plan);
        self.lanes.end_at(self.generation, first_slot);
        self.follow(first_slot).await
    }

    /// From now on nothing is planned: an epoch without a plan begins.
    async fn end_plan(&mut self) -> Result<(), RecorderGone> {
        let Some(plan) = self.parts.plan.take() else {
            return Ok(());
        };
        tracing::warn!(version = %plan.version, "plan ended: this probe was revoked");
        let nothing = Plan {
            targets: Vec::new(),
            checks: Vec::new(),
            responder: ResponderPlan::default(),
            ..Plan::clone(&plan)
        };
        self.parts.prober.adopt(&Arc::new(nothing));
        self.parts.following.send_replace(None);
        self.start_due().await?;
        let end = UnixMillis(self.parts.clock.wall().0 + 1);
        self.end_generation(end, false).await?;
        self.begin(self.next_first_slot(), None, None).await
    }

    /// Opens an epoch that follows the plan at hand.
    async fn begin(
        &mut self,
        first_slot: UnixMillis,
        event: Option<Event>,
        done: Option<oneshot::Sender<EpochState>>,
    ) -> Result<(), RecorderGone> {
        let mut id = [0; 16];
        self.parts.rng.fill_bytes(&mut id);
        self.generation = Generation(self.generation.0 + 1);
        let record = Record::Opened {
            generation: self.generation,
            epoch: EpochId(id),
            first_slot,
            event,
            done,
        };
        self.latest_first_slot = first_slot;
        self.lanes.open(self.generation);
        self.tell(record).await?;
        self.follow(first_slot).await
    }

    async fn follow(&mut self, first_slot: UnixMillis) -> Result<(), RecorderGone> {
        let Some(plan) = self.parts.plan.clone() else {
            return Ok(());
        };
        self.latest_first_slot = first_slot;
        self.parts.prober.adopt(&plan);
        self.parts.following.send_replace(Some(Arc::clone(&plan)));
        self.lanes
            .add(Lane::new(self.generation, Arc::clone(&plan), first_slot));
        let generation = self.generation;
        self.tell(Record::Adopted {
            generation,
            plan,
            first_slot,
        })
        .await
    }

    /// The current epoch plans nothing from `end` on.
    async fn end_generation(&mut self, end: UnixMillis, stepped: bool) -> Result<(), RecorderGone> {
        let generation = self.generation;
        self.lanes.end_at(generation, end);
        self.tell(Record::Ended {
            generation,
            end,
            stepped,
        })
        .await
    }

    fn next_first_slot(&self) -> UnixMillis {
        let soon = self.parts.clock.wall().plus(LEAD);
        soon.max(self.latest_first_slot.plus(ADOPTION_SPACING))
    }

    /// A stepped wall clock opens a new epoch, anchored anew.
    async fn watch_clock(&mut self) -> Result<(), RecorderGone> {
        let Some(step_ms) = self.parts.clock.step_ms() else {
            return Ok(());
        };
        tracing::warn!(step_ms, "the wall clock was set; a new epoch begins");
        self.start_due().await?;
        let end = UnixMillis(self.parts.clock.wall().0 + 1);
        self.end_generation(end, true).await?;
        for (generation, plan, range) in self.lanes.skip_all(end, SkipCause::Late) {
            self.tell(Record::Skipped {
                generation,
                plan,
                range,
            })
            .await?;
        }
        self.anchor();
        self.latest_first_slot = UnixMillis(0);
        let first_slot = self.parts.clock.wall().plus(LEAD);
        self.begin(first_slot, Some(Event::ClockStep { step_ms }), None)
            .await
    }

    /// An epoch's slots are UTC at its start: what the clocks drifted apart since the last one goes.
    fn anchor(&mut self) {
        self.parts.clock.anchor();
        self.next_tick_us = self.parts.clock.wall_us();
        self.batch_due_us = None; // the tick that follows sees to it
    }

    async fn start_due(&mut self) -> Result<(), RecorderGone> {
        let now_us = self.parts.clock.wall_us();
        while let Some((lane, due)) = self.lanes.pop(now_us) {
            match due {
                Due::Run { check, slot, .. } if !self.lanes.has_key(lane, check) => {
                    self.skip(lane, one_slot(check, slot, SkipCause::NoKey)).await?;
                }
                Due::Run { check, slot, due_us } if self.runs.len() < IN_FLIGHT_MAX => {
                    self.start(lane, check, slot, now_us - due_us)
                }
                Due::Run { check, slot, .. } => {
                    self.skip(lane, one_slot(check, slot, SkipCause::Overlap)).await?;
                }
                Due::Skip(range) => self.skip(lane, range).await?,
            }
        }
        if now_us >= self.next_tick_us {
            self.tick(now_us).await?;
        }
        if self.batch_due_us.is_some_and(|due_us| now_us >= due_us) {
            self.batch_due_us = None;
            self.tell(Record::BatchDue).await?;
        }
        self.finish_lanes().await
    }

    fn start(&mut self, lane: u64, check: u16, slot: UnixMillis, late_us: u64) {
        let late = Duration::from_micros(late_us);
        self.parts.stall.report(late, self.parts.clock.now().into_std());
        let Some((planned, target)) = self.lanes.begin(lane, check) else {
            return;
        };
        let prober = Arc::clone(&self.parts.prober);
        let guard = Duration::from_millis(u64::from(planned.schedule.timeout_ms())) + GUARD;
        let run = async move {
            let outcome = tokio::time::timeout(guard, prober.run(planned, target, slot)).await;
            outcome.unwrap_or_else(|_| settle::never_ended(planned.kind.check))
        };
        let id = self.runs.spawn(run).id();
        let lateness = Micros::saturating(late);
        let under_way = UnderWay {
            lane,
            check,
            slot,
            lateness,
        };
        self.under_way.insert(id, under_way);
    }

    async fn take(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Result<(), RecorderGone> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                tracing::error!(%error, "a run failed inside this probe; it is recorded as unsent");
                (error.id(), None)
            }
        };
        let Some(run) = self.under_way.remove(&id) else {
            return Ok(());
        };
        let Some((generation, plan, kind)) = self.lanes.end(run.lane, run.check) else {
            return Ok(());
        };
        let measurement = Measurement {
            check: run.check,
            slot: run.slot,
            lateness: run.lateness,
            outcome: outcome.unwrap_or_else(|| settle::failed_inside(kind.check)),
        };
        self.tell(Record::Ran {
            generation,
            plan,
            measurement,
        })
        .await
    }

    async fn skip(&mut self, lane: u64, range: SkippedRange) -> Result<(), RecorderGone> {
        let Some((generation, plan)) = self.lanes.whose(lane) else {
            return Ok(());
        };
        tracing::debug!(check = range.check, count = range.count, cause = ?range.cause, "slots skipped");
        self.tell(Record::Skipped {
            generation,
            plan,
            range,
        })
        .await
    }

    async fn tick(&mut self, now_us: u64) -> Result<(), RecorderGone> {
        let late = now_us - self.next_tick_us;
        self.next_tick_us = now_us + TICK.as_micros() as u64;
        if late < TICK.as_micros() as u64 {
            self.parts
                .stall
                .report(Duration::from_micros(late), self.parts.clock.now().into_std());
        } // more is a suspension, which the late slots tell
        self.tell_counted().await?;
        self.tell(Record::Tick).await
    }

    async fn tell_counted(&mut self) -> Result<(), RecorderGone> {
        for event in settle::events(self.parts.prober.take_counters(), self.parts.stall.take_worst()) {
            self.tell(Record::Event(event)).await?;
        }
        Ok(())
    }

    async fn finish_lanes(&mut self) -> Result<(), RecorderGone> {
        for generation in self.lanes.take_finished(self.generation) {
            self.tell(Record::Finished { generation }).await?;
        }
        Ok(())
    }

    /// No new slots; what is under way may end within [`DRAIN`].
    async fn drain(mut self) -> Result<(), RecorderGone> {
        let deadline = self.parts.clock.now() + DRAIN;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.runs.join_next_with_id()).await {
            self.take(ended).await?;
        }
        self.runs.abort_all();
        let mut given_up: Vec<UnderWay> = self.under_way.drain().map(|(_, run)| run).collect();
        given_up.sort_by_key(|run| (run.slot, run.lane, run.check));
        for run in given_up {
            let range = one_slot(run.check, run.slot, SkipCause::Shutdown);
            self.skip(run.lane, range).await?;
        }
        self.tell_counted().await?;
        let end = UnixMillis(self.parts.clock.wall().0 + 1);
        for (generation, plan, range) in self.lanes.skip_all(end, SkipCause::Shutdown) {
            self.tell(Record::Skipped {
                generation,
                plan,
                range,
            })
            .await?;
        }
        self.end_generation(end, false).await?;
        for generation in self.lanes.unfinished() {
            self.tell(Record::Finished { generation }).await?;
        }
        Ok(())
    }

    /// When to look again. Timers of the runtime stand still while the machine sleeps, so never wait long.
    fn next_wake(&self) -> tokio::time::Instant {
        let now_us = self.parts.clock.wall_us();
        let due_us = self
            .lanes
            .next_due_us()
            .unwrap_or(u64::MAX)
            .min(self.next_tick_us)
            .min(self.batch_due_us.unwrap_or(u64::MAX));
        let wait = Duration::from_micros(due_us.saturating_sub(now_us)).min(TICK);
        self.parts.clock.now() + wait
    }

    async fn tell(&mut self, record: Record) -> Result<(), RecorderGone> {
        let at = self.parts.clock.wall();
        if matches!(record, Record::Ran { .. } | Record::Skipped { .. }) {
            let due_us = at.plus(BATCH_AGE_MAX).0 * 1_000;
            self.batch_due_us.get_or_insert(due_us);
        }
        self.parts
            .records
            .send(Entry { at, record })
            .await
            .map_err(|_| RecorderGone)
    }
}

fn one_slot(check: u16, first_slot: UnixMillis, cause: SkipCause) -> SkippedRange {
    SkippedRange {
        check,
        first_slot,
        count: 1,
        cause,
    }
}
