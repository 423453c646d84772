//! The files beside the database on a disk for tests: content and names are durable apart from each other.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{Disk, LossyBackend, SECTOR, next};
use crate::segment::{Content as OpenFile, Folder};

/// A folder as it is, and as it would be found after a crash.
#[derive(Clone, Default)]
pub(super) struct Files {
    contents: Vec<Content>,
    /// Name → which content.
    current: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Naming>,
}

#[derive(Clone)]
struct Content {
    bytes: Vec<u8>,
    is_durable: bool,
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
        let mut disk = self.alive()?;
        let content = disk.files.content(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Bytes::copy_from_slice(&content.bytes)))
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
