//! The files beside the database on a disk for tests: content and names are durable apart from each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use nix::errno::Errno;

use super::{Disk, LossyBackend, SECTOR, next};
use crate::segment::{Content as OpenFile, Folder, Stamp};

/// A folder as it is, and as it would be found after a crash.
#[derive(Clone, Default)]
pub(super) struct Files {
    contents: Vec<Content>,
    /// Name → which content.
    current: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Naming>,
    /// Files of which the disk gives nothing.
    unreadable: BTreeSet<String>,
    /// What changes without a write does not show in a stamp.
    has_stamps: bool,
    /// How often one was opened.
    opened: u64,
}

#[derive(Clone)]
struct Content {
    bytes: Vec<u8>,
    is_durable: bool,
}

/// A file that is open.
#[derive(Debug)]
struct Open {
    bytes: Bytes,
    stamp: Option<Stamp>,
    is_unreadable: bool,
}

impl OpenFile for Open {
    fn length(&self) -> io::Result<u64> {
        self.bytes.length()
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        Ok(self.stamp)
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        match self.is_unreadable {
            true => Err(Errno::EIO.into()),
            false => self.bytes.read_at(from, length),
        }
    }
}

#[derive(Clone)]
enum Naming {
    Made(String, usize),
    Renamed(String, String),
    Removed(String),
}

impl Files {
    /// What is durable.
    pub(super) fn snapshot(&self) -> Self {
        self.found(self.durable.clone(), |_| None)
    }

    /// What is found after the power was cut: each unsynced change of a name is kept or lost, each unsynced content
    /// kept, lost or torn.
    pub(super) fn crash(&self, random: &mut u64) -> Self {
        let mut names = self.durable.clone();
        for naming in &self.unsynced {
            if next(random).is_multiple_of(2) {
                name(&mut names, naming);
            }
        }
        let mut chance = *random;
        let found = self.found(names, |length| {
            let kept = next(&mut chance) as usize;
            Some(match kept % 3 {
                0 => length,
                1 => (kept / 3 % (length / SECTOR + 1)) * SECTOR,
                _ => 0,
            })
        });
        *random = chance;
        found
    }

    fn found(&self, names: BTreeMap<String, usize>, mut kept: impl FnMut(usize) -> Option<usize>) -> Self {
        let mut files = Self::default();
        for (name, content) in names {
            let content = &self.contents[content];
            let length = match content.is_durable {
                true => content.bytes.len(),
                false => kept(content.bytes.len()).unwrap_or(0),
            };
            let content = Content {
                bytes: content.bytes[..length].to_vec(),
                is_durable: true,
            };
            files.contents.push(content);
            files.durable.insert(name, files.contents.len() - 1);
        }
        files.current = files.durable.clone();
        files
    }

    fn change(&mut self, naming: Naming) {
        name(&mut self.current, &naming);
        self.unsynced.push(naming);
    }

    fn content(&mut self, name: &str) -> Option<&mut Content> {
        self.contents.get_mut(*self.current.get(name)?)
    }
}

fn name(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming {
        Naming::Made(name, content) => {
            names.insert(name.clone(), *content);
        }
        Naming::Renamed(from, to) => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
        Naming::Removed(name) => {
            names.remove(name);
        }
    }
}

impl LossyBackend {
    /// The names of its files.
    #[must_use]
    pub fn file_names(&self) -> Vec<String> {
        self.disk().files.current.keys().cloned().collect()
    }

    /// Flips one bit of a file, modulo its length.
    pub fn flip_in_file(&self, name: &str, bit: usize) {
        let mut disk = self.disk();
        if let Some(content) = disk.files.content(name) {
            let bit = bit % (content.bytes.len() * 8).max(1);
            if let Some(byte) = content.bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// From here on the disk does not give what is in a file, or does again.
    pub fn fail_reads_of(&self, name: &str, fails: bool) {
        let unreadable = &mut self.disk().files.unreadable;
        match fails {
            true => unreadable.insert(name.to_owned()),
            false => unreadable.remove(name),
        };
    }

    /// From here on a file that changes without a write has the stamp that it had.
    pub fn keep_stamps(&self) {
        self.disk().files.has_stamps = true;
    }

    /// How often a file was opened.
    #[must_use]
    pub fn files_opened(&self) -> u64 {
        self.disk().files.opened
    }

    /// Removes a file, past everything.
    pub fn lose_file(&self, name: &str) {
        let Disk { files, .. } = &mut *self.disk();
        files.current.remove(name);
        files.durable.remove(name);
    }
}

impl Folder for LossyBackend {
    fn path(&self, name: &str) -> PathBuf {
        Path::new("segments").join(name)
    }

    fn exists(&self) -> bool {
        true
    }

    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.files.current.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        let Disk { files, .. } = &mut *self.alive()?;
        files.opened += 1;
        let number = *files.current.get(name).ok_or(io::ErrorKind::NotFound)?;
        let content = &files.contents[number];
        Ok(Arc::new(Open {
            bytes: Bytes::copy_from_slice(&content.bytes),
            stamp: files.has_stamps.then(|| Stamp::numbered(number as u64)),
            is_unreadable: files.unreadable.contains(name),
        }))
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        {
            let Disk { files, .. } = &mut *self.writable()?;
            let bytes = content.to_vec();
            let is_durable = false;
            files.contents.push(Content { bytes, is_durable });
            files.change(Naming::Made(name.to_owned(), files.contents.len() - 1));
        }
        if let Some(content) = self.writable()?.files.content(name) {
            content.is_durable = true;
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let naming = Naming::Renamed(from.to_owned(), to.to_owned());
        self.writable()?.files.change(naming);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.removable()?.files.change(Naming::Removed(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let Disk { files, .. } = &mut *self.writable()?;
        files.unsynced.clear();
        files.durable = files.current.clone();
        Ok(())
    }
}
