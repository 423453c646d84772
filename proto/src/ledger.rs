//! The ledger's words on the wire: what was planned, and what stands in the place of what is missing.

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, EpochId, PlanVersion, Sequence};
use crate::units::{Hour, UnixMillis};

/// `PlanAdopted`: from `first_slot` on, this epoch follows plan `version` (until the next adoption or the
/// plan's expiry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Adoption {
    /// Which plan's slots count from here on.
    pub version: PlanVersion,
    /// Slots at or after this instant belong to it.
    pub first_slot: UnixMillis,
}

/// One hour's counts of an epoch, cumulative, up to a batch's cut. `planned = run + skipped` always;
/// `pending` slots have begun and are in none of the three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HourCount {
    /// Hour of the slots.
    pub hour: Hour,
    /// Slots whose fate is known.
    pub planned: u64,
    /// Slots that became a measurement.
    pub run: u64,
    /// Slots that did not, with a cause.
    pub skipped: u64,
    /// Slots that are under way.
    pub pending: u64,
}

/// Consecutive slots of one check that were not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SkippedRange {
    /// Index in the plan's checks.
    pub check: u16,
    /// The first of them.
    pub first_slot: UnixMillis,
    /// How many, one interval apart; at least 1.
    pub count: u32,
    /// Why.
    pub cause: SkipCause,
}

/// Why a slot was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipCause {
    /// Too many earlier runs were still under way: of the same check, or of all checks together.
    Overlap,
    /// The probe came to it too late to be worth running (it was suspended or starved).
    Late,
    /// The probe was not running.
    NotRunning,
    /// The probe was stopping.
    Shutdown,
    /// The plan gave no key for the peer.
    NoKey,
}

/// What an epoch says of itself beside its measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The epoch opened because the wall clock stepped by so much.
    ClockStep {
        /// New minus expected wall time, in milliseconds.
        step_ms: i64,
    },
    /// Replies that came after their timeout, since the previous batch. They change no outcome.
    LateReplies {
        /// How many.
        count: u32,
    },
    /// Second copies of replies, since the previous batch.
    DuplicateReplies {
        /// How many.
        count: u32,
    },
    /// Datagrams the echo sockets got and dropped (forged, foreign, malformed), since the previous batch.
    ForeignDatagrams {
        /// How many.
        count: u32,
    },
    /// The probe's own timers ran this late: results around it are suspect.
    SelfStall {
        /// Worst lag since the previous batch, in microseconds.
        worst_us: u32,
    },
    /// Spool records that failed their checksum and were skipped, since the previous batch.
    CorruptRecords {
        /// How many.
        count: u32,
    },
    /// The epoch's last batch: nothing follows.
    Closed,
}

/// Stands in the place of batches that the spool dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The one whose batches were dropped.
    pub epoch: EpochId,
    /// First dropped batch.
    pub first: Sequence,
    /// Last dropped batch.
    pub last: Sequence,
    /// Digest of the last dropped batch: the next batch names it as its predecessor.
    pub last_digest: Digest,
    /// Cut of the last dropped batch.
    pub cut: UnixMillis,
    /// Cumulative counts at that cut, for every hour that the dropped batches touched.
    pub hours: Vec<HourCount>,
    /// Every adoption first told in the dropped batches.
    pub adopted: Vec<Adoption>,
    /// Why they were dropped.
    pub cause: DropCause,
}

/// Why a spool dropped batches, the graver cause first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// The spool reached its bound.
    Full,
    /// Records failed their checksum.
    Corrupt,
    /// The collector had stored them: told to one that was restored from an older copy since.
    Evicted,
}
