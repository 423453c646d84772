//! Questions about single runs over a long time, answered by column and past whole batches: what is in segments, and
//! what is still in the log. Each answer is of one snapshot of the store.
//!
//! Only segments, row groups and columns that can say something are read, by several threads, and never more rows at
//! once than [`window::ROWS_MAX`]: longer windows are read piece by piece, the oldest first. A run counts if its batch
//! does (`heads.rs`), and a damaged file is set aside and named like everywhere.

mod gather;
mod hourly;
mod known;
mod logged;
mod part;
mod said;
mod series;
mod snapshot;
#[cfg(test)]
mod tests;
mod window;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;

pub use self::hourly::{HourOfTarget, HourlyRuns};
pub(crate) use self::known::KnownCommits;
pub use self::said::Said;
pub use self::series::{Point, Series};

/// Which runs are asked for. The default is all of them.
#[derive(Clone, Debug)]
pub struct Runs {
    /// The first slot.
    pub from: UnixMillis,
    /// The first instant after the last one.
    pub until: UnixMillis,
    /// Only of these kinds; empty: of all.
    pub kinds: Vec<Kind>,
    /// Only by this probe.
    pub probe: Option<ProbeId>,
    /// But not by these.
    pub without: Vec<ProbeId>,
    /// Only against this target.
    pub target: Option<TargetId>,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            from: UnixMillis(0),
            until: UnixMillis(u64::MAX),
            kinds: Vec::new(),
            probe: None,
            without: Vec::new(),
            target: None,
        }
    }
}

impl Runs {
    /// Whether runs of a kind are asked for.
    fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether runs of a probe are asked for.
    fn has_probe(&self, probe: ProbeId) -> bool {
        self.probe.is_none_or(|asked| asked == probe) && !self.without.contains(&probe)
    }

    /// Whether a slot is asked for.
    fn holds(&self, slot: UnixMillis) -> bool {
        self.from <= slot && slot < self.until
    }

    /// Whether a slot between these two can be asked for.
    fn touches(&self, (first, last): (UnixMillis, UnixMillis)) -> bool {
        last >= self.from && first < self.until
    }
}
