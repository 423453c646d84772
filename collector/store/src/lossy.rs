//! A disk for tests: it loses what was not synced when it crashes, and fails when told to.

mod files;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use self::files::Files;

/// A disk in memory. Handles share it; [`LossyBackend::crash`] ends them all and leaves a new disk with what
/// was durable, and as much of the rest as chance kept.
#[derive(Clone, Default)]
pub struct LossyBackend(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    dead: bool,
    failing: Option<io::ErrorKind>,
    operations_left: Option<u64>,
    room_left: Option<u64>,
    syncs: u64,
    files: Files,
}

#[derive(Clone)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

/// A disk never tears within this many bytes.
const SECTOR: usize = 512;

impl LossyBackend {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power: every handle fails from here on. Of the unsynced changes each is kept, lost or torn,
    /// as `seed` has it. Returns the disk as it is found afterwards.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut disk = self.disk();
        disk.dead = true;
        let mut content = disk.durable.clone();
        let mut random = seed;
        for change in &disk.unsynced {
            let chance = next(&mut random);
            match (chance % 3, change) {
                (0, change) => apply(&mut content, change),
                (1, Change::Write(at, data)) => {
                    let kept = (next(&mut random) as usize % (data.len() / SECTOR + 1)) * SECTOR;
                    apply(&mut content, &Change::Write(*at, data[..kept].to_vec()));
                }
                _ => {}
            }
        }
        let files = disk.files.crash(&mut random);
        Self::of(content, files)
    }

    /// A copy of what is durable now: a backup, or a snapshot of the machine.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let disk = self.disk();
        Self::of(disk.durable.clone(), disk.files.snapshot())
    }

    /// Flips one bit of what is durable.
    pub fn flip(&self, bit: u64) {
        let mut disk = self.disk();
        let Disk { current, durable, .. } = &mut *disk;
        for content in [current, durable] {
            if let Some(byte) = content.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// What is durable.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        self.disk().durable.clone()
    }

    /// From here on every write and sync fails with `kind`; `None` ends that.
    pub fn fail_writes(&self, kind: Option<io::ErrorKind>) {
        self.disk().failing = kind;
    }

    /// Dies after so many more writes and syncs: a crash in the middle of a commit.
    pub fn die_after(&self, operations: u64) {
        self.disk().operations_left = Some(operations);
    }

    /// Takes so many more writes and syncs, and then none: it is full, until it is told of another count. Files can be
    /// removed all the while.
    pub fn full_after(&self, operations: Option<u64>) {
        self.disk().room_left = operations;
    }

    /// How often it was synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    fn of(content: Vec<u8>, files: Files) -> Self {
        let disk = Disk {
            files,
            current: content.clone(),
            durable: content,
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk();
        if disk.dead {
            return Err(io::Error::other("the simulated machine has crashed"));
        }
        Ok(disk)
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.removable()?;
        match &mut disk.room_left {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(disk)
            }
            None => Ok(disk),
        }
    }

    /// For what takes no room.
    fn removable(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.alive()?;
        if let Some(kind) = disk.failing {
            return Err(io::Error::new(kind, "the simulated disk fails"));
        }
        match disk.operations_left {
            Some(0) => {
                disk.dead = true;
                Err(io::Error::other("the simulated machine has crashed"))
            }
            Some(left) => {
                disk.operations_left = Some(left - 1);
                Ok(disk)
            }
            None => Ok(disk),
        }
    }
}

impl Disk {
    fn change(&mut self, change: Change) {
        apply(&mut self.current, &change);
        self.unsynced.push(change);
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => content.resize(*length as usize, 0),
        Change::Write(at, data) => {
            let (start, end) = (*at as usize, *at as usize + data.len());
            if content.len() < end {
                content.resize(end, 0); // the change of length before it was lost
            }
            content[start..end].copy_from_slice(data);
        }
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl StorageBackend for LossyBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.alive()?;
        let range = offset as usize..offset as usize + out.len();
        let found = disk.current.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?.change(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.writable()?;
        disk.syncs += 1;
        let Disk {
            durable, unsynced, ..
        } = &mut *disk;
        for change in unsynced.drain(..) {
            apply(durable, &change);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?.change(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

impl fmt::Debug for LossyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LossyBackend")
    }
}

/// A backend that outlives the database on it, so that a failed one can be opened again.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Arc<dyn StorageBackend>);

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
