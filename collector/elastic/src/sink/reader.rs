//! What of the store comes next, as documents.

use std::ops::ControlFlow;

use isochrone_proto::units::UnixMillis;
use isochrone_store::{ScanRange, Store, StoreError};

use crate::document::{Document, Writer};
use crate::hours::HourSet;
use crate::index::Names;
use crate::send::AT_ONCE;

/// Reads on from a commit. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    store: Store,
    names: Names,
    from: UnixMillis,
}

/// Documents that go together.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) documents: Vec<Document>,
    /// Once all of them are there, every commit up to this one is.
    pub(crate) last: u64,
    /// What they say something of.
    pub(crate) hours: HourSet,
}

/// What was read in one go.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) chunks: Vec<Chunk>,
    /// The store's last commit.
    pub(crate) commits: u64,
    /// When the oldest of it was received.
    pub(crate) oldest: Option<UnixMillis>,
}

impl Reader {
    pub(crate) const fn new(store: Store, names: Names) -> Self {
        let from = UnixMillis(0);
        Self { store, names, from }
    }

    /// Only slots at or after `from`.
    pub(crate) const fn since(store: Store, names: Names, from: UnixMillis) -> Self {
        Self { store, names, from }
    }

    /// What comes after commit `after`, some chunks at most: nothing of the store is held while they are sent.
    pub(crate) fn read(&self, after: u64) -> Result<Reading, StoreError> {
        let commits = self.store.commit_number()?;
        let mut reading = Reading {
            chunks: Vec::new(),
            commits,
            oldest: None,
        };
        if commits <= after {
            return Ok(reading);
        }
        let mut writer = Writer::new(self.names.clone()).since(self.from);
        let mut chunk = Chunk {
            documents: Vec::new(),
            last: after,
            hours: HourSet::default(),
        };
        let range = ScanRange {
            after_commit: after,
            from: self.from,
            ..ScanRange::default()
        };
        let mut is_whole = true;
        self.store.scan(range, |stored| {
            if stored.commit > commits {
                return ControlFlow::Break(()); // it came since
            }
            reading.oldest.get_or_insert(stored.received);
            writer.documents(&stored, |document| chunk.documents.push(document));
            chunk.last = stored.commit;
            if chunk.documents.len() < AT_ONCE {
                return ControlFlow::Continue(());
            }
            let last = chunk.last;
            chunk.hours = writer.take_hours();
            let full = std::mem::replace(
                &mut chunk,
                Chunk {
                    documents: Vec::new(),
                    last,
                    hours: HourSet::default(),
                },
            );
            reading.chunks.push(full);
            is_whole = reading.chunks.len() < CHUNKS;
            match is_whole {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        if is_whole {
            chunk.last = commits; // whatever stands between holds no measurements, or none that can be read
            chunk.hours = writer.take_hours();
            reading.chunks.push(chunk);
        }
        Ok(reading)
    }
}

/// Chunks in one reading: some 30 MB of documents.
const CHUNKS: usize = 8;
