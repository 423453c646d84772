//! The past, judged by the same engine: the log's rows in whatever order they are read, then second by second in the
//! order in which they ended.
//!
//! What came late is known here from the beginning: the past is judged as it was, not as it was told. Rows that say
//! the same are kept as stretches, so that a month of a fleet that is well takes little memory.

mod doubt;
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
use self::track::Track;
use self::udp::Udp;
use crate::clocks::Clocks;
use crate::feed::for_the_past;
use crate::incident::{Incident, IncidentCheck, Subject};
use crate::judge::{Cadence, CellId, Engine, Observation, Output, Patience, Telling};

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
    clocks: Clocks,
    places: HashMap<(ProbeId, TargetId, Kind), usize>,
    tracks: Vec<(CellKey, CellId, Track)>,
    udp: BTreeMap<(ProbeId, Family), Udp>,
}

/// Whose run it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellKey {
    /// The probe.
    pub probe: ProbeId,
    /// The target.
    pub target: TargetId,
    /// The check.
    pub kind: Kind,
}

/// One failure, and whether it speaks against the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedFailure {
    /// Whose.
    pub cell: CellKey,
    /// Its slot.
    pub slot: UnixMillis,
    /// The vantage's own line was proven, or it reached the node: the failure counts.
    pub counts: bool,
    /// What it says of the node, if its vantage may judge it: while such an outage stands, no proof is asked for.
    pub against: Option<IncidentCheck>,
}

/// What the engine says of a window.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Outages of nodes that touch the window, by start.
    pub incidents: Vec<Incident>,
    /// What would have been told in the window, had all been known in time.
    pub messages: Vec<Telling>,
    /// When no quorum was possible.
    pub unknown: BTreeMap<TargetId, Vec<(UnixMillis, UnixMillis)>>,
    /// Every failure in the window.
    pub failures: Vec<JudgedFailure>,
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
            clocks: Clocks::default(),
            places: HashMap::new(),
            tracks: Vec::new(),
            udp: BTreeMap::new(),
        }
    }

    /// How far the probes' clocks were off.
    #[must_use]
    pub fn with_clocks(self, clocks: Clocks) -> Self {
        Self { clocks, ..self }
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
            if let Some((check, _)) = stored.plan.target_of(row.check).filter(|_| replied)
                && let Some(slot) = self.date(stored, row.slot)
            {
                let key = (stored.probe, check.kind.family);
                self.udp.entry(key).or_default().lived(slot);
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
        // a batch that came in time shows that the session stood
        if newest.is_some_and(|slot| stored.received.since(slot) <= Duration::from_secs(15)) {
            let key = (stored.probe, Family::V4);
            self.udp.entry(key).or_default().lived(stored.received);
        }
    }

    /// When a slot was, if that is read.
    fn date(&self, stored: &Stored, slot: UnixMillis) -> Option<UnixMillis> {
        let dated = self.clocks.date(stored.probe, slot, stored.received);
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
        let mut replayed = Replayed::default();
        let mut incidents: BTreeMap<String, Incident> = BTreeMap::new();
        let mut due = BinaryHeap::new();
        for (place, (_, _, track)) in self.tracks.iter_mut().enumerate() {
            track.begin();
            due.extend(track.next_due().map(|at| Reverse((at.0 + WAY_MS, place))));
        }
        let mut now = self.reads_from();
        let mut step = 0_u64;
        let mut doubts = Doubts::default();
        while now < self.until {
            now = UnixMillis(now.0 + STEP_MS).min(self.until);
            step += 1;
            if step.is_multiple_of(UDP_STEPS) {
                self.tell_udp(now);
            }
            while let Some(&Reverse((at, place))) = due.peek()
                && at <= now.0
            {
                due.pop();
                self.observe(place, &mut doubts);
                let next = self.tracks[place].2.next_due();
                due.extend(next.map(|at| Reverse((at.0 + WAY_MS, place))));
            }
            for output in self.engine.advance(now) {
                self.take(output, &mut replayed, &mut incidents);
            }
            doubts.settle(&self.engine, now >= self.until);
        }
        replayed.failures = doubts.judged;
        self.close(replayed, incidents)
    }

    fn tell_udp(&mut self, now: UnixMillis) {
        for (&(probe, family), udp) in &mut self.udp {
            if udp.lives(now) {
                self.engine.lived(probe, family, now);
            }
        }
    }

    fn observe(&mut self, place: usize, doubts: &mut Doubts) {
        let (key, cell, track) = &mut self.tracks[place];
        let Some((run, cadence)) = track.next() else {
            return;
        };
        self.engine.set_cadence(*cell, cadence);
        self.engine.observe(*cell, &run);
        if run.word.is_failure() && self.from <= run.began {
            let failure = JudgedFailure {
                cell: *key,
                slot: run.began,
                counts: self.engine.counts(*cell, &run),
                against: self.engine.accuses(*cell, &run),
            };
            let again = UnixMillis(run.began.0 + 2 * cadence.interval_ms);
            doubts.add(failure, *cell, again);
        }
    }

    fn take(&self, output: Output, replayed: &mut Replayed, incidents: &mut BTreeMap<String, Incident>) {
        match output {
            Output::Kept(incident) => {
                incidents.insert(incident.id.clone(), incident);
            }
            Output::Told(telling) if telling.at >= self.from => replayed.messages.push(telling),
            Output::Told(_) => {}
            Output::Unknown { target, from, until } => {
                let spans = replayed.unknown.entry(target).or_default();
                spans.push((from.max(self.from), until));
            }
        }
    }

    fn close(self, mut replayed: Replayed, incidents: BTreeMap<String, Incident>) -> Replayed {
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
                let spans = replayed.unknown.entry(standing.target).or_default();
                spans.push((from.max(self.from), self.until));
            }
        }
        replayed
    }
}

#[cfg(test)]
mod tests;
