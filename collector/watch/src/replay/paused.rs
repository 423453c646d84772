//! Where a replay paused: the engine and what else goes on, so that the past can be judged part by part as if it were
//! judged in one go.

use std::collections::BTreeMap;
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::TargetId;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::doubt::Doubt;
use super::{Replay, Replayed, STEP_MS, patience};
use crate::feed::for_the_past;
use crate::judge::Engine;

/// Rows of so long before a pause are read again: runs may end a minute after their slots, and lines live between two
/// signs of life.
const AGAIN: Duration = Duration::from_secs(120);

/// A replay that may go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Paused {
    /// Judged until then.
    at: UnixMillis,
    engine: Engine,
    steps: u64,
    waiting: Vec<Doubt>,
    /// Targets that runs before show to be measured after it, and until when.
    measured_until: BTreeMap<TargetId, UnixMillis>,
}

impl Paused {
    /// Judged until then.
    pub(crate) fn at(&self) -> UnixMillis {
        self.at
    }
}

impl Replay {
    /// Goes on from a pause, until exclusive.
    pub(crate) fn resumed(paused: Paused, roster: &Roster, until: UnixMillis) -> Self {
        let at = paused.at;
        let known: Vec<_> = paused.engine.targets().collect();
        let engine = paused.engine.revived(patience(), &for_the_past(roster));
        let mut replay = Self::of(engine, (UnixMillis(0), until), at.minus(AGAIN));
        for node in roster.nodes().filter(|node| !known.contains(&node.id)) {
            let first = (at, UnixMillis(at.0 + STEP_MS)); // from then on the engine says so
            replay.gathered.unknown.entry(node.id).or_default().add(first);
        }
        replay.gathered.doubts.waiting = paused.waiting.into();
        (replay.steps, replay.measured_until) = (paused.steps, paused.measured_until);
        replay
    }

    /// Judges until each of `ends`, in order, once all was read: what each part holds, and the pause after it.
    pub(crate) fn parts(mut self, ends: &[UnixMillis]) -> Vec<(Replayed, Paused)> {
        self.begin();
        let mut from = self.now.max(self.from);
        let mut parts = Vec::new();
        for &end in ends {
            self.judge_until(end);
            parts.push((self.part(from), self.pause()));
            from = end;
        }
        parts
    }

    /// As [`Replay::finish`] of what goes on from a pause.
    pub(crate) fn rest(mut self) -> Replayed {
        self.begin();
        let from = self.now;
        self.judge_until(self.until);
        self.gathered.doubts.settle(&self.engine, true);
        self.part(from)
    }

    fn pause(&self) -> Paused {
        let at = self.now;
        let mut measured_until = self.measured_until.clone();
        for (key, _, track) in &self.tracks {
            if let Some(until) = track.measured_until(at) {
                let known = measured_until.entry(key.target).or_default();
                *known = until.max(*known);
            }
        }
        measured_until.retain(|_, until| *until > at);
        Paused {
            at,
            engine: self.engine.clone(),
            steps: self.steps,
            waiting: self.gathered.doubts.waiting.iter().copied().collect(),
            measured_until,
        }
    }
}
