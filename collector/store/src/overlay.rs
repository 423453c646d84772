//! A file that is read, and never written: what is written to it stays in memory, and is forgotten with it.
//!
//! Opening a database writes, and so does closing it. Where the disk takes nothing any more, what is stored can still be
//! read through this.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// Written bytes are kept in pieces of this size.
const PIECE: u64 = 4_096;

/// A backend above another one, which it leaves as it is.
#[derive(Debug)]
pub(crate) struct Overlay<B> {
    below: B,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    length: u64,
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl<B: StorageBackend> Overlay<B> {
    pub(crate) fn new(below: B) -> io::Result<Self> {
        let length = below.len()?;
        let pieces = BTreeMap::new();
        Ok(Self {
            below,
            above: Mutex::new(Above { length, pieces }),
        })
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece as it is below: what is beyond the end of that is zero.
    fn piece(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE as usize];
        let start = number * PIECE;
        let known = self.below.len()?.saturating_sub(start).min(PIECE) as usize;
        if known > 0 {
            self.below.read(start, &mut piece[..known])?;
        }
        Ok(piece)
    }
}

/// The pieces that a range of bytes lies in: the number of each, where the range begins in it, and how much of it.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let (number, inside) = (at / PIECE, at % PIECE);
            let part = (PIECE - inside).min(end - at);
            at += part;
            (number, inside as usize, part as usize)
        })
    })
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.above().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above();
        if offset + out.len() as u64 > above.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if above.pieces.is_empty() && offset + out.len() as u64 <= self.below.len()? {
            return self.below.read(offset, out);
        }
        let mut done = 0;
        for (number, inside, part) in pieces(offset, out.len()) {
            let into = &mut out[done..done + part];
            match above.pieces.get(&number) {
                Some(piece) => into.copy_from_slice(&piece[inside..inside + part]),
                None => into.copy_from_slice(&self.piece(number)?[inside..inside + part]),
            }
            done += part;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.above().length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above();
        let mut done = 0;
        for (number, inside, part) in pieces(offset, data.len()) {
            let piece = match above.pieces.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.piece(number)?),
            };
            piece[inside..inside + part].copy_from_slice(&data[done..done + part]);
            done += part;
        }
        above.length = above.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_leaves_what_is_below_as_it_was() {
        let below = InMemoryBackend::new();
        below.set_len(6_000).unwrap();
        below.write(0, &[7; 6_000]).unwrap();
        let overlay = Overlay::new(below).unwrap();
        overlay.write(4_090, &[9; 20]).unwrap();
        overlay.set_len(10_000).unwrap();
        overlay.write(8_190, &[3; 10]).unwrap();
        let mut found = vec![0; 10_000];
        overlay.read(0, &mut found).unwrap();
        let mut expected = vec![7; 6_000];
        expected.resize(10_000, 0);
        expected[4_090..4_110].fill(9);
        expected[8_190..8_200].fill(3);
        assert_eq!(found, expected);
        assert!(overlay.read(9_999, &mut [0; 2]).is_err());
        let mut kept = vec![0; 6_000];
        overlay.below.read(0, &mut kept).unwrap();
        assert_eq!((kept, overlay.below.len().unwrap()), (vec![7; 6_000], 6_000));
    }
}
