//! Files in the folder of segments that the catalogue does not name. The database may be an older copy, or another one: then
//! they hold what it does not know. So none of them is ever removed but one that was not written to its end; they are put
//! aside under names that nobody globs, and back into their places for a catalogue that names them.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::catalogue::{EXTENSION, Segment};
use super::damaged::ENDING as DAMAGED;
use super::files::Replaced;
use super::holds::Segments;
use super::writer::UNFINISHED;
use crate::numbers::{Numbers, read_number};
use crate::tables::{META_SEGMENT, REPLACED};
use crate::{Store, StoreError};

/// How the names of files end that no catalogue named.
const STRAY: &str = ".stray";

impl Segments {
    /// Says no where a store is to be made in `file` beside segments of another.
    pub(crate) fn refuse_new(&self, file: &Path) -> Result<(), StoreError> {
        if !self.folder.exists() {
            return Ok(());
        }
        let listed = self.listed()?;
        let segments = listed.iter().filter(|name| is_segment(name)).count() as u64;
        match segments {
            0 => Ok(()),
            segments => Err(StoreError::NoStore {
                path: file.to_owned(),
                folder: self.folder.path(""),
                segments,
            }),
        }
    }

    fn listed(&self) -> Result<Vec<String>, StoreError> {
        self.folder.list().map_err(self.cannot(""))
    }

    fn cannot(&self, name: &str) -> impl FnOnce(io::Error) -> StoreError {
        let path = self.folder.path(name);
        move |source| StoreError::Segment { path, source }
    }
}

impl Store {
    /// Looks whether the files are there that the catalogue names, and puts those back that were put aside as strays.
    pub(crate) fn look_for_files(&self) -> Result<(), StoreError> {
        let of_store = &self.0.segments;
        let folder = &of_store.folder;
        let catalogue = self.read(|transaction| of_store.known.read(transaction, self.found()))?;
        let named = &catalogue.segments;
        let bytes = named.iter().map(|segment| segment.bytes).sum();
        of_store.bytes.store(bytes, Ordering::Relaxed);
        if !folder.exists() {
            return match named.len() as u64 {
                0 => folder.make().map_err(of_store.cannot("")),
                segments => Err(StoreError::NoSegments {
                    path: folder.path(""),
                    segments,
                }),
            };
        }
        let listed: HashSet<String> = of_store.listed()?.into_iter().collect();
        let (mut lacks, mut back) = (false, 0);
        for name in named.iter().map(Segment::name) {
            if listed.contains(&name) {
                continue;
            }
            let stray = format!("{name}{STRAY}");
            let is_back = listed.contains(&stray) && folder.rename(&stray, &name).is_ok();
            back += u64::from(is_back);
            lacks |= !is_back;
        }
        of_store.lacks_files.store(lacks, Ordering::Relaxed);
        if back > 0 {
            folder.sync().map_err(of_store.cannot(""))?;
            tracing::info!(
                files = back,
                "files that this store names were put back into their places"
            );
        }
        Ok(())
    }

    /// Nobody else seals, or writes files in another way, for as long as this lives. Before the first file is written, all
    /// that no segment names is out of the way.
    pub(super) fn alone(&self) -> Result<MutexGuard<'_, bool>, StoreError> {
        let sealing = &self.0.segments.sealing;
        let mut is_tidy = sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_tidy {
            self.put_strays_aside()?;
            *is_tidy = true;
        }
        Ok(is_tidy)
    }

    fn put_strays_aside(&self) -> Result<(), StoreError> {
        let of_store = &self.0.segments;
        let folder = &of_store.folder;
        let (named, last) = self.read(|transaction| {
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            let segments = &catalogue.segments;
            let mut named: HashSet<String> = segments.iter().map(Segment::name).collect();
            let table = REPLACED.read(transaction, self.found())?;
            for row in table.iter()? {
                let (number, row) = row?;
                let row = table.decode(number.value(), &row, Replaced::decode);
                named.extend(row.map(|row| row.name));
            }
            Ok((named, read_number(transaction, self.found(), META_SEGMENT)?))
        })?;
        let listed = of_store.listed()?;
        let highest = listed.iter().filter_map(|name| number_of(name)).max();
        if let Some(highest) = highest.filter(|highest| *highest > last) {
            // a number that any file bears is not given again
            self.write_tables(|transaction| {
                Numbers::open(transaction, self.found())?.set(META_SEGMENT, highest)
            })?;
        }
        let mut strays = 0;
        for name in listed.iter().filter(|name| !named.contains(*name)) {
            let done = if is_unfinished(name) {
                folder.remove(name)
            } else if is_segment(name) {
                strays += 1;
                folder.rename(name, &format!("{name}{STRAY}"))
            } else {
                continue;
            };
            if let Err(error) = done {
                tracing::warn!(%error, name, "cannot put a file aside that no segment names");
            }
        }
        if strays > 0 {
            tracing::warn!(
                files = strays,
                folder = %folder.path("").display(),
                "this store does not name some of the files beside it: an older copy of it was put back, or another store's \
                 files lie there. They were put aside as *{STRAY}, and are put back if the store comes that names them"
            );
        }
        Ok(())
    }
}

/// Whether it is the name of a segment's file.
fn is_segment(name: &str) -> bool {
    name.ends_with(EXTENSION) && number_of(name).is_some()
}

/// Whether it is that of one that was not written to its end.
fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED) && number_of(name).is_some()
}

/// The number in the name of a file of ours, whatever became of it.
fn number_of(name: &str) -> Option<u64> {
    let endings = [UNFINISHED, STRAY, DAMAGED];
    let name = endings
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let (_, number) = name.strip_suffix(EXTENSION)?.rsplit_once('-')?;
    let is_number = number.len() >= 10 && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| number.parse().ok()).flatten()
}
