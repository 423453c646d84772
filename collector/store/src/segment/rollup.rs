//! Rollups: what the measurements of an hour or a UTC day add up to, by who measured what and how it was answered.

mod added_up;
mod file;
mod fold;
mod folding;
mod logged;
mod pieces;
mod read;
mod roller;
mod schema;
mod sums;
mod tally;

use std::sync::Arc;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::CacheState;
use isochrone_proto::units::UnixMillis;
#[cfg(any(test, feature = "testing"))]
use isochrone_proto::{measurement::Measurement, plan::Plan};

pub use self::added_up::AddedUp;
pub(super) use self::file::write;
pub(crate) use self::logged::Logged;
pub(super) use self::pieces::Pieces;
pub(super) use self::roller::Roller;
pub use self::sums::{Loss, Sums, Timing};
pub(crate) use self::tally::Tally;
use super::day::{DAY_MS, Day};
use crate::tier::Tier;

/// What runs under a plan add up to.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn added_up(period: Period, plan: &Plan, runs: &[Measurement]) -> Vec<Rollup> {
    let mut fold = fold::Fold::new(period);
    runs.iter().for_each(|run| fold.add(plan, run, &|_| true));
    fold.into_rollups().collect()
}

/// How long a time is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
}

impl Period {
    /// The tier that holds it.
    #[must_use]
    pub const fn tier(self) -> Tier {
        match self {
            Self::Hour => Tier::Hour,
            Self::Day => Tier::Day,
        }
    }

    /// How long it lasts, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => DAY_MS,
        }
    }

    /// When the period that holds `slot` begins.
    #[must_use]
    pub const fn start(self, slot: UnixMillis) -> UnixMillis {
        UnixMillis(slot.0 - slot.0 % self.millis())
    }
}

impl Period {
    /// What a rollup of a part of a period is of, once it is added up.
    const fn key(self, key: Key) -> Key {
        Key {
            start: self.start(key.start),
            ..key
        }
    }
}

/// What the measurements of one period add up to, for one way in which one probe measured one target: an answer from a
/// node's cache is another than one it had to fetch first, and an echo whose time is suspect another than one whose is
/// not.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// Who measured.
    pub probe: ProbeId,
    /// Its name, as the newest of these plans has it.
    pub probe_name: Arc<str>,
    /// What was measured.
    pub target: TargetId,
    /// Its name, likewise.
    pub target_name: Arc<str>,
    /// How.
    pub kind: Kind,
    /// When the period begins.
    pub start: UnixMillis,
    /// Of an answer to a request; else, and of a slot that was skipped, absent.
    pub cache: CacheState,
    /// Of an echo that was answered while the probe itself was starved.
    pub suspect: bool,
    /// What they add up to.
    pub sums: Sums,
}

/// Which rollups are read.
#[derive(Clone, Debug)]
pub struct RollupRange {
    /// By hours or by days.
    pub period: Period,
    /// Only periods that begin at or after this instant.
    pub from: UnixMillis,
    /// Only periods that begin before this instant.
    pub until: UnixMillis,
    /// Only of this probe.
    pub probe: Option<ProbeId>,
    /// Only of this target.
    pub target: Option<TargetId>,
    /// Only of these kinds; `None`: of all.
    pub kinds: Option<Vec<Kind>>,
    /// Only these times need be there: what is read of files leaves out the others; `None`: all.
    pub timings: Option<Vec<Timing>>,
}

impl RollupRange {
    /// Everything in the periods that begin in `[from, until)`.
    #[must_use]
    pub const fn of(period: Period, from: UnixMillis, until: UnixMillis) -> Self {
        Self {
            period,
            from,
            until,
            probe: None,
            target: None,
            kinds: None,
            timings: None,
        }
    }

    fn holds(&self, key: &Key) -> bool {
        (self.from..self.until).contains(&key.start)
            && self.probe.is_none_or(|probe| probe == key.probe)
            && self.target.is_none_or(|target| target == key.target)
            && self.wants(key.kind)
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// What a rollup is of; rollups are given in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(super) day: Day,
    pub(super) kind: Kind,
    pub(super) probe: ProbeId,
    pub(super) target: TargetId,
    pub(super) start: UnixMillis,
    pub(super) cache: CacheState,
    pub(super) suspect: bool,
}

#[cfg(test)]
mod tests;
