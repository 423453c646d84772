//! The files of segments: which count, which nobody needs any more, and which are strays.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use isochrone_base::error_chain::chain;
use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;
use serde::Serialize;

use super::catalogue::{Segment, segments};
use super::damaged::ENDING;
use super::marks;
use super::writer::is_ours;
use crate::found::Found;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::tables::{REPLACED, SEGMENTS};
use crate::tier::Tier;
use crate::{Store, StoreError};

/// A replaced file stays at least this long: whoever listed it may still open it.
const KEPT: Duration = Duration::from_secs(600);

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
        let (mut segments, marks) = self.read(|transaction| {
            let segments = segments(transaction, self.found())?;
            Ok((segments, marks::read(transaction, self.found())?))
        })?;
        let counts = |segment: &Segment| tier == Tier::Raw || !marks.contains_key(&segment.day);
        segments.retain(|segment| segment.tier == tier && counts(segment));
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
        Ok(segments.iter().map(of).collect())
    }

    /// Bytes of all segments; what is set aside since the start still counts.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.0.segments.bytes.load(Ordering::Relaxed)
    }

    /// Removes the files that were replaced long enough ago, and that nobody reads. Returns how many.
    ///
    /// # Errors
    /// When the store failed.
    pub fn remove_replaced(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let segments = &self.0.segments;
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
        for (number, row) in replaced {
            if !row.is_due(now) || !segments.is_free(number) {
                continue;
            }
            match segments.folder.remove(&row.name) {
                Ok(()) => gone.push(number),
                Err(source) => {
                    let path = segments.folder.path(&row.name);
                    return Err(StoreError::Segment { path, source });
                }
            }
        }
        if !gone.is_empty() {
            self.write_tables(|transaction| {
                let mut table = REPLACED.open(transaction, self.found())?;
                gone.iter().try_for_each(|number| table.remove(*number).map(drop))
            })?;
            gone.iter().for_each(|number| segments.forget_replaced(*number));
        }
        Ok(gone.len() as u64)
    }

    /// Removes files of ours that neither the catalogue nor what was replaced names: a crash left them.
    pub(crate) fn remove_strays(&self) -> Result<(), StoreError> {
        let folder = &self.0.segments.folder;
        let (counted, named) = self.read(|transaction| {
            let segments = segments(transaction, self.found())?;
            let mut named: HashSet<String> = segments.iter().map(Segment::name).collect();
            let counted = named.len() as u64;
            let bytes = segments.iter().map(|segment| segment.bytes).sum();
            self.0.segments.bytes.store(bytes, Ordering::Relaxed);
            let table = REPLACED.read(transaction, self.found())?;
            for row in table.iter()? {
                let (number, row) = row?;
                let row = table.decode(number.value(), &row, Replaced::decode);
                named.extend(row.map(|row| row.name));
            }
            Ok((counted, named))
        })?;
        if !folder.exists() {
            let path = folder.path("");
            return match counted {
                0 => folder
                    .make()
                    .map_err(|source| StoreError::Segment { path, source }),
                segments => Err(StoreError::NoSegments { path, segments }),
            };
        }
        let listed = folder.list().map_err(|source| StoreError::Segment {
            path: folder.path(""),
            source,
        })?;
        for stray in listed
            .iter()
            .filter(|name| is_ours(name) && !named.contains(*name))
        {
            match folder.remove(stray) {
                Ok(()) => tracing::info!(name = stray, "a file that no segment names was removed"),
                Err(error) => {
                    tracing::warn!(%error, name = stray, "cannot remove a file that no segment names")
                }
            }
        }
        Ok(())
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
    Ok(())
}

/// A file that others replaced.
struct Replaced {
    at: UnixMillis,
    name: String,
}

const VERSION: u8 = 1;

impl Replaced {
    fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::version(VERSION);
        row.number(self.at.0).bytes(self.name.as_bytes());
        row.0
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut row = RowReader::new(bytes, VERSION)?;
        let at = UnixMillis(row.number("instant")?);
        let name = std::str::from_utf8(row.rest()).map_err(|_| Malformed::Text)?;
        Ok(Self {
            at,
            name: name.to_owned(),
        })
    }

    /// Also where the clock was set back since: then nobody can tell.
    fn is_due(&self, now: UnixMillis) -> bool {
        now >= self.at.plus(KEPT) || self.at > now.plus(KEPT)
    }
}
