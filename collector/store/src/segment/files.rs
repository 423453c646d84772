//! The files of segments: which count, and which nobody needs any more.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use isochrone_base::error_chain::chain;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;
use serde::Serialize;

use super::catalogue::Segment;
use super::damaged::ENDING;
use super::marks;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::tables::{META_REPLACED, REPLACED, SEGMENTS};
use crate::tier::Tier;
use crate::{Store, StoreError};

/// What was compacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that are needed no more.
    pub replaced: u64,
    /// Files that hold their measurements now.
    pub files: u64,
    /// How many these are.
    pub measurements: u64,
}

/// A file of measurements, for readers outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds: measurements, or what they add up to.
    pub tier: Tier,
    /// What was measured: `echo4`, `connect6` and the like.
    pub kind: String,
    /// The UTC day of its slots, `2026-11-22`.
    pub day: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// First commit number that it can hold rows of.
    pub first_commit: u64,
    /// Last commit number that it can hold rows of.
    pub last_commit: u64,
    /// 1: sealed from the log; each compaction adds 1.
    pub generation: u32,
}

impl Store {
    /// The files of a tier, by kind, day and commits: each sealed measurement stands in exactly one of them, or is added
    /// up in exactly one; of days whose rollups are being made anew no rollups are listed meanwhile. They stay where they are for ten minutes at least.
    ///
    /// # Errors
    /// When the store failed.
    pub fn segment_files(&self, tier: Tier) -> Result<Vec<SegmentFile>, StoreError> {
        let (catalogue, marks) = self.read(|transaction| {
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            Ok((catalogue, marks::read(transaction, self.found())?))
        })?;
        let counts = |segment: &Segment| tier == Tier::Raw || !marks.contains_key(&segment.day);
        let of_tier = catalogue.segments.iter().filter(|segment| segment.tier == tier);
        let mut segments: Vec<&Segment> = of_tier.filter(|segment| counts(segment)).collect();
        segments.sort_by_key(|segment| (segment.kind, segment.day, segment.span, segment.number));
        let of = |segment: &Segment| SegmentFile {
            path: self.0.segments.folder.path(&segment.name()),
            tier: segment.tier,
            kind: segment.kind.to_string(),
            day: segment.day.to_string(),
            rows: segment.rows,
            bytes: segment.bytes,
            first_commit: segment.span.first,
            last_commit: segment.span.last,
            generation: segment.generation,
        };
        Ok(segments.into_iter().map(of).collect())
    }

    /// Bytes of all segments; what is set aside still counts until it is looked, each hour, what is too old.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.0.segments.bytes.load(Ordering::Relaxed)
    }

    /// Removes the files that were replaced long enough ago, and that nobody reads. Returns how many. `since_boot`: the time
    /// that nobody sets; the ten minutes are counted from the first call that finds a file replaced, after each start anew.
    ///
    /// # Errors
    /// When the store failed. A file that the disk keeps is tried again by the next call.
    pub fn remove_replaced(&self, since_boot: Duration) -> Result<u64, StoreError> {
        let segments = &self.0.segments;
        let _alone = segments.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if segments.lacks_files.load(Ordering::Relaxed) {
            self.look_for_files()?;
            if segments.lacks_files.load(Ordering::Relaxed) {
                return Ok(0); // what replaced them may be what is not there
            }
        }
        let replaced = self.read(|transaction| {
            let table = REPLACED.read(transaction, self.found())?;
            let mut replaced = Vec::new();
            for row in table.iter()? {
                let (number, row) = row?;
                let row = table.decode(number.value(), &row, Replaced::decode);
                replaced.extend(row.map(|row| (number.value(), row)));
            }
            Ok(replaced)
        })?;
        let mut gone = Vec::new();
        for (number, row) in segments.overdue(replaced, since_boot) {
            match segments.folder.remove(&row.name) {
                Ok(()) => gone.push(number),
                Err(error) => {
                    tracing::warn!(%error, name = row.name, "cannot remove a file that was replaced; it is tried again");
                }
            }
        }
        if !gone.is_empty() {
            let path = || segments.folder.path("");
            let synced = segments.folder.sync(); // a file that came back after a crash would have no name in here
            synced.map_err(|source| StoreError::Segment { path: path(), source })?;
            self.write_tables(|transaction| {
                let mut table = REPLACED.open(transaction, self.found())?;
                gone.iter().try_for_each(|number| table.remove(*number).map(drop))
            })?;
            gone.iter().for_each(|number| segments.forget_replaced(*number));
        }
        Ok(gone.len() as u64)
    }

    /// Keeps the file of a segment that was set aside from going as a stray: under another name, which nobody globs.
    pub(crate) fn keep_damaged_file(&self, number: u64) {
        let folder = &self.0.segments.folder;
        let ending = Segment::ending(number);
        let Ok(names) = folder.list() else {
            return;
        };
        for name in names.iter().filter(|name| name.ends_with(&ending)) {
            if let Err(error) = folder.rename(name, &format!("{name}{ENDING}")) {
                let error = chain(&error);
                tracing::warn!(%error, name, "cannot rename the damaged file of a segment");
            }
        }
    }
}

/// Takes segments out of the catalogue, and notes that their files are to go later.
pub(super) fn replace(
    transaction: &WriteTransaction,
    found: &Found,
    (old, now): (&[Segment], UnixMillis),
) -> Result<(), StoreError> {
    let mut catalogue = SEGMENTS.open(transaction, found)?;
    let mut replaced = REPLACED.open(transaction, found)?;
    for segment in old {
        if catalogue.remove(segment.number)?.is_none() {
            return Err(StoreError::Unsettled); // it was set aside meanwhile
        }
        let row = Replaced {
            at: now,
            name: segment.name(),
        };
        replaced.insert(segment.number, &row.encode())?;
    }
    let mut numbers = Numbers::open(transaction, found)?;
    let before = numbers.get(META_REPLACED)?;
    numbers.set(META_REPLACED, before + old.len() as u64)
}

/// A file that is to go: others replaced it, or it is not in the catalogue yet.
pub(super) struct Replaced {
    /// When it was replaced; 0 of one that is not in the catalogue yet.
    at: UnixMillis,
    pub(super) name: String,
}

const VERSION: u8 = 1;

impl Replaced {
    /// A file that has its name, and counts for nothing before the catalogue has it.
    pub(super) fn unentered(segment: &Segment) -> Self {
        let (at, name) = (UnixMillis(0), segment.name());
        Self { at, name }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::version(VERSION);
        row.number(self.at.0).bytes(self.name.as_bytes());
        row.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut row = RowReader::new(bytes, VERSION)?;
        let at = UnixMillis(row.number("instant")?);
        let name = std::str::from_utf8(row.rest()).map_err(|_| Malformed::Text)?;
        Ok(Self {
            at,
            name: name.to_owned(),
        })
    }
}
