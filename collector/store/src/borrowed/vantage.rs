//! What is known of a borrowed vantage.

use isochrone_borrowed::{Place, Vantage};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// A borrowed vantage, as its newest measurement's file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BorrowedVantage {
    /// It.
    pub vantage: Vantage,
    /// How many of its measurements are kept.
    pub runs: u64,
    /// The first one's time.
    pub first: UnixMillis,
    /// The last one's time.
    pub last: UnixMillis,
    /// Where it stood before, as its platform said, the newest first; the last eight.
    pub moved: Vec<EarlierPlace>,
}

/// Where a vantage stood before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierPlace {
    /// The first measurement that was taken from elsewhere.
    pub until: UnixMillis,
    /// Where it was.
    pub place: Place,
}

impl BorrowedVantage {
    pub(super) const fn new(vantage: Vantage) -> Self {
        Self {
            vantage,
            runs: 0,
            first: UnixMillis(u64::MAX),
            last: UnixMillis(0),
            moved: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, at: UnixMillis) {
        self.runs += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// Notes what a file says of it that measured `at`: the newest is believed. Whether that changed anything.
    pub(super) fn stands(&mut self, given: &Vantage, at: UnixMillis) -> bool {
        if at < self.last || *given == self.vantage {
            return false;
        }
        let before = std::mem::replace(&mut self.vantage, given.clone());
        if before.place != given.place {
            let earlier = EarlierPlace {
                until: at,
                place: before.place,
            };
            self.moved.insert(0, earlier);
            self.moved.truncate(MOVED_MAX);
        }
        true
    }
}

const MOVED_MAX: usize = 8;
