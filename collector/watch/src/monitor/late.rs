//! Rows that came too late to be judged in their time: what the spools brought after an absence of the collector's, or
//! of a probe's session.
//!
//! The stretch that they lie in is judged again by the same engine, from the log, when no more of them come. An outage
//! that nobody knew becomes an incident with its true start and end, and one late message; one that goes on is taken up.

use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, ScanRange, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::clocks::Clocks;
use crate::feed::Late;
use crate::incident::{Ending, Incident, Subject};
use crate::judge::{Output, Telling, What};
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
/// Two outages of a node that lie closer together than this are one, seen twice.
const SAME_MS: u64 = 60_000;
/// What a stretch shows to go on is taken to go on still if the stretch ended at most so long ago.
const STILL_MS: u64 = LONGEST_MS + 600_000;

/// How far the log was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JudgedUpTo {
    commit: u64,
    /// Slots up to there that still have to be judged again.
    late: Option<(UnixMillis, UnixMillis)>,
}

/// A stretch of slots that is to be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateStretch {
    /// The first slot.
    pub from: UnixMillis,
    /// The last slot.
    pub until: UnixMillis,
    /// People are told of what is found. Not of a log that nobody ever judged: it may have been judged elsewhere.
    pub(crate) is_told: bool,
}

/// What is still to be judged.
#[derive(Debug)]
pub(super) struct Journal {
    is_new: bool,
    records: Records<JudgedUpTo>,
    marked: JudgedUpTo,
    marked_at: UnixMillis,
    late: Late,
    /// Judged again just now: not forgotten before what was found is kept.
    taken: Late,
    first_at: UnixMillis,
    newest_at: UnixMillis,
}

impl Journal {
    pub(super) fn open(store: &Store) -> Result<Self, StoreError> {
        let records: Records<JudgedUpTo> = Records::new(store.clone(), TABLE);
        let known = records.get(KEY)?;
        let marked = known.unwrap_or_default();
        Ok(Self {
            is_new: known.is_none(),
            records,
            marked,
            marked_at: UnixMillis(0),
            late: Late { span: marked.late },
            taken: Late::default(),
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
        if seen > self.marked.commit {
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
            self.late.join(late);
        }
        (self.first_at, self.newest_at) = (now, now);
        self.is_new &= seen > 0; // an empty one is judged from its beginning
        Ok(())
    }

    pub(super) fn late(&mut self, late: Late, now: UnixMillis) {
        if late.span.is_none() {
            return;
        }
        if self.late.span.is_none() {
            self.first_at = now;
        }
        self.newest_at = now;
        self.late.join(late);
    }

    /// The collector's clock was set: what is waited for is waited for as long. The stretch of slots stays.
    pub(super) fn clock_stepped(&mut self, by_ms: i64) {
        for at in [&mut self.marked_at, &mut self.first_at, &mut self.newest_at] {
            *at = UnixMillis(at.0.saturating_add_signed(by_ms));
        }
    }

    /// The stretch, once no more is awaited. `all_there`: every probe has a session.
    pub(super) fn take_due(&mut self, now: UnixMillis, all_there: bool) -> Option<LateStretch> {
        let quiet_ms = if all_there { QUIET_MS } else { QUIET_AWAY_MS };
        let is_quiet = now.0 >= self.newest_at.0 + quiet_ms || now.0 >= self.first_at.0 + LONGEST_MS;
        self.late.span.filter(|_| is_quiet)?;
        let (from, until) = self.late.span.take()?;
        self.taken.join(Late {
            span: Some((from, until)),
        });
        let is_told = !std::mem::take(&mut self.is_new);
        Some(LateStretch { from, until, is_told })
    }

    /// What was found in the stretch that was taken is about to be kept.
    pub(super) fn settle(&mut self) {
        self.taken = Late::default();
    }

    /// The mark, if it is time to note it.
    pub(super) fn due_mark(&mut self, seen: u64, now: UnixMillis) -> Option<JudgedUpTo> {
        let mut late = self.late;
        late.join(self.taken);
        let mark = JudgedUpTo {
            commit: seen,
            late: late.span,
        };
        let is_due = now.0 >= self.marked_at.0 + MARKED_EVERY_MS || mark.late != self.marked.late;
        if mark == self.marked || !is_due {
            return None;
        }
        (self.marked, self.marked_at) = (mark, now);
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
    let clocks = Clocks::read(store)?;
    let mut replay = Replay::new(roster, around).with_clocks(clocks.clone());
    store.scan(clocks.slots(replay.reads_from(), around.1), |stored| {
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
            match known.iter().find(|known| is_same(known, &found)) {
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
        if !new.is_empty() && self.stretch.is_told {
            outputs.push(Output::Told(Telling {
                at: now,
                what: What::Late,
                incidents: new,
                failing_too: Vec::new(),
                still_down: Vec::new(),
            }));
        }
        (outputs, going_on)
    }
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
