//! The past, judged by the same engine: the log's rows in whatever order they are read, then second by second in the
//! order in which they ended.
//!
//! What came late is known here from the beginning: the past is judged as it was, not as it was told. Rows that say
//! the same are kept as stretches, so that a month of a fleet, well or dead, takes little memory.

mod doubt;
mod judged;
mod paused;
mod stretches;
mod track;
mod udp;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Family, Kind};
use isochrone_proto::measurement::EchoOutcome;
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;

use self::doubt::{Doubts, Failure};
pub use self::judged::{Failures, Message, Replayed, Unknown, Weighed};
pub(crate) use self::paused::Paused;
pub use self::stretches::{CellKey, Stretch, Stretches};
use self::track::Track;
use self::udp::Udp;
use crate::facts::Facts;
use crate::feed::for_the_past;
use crate::incident::{Incident, Subject};
use crate::judge::{Cadence, CellId, Engine, FAMILIES, Observation, Output, Patience, Word, is_near};
use crate::spans::{Span, Spans};

/// Rows of so long before a window are read with it: streaks and proofs go on over its beginning.
pub(crate) const WARM_UP: Duration = Duration::from_secs(600);
/// Signs of life of so long after a window are read with it: a line lives between two of them.
const SIGNS: Duration = Duration::from_secs(60);
/// From the end of a run until it is judged.
const WAY_MS: u64 = 1_000;
const STEP_MS: u64 = 1_000;
/// Whether UDP lives is asked so often.
const UDP_STEPS: u64 = 5;

/// Rows of the log, to be judged.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    /// Judged since then; runs before only warm it up.
    from: UnixMillis,
    until: UnixMillis,
    reads_from: UnixMillis,
    facts: Facts,
    places: HashMap<(ProbeId, TargetId, Kind), usize>,
    tracks: Vec<(CellKey, CellId, Track)>,
    /// The targets met so far: whether they are candidates.
    candidates: HashMap<TargetId, bool>,
    /// By probe, family, and whether it got through to neighbours only.
    udp: BTreeMap<(ProbeId, Family, bool), Udp>,
    /// Measured until then by runs that are not read again.
    measured_until: BTreeMap<TargetId, UnixMillis>,
    gathered: Gathered,
    now: UnixMillis,
    steps: u64,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Sessions that came from elsewhere, the next one last.
    moves: Vec<(UnixMillis, ProbeId, std::net::IpAddr)>,
}

/// What a replay gathers on its way.
#[derive(Debug, Default)]
struct Gathered {
    replayed: Replayed,
    incidents: BTreeMap<String, Incident>,
    unknown: BTreeMap<TargetId, Spans>,
    doubts: Doubts,
}

/// The past has no silence: only rows speak.
fn patience() -> Patience {
    let never = Duration::from_secs(u64::MAX / 4_000);
    Patience {
        silent_after: never,
        no_data_after: never,
    }
}

impl Replay {
    /// For the window from inclusive, until exclusive. Who is revoked, paused or removed now was not then.
    #[must_use]
    pub fn new(roster: &Roster, (from, until): Span) -> Self {
        let reads_from = from.minus(WARM_UP);
        let mut engine = Engine::new(patience(), reads_from);
        engine.set_roster(&for_the_past(roster));
        Self::of(engine, (from, until), reads_from)
    }

    fn of(engine: Engine, (from, until): Span, reads_from: UnixMillis) -> Self {
        Self {
            now: engine.now(),
            engine,
            from,
            until,
            reads_from,
            facts: Facts::default(),
            places: HashMap::new(),
            tracks: Vec::new(),
            candidates: HashMap::new(),
            udp: BTreeMap::new(),
            measured_until: BTreeMap::new(),
            gathered: Gathered::default(),
            steps: 0,
            due: BinaryHeap::new(),
            moves: Vec::new(),
        }
    }

    /// How far the probes' clocks were off, and whence their sessions came.
    #[must_use]
    pub fn with_facts(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// What it judges by beside the rows.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is to be read from the log: from inclusive, until exclusive.
    #[must_use]
    pub fn reads(&self) -> Span {
        (self.reads_from, self.until.plus(SIGNS))
    }

    /// Whose rows were taken in.
    pub(crate) fn probes(&self) -> BTreeSet<ProbeId> {
        self.tracks.iter().map(|(key, ..)| key.probe).collect()
    }

    /// Takes in a batch, in any order; a second run of a slot changes nothing.
    pub fn add(&mut self, stored: &Stored) {
        for row in stored.batch.echoes() {
            let replied = matches!(row.outcome, EchoOutcome::Replied { .. });
            if let Some((check, target)) = stored.plan.target_of(row.check).filter(|_| replied)
                && let Some(slot) = self.date(stored, row.slot)
            {
                let (from, family) = (stored.probe, check.kind.family);
                let is_near = match target.address {
                    TargetAddress::Peer { probe: to, .. } => self.stand_near((from, to), family, slot),
                    TargetAddress::Endpoint { .. } => false,
                };
                self.udp.entry((from, family, is_near)).or_default().lived(slot);
            }
        }
        let mut newest = None;
        for row in stored.batch.endpoints() {
            let Some((check, target)) = stored.plan.target_of(row.check) else {
                continue;
            };
            let is_judged =
                !matches!(target.address, TargetAddress::Peer { .. }) && !self.is_candidate(target);
            let Some(slot) = self.date(stored, row.slot).filter(|_| is_judged) else {
                continue;
            };
            if let Some(run) = Observation::of(check.kind, slot, &row.outcome) {
                newest = newest.max(Some(slot));
                if slot >= self.until {
                    continue; // a sign of life, and not yet to be judged
                }
                let key = CellKey {
                    probe: stored.probe,
                    target: target.id,
                    kind: check.kind,
                };
                self.track(key, Cadence::of(check.schedule)).add(&run);
            }
        }
        // a batch that came in time shows that the session stood; over either family, where it is not known over which
        if newest.is_some_and(|slot| stored.received.since(slot) <= Duration::from_secs(15)) {
            let over = self.facts.addresses.family(stored.probe, stored.received);
            let families = over.map_or_else(|| FAMILIES.to_vec(), |family| vec![family]);
            for family in families {
                let udp = self.udp.entry((stored.probe, family, false));
                udp.or_default().lived(stored.received);
            }
        }
    }

    /// Whether it is a candidate, which nobody judges.
    fn is_candidate(&mut self, target: &Target) -> bool {
        let known = self.candidates.entry(target.id);
        *known.or_insert_with(|| target.is_candidate())
    }

    /// Whether two probes stood on one machine or in one prefix: an echo between them proves no line.
    fn stand_near(&self, (one, other): (ProbeId, ProbeId), family: Family, at: UnixMillis) -> bool {
        let of = |probe| self.facts.addresses.of(probe, family, at);
        of(one)
            .zip(of(other))
            .is_some_and(|(one, other)| is_near(one, other))
    }

    /// When a slot was, if that is read.
    fn date(&self, stored: &Stored, slot: UnixMillis) -> Option<UnixMillis> {
        let dated = self.facts.clocks.date(stored.probe, slot, stored.received);
        let (from, until) = self.reads();
        dated.filter(|at| from <= *at && *at < until)
    }

    fn track(&mut self, key: CellKey, cadence: Cadence) -> &mut Track {
        let of = (key.probe, key.target, key.kind);
        let place = match self.places.get(&of) {
            Some(&place) => place,
            None => {
                let known = self.engine.cell_of(key.probe, key.target, key.kind);
                let cell =
                    known.unwrap_or_else(|| self.engine.cell(key.probe, key.target, key.kind, cadence));
                self.tracks.push((key, cell, Track::default()));
                self.places.insert(of, self.tracks.len() - 1);
                self.tracks.len() - 1
            }
        };
        let (_, _, track) = &mut self.tracks[place];
        track.pace(cadence);
        track
    }

    /// Judges it all.
    #[must_use]
    pub fn finish(mut self) -> Replayed {
        self.begin();
        let window = (self.from, self.until);
        self.judge_until(self.until);
        self.gathered.doubts.settle(&self.engine, true);
        self.part(self.from).within(window)
    }

    /// Judges it all, and gives what lies in a part of it.
    #[must_use]
    pub fn finish_within(self, window: Span) -> Replayed {
        self.finish().within(window)
    }

    /// All that is to be judged was read.
    fn begin(&mut self) {
        let passed = UnixMillis(self.now.0.saturating_sub(WAY_MS));
        for (place, (_, _, track)) in self.tracks.iter_mut().enumerate() {
            track.begin();
            if self.now >= self.from {
                track.pass(passed); // judged before the pause
            }
            let next = track.next_due();
            self.due.extend(next.map(|at| Reverse((at.0 + WAY_MS, place))));
        }
        for (probe, address) in self.facts.addresses.at(self.now) {
            self.engine.set_address(probe, address);
        }
        self.moves = self.facts.addresses.changes(self.now, self.until);
        self.moves.reverse();
    }

    fn judge_until(&mut self, until: UnixMillis) {
        while self.now < until {
            self.now = UnixMillis(self.now.0 + STEP_MS).min(until);
            self.steps += 1;
            while let Some((_, probe, address)) = self.moves.pop_if(|(at, ..)| *at <= self.now) {
                self.engine.set_address(probe, address);
            }
            if self.steps.is_multiple_of(UDP_STEPS) {
                self.tell_udp();
            }
            while let Some(&Reverse((at, place))) = self.due.peek()
                && at <= self.now.0
            {
                self.due.pop();
                self.observe(place);
                let next = self.tracks[place].2.next_due();
                self.due.extend(next.map(|at| Reverse((at.0 + WAY_MS, place))));
            }
            for output in self.engine.advance(self.now) {
                self.take(output);
            }
            self.gathered.doubts.settle(&self.engine, false);
        }
    }

    fn tell_udp(&mut self) {
        let now = self.now;
        let is_one_place = self.engine.is_one_place();
        for (&(probe, family, is_near), udp) in &mut self.udp {
            if udp.lives(now) && (is_one_place || !is_near) {
                self.engine.lived(probe, family, now);
            }
        }
    }

    fn observe(&mut self, place: usize) {
        let (key, cell, track) = &mut self.tracks[place];
        let Some((run, cadence)) = track.next() else {
            return;
        };
        self.engine.set_cadence(*cell, cadence);
        self.engine.observe(*cell, &run);
        if run.began < self.from {
            return;
        }
        let gathered = &mut self.gathered;
        let is_heard = self.engine.is_heard(*cell);
        if matches!(run.word, Word::Green | Word::Slow) && !is_heard {
            let unheard = &mut gathered.replayed.unheard;
            unheard.add(*key, (run.began, ()), cadence.interval_ms);
        }
        if run.word.is_failure() {
            let failure = Failure {
                cell: *key,
                slot: run.began,
                weighed: Weighed {
                    is_heard,
                    counts: self.engine.counts(*cell, &run),
                    against: self.engine.accuses(*cell, &run),
                },
            };
            gathered.doubts.add(failure, *cell, cadence.interval_ms);
        }
    }

    fn take(&mut self, output: Output) {
        let gathered = &mut self.gathered;
        match output {
            Output::Kept(incident) => {
                gathered.incidents.insert(incident.id.clone(), incident);
            }
            Output::Told(telling) if telling.at >= self.from => {
                gathered.replayed.messages.push(Message::of(&telling));
            }
            Output::Told(_) => {}
            Output::Unknown { target, from, until } => {
                gathered.unknown.entry(target).or_default().add((from, until));
            }
        }
    }

    /// What was judged since `from`, and not given yet.
    fn part(&mut self, from: UnixMillis) -> Replayed {
        let gathered = &mut self.gathered;
        let mut replayed = std::mem::take(&mut gathered.replayed);
        replayed.failures = std::mem::take(&mut gathered.doubts.judged);
        // those that go on, with their newest failure: it is no news by itself
        let open = self.engine.open().cloned();
        let mut incidents = std::mem::take(&mut gathered.incidents);
        incidents.extend(open.map(|incident| (incident.id.clone(), incident)));
        let is_outage = |of: &Incident| matches!(of.subject, Subject::Node(_)) && of.check.is_outage();
        replayed.incidents = incidents.into_values().filter(is_outage).collect();
        for incident in &mut replayed.incidents {
            incident.end_waits = false; // nobody is told of the past by itself
        }
        replayed.is_one_place = self.engine.is_one_place();
        replayed.unknown = self.unknown((from, self.now));
        replayed
    }

    fn unknown(&mut self, part: Span) -> BTreeMap<TargetId, Unknown> {
        let mut unknown = std::mem::take(&mut self.gathered.unknown);
        for standing in self.engine.standings() {
            if let Some(from) = self.engine.unknown_since(standing.target) {
                unknown.entry(standing.target).or_default().add((from, self.now));
            }
        }
        let (measured, none) = (self.measured(), Spans::default());
        let each = unknown.into_iter().map(|(target, spans)| {
            let spans = spans.within((part.0.0, part.1.0));
            let unmeasured = spans.without(measured.get(&target).unwrap_or(&none));
            let unknown = Unknown {
                unjudged: spans.without(&unmeasured).into_vec(),
                unmeasured: unmeasured.into_vec(),
            };
            (target, unknown)
        });
        each.collect()
    }

    /// When each target was measured, by whomever and whatever came of it.
    fn measured(&self) -> BTreeMap<TargetId, Spans> {
        let mut measured: BTreeMap<TargetId, Spans> = BTreeMap::new();
        for (&target, &until) in &self.measured_until {
            measured.entry(target).or_default().add((UnixMillis(0), until));
        }
        for (key, _, track) in &self.tracks {
            let spans = measured.entry(key.target).or_default();
            track.measured().for_each(|span| spans.add(span));
        }
        measured.values_mut().for_each(|spans| *spans = spans.joined());
        measured
    }
}

#[cfg(test)]
mod tests;
