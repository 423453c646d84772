//! The collector's own line: when half the sessions end at once and fewer networks report than just before, it is the
//! suspect.

use std::collections::BTreeSet;

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::anew::{Anew, each};
use super::vantage::{Session, Vantage};
use super::what::What;
use super::{Engine, Output};
use crate::incident::Incident;

/// Sessions that ended within this are "at once".
const AT_ONCE_MS: u64 = 30_000;
/// A network reports if a batch of it came at most so long ago.
const REPORTS_MS: u64 = 15_000;
/// So many remote networks that report clear the line, where so many reported just before.
const NETWORKS: usize = 2;
/// How long "just before" is.
const BEFORE_MS: u64 = 300_000;

/// The suspicion is told once it has lasted so long: after a reload of the collector all probes are back by then.
const TOLD_AFTER_MS: u64 = 5_000;

/// What is known of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct CollectorLine {
    suspect_since: Option<UnixMillis>,
    /// People know.
    is_told: bool,
    /// Networks that clear it, and sessions that stood before it was the suspect.
    needed: usize,
    stood: usize,
    /// When each vantage was heard last, by its place.
    heard: Vec<UnixMillis>,
    /// Looked at again then at the earliest.
    due: UnixMillis,
}

impl CollectorLine {
    pub(super) fn heard(&mut self, vantage: usize, at: UnixMillis) {
        if self.heard.len() <= vantage {
            self.heard.resize(vantage + 1, UnixMillis(0));
        }
        self.heard[vantage] = at.max(self.heard[vantage]);
    }

    pub(super) fn suspect_since(&self) -> Option<UnixMillis> {
        self.suspect_since
    }

    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        let Self {
            suspect_since,
            is_told: _,
            needed: _,
            stood: _,
            heard,
            due,
        } = self;
        each(heard.iter_mut().chain(suspect_since.as_mut()).chain([due]), anew);
    }

    /// After a gap in the collector's own ticks nothing is known: sessions that end now ended in the gap.
    pub(super) fn restart(&mut self, now: UnixMillis) {
        (self.suspect_since, self.is_told) = (None, false);
        self.due = UnixMillis(now.0 + AT_ONCE_MS);
    }
}

impl Engine {
    /// Whether the collector stores what comes. While its disk is full its sessions end one after the other, and no
    /// batch counts as one: that is neither its line nor anybody's silence. Once there is room, no silence is older.
    pub fn set_store_full(&mut self, full: bool, now: UnixMillis) {
        if self.is_store_full && !full {
            self.started = now;
            self.wake_all();
        }
        self.is_store_full = full;
    }

    pub(super) fn judge_collector_line(&mut self) {
        let now = self.now;
        if self.is_store_full {
            return;
        }
        if self.collector_line.suspect_since.is_none() && now < self.collector_line.due {
            return;
        }
        self.collector_line.due = UnixMillis(now.0 + 1_000);
        let (mut stand, mut ended) = (0, 0);
        for vantage in self.vantages.iter().filter(|vantage| vantage.is_active()) {
            match vantage.session {
                Session::Up => stand += 1,
                Session::Down(at) if now.0 <= at.0 + AT_ONCE_MS && at >= self.started => ended += 1,
                Session::Down(_) | Session::Unknown => {}
            }
        }
        let is_mass = ended >= 2 && ended >= stand;
        let suspect_since = self.collector_line.suspect_since;
        if suspect_since.is_none() && !is_mass {
            return;
        }
        if suspect_since.is_none() {
            let before = self.networks_heard(BEFORE_MS).max(1);
            self.collector_line.needed = NETWORKS.min(before);
            self.collector_line.stood = stand + ended;
        }
        let is_back = suspect_since.is_some() && self.reporting() * 2 > self.collector_line.stood;
        let is_cleared = is_back || self.networks_heard(REPORTS_MS) >= self.collector_line.needed;
        match (suspect_since, is_cleared) {
            (None, false) => {
                self.collector_line.suspect_since = Some(now);
                self.wake_all();
            }
            (Some(since), false) if !self.collector_line.is_told && now.0 >= since.0 + TOLD_AFTER_MS => {
                self.collector_line.is_told = true;
                self.say(What::OwnLine, vec![]);
            }
            (Some(_), true) => {
                self.collector_line.suspect_since = None;
                self.started = now; // no silence is older
                if std::mem::take(&mut self.collector_line.is_told) {
                    self.say(What::OwnLineBack, vec![]);
                }
                self.wake_all();
            }
            _ => {}
        }
    }

    /// Networks with a batch that came at most so long ago; those beside the collector cannot be told apart from here,
    /// but a line that is cut brings none at all.
    fn networks_heard(&self, within_ms: u64) -> usize {
        let heard = self.heard_within(within_ms);
        let networks: BTreeSet<_> = heard.map(Vantage::network).collect();
        networks.len()
    }

    /// Sessions that stand and bring batches.
    fn reporting(&self) -> usize {
        let heard = self.heard_within(REPORTS_MS);
        heard.filter(|vantage| vantage.session == Session::Up).count()
    }

    fn heard_within(&self, within_ms: u64) -> impl Iterator<Item = &Vantage> {
        let now = self.now;
        let heard = self.collector_line.heard.iter().enumerate();
        let fresh = heard.filter(move |(_, at)| now.0 <= at.0 + within_ms);
        fresh
            .filter_map(|(place, _)| self.vantages.get(place))
            .filter(|vantage| vantage.is_active())
    }

    fn wake_all(&mut self) {
        for node in &mut self.nodes {
            node.is_dirty = true;
        }
    }

    /// Whether anybody may be judged now.
    pub(super) fn is_blinded(&self) -> bool {
        self.collector_line.suspect_since.is_some()
    }

    /// Puts an incident and a message about it out.
    pub(super) fn keep(&mut self, incident: &Incident) {
        self.output.push(Output::Kept(incident.clone()));
    }
}
