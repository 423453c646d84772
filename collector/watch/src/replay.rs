//! The past, judged by the same engine: the log's rows in whatever order they are read, then second by second in the
//! order in which they ended.
//!
//! What came late is known here from the beginning: the past is judged as it was, not as it was told. Rows that say
//! the same are kept as stretches, so that a month of a fleet, well or dead, takes little memory.

mod doubt;
mod judged;
mod track;
mod udp;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Family, Kind};
use isochrone_proto::measurement::EchoOutcome;
use isochrone_proto::plan::TargetAddress;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;

use self::doubt::Doubts;
pub use self::judged::{CellKey, Failures, JudgedFailure, Replayed, Unknown};
use self::track::Track;
use self::udp::Udp;
use crate::facts::Facts;
use crate::feed::for_the_past;
use crate::incident::{Incident, Subject};
use crate::judge::{Cadence, CellId, Engine, FAMILIES, Observation, Output, Patience, Word, is_near};
use crate::spans::Spans;

/// Rows of so long before a window are read with it: streaks and proofs go on over its beginning.
pub(crate) const WARM_UP: Duration = Duration::from_secs(600);
/// From the end of a run until it is judged.
const WAY_MS: u64 = 1_000;
const STEP_MS: u64 = 1_000;
/// Whether UDP lives is asked so often.
const UDP_STEPS: u64 = 5;

/// Rows of the log, to be judged.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    from: UnixMillis,
    until: UnixMillis,
    facts: Facts,
    places: HashMap<(ProbeId, TargetId, Kind), usize>,
    tracks: Vec<(CellKey, CellId, Track)>,
    /// By probe, family, and whether it got through to neighbours only.
    udp: BTreeMap<(ProbeId, Family, bool), Udp>,
}

/// What a replay gathers on its way.
#[derive(Debug, Default)]
struct Gathered {
    replayed: Replayed,
    incidents: BTreeMap<String, Incident>,
    unknown: BTreeMap<TargetId, Spans>,
    doubts: Doubts,
}

impl Replay {
    /// For the window from inclusive, until exclusive. Who is revoked, paused or removed now was not then.
    #[must_use]
    pub fn new(roster: &Roster, (from, until): (UnixMillis, UnixMillis)) -> Self {
        let never = Duration::from_secs(u64::MAX / 4_000);
        let patience = Patience {
            silent_after: never,
            no_data_after: never,
        };
        let mut engine = Engine::new(patience, from.minus(WARM_UP));
        engine.set_roster(&for_the_past(roster));
        Self {
            engine,
            from,
            until,
            facts: Facts::default(),
            places: HashMap::new(),
            tracks: Vec::new(),
            udp: BTreeMap::new(),
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

    /// Where to begin reading.
    #[must_use]
    pub fn reads_from(&self) -> UnixMillis {
        self.from.minus(WARM_UP)
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
            let is_peer = matches!(target.address, TargetAddress::Peer { .. });
            let Some(slot) = self.date(stored, row.slot).filter(|_| !is_peer) else {
                continue;
            };
            if let Some(run) = Observation::of(check.kind, slot, &row.outcome) {
                newest = newest.max(Some(slot));
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
        dated.filter(|at| self.reads_from() <= *at && *at < self.until)
    }

    fn track(&mut self, key: CellKey, cadence: Cadence) -> &mut Track {
        let of = (key.probe, key.target, key.kind);
        let place = match self.places.get(&of) {
            Some(&place) => place,
            None => {
                let cell = self.engine.cell(key.probe, key.target, key.kind, cadence);
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
        let mut gathered = Gathered::default();
        let mut due = BinaryHeap::new();
        for (place, (_, _, track)) in self.tracks.iter_mut().enumerate() {
            track.begin();
            due.extend(track.next_due().map(|at| Reverse((at.0 + WAY_MS, place))));
        }
        let mut now = self.reads_from();
        for (probe, address) in self.facts.addresses.at(now) {
            self.engine.set_address(probe, address);
        }
        let mut moves = self
            .facts
            .addresses
            .changes(now, self.until)
            .into_iter()
            .peekable();
        let mut step = 0_u64;
        while now < self.until {
            now = UnixMillis(now.0 + STEP_MS).min(self.until);
            step += 1;
            while let Some((_, probe, address)) = moves.next_if(|(at, ..)| *at <= now) {
                self.engine.set_address(probe, address);
            }
            if step.is_multiple_of(UDP_STEPS) {
                self.tell_udp(now);
            }
            while let Some(&Reverse((at, place))) = due.peek()
                && at <= now.0
            {
                due.pop();
                self.observe(place, &mut gathered);
                let next = self.tracks[place].2.next_due();
                due.extend(next.map(|at| Reverse((at.0 + WAY_MS, place))));
            }
            for output in self.engine.advance(now) {
                self.take(output, &mut gathered);
            }
            gathered.doubts.settle(&self.engine, now >= self.until);
        }
        self.close(gathered)
    }

    fn tell_udp(&mut self, now: UnixMillis) {
        let is_one_place = self.engine.is_one_place();
        for (&(probe, family, is_near), udp) in &mut self.udp {
            if udp.lives(now) && (is_one_place || !is_near) {
                self.engine.lived(probe, family, now);
            }
        }
    }

    fn observe(&mut self, place: usize, gathered: &mut Gathered) {
        let (key, cell, track) = &mut self.tracks[place];
        let Some((run, cadence)) = track.next() else {
            return;
        };
        self.engine.set_cadence(*cell, cadence);
        self.engine.observe(*cell, &run);
        if run.began < self.from {
            return;
        }
        let is_heard = self.engine.is_heard(*cell);
        if matches!(run.word, Word::Green | Word::Slow) && !is_heard {
            let unheard = &mut gathered.replayed.unheard;
            *unheard.entry((*key, run.began.hour())).or_default() += 1;
        }
        if run.word.is_failure() {
            let failure = JudgedFailure {
                is_heard,
                cell: *key,
                slot: run.began,
                counts: self.engine.counts(*cell, &run),
                against: self.engine.accuses(*cell, &run),
            };
            gathered.doubts.add(failure, *cell, cadence.interval_ms);
        }
    }

    fn take(&self, output: Output, gathered: &mut Gathered) {
        match output {
            Output::Kept(incident) => {
                gathered.incidents.insert(incident.id.clone(), incident);
            }
            Output::Told(telling) if telling.at >= self.from => gathered.replayed.messages.push(telling),
            Output::Told(_) => {}
            Output::Unknown { target, from, until } => {
                let spans = gathered.unknown.entry(target).or_default();
                spans.add((from.max(self.from), until));
            }
        }
    }

    fn close(self, gathered: Gathered) -> Replayed {
        let Gathered {
            mut replayed,
            mut incidents,
            mut unknown,
            doubts,
        } = gathered;
        replayed.failures = doubts.judged;
        // those that go on, with their newest failure: it is no news by itself
        let open = self.engine.open().cloned();
        incidents.extend(open.map(|incident| (incident.id.clone(), incident)));
        replayed.is_one_place = self.engine.is_one_place();
        let touches = |incident: &Incident| {
            let is_node = matches!(incident.subject, Subject::Node(_)) && incident.check.is_outage();
            is_node && incident.end.is_none_or(|end| end > self.from)
        };
        replayed.incidents = incidents.into_values().filter(touches).collect();
        for incident in &mut replayed.incidents {
            incident.end_waits = false; // nobody is told of the past by itself
        }
        replayed.incidents.sort_by_key(|incident| incident.start);
        for standing in self.engine.standings() {
            if let Some(from) = self.engine.unknown_since(standing.target) {
                let spans = unknown.entry(standing.target).or_default();
                spans.add((from.max(self.from), self.until));
            }
        }
        let measured = self.measured();
        replayed.unknown = unknown
            .into_iter()
            .map(|(target, spans)| {
                let (spans, none) = (spans.joined(), Spans::default());
                let unmeasured = spans.without(measured.get(&target).unwrap_or(&none));
                let unknown = Unknown {
                    unjudged: spans.without(&unmeasured).into_vec(),
                    unmeasured: unmeasured.into_vec(),
                };
                (target, unknown)
            })
            .collect();
        replayed
    }

    /// When each target was measured, by whomever and whatever came of it.
    fn measured(&self) -> BTreeMap<TargetId, Spans> {
        let mut measured: BTreeMap<TargetId, Spans> = BTreeMap::new();
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
