//! Files on their way into the catalogue: written under another name and synced; named by the database as unentered; renamed,
//! and their folder synced; entered.

use std::io;

use redb::WriteTransaction;

use super::catalogue::{Segment, Span};
use super::error::FileError;
use super::file::{Facts, write};
use super::files::Replaced;
use super::folder::Folder;
use super::series::BatchOf;
use super::sheet::Sheet;
use crate::found::Found;
use crate::numbers::Numbers;
use crate::tables::{META_SEGMENT, REPLACED, SEGMENTS};
use crate::tier::Tier;
use crate::{Store, StoreError};

/// How the name of a file ends until it is whole.
pub(super) const UNFINISHED: &str = ".unfinished";

/// The files of a span, before they are in the catalogue.
pub(super) struct Files<'f> {
    pub(super) folder: &'f dyn Folder,
    pub(super) span: Span,
    pub(super) generation: u32,
    /// The number of the last segment before them.
    pub(super) last: u64,
}

impl Store {
    /// Writes the files that `body` puts, durably, and gives them their names. Where that fails, none is left. Until the
    /// catalogue has them, the database names them among those that are to go: after a crash it knows them as its own.
    pub(super) fn write_files(
        &self,
        files: &Files<'_>,
        body: impl FnOnce(&mut Vec<Segment>) -> Result<(), StoreError>,
    ) -> Result<Vec<Segment>, StoreError> {
        let mut written = Vec::new();
        let result = body(&mut written).and_then(|()| self.name_files(files, &written));
        if result.is_err() {
            discard(files.folder, &written);
        }
        result.map(|()| written)
    }

    fn name_files(&self, files: &Files<'_>, written: &[Segment]) -> Result<(), StoreError> {
        let Some(last) = written.last() else {
            return Ok(());
        };
        self.write_tables(|transaction| {
            let mut replaced = REPLACED.open(transaction, self.found())?;
            for segment in written {
                replaced.insert(segment.number, &Replaced::unentered(segment).encode())?;
            }
            Numbers::open(transaction, self.found())?.set(META_SEGMENT, last.number)
        })?;
        for name in written.iter().map(Segment::name) {
            let renamed = files.folder.rename(&unfinished(&name), &name);
            renamed.map_err(files.failed(&name))?;
        }
        files.folder.sync().map_err(files.failed(""))
    }
}

impl Files<'_> {
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
            .map_err(self.failed(&unfinished))
    }

    fn failed(&self, name: &str) -> impl FnOnce(io::Error) -> StoreError {
        let path = self.folder.path(name);
        move |source| StoreError::Segment { path, source }
    }
}

/// The name of a file until it is whole.
fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Removes files that the catalogue does not have. What cannot be removed now goes at the next start.
fn discard(folder: &dyn Folder, segments: &[Segment]) {
    for segment in segments {
        let name = segment.name();
        for name in [unfinished(&name), name] {
            if let Err(error) = folder.remove(&name) {
                tracing::debug!(%error, name, "cannot remove what was not sealed");
            }
        }
    }
}

impl Store {
    /// Enters files that are written, in the transaction that `body` fills. Where that fails, nobody knows whether it
    /// took place before the store is open again: files that it names by then stay, and it is as if it had not failed.
    pub(super) fn enter_written(
        &self,
        written: &[Segment],
        body: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let entered = self.write_tables(|transaction| {
            body(transaction)?;
            enter(transaction, self.found(), written)
        });
        let Err(error) = entered else {
            return Ok(());
        };
        let named = self.read(|transaction| {
            let table = SEGMENTS.read(transaction, self.found())?;
            let mut named = true;
            for segment in written {
                named &= table.get_as(segment.number, Segment::decode)?.as_ref() == Some(segment);
            }
            Ok(named)
        });
        match named {
            Ok(true) => Ok(()),
            Ok(false) => {
                discard(&*self.0.segments.folder, written);
                Err(error)
            }
            Err(_) => Err(error), // what nothing names goes at the next start
        }
    }
}

/// Puts segments into the catalogue, whose files have their names.
fn enter(transaction: &WriteTransaction, found: &Found, segments: &[Segment]) -> Result<(), StoreError> {
    let mut table = SEGMENTS.open(transaction, found)?;
    let mut replaced = REPLACED.open(transaction, found)?;
    for segment in segments {
        table.insert(segment.number, &segment.encode())?;
        replaced.remove(segment.number)?;
    }
    Ok(())
}
