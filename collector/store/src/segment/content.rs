//! A file that is open to readers of a part of it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use bytes::Bytes;

/// An open file.
pub(crate) trait Content: fmt::Debug + Send + Sync {
    /// Its bytes.
    fn length(&self) -> io::Result<u64>;

    /// What tells it from every other file, and from itself once it is written to; `None`: nothing does.
    fn stamp(&self) -> io::Result<Option<Stamp>>;

    /// So many of its bytes, from there on.
    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes>;
}

/// Which file it is, and when it last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file of a simulated disk.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const fn numbered(inode: u64) -> Self {
        Self {
            device: 0,
            inode,
            length: 0,
            modified: (0, 0),
            changed: (0, 0),
        }
    }
}

impl Content for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|facts| facts.len())
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        self.metadata().map(|facts| {
            Some(Stamp {
                device: facts.dev(),
                inode: facts.ino(),
                length: facts.len(),
                modified: (facts.mtime(), facts.mtime_nsec()),
                changed: (facts.ctime(), facts.ctime_nsec()),
            })
        })
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, from)?;
        Ok(bytes.into())
    }
}

/// What was read whole.
impl Content for Bytes {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        Ok(None)
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let from = usize::try_from(from).ok();
        let part = from.and_then(|from| Some(from..from.checked_add(length)?));
        let part = part.filter(|part| part.end <= self.len());
        Ok(self.slice(part.ok_or(io::ErrorKind::UnexpectedEof)?))
    }
}
