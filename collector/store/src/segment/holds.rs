//! Who reads segments right now: a file that was replaced stays while anybody may still open it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::file::metadata::ParquetMetaData;

use super::catalogue::Segment;
use super::checked::{Checked, Withheld};
use super::content::Content;
use super::folder::Folder;
use super::known::Known;
use super::opened::Opened;
use crate::limits::Retention;

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
    /// One sealer, or compaction, at a time.
    pub(crate) sealing: Mutex<()>,
    checked: Checked,
    /// The hour, since 1970, in which nothing was found that is too old.
    pub(super) looked: AtomicU64,
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
            checked: Checked::default(),
            looked: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
            described: Mutex::default(),
            known: Known::default(),
            holds: Mutex::default(),
        }
    }

    /// The file of a segment, if it is what was written.
    pub(super) fn content(&self, segment: &Segment) -> Result<Arc<dyn Content>, Withheld> {
        self.checked.open(&*self.folder, segment)
    }

    /// From here on every file is checked as if nobody had read it before.
    pub(crate) fn check_again(&self) {
        self.checked.forget_all();
    }

    /// Opens a file of measurements, if it is what was written.
    pub(crate) fn open(&self, segment: &Segment) -> Result<Opened, Withheld> {
        let content = self.content(segment)?;
        let known = self.described().get(&segment.number).cloned();
        let is_new = known.is_none();
        let opened = Opened::new(content, segment.kind.check.layout(), known);
        let opened = opened.map_err(|error| Withheld::Damaged(error.to_string()))?;
        if is_new {
            let mut described = self.described();
            if described.len() >= DESCRIBED_MAX {
                described.clear();
            }
            described.insert(segment.number, opened.metadata());
        }
        Ok(opened)
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

    /// Whether nobody reads a replaced segment any more. One that this process did not replace has no readers here.
    pub(super) fn is_free(&self, number: u64) -> bool {
        let holds = self.lock();
        let Some(began) = holds.replaced.get(&number) else {
            return true;
        };
        holds.reading.first().is_none_or(|oldest| oldest > began)
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
