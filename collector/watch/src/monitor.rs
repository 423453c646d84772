//! Ties live state, the engine, incidents and the outbox together: fed with commits, asked once a second.

mod late;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_base::kinds::counts_for;
use isochrone_base::roster::Roster;
use isochrone_proto::codec;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::Committed;
use isochrone_store::{Records, ScanRange, Store, StoreError};

use self::late::{Journal, JudgedUpTo};
pub use self::late::{LateStretch, Rejudged, rejudge};
use crate::addresses::family_of;
use crate::alert::{Alert, Outbox, Whose};
use crate::clocks::Change;
use crate::dated::Dated;
use crate::facts::Facts;
use crate::feed::Feed;
use crate::incident::{Incident, Subject};
use crate::judge::{Engine, Output, Patience, Telling};
use crate::live::Live;

const TABLE: &str = "incidents";
/// Live state is rebuilt from the slots of at least this long before the start.
const REBUILT_MIN: Duration = Duration::from_secs(3_600);
/// Runs in a row that a verdict may need, and one more.
const REBUILT_RUNS: u32 = 5;
/// Old deliveries are forgotten so often.
const PRUNED_EVERY: Duration = Duration::from_secs(86_400);
/// What a probe measured whose clock is further behind is not read again.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(86_400);
/// Ended incidents kept in memory for the page.
const RECENT: usize = 100;

/// The incidents in the store.
pub type Incidents = Records<Incident>;

/// Every incident ever, for reports and commands.
#[must_use]
pub fn incidents(store: &Store) -> Incidents {
    Records::new(store.clone(), TABLE)
}

/// What a monitor works with.
#[derive(Debug)]
pub struct MonitorParts {
    /// How long silence is borne.
    pub patience: Patience,
    /// Where alerts wait.
    pub outbox: Outbox,
    /// The name that alerts carry.
    pub collector: String,
    /// The longest interval of any check in force: see [`longest_interval`].
    pub longest_interval: Duration,
    /// Who is who.
    pub roster: Roster,
}

/// What is known of an open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Whence it comes.
    pub remote: SocketAddr,
    /// The probe's clock minus the collector's, in milliseconds, once measured.
    pub clock_offset_ms: Option<i64>,
    /// When a batch of it arrived last, stored or refused.
    pub heard: Option<UnixMillis>,
}

/// The open sessions.
pub type OpenSessions = BTreeMap<ProbeId, SessionFacts>;

/// The longest interval of any check that is judged in the newest plans of `probes`.
///
/// # Errors
/// When the store failed.
pub fn longest_interval(
    store: &Store,
    probes: impl IntoIterator<Item = ProbeId>,
) -> Result<Duration, StoreError> {
    let mut longest_ms = 0;
    for probe in probes {
        let plan = store.latest_plan(probe)?;
        let Some(Ok(plan)) = plan.map(|signed| codec::decode_plan(&signed.plan)) else {
            continue;
        };
        let judged = plan.checks.iter();
        let judged = judged.filter(|check| counts_for(check.kind.check).is_judged());
        let intervals = judged.map(|check| check.schedule.interval_ms());
        longest_ms = intervals.max().unwrap_or(0).max(longest_ms);
    }
    Ok(Duration::from_millis(u64::from(longest_ms)))
}

/// Who is down, kept up to date.
#[derive(Debug)]
pub struct Monitor {
    live: Live,
    engine: Engine,
    feed: Feed,
    /// The rows of the batch that is taken in.
    dated: Dated,
    facts: Facts,
    outbox: Outbox,
    incidents: Incidents,
    journal: Journal,
    collector: String,
    roster: Roster,
    sessions: OpenSessions,
    recent: VecDeque<Incident>,
    /// Decided and not stored yet: the store failed, and is tried again.
    unsaved: Vec<Output>,
    seen: u64,
    /// When old deliveries were forgotten last.
    pruned_at: UnixMillis,
}

impl Monitor {
    /// Reads the incidents back, and rebuilds live state from the log's last hour, or more where checks run
    /// rarely: a row of failures goes on over a restart. `now` counts as the collector's start: no silence is
    /// older.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(store: &Store, parts: MonitorParts, now: UnixMillis) -> Result<Self, StoreError> {
        let MonitorParts {
            patience,
            outbox,
            collector,
            longest_interval,
            roster,
        } = parts;
        let incidents = incidents(store);
        let mut monitor = Self {
            live: Live::new(),
            engine: Engine::new(patience, now),
            feed: Feed::default(),
            dated: Dated::default(),
            facts: Facts::read(store)?,
            outbox,
            journal: Journal::open(store, now)?,
            collector,
            roster,
            sessions: OpenSessions::new(),
            recent: VecDeque::new(),
            unsaved: Vec::new(),
            seen: store.commit_number()?,
            pruned_at: now,
            incidents,
        };
        monitor.engine.set_roster(&monitor.roster);
        for (probe, address) in monitor.facts.addresses.newest() {
            monitor.engine.set_address(probe, address);
        }
        for (_, incident) in monitor.incidents.list()? {
            if incident.end.is_some() {
                monitor.remember(incident.clone());
            }
            monitor.engine.resume(incident);
        }
        let rebuilt = REBUILT_MIN.max(longest_interval.saturating_mul(REBUILT_RUNS));
        let recent = monitor
            .facts
            .clocks
            .slots(now.minus(rebuilt), UnixMillis(u64::MAX));
        let recent = ScanRange {
            from: recent.from.max(now.minus(rebuilt + CLOCK_OFF_MAX)),
            ..recent
        };
        store.scan(recent, |stored| {
            // what is dated ahead of the present was stored while a clock was wrong
            let clock = monitor.facts.clocks.of(stored.probe);
            let date = |slot| {
                let dated = clock.date(slot, stored.received);
                dated.filter(|at| *at <= now)
            };
            monitor.dated.fill(&stored.batch, date);
            let (dated, epoch) = (&monitor.dated, stored.batch.header.epoch);
            let of = (stored.probe, &*stored.plan);
            let heard = stored.received.min(now);
            monitor.live.apply((of.0, of.1, epoch), dated, heard);
            monitor
                .feed
                .apply(&mut monitor.engine, of, dated, stored.received);
            monitor.seen = monitor.seen.max(stored.commit);
            ControlFlow::Continue(())
        })?;
        let Self {
            journal, facts, seen, ..
        } = &mut monitor;
        journal.find_unjudged(store, (&facts.clocks, *seen), now)?;
        Ok(monitor)
    }

    /// Takes in a stored batch. What the log gave at the start already is not counted twice.
    pub fn committed(&mut self, committed: &Committed) {
        if committed.commit <= self.seen {
            return;
        }
        self.seen = committed.commit;
        let Committed {
            probe,
            plan,
            batch,
            received,
            ..
        } = committed;
        let change = self.facts.clocks.noted(*probe, &batch.header, *received);
        self.take_change(*probe, change);
        let clock = self.facts.clocks.of(*probe);
        self.dated.fill(batch, |slot| clock.date(slot, *received));
        let (dated, epoch) = (&self.dated, batch.header.epoch);
        self.live.apply((*probe, plan, epoch), dated, *received);
        self.engine.heard(*probe, self.family_of(*probe), *received);
        let of = (*probe, &**plan);
        let late = self.feed.apply(&mut self.engine, of, &self.dated, *received);
        self.journal.late(late, *received);
    }

    /// What was said by a clock that was wrong is forgotten.
    fn take_change(&mut self, probe: ProbeId, change: Option<Change>) {
        if change.is_some_and(|change| change.is_set) {
            self.live.start_anew(probe);
            self.engine.start_anew(probe);
        }
    }

    /// Over which family a probe's session comes.
    fn family_of(&self, probe: ProbeId) -> Family {
        let session = self.sessions.get(&probe);
        session.map_or(Family::V4, |session| family_of(session.remote.ip()))
    }

    /// Judges everything. Changes and their alerts are stored in one transaction before they count; they are
    /// returned for the log and the page.
    ///
    /// # Errors
    /// When the store failed: what was decided is kept, and stored by the next call.
    pub fn tick(
        &mut self,
        roster: &Roster,
        sessions: &OpenSessions,
        now: UnixMillis,
    ) -> Result<Vec<Output>, StoreError> {
        self.note_sessions(sessions, now);
        if self.roster != *roster {
            self.engine.set_roster(roster);
            self.roster.clone_from(roster);
        }
        let decided = self.engine.advance(now);
        self.unsaved.extend(decided);
        if now.since(self.pruned_at) >= PRUNED_EVERY {
            self.outbox.prune(now)?;
            self.pruned_at = now;
        }
        self.save(now)
    }

    /// The collector's own clock was set, by so much: what is known goes on by the new time, and nobody is silent for it.
    pub fn clock_stepped(&mut self, by_ms: i64, now: UnixMillis) {
        self.facts.clocks.collector_stepped(by_ms, now);
        self.engine.clock_stepped(by_ms);
        self.live.clock_stepped(by_ms);
        self.journal.clock_stepped(by_ms);
    }

    /// Whether the store takes nothing for now, and when each probe last sent something that was not stored. To be
    /// called before [`Monitor::tick`].
    pub fn note_store_full(&mut self, full: bool, unstored: &[(ProbeId, UnixMillis)], now: UnixMillis) {
        for &(probe, at) in unstored {
            self.engine.heard(probe, self.family_of(probe), at);
        }
        self.engine.set_store_full(full, now);
    }

    /// The stretch of time in which rows came that could not be judged in their time, once no more of them come;
    /// see [`rejudge`].
    pub fn take_late(&mut self, now: UnixMillis) -> Option<LateStretch> {
        let mut active = self.roster.probes().filter(|probe| probe.active);
        let all_there = active.all(|probe| self.sessions.contains_key(&probe.id));
        self.journal.take_due(now, all_there)
    }

    /// The stretch of [`Monitor::take_late`] could not be judged: it will be tried again.
    pub fn give_back_late(&mut self, now: UnixMillis) {
        self.journal.give_back(now);
    }

    /// Takes up what the past turned out to be: outages that nobody could see in their time are kept, and told once,
    /// to nobody's night. One that goes on is taken up, and told by the next tick.
    ///
    /// # Errors
    /// When the store failed: what was found is kept, and stored by the next tick.
    pub fn take_rejudged(&mut self, rejudged: Rejudged, now: UnixMillis) -> Result<Vec<Output>, StoreError> {
        let known = self.incidents.list()?.into_iter().map(|(_, incident)| incident);
        let (mut outputs, going_on) = rejudged.reconcile(known.collect(), now);
        for output in &outputs {
            if let Output::Kept(incident) = output {
                self.engine.amend(incident);
            }
        }
        for incident in going_on {
            if self.engine.take_up(&incident) {
                outputs.push(Output::Kept(incident));
            }
        }
        self.unsaved.extend(outputs);
        self.journal.settle(now);
        self.save(now)
    }

    /// What the vantages see.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The verdicts.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The newest ended incidents, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Incident> {
        self.recent.iter()
    }

    /// The alerts that wait.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn note_sessions(&mut self, sessions: &OpenSessions, now: UnixMillis) {
        for (&probe, session) in sessions {
            let known = self.sessions.get(&probe);
            if known.is_none() {
                self.engine.session(probe, true, now);
            }
            if known.is_none_or(|known| known.remote.ip() != session.remote.ip()) {
                self.engine.set_address(probe, session.remote.ip());
                self.facts.addresses.noted(probe, session.remote.ip(), now);
            }
            if let Some(measured_ms) = session.clock_offset_ms {
                let change = self.facts.clocks.measured(probe, measured_ms, now);
                self.take_change(probe, change);
            }
            if let Some(at) = session.heard {
                self.engine.heard(probe, family_of(session.remote.ip()), at); // what is refused is a word, too
            }
        }
        for &probe in self.sessions.keys().filter(|probe| !sessions.contains_key(probe)) {
            self.engine.session(probe, false, now);
        }
        self.sessions.clone_from(sessions);
    }

    /// Stores what waits, and gives it back once it is stored.
    fn save(&mut self, now: UnixMillis) -> Result<Vec<Output>, StoreError> {
        let judged = self.journal.due_mark(self.seen, now);
        if self.unsaved.is_empty() && judged.is_none() && !self.facts.has_unsaved() {
            return Ok(Vec::new());
        }
        self.store(&self.unsaved, judged.as_ref(), now)?;
        self.facts.saved();
        let saved = std::mem::take(&mut self.unsaved);
        for output in &saved {
            if let Output::Kept(incident) = output
                && incident.end.is_some()
            {
                self.remember(incident.clone());
            }
        }
        if saved.iter().any(|output| matches!(output, Output::Told(_))) {
            self.outbox.refresh()?;
        }
        Ok(saved)
    }

    fn store(
        &self,
        outputs: &[Output],
        judged: Option<&JudgedUpTo>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.incidents.store().write(|transaction| {
            for output in outputs {
                match output {
                    Output::Kept(incident) => self.incidents.put_in(transaction, &incident.id, incident)?,
                    Output::Told(telling) => {
                        let alert = self.alert(telling);
                        self.outbox.add_in(transaction, &alert, now)?;
                    }
                    Output::Unknown { .. } => {} // terms will ask the past for it
                }
            }
            self.facts.put_in(self.incidents.store(), transaction)?;
            judged.map_or(Ok(()), |judged| self.journal.put_in(transaction, judged))
        })
    }

    fn alert(&self, telling: &Telling) -> Alert {
        let name = |target| {
            let node = self.roster.node(target);
            node.map(|node| node.name.clone())
        };
        let standing = |target| self.engine.standing(target);
        let whose = |subject| self.whose(subject).unwrap_or_default();
        Alert::of_telling(telling, &self.collector, (&name, &standing, &whose))
    }

    /// Whose a node or probe is, and where.
    fn whose(&self, subject: Subject) -> Option<Whose> {
        let (worker, place) = match subject {
            Subject::Node(node) => {
                let node = self.roster.node(node)?;
                (node.worker.clone(), &node.place)
            }
            Subject::Probe(probe) => {
                let probe = self.roster.probe(probe)?;
                (Some(probe.worker.clone()), &probe.site)
            }
        };
        Some(Whose {
            worker,
            place: (!place.is_empty()).then(|| place.clone()),
        })
    }

    fn remember(&mut self, incident: Incident) {
        self.recent.retain(|known| known.id != incident.id);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(incident);
    }
}

#[cfg(test)]
mod tests;
