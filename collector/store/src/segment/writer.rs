//! Files on their way into the catalogue: written under another name, synced, renamed, and their folder synced.

use std::io;

use redb::WriteTransaction;

use super::catalogue::{EXTENSION, Segment, Span};
use super::error::FileError;
use super::file::{Facts, write};
use super::folder::Folder;
use super::series::BatchOf;
use super::sheet::Sheet;
use crate::StoreError;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::tables::{META_SEGMENT, SEGMENTS};
use crate::tier::Tier;

/// The files of a span, before they are in the catalogue.
pub(super) struct Files<'f> {
    pub(super) folder: &'f dyn Folder,
    pub(super) span: Span,
    pub(super) generation: u32,
    /// The number of the last segment before them.
    pub(super) last: u64,
}

impl Files<'_> {
    /// Writes the files that `body` puts, durably. Where that fails, none is left.
    pub(super) fn write_all(
        &self,
        body: impl FnOnce(&mut Vec<Segment>) -> Result<(), StoreError>,
    ) -> Result<Vec<Segment>, StoreError> {
        let mut written = Vec::new();
        let result = body(&mut written).and_then(|()| match written.is_empty() {
            true => Ok(()),
            false => self.folder.sync().map_err(self.failed("")),
        });
        if result.is_err() {
            discard(self.folder, &written);
        }
        result.map(|()| written)
    }

    /// Writes the measurements of a kind and day, sorted then, which came in `batches`.
    pub(super) fn put_sheet(
        &self,
        sheet: &mut Sheet,
        batches: &[BatchOf],
        written: &mut Vec<Segment>,
    ) -> Result<(), StoreError> {
        let facts = Facts {
            kind: sheet.kind,
            day: sheet.day,
            commits: (self.span.first, self.span.last),
            generation: self.generation,
        };
        sheet.sort();
        let content = write(&facts, sheet, batches);
        let segment = Segment {
            number: 0,
            tier: Tier::Raw,
            kind: sheet.kind,
            day: sheet.day,
            span: self.span,
            slots: sheet.slots,
            rows: sheet.rows(),
            measurements: sheet.rows(),
            bytes: 0,
            checksum: 0,
            generation: self.generation,
        };
        self.put(segment, content, written)
    }

    /// Writes one file, and adds it to those that are written: it gets the next number.
    pub(super) fn put(
        &self,
        mut segment: Segment,
        content: Result<Vec<u8>, FileError>,
        written: &mut Vec<Segment>,
    ) -> Result<(), StoreError> {
        segment.number = self.last + 1 + written.len() as u64;
        let name = segment.name();
        let content = content.map_err(|error| self.failed(&name)(io::Error::other(error)))?;
        segment.bytes = content.len() as u64;
        segment.checksum = crc32c::crc32c(&content);
        let unfinished = unfinished(&name);
        written.push(segment);
        self.folder
            .write(&unfinished, &content)
            .map_err(self.failed(&unfinished))?;
        self.folder.rename(&unfinished, &name).map_err(self.failed(&name))
    }

    fn failed(&self, name: &str) -> impl FnOnce(io::Error) -> StoreError {
        let path = self.folder.path(name);
        move |source| StoreError::Segment { path, source }
    }
}

/// The name of a file until it is whole.
fn unfinished(name: &str) -> String {
    format!("{name}.unfinished")
}

/// Whether a file has a name of ours: one that nothing names is a stray.
pub(super) fn is_ours(name: &str) -> bool {
    name.ends_with(EXTENSION) || name.ends_with(&unfinished(EXTENSION))
}

/// Removes files that the catalogue does not have. What cannot be removed now goes at the next start.
pub(super) fn discard(folder: &dyn Folder, segments: &[Segment]) {
    for segment in segments {
        let name = segment.name();
        for name in [unfinished(&name), name] {
            if let Err(error) = folder.remove(&name) {
                tracing::debug!(%error, name, "cannot remove what was not sealed");
            }
        }
    }
}

/// Puts segments into the catalogue.
pub(super) fn enter(
    transaction: &WriteTransaction,
    found: &Found,
    segments: &[Segment],
) -> Result<(), StoreError> {
    let Some(last) = segments.last() else {
        return Ok(());
    };
    let mut table = SEGMENTS.open(transaction, found)?;
    for segment in segments {
        table.insert(segment.number, &segment.encode())?;
    }
    Numbers::open(transaction, found)?.set(META_SEGMENT, last.number)
}
