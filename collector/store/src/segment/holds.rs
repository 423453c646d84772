//! Who reads segments right now: a file that was replaced stays while anybody may still open it.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parquet::file::metadata::ParquetMetaData;

use super::catalogue::Segment;
use super::checked::{Checked, Look, Withheld};
use super::content::Content;
use super::error::FileError;
use super::folder::Folder;
use super::in_vain::InVain;
use super::known::Known;
use super::opened::Opened;
use crate::StoreError;
use crate::limits::Retention;

/// A replaced file stays at least this long: whoever listed it may still open it.
const KEPT: Duration = Duration::from_secs(600);
/// So many files are remembered, some 30 KB each; when there are more, they are read anew.
const DESCRIBED_MAX: usize = 512;

/// What a store keeps of its segments in memory.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) folder: Arc<dyn Folder>,
    /// How long they are kept.
    pub(crate) retention: Retention,
    /// Bytes of the files that the catalogue names.
    pub(super) bytes: AtomicU64,
    /// One sealer, or compaction, at a time; whether what no segment names is out of its way.
    pub(crate) sealing: Mutex<bool>,
    /// Files were not there at the start that the catalogue names.
    pub(super) lacks_files: AtomicBool,
    checked: Checked,
    pub(super) in_vain: Mutex<InVain>,
    /// The hour, since 1970, in which nothing was found that is too old.
    pub(super) looked: AtomicU64,
    /// Every commit up to this one was sent on; `u64::MAX`: nobody sends any.
    pub(super) sent: AtomicU64,
    /// They are larger than they may be, and no more may go.
    pub(super) is_short: AtomicBool,
    /// What files say of themselves, by the number of their segment: they were checked, and never change.
    described: Mutex<HashMap<u64, Arc<ParquetMetaData>>>,
    /// The catalogue as it was read last.
    pub(crate) known: Known,
    holds: Mutex<Holds>,
}

#[derive(Debug, Default)]
struct Holds {
    /// Readers that ever began.
    began: u64,
    reading: BTreeSet<u64>,
    /// Replaced segments, by number, with how many readers had begun by then.
    replaced: HashMap<u64, u64>,
    /// Since when each of them waits to be removed, in time since the machine started.
    waiting: HashMap<u64, Duration>,
}

/// A reader of segments, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Hold<'s> {
    segments: &'s Segments,
    number: u64,
}

impl Segments {
    pub(crate) fn new(folder: Arc<dyn Folder>, retention: Retention) -> Self {
        Self {
            folder,
            retention,
            bytes: AtomicU64::new(0),
            sealing: Mutex::default(),
            lacks_files: AtomicBool::new(false),
            checked: Checked::default(),
            in_vain: Mutex::default(),
            looked: AtomicU64::new(0),
            sent: AtomicU64::new(u64::MAX),
            is_short: AtomicBool::new(false),
            described: Mutex::default(),
            known: Known::default(),
            holds: Mutex::default(),
        }
    }

    /// The file of a segment, if it is what was written.
    pub(super) fn content(&self, segment: &Segment, look: Look) -> Result<Arc<dyn Content>, Withheld> {
        self.checked.open(&*self.folder, segment, look)
    }

    /// From here on every file is checked as if nobody had read it before.
    pub(crate) fn check_again(&self) {
        self.checked.forget_all();
    }

    /// Opens a file of measurements, if it is what was written.
    pub(crate) fn open(&self, segment: &Segment) -> Result<Opened, Withheld> {
        self.open_as(segment, Look::Once)
    }

    /// As [`Segments::open`].
    pub(super) fn open_as(&self, segment: &Segment, look: Look) -> Result<Opened, Withheld> {
        let content = self.content(segment, look)?;
        let known = self.described().get(&segment.number).cloned();
        let is_new = known.is_none();
        let opened = Opened::new(content, segment.kind.check.layout(), known);
        let opened = opened.map_err(|error| self.unread(segment, &error))?;
        if is_new {
            let mut described = self.described();
            if described.len() >= DESCRIBED_MAX {
                described.clear();
            }
            described.insert(segment.number, opened.metadata());
        }
        Ok(opened)
    }

    /// Why an open file could not be read: it decayed since it was checked, or the disk failed.
    pub(crate) fn unread(&self, segment: &Segment, error: &FileError) -> Withheld {
        match self.content(segment, Look::Whole) {
            Err(withheld) => withheld,
            Ok(_) if error.is_of_disk() => Withheld::Unread(StoreError::Segment {
                path: self.folder.path(&segment.name()),
                source: io::Error::other(error.to_string()), // the next reader gets it
            }),
            Ok(_) => Withheld::Damaged(error.to_string()),
        }
    }

    /// What follows from an error of the disk.
    pub(super) fn failed(&self, segment: &Segment, source: io::Error) -> Withheld {
        self.checked.failed(&*self.folder, segment, source)
    }

    fn described(&self) -> MutexGuard<'_, HashMap<u64, Arc<ParquetMetaData>>> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begin before the catalogue is read: what it names then stays.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let mut holds = self.lock();
        holds.began += 1;
        let number = holds.began;
        holds.reading.insert(number);
        Hold {
            segments: self,
            number,
        }
    }

    /// The catalogue names these no longer, and that is durable.
    pub(super) fn note_replaced(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut holds = self.lock();
        let began = holds.began;
        holds
            .replaced
            .extend(numbers.into_iter().map(|number| (number, began)));
    }

    /// Those of all that were replaced that waited long enough, and that nobody reads any more. One that this process did
    /// not replace has no readers here.
    pub(super) fn overdue<T>(&self, all: Vec<(u64, T)>, since_boot: Duration) -> Vec<(u64, T)> {
        let mut holds = self.lock();
        let Holds {
            reading,
            replaced,
            waiting,
            ..
        } = &mut *holds;
        let oldest = reading.first();
        let is_free = |number: &u64| {
            let began = replaced.get(number);
            began.is_none_or(|began| oldest.is_none_or(|oldest| oldest > began))
        };
        let before = std::mem::take(waiting);
        for (number, _) in &all {
            waiting.insert(*number, before.get(number).copied().unwrap_or(since_boot));
        }
        let all = all.into_iter();
        all.filter(|(number, _)| since_boot >= waiting[number] + KEPT && is_free(number))
            .collect()
    }

    pub(super) fn forget_replaced(&self, number: u64) {
        self.lock().replaced.remove(&number);
        self.checked.forget(number);
        self.described().remove(&number);
    }

    fn lock(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.segments.lock().reading.remove(&self.number);
    }
}
