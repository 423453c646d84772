//! The durable truth: what probes sent, how far each of their epochs is stored, and what became of every
//! planned slot.
//!
//! One redb file holds what must change together. No type of redb leaves this crate.

mod account;
mod aside;
mod beginning;
mod blob;
pub mod borrowed;
mod changes;
mod damage;
mod database;
mod disk;
mod error;
pub mod export;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod format;
mod found;
mod heads;
pub mod imported;
pub mod ingest;
pub mod ledger;
mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod lossy;
mod numbers;
mod overlay;
mod plans;
mod query;
mod records;
mod retention;
mod row;
mod rows;
mod scan;
mod seal;
mod segment;
mod tables;
#[cfg(test)]
mod tests;
mod tier;
mod transaction;
mod twice;
mod upkeep;
mod whole;

pub(crate) use self::account::{EpochRow, HourRow, StreamEntry, StreamKind, TombstoneRow};
pub use self::aside::SetAside;
pub use self::beginning::Beginning;
pub(crate) use self::blob::StoredBlob;
pub use self::damage::Damage;
#[cfg(any(test, feature = "testing"))]
pub use self::damage::Part;
pub use self::database::{Store, StoreOptions};
pub use self::disk::{DiskReserve, FreeSpace};
pub use self::error::{DatabaseFailure, StoreError};
pub use self::limits::{Removed, Retention, Shortfall};
pub use self::query::{HourOfTarget, HourlyRuns, Point, Runs, Said, Series};
pub use self::records::Records;
pub(crate) use self::row::{Malformed, RowReader, RowWriter};
pub use self::scan::{Scan, ScanRange, Stored};
pub use self::segment::{
    AddedUp, Compacted, EachFile, Loss, Period, RemovedUnsent, Rollup, RollupRange, Sealed, SegmentFile,
    Sums, Timing,
};
pub use self::tier::{Tier, UnknownTier};
pub use self::transaction::Transaction;
pub use self::upkeep::UpkeepFailure;
