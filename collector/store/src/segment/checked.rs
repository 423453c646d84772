//! Files are checked before anything in them is given: whole, and once for as long as they stay what they are.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::catalogue::Segment;
use super::content::{Content, Stamp};
use super::folder::Folder;
use crate::StoreError;

/// The files that were what was written, by the number of their segment, as they were then.
#[derive(Debug, Default)]
pub(super) struct Checked(Mutex<HashMap<u64, Stamp>>);

/// Why nothing in a file can be given.
#[derive(Debug)]
pub(crate) enum Withheld {
    /// It is not what was written; in words.
    Damaged(String),
    /// Whether it is cannot be told now.
    Unread(StoreError),
}

impl Checked {
    /// Opens the file of a segment, if it is what was written. It is read whole for that, unless it was before and has
    /// not been touched since.
    pub(super) fn open(&self, folder: &dyn Folder, segment: &Segment) -> Result<Arc<dyn Content>, Withheld> {
        let name = segment.name();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Withheld::Damaged("it is missing".to_owned()),
            _ => Withheld::Unread(StoreError::Segment {
                path: folder.path(&name),
                source,
            }),
        };
        let content = folder.open(&name).map_err(failed)?;
        let stamp = content.stamp().map_err(failed)?;
        if self.holds(segment.number, stamp) {
            return Ok(content);
        }
        let bytes = match content.length().map_err(failed)? {
            length if length == segment.bytes => whole(&*content, length).map_err(failed)?,
            _ => Bytes::new(), // of another length, it is not read at all
        };
        if bytes.len() as u64 != segment.bytes || crc32c::crc32c(&bytes) != segment.checksum {
            return Err(Withheld::Damaged("its checksum does not fit".to_owned()));
        }
        self.add(segment.number, stamp);
        Ok(Arc::new(bytes))
    }

    fn holds(&self, number: u64, stamp: Option<Stamp>) -> bool {
        stamp.is_some() && self.lock().get(&number).copied() == stamp
    }

    fn add(&self, number: u64, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            self.lock().insert(number, stamp);
        }
    }

    pub(super) fn forget(&self, number: u64) {
        self.lock().remove(&number);
    }

    pub(super) fn forget_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Stamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole(content: &dyn Content, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    match content.read_at(0, length) {
        // it became shorter meanwhile: then it is not what was written
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Bytes::new()),
        read => read,
    }
}
