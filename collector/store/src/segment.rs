//! Segments: what the log held, sealed into Parquet files that anyone can read.
//!
//! One file holds measurements of one kind whose slots lie on one day, sorted by probe, target and slot
//! (`segment/schema.rs` says its columns). It is written once and never changed.

mod catalogue;
mod checked;
mod columns;
mod compaction;
mod content;
mod copies;
mod damaged;
mod day;
mod error;
mod file;
mod files;
mod folder;
mod gaps;
mod gather;
mod holds;
mod in_vain;
mod known;
mod marks;
mod opened;
mod outcomes;
mod recheck;
mod removal;
mod rollup;
mod runs;
mod schema;
mod sealed;
mod sealer;
mod series;
mod sheet;
mod strays;
#[cfg(test)]
mod tests;
mod timed;
mod unsent;
mod whole;
mod words;
mod writer;

pub(crate) use self::catalogue::{Group, Segment, Span, segments_in};
pub(crate) use self::checked::Withheld;
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::content::{Content, Stamp};
pub use self::copies::EachFile;
pub(crate) use self::day::{DAY_MS, Day};
pub(crate) use self::error::FileError;
pub use self::files::{Compacted, SegmentFile};
pub(crate) use self::folder::Directory;
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::folder::Folder;
pub(crate) use self::holds::Segments;
pub(crate) use self::marks::{Broken, are_lost, mark_all, mark_broken};
pub(crate) use self::opened::RowGroup;
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::rollup::added_up;
pub use self::rollup::{AddedUp, Loss, Period, Rollup, RollupRange, Sums, Timing};
pub(crate) use self::rollup::{Logged, Tally};
pub(crate) use self::sealed::SealedLog;
pub use self::sealer::Sealed;
pub(crate) use self::timed::{End, Timed};
pub use self::unsent::RemovedUnsent;
