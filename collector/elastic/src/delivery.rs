//! A set of documents until each of them is there or dead: what is sent next, and when. Pure; time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::bulk::{Bulk, Verdict};
use crate::document::Document;

/// Documents on their way.
#[derive(Debug)]
pub struct Delivery {
    documents: Vec<Document>,
    /// Places in `documents` that are neither there nor dead, in their order.
    open: Vec<usize>,
    /// How many go at once.
    at_once: usize,
    /// Nothing is sent before.
    until: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Why nothing went the last time; `None`: it did.
    trouble: Option<Trouble>,
    /// The greatest version that a document had to take on, because a greater one than its own was there.
    raised: Option<u64>,
    /// Dead ones that nobody wrote down yet.
    dead: Vec<Dead>,
    pace: Pace,
}

/// How long is waited after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After the first; doubled with each one in a row, up to a minute.
    pub first: Duration,
    /// Where somebody has to change something first.
    pub blocked: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            blocked: Duration::from_secs(30),
        }
    }
}

/// A document that will never be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// It.
    pub document: Document,
    /// The server's status for it.
    pub status: u16,
    /// The server's words.
    pub reason: String,
}

/// Why nothing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub reason: String,
    /// Nothing will go until somebody changes something.
    pub is_blocked: bool,
}

impl Delivery {
    /// Nothing of it was sent yet; at most `at_once` documents go in one bulk.
    #[must_use]
    pub fn new(documents: Vec<Document>, at_once: usize, pace: Pace) -> Self {
        Self {
            open: (0..documents.len()).collect(),
            documents,
            at_once: at_once.max(1),
            until: None,
            failures: 0,
            trouble: None,
            raised: None,
            dead: Vec::new(),
            pace,
        }
    }

    /// Every one is there or dead.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// How many are neither there nor dead.
    #[must_use]
    pub fn left(&self) -> usize {
        self.open.len()
    }

    /// How many go at once now: less than at first, where the server does not take so many.
    #[must_use]
    pub const fn at_once(&self) -> usize {
        self.at_once
    }

    /// When the next bulk may go; `None`: now.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Why nothing went the last time.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The greatest version that a document had to take on, because a greater one than its own was there.
    #[must_use]
    pub const fn raised(&self) -> Option<u64> {
        self.raised
    }

    /// What goes next.
    pub fn next(&self) -> impl Iterator<Item = &Document> {
        self.places().iter().map(|&place| &self.documents[place])
    }

    /// How many documents [`Delivery::next`] gives.
    #[must_use]
    pub fn next_count(&self) -> usize {
        self.places().len()
    }

    fn places(&self) -> &[usize] {
        &self.open[..self.open.len().min(self.at_once)]
    }

    /// The dead ones since the last call: they must be written down before anything is called done.
    pub fn take_dead(&mut self) -> Vec<Dead> {
        std::mem::take(&mut self.dead)
    }

    /// What became of what [`Delivery::next`] gave. `jitter`: 0 to 1, from whoever has random numbers.
    pub fn answered(&mut self, bulk: Bulk, now: Instant, jitter: f64) {
        match bulk {
            Bulk::Items(verdicts) => self.judged(verdicts, now, jitter),
            Bulk::Later { wait, reason } => {
                if self.failures >= PATIENT && self.next_count() > LEAST {
                    self.at_once = (self.next_count() / 2).max(LEAST); // more may never fit in its memory
                }
                self.wait(reason, wait, now, jitter);
            }
            Bulk::Blocked { reason } => self.block(reason, now),
            Bulk::TooLarge if self.next_count() > 1 => {
                self.at_once = self.next_count() / 2;
                self.until = None;
            }
            Bulk::TooLarge => {
                let reason = "413: the document alone is larger than the server takes".to_owned();
                if !self.open.is_empty() {
                    let place = self.open.remove(0);
                    self.kill(place, 413, reason);
                }
            }
        }
    }

    fn judged(&mut self, verdicts: Vec<Verdict>, now: Instant, jitter: f64) {
        let places: Vec<usize> = self.places().to_vec();
        let sent = places.len();
        let (mut left, mut later, mut blocked) = (Vec::new(), None, None);
        for (place, verdict) in places.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Done => continue,
                Verdict::Newer { version } => self.raise(place, version + 1),
                Verdict::Dead { status, reason } => {
                    self.kill(place, status, reason);
                    continue;
                }
                Verdict::Later { reason } => later = Some(reason),
                Verdict::Blocked { reason } => blocked = Some(reason),
            }
            left.push(place);
        }
        let went = left.len() < sent;
        left.extend_from_slice(&self.open[sent..]);
        self.open = left;
        if went {
            self.failures = 0; // it takes some: it is busy, and not gone
        }
        match (blocked, later) {
            (Some(reason), _) => self.block(reason, now),
            (None, Some(reason)) => self.wait(reason, None, now, jitter),
            (None, None) => (self.until, self.trouble) = (None, None),
        }
    }

    fn raise(&mut self, place: usize, version: u64) {
        self.documents[place].version = Some(version);
        self.raised = self.raised.max(Some(version));
    }

    fn kill(&mut self, place: usize, status: u16, reason: String) {
        let document = self.documents[place].clone();
        self.dead.push(Dead {
            document,
            status,
            reason,
        });
    }

    fn wait(&mut self, reason: String, asked: Option<Duration>, now: Instant, jitter: f64) {
        let doubled = self
            .pace
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_WAIT);
        let spread = doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        let wait = asked.map_or(spread, |asked| asked.max(spread).min(LONGEST_ASKED));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
        self.trouble = Some(Trouble {
            reason,
            is_blocked: false,
        });
    }

    fn block(&mut self, reason: String, now: Instant) {
        self.failures = 0;
        self.until = Some(now + self.pace.blocked);
        self.trouble = Some(Trouble {
            reason,
            is_blocked: true,
        });
    }
}

/// Failures in a row after which less is sent at once.
const PATIENT: u32 = 2;
/// So few go at once however busy the server is.
const LEAST: usize = 20;
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A server may ask for more, up to this.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
