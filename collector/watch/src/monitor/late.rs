//! Rows that came too late to be judged in their time: what the spools brought after an absence of the collector's, or
//! of a probe's session.
//!
//! The stretches that they lie in are judged again by the same engine, from the log, when no more of them come: one at a
//! time, each of bounded length, the newest first, and what is old only beside other work. An outage that nobody knew becomes an incident with its true start and end, and one late message; one that goes on is taken up.

use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_base::words::rfc3339;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, ScanRange, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::clocks::Clocks;
use crate::facts::Facts;
use crate::incident::{Ending, Incident, Subject};
use crate::judge::{Output, Telling, What};
use crate::late::{Late, Stretch};
use crate::replay::Replay;

const TABLE: &str = "judged";
const KEY: &str = "up-to";
/// How far the log was judged is noted so often.
const MARKED_EVERY_MS: u64 = 60_000;
/// Late rows are waited for until none came for so long …
const QUIET_MS: u64 = 20_000;
/// … or for so long where a probe is away: it may take a minute and a half to come back …
const QUIET_AWAY_MS: u64 = 90_000;
/// … or since the first of them so long has passed.
const LONGEST_MS: u64 = 600_000;
/// Judged with a stretch, on both sides.
const AROUND: Duration = Duration::from_secs(600);
/// Judged in one go at most; a stretch that is longer is judged in parts.
const LONGEST_STRETCH_MS: u64 = 48 * 3_600_000;
/// A stretch that ended so long ago is in no hurry …
const OLD_MS: u64 = 24 * 3_600_000;
/// … and waits after another for so many times as long as that one took.
const REST_FACTOR: u64 = 9;
const REST_LONGEST_MS: u64 = 3_600_000;
/// Of a log that nobody ever judged so much is judged at the first start; reports judge the rest whenever they are asked.
const NEVER_JUDGED_MS: u64 = 31 * 24 * 3_600_000;
/// Two outages of a node that lie closer together than this are one, seen twice.
const SAME_MS: u64 = 60_000;
/// What a stretch shows to go on is taken to go on still if the stretch ended at most so long ago.
const STILL_MS: u64 = LONGEST_MS + 600_000;

/// How far the log was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JudgedUpTo {
    commit: u64,
    /// Slots that still have to be judged again; before there were several stretches, it was one.
    #[serde(default, skip_serializing)]
    late: Option<Stretch>,
    #[serde(default)]
    stretches: Vec<Stretch>,
    /// Of slots before that nobody is told: when they were measured, this store was not judged.
    #[serde(default)]
    untold_before: UnixMillis,
}

/// A stretch of slots that is to be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateStretch {
    /// The first slot.
    pub from: UnixMillis,
    /// The last slot.
    pub until: UnixMillis,
    /// People are told of what ended after that. Not of a log that nobody ever judged: it may have been judged elsewhere.
    pub(crate) told_from: UnixMillis,
}

/// What is still to be judged.
#[derive(Debug)]
pub(super) struct Journal {
    is_new: bool,
    untold_before: UnixMillis,
    records: Records<JudgedUpTo>,
    marked: JudgedUpTo,
    marked_at: UnixMillis,
    late: Late,
    /// Judged again just now: not forgotten before what was found is kept.
    taken: Late,
    /// When a stretch was taken that is not settled yet.
    taken_at: Option<UnixMillis>,
    /// What is old rests until then.
    rests_until: UnixMillis,
    first_at: UnixMillis,
    newest_at: UnixMillis,
}

impl Journal {
    pub(super) fn open(store: &Store, now: UnixMillis) -> Result<Self, StoreError> {
        let records: Records<JudgedUpTo> = Records::new(store.clone(), TABLE);
        let known = records.get(KEY)?;
        let is_new = known.is_none();
        let marked = known.unwrap_or_default();
        Ok(Self {
            is_new,
            untold_before: if is_new { now } else { marked.untold_before },
            late: Late::of(marked.late.into_iter().chain(marked.stretches.iter().copied())),
            records,
            marked,
            marked_at: UnixMillis(0),
            taken: Late::default(),
            taken_at: None,
            rests_until: UnixMillis(0),
            first_at: UnixMillis(0),
            newest_at: UnixMillis(0),
        })
    }

    /// What was stored while nobody judged: since the mark, or since ever.
    pub(super) fn find_unjudged(
        &mut self,
        store: &Store,
        (clocks, seen): (&Clocks, u64),
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        if self.is_new {
            // a log of another's, or of an earlier release: read in parts, later, and not here
            let never =
                |oldest: UnixMillis| (oldest.max(UnixMillis(now.0.saturating_sub(NEVER_JUDGED_MS))), now);
            let oldest = store.oldest_hour()?.map(|hour| hour.start());
            let stretch = oldest.filter(|oldest| *oldest < now).map(never);
            stretch
                .into_iter()
                .for_each(|stretch| self.late.add_stretch(stretch));
        } else if seen > self.marked.commit {
            let unjudged = ScanRange {
                after_commit: self.marked.commit,
                ..ScanRange::default()
            };
            let mut late = Late::default();
            store.scan(unjudged, |stored| {
                let slots = stored.batch.endpoints().map(|row| row.slot);
                let dated = slots.filter_map(|slot| clocks.date(stored.probe, slot, stored.received));
                dated.for_each(|at| late.add(at));
                ControlFlow::Continue(())
            })?;
            self.join(&late);
        }
        (self.first_at, self.newest_at) = (now, now);
        self.is_new &= seen > 0; // an empty one is judged from its beginning
        Ok(())
    }

    pub(super) fn late(&mut self, late: Late, now: UnixMillis) {
        if late.is_empty() {
            return;
        }
        if self.late.is_empty() {
            self.first_at = now;
        }
        self.newest_at = now;
        self.join(&late);
    }

    fn join(&mut self, late: &Late) {
        self.late.join(late);
        for (from, until) in self.late.bound() {
            tracing::warn!(
                from = %rfc3339(from),
                until = %rfc3339(until),
                "too many stretches of late results: the oldest is not judged again; reports read it all the same"
            );
        }
    }

    /// The collector's clock was set: what is waited for is waited for as long. The stretch of slots stays.
    pub(super) fn clock_stepped(&mut self, by_ms: i64) {
        let Self {
            marked_at,
            first_at,
            newest_at,
            rests_until,
            untold_before,
            taken_at,
            ..
        } = self;
        let moved = [marked_at, first_at, newest_at, rests_until, untold_before];
        for at in moved.into_iter().chain(taken_at) {
            *at = UnixMillis(at.0.saturating_add_signed(by_ms));
        }
    }

    /// The newest stretch, once no more is awaited. `all_there`: every probe has a session.
    pub(super) fn take_due(&mut self, now: UnixMillis, all_there: bool) -> Option<LateStretch> {
        let quiet_ms = if all_there { QUIET_MS } else { QUIET_AWAY_MS };
        let is_quiet = now.0 >= self.newest_at.0 + quiet_ms || now.0 >= self.first_at.0 + LONGEST_MS;
        let (_, newest) = self.late.newest().filter(|_| is_quiet)?;
        let is_old = newest.0.saturating_add(OLD_MS) < now.0;
        if is_old && now < self.rests_until {
            return None;
        }
        let (from, until) = self.late.take_newest(LONGEST_STRETCH_MS)?;
        self.taken.add_stretch((from, until));
        (self.first_at, self.taken_at) = (now, Some(now));
        let told_from = self.untold_before;
        Some(LateStretch {
            from,
            until,
            told_from,
        })
    }

    /// The stretch that was taken could not be judged: it is tried again once no more rows are awaited.
    pub(super) fn give_back(&mut self, now: UnixMillis) {
        let taken = std::mem::take(&mut self.taken);
        self.late.join(&taken);
        self.taken_at = None;
        self.first_at = now;
        self.newest_at = now;
    }

    /// What was found in the stretch that was taken is about to be kept.
    pub(super) fn settle(&mut self, now: UnixMillis) {
        self.taken = Late::default();
        if let Some(taken_at) = self.taken_at.take() {
            let took_ms = now.0.saturating_sub(taken_at.0);
            self.rests_until = self
                .rests_until
                .max(UnixMillis(now.0 + (REST_FACTOR * took_ms).min(REST_LONGEST_MS)));
        }
    }

    /// The mark, if it is time to note it.
    pub(super) fn due_mark(&mut self, seen: u64, now: UnixMillis) -> Option<JudgedUpTo> {
        let mut late = self.late.clone();
        late.join(&self.taken);
        let is_due = now.0 >= self.marked_at.0 + MARKED_EVERY_MS || late.stretches() != self.marked.stretches;
        let mark = JudgedUpTo {
            commit: seen,
            late: None,
            stretches: late.stretches().to_vec(),
            untold_before: self.untold_before,
        };
        if mark == self.marked || !is_due {
            return None;
        }
        (self.marked, self.marked_at) = (mark.clone(), now);
        Some(mark)
    }

    pub(super) fn put_in(&self, transaction: &Transaction, mark: &JudgedUpTo) -> Result<(), StoreError> {
        self.records.put_in(transaction, KEY, mark)
    }
}

/// What a stretch of the past turned out to be.
#[derive(Clone, Debug)]
pub struct Rejudged {
    stretch: LateStretch,
    found: Vec<Incident>,
}

/// Judges a stretch of the log again. Reads the store: not for an async task.
///
/// # Errors
/// When the store failed.
pub fn rejudge(store: &Store, roster: &Roster, stretch: LateStretch) -> Result<Rejudged, StoreError> {
    let around = (stretch.from.minus(AROUND), stretch.until.plus(AROUND));
    let facts = Facts::read(store)?;
    let clocks = facts.clocks.clone();
    let mut replay = Replay::new(roster, around).with_facts(facts);
    let (from, until) = replay.reads();
    store.scan(clocks.slots(from, until), |stored| {
        replay.add(&stored);
        ControlFlow::Continue(())
    })?;
    let found = replay.finish().incidents;
    Ok(Rejudged { stretch, found })
}

impl Rejudged {
    #[cfg(test)]
    pub(super) fn of(stretch: LateStretch, found: Vec<Incident>) -> Self {
        Self { stretch, found }
    }

    /// What is to be kept and told, given the incidents that are known, and the unknown ones that go on.
    pub(super) fn reconcile(self, known: Vec<Incident>, now: UnixMillis) -> (Vec<Output>, Vec<Incident>) {
        let (mut kept, mut new, mut going_on) = (Vec::new(), Vec::new(), Vec::new());
        let is_recent = now.0 <= self.stretch.until.0 + STILL_MS;
        for found in self.found {
            let is_inside =
                found.start <= self.stretch.until && found.end.is_none_or(|end| end >= self.stretch.from);
            if !is_inside {
                continue;
            }
            let known = known.iter().find(|known| is_same(known, &found));
            let found = if known.is_some() { found } else { over(found) };
            match known {
                Some(known) => kept.extend(amended(known, &found)),
                None if found.end.is_some() => new.push(Incident {
                    late: true,
                    told: true,
                    noticed: now,
                    ..found
                }),
                None if is_recent => going_on.push(untold(found, now)),
                None => {} // how it stands by now, live rows say
            }
        }
        let mut outputs: Vec<Output> = kept.into_iter().chain(new.clone()).map(Output::Kept).collect();
        new.retain(|incident| incident.end.is_some_and(|end| end > self.stretch.told_from));
        if !new.is_empty() {
            outputs.push(Output::Told(Telling {
                at: now,
                what: What::Late,
                incidents: new,
                failing_too: Vec::new(),
                still_down: Vec::new(),
                up_for_now: Vec::new(),
            }));
        }
        (outputs, going_on)
    }
}

/// One that comes and goes, and answers: nobody watches the past until it is steady.
fn over(mut found: Incident) -> Incident {
    if let Some(up_since) = found.up_since() {
        (found.end, found.ending) = (Some(up_since), Some(Ending::Recovered));
    }
    found
}

/// As it is before anybody was told: whether it is a shared one is seen then.
fn untold(mut found: Incident, now: UnixMillis) -> Incident {
    let worst = found.checks.iter().find(|span| span.check == found.check);
    found.cause = worst.map_or(found.cause, |span| span.cause);
    (found.told, found.group, found.noticed) = (false, None, now);
    found
}

/// Outages of one node that overlap, or nearly so.
fn is_same(known: &Incident, found: &Incident) -> bool {
    let is_node = matches!(known.subject, Subject::Node(_)) && known.check.is_outage();
    let end = |of: &Incident| of.end.map_or(u64::MAX, |end| end.0.saturating_add(SAME_MS));
    is_node && known.subject == found.subject && known.start.0 <= end(found) && found.start.0 <= end(known)
}

/// A known outage with the true bounds that late rows show; `None` if they are the same.
fn amended(known: &Incident, found: &Incident) -> Option<Incident> {
    let mut amended = known.clone();
    if found.start < known.start {
        amended.start = found.start;
        for (span, found) in amended.checks.iter_mut().zip(&found.checks) {
            span.start = found.start.min(span.start);
        }
        if let (Some(spell), Some(first)) = (amended.spells.first_mut(), found.spells.first()) {
            (spell.first_red, spell.last_green) = (first.first_red, first.last_green);
        }
    }
    if let (Some(end), Some(Ending::Recovered), Some(true_end)) = (known.end, known.ending, found.end)
        && true_end.0.abs_diff(end.0) > SAME_MS
        && known.flapping.is_none()
    {
        amended.end = Some(true_end.max(amended.start));
        amended.spells.clone_from(&found.spells);
        amended.checks.clone_from(&found.checks);
    }
    (amended != *known).then_some(amended)
}
