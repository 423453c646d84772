//! A folder in memory that can crash, fill up and be copied.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::Disk;

/// Files in memory. Faults are asked for by the test.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    capacity: Option<u64>,
    /// The power fails after this many more bytes were written.
    power: Option<u64>,
    /// Removed since their folder was last made durable.
    removed: BTreeMap<String, Vec<u8>>,
}

impl MemoryDisk {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a copy of the folder, taken now, holds: an old backup, a cloned machine.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = State {
            files: self.lock().files.clone(),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// The disk is full once its files hold this many bytes; `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// The power fails in the middle of the write that would exceed this many more bytes: what was written
    /// before stands, every later call fails until [`MemoryDisk::power_on`].
    pub fn cut_power_after(&self, bytes: u64) {
        self.lock().power = Some(bytes);
    }

    /// The machine starts again with what became durable: files that were removed just before are back.
    pub fn power_on(&self) {
        let mut state = self.lock();
        state.power = None;
        let removed = std::mem::take(&mut state.removed);
        for (name, file) in removed {
            state.files.entry(name).or_insert(file);
        }
    }

    /// Flips bits of one stored byte.
    #[cfg(test)]
    pub(crate) fn corrupt(&self, name: &str, offset: usize, mask: u8) {
        if let Some(byte) = self
            .lock()
            .files
            .get_mut(name)
            .and_then(|file| file.get_mut(offset))
        {
            *byte ^= mask;
        }
    }

    /// Bytes in all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.len() as u64).sum()
    }

    /// The folder of `name` was synced: what was removed from it stays removed.
    fn made_durable(&mut self, name: &str) {
        let folder = |name: &str| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        self.removed.retain(|removed, _| folder(removed) != folder(name));
    }

    fn powered(&self) -> io::Result<()> {
        if self.power == Some(0) {
            return Err(io::Error::other("the power is cut"));
        }
        Ok(())
    }

    /// How many of `wanted` bytes get onto the disk, and the error that the writer sees.
    fn admit(&mut self, wanted: usize) -> (usize, io::Result<()>) {
        let used = self.bytes();
        if let Some(left) = &mut self.power {
            if *left < wanted as u64 {
                let written = *left as usize;
                *left = 0;
                return (written, Err(io::Error::other("the power is cut")));
            }
            *left -= wanted as u64;
        }
        match self.capacity {
            Some(capacity) if used + wanted as u64 > capacity => {
                let written = capacity.saturating_sub(used) as usize;
                (written, Err(io::ErrorKind::StorageFull.into()))
            }
            _ => (wanted, Ok(())),
        }
    }
}

impl Disk for MemoryDisk {
    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.powered()?;
        let names = state.files.keys().filter(|name| name.starts_with(prefix));
        Ok(names.cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        state.powered()?;
        state
            .files
            .get(name)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.lock();
        state.powered()?;
        let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let range = offset as usize..offset as usize + length;
        file.get(range)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.powered()?;
        let (written, result) = state.admit(bytes.len());
        if !state.files.contains_key(name) {
            state.made_durable(name);
        }
        let file = state.files.entry(name.to_owned()).or_default();
        file.extend_from_slice(&bytes[..written]);
        result
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        state.powered()?;
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        file.truncate(length as usize);
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.powered()?;
        let (_, result) = state.admit(bytes.len()); // the half-written file counts while it lasts
        result?;
        state.files.insert(name.to_owned(), bytes.to_vec());
        state.made_durable(name);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.powered()?;
        let file = state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.removed.insert(name.to_owned(), file);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.powered()?;
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), file);
        state.made_durable(from);
        state.made_durable(to);
        Ok(())
    }
}
