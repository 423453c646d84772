//! Files are checked before anything in them is given: whole, and once for as long as they stay what they are. What makes
//! other files of them checks them whole each time: a bit may decay without a write.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nix::errno::Errno;

use super::catalogue::{EXTENSION, Segment};
use super::content::{Content, Stamp};
use super::folder::Folder;
use crate::StoreError;

/// So often a file is read before it is taken for one that cannot be read.
const READS: usize = 3;
/// So many files are taken for such, while others can be read. Where there are more, the disk fails, and not they.
const UNREADABLE_MAX: usize = 16;
/// So many others are asked whether it is the disk.
const OTHERS: usize = 4;

/// What is known of files, by the number of their segment.
#[derive(Debug, Default)]
pub(super) struct Checked(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Those that were what was written, as they were then.
    stamps: HashMap<u64, Stamp>,
    /// Those that could not be read.
    unreadable: BTreeSet<u64>,
}

/// Why nothing in a file can be given.
#[derive(Debug)]
pub(crate) enum Withheld {
    /// It is not what was written, or that cannot be read any more; in words.
    Damaged(String),
    /// Whether it is cannot be told now.
    Unread(StoreError),
}

/// What was found in a file, and its stamp then.
type Read = (Option<Arc<dyn Content>>, Option<Stamp>);

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is read whole, unless it was before and has not been touched since.
    Once,
    /// It is read whole, and what is given then is what was checked.
    Whole,
}

impl Checked {
    /// Opens the file of a segment, if it is what was written.
    pub(super) fn open(
        &self,
        folder: &dyn Folder,
        segment: &Segment,
        look: Look,
    ) -> Result<Arc<dyn Content>, Withheld> {
        let opened = (1..READS).find_map(|_| self.read(folder, segment, look).ok());
        let opened = opened.map_or_else(|| self.read(folder, segment, look), Ok);
        let (content, stamp) = opened.map_err(|source| self.failed(folder, segment, source))?;
        let Some(content) = content else {
            return Err(Withheld::Damaged("its checksum does not fit".to_owned()));
        };
        let mut known = self.lock();
        known.unreadable.remove(&segment.number);
        known.stamps.extend(stamp.map(|stamp| (segment.number, stamp)));
        Ok(content)
    }

    /// What is in the file, with its stamp; nothing, if it is not what was written.
    fn read(&self, folder: &dyn Folder, segment: &Segment, look: Look) -> io::Result<Read> {
        let content = folder.open(&segment.name())?;
        let stamp = content.stamp()?;
        if look == Look::Once && stamp.is_some() && self.lock().stamps.get(&segment.number).copied() == stamp
        {
            return Ok((Some(content), stamp));
        }
        let bytes = match content.length()? {
            length if length == segment.bytes => whole(&*content, length)?,
            _ => Bytes::new(), // of another length, it is not read at all
        };
        let is_whole = bytes.len() as u64 == segment.bytes && crc32c::crc32c(&bytes) == segment.checksum;
        Ok((is_whole.then(|| Arc::new(bytes) as Arc<dyn Content>), stamp))
    }

    /// What follows from an error of the disk: where it gives other files, this one is lost.
    pub(super) fn failed(&self, folder: &dyn Folder, segment: &Segment, source: io::Error) -> Withheld {
        let name = segment.name();
        if source.kind() == io::ErrorKind::NotFound {
            return Withheld::Damaged("it is missing".to_owned());
        }
        let is_of_medium = [Errno::EIO, Errno::EBADMSG, Errno::EUCLEAN]
            .into_iter()
            .any(|errno| source.raw_os_error() == Some(errno as i32));
        if is_of_medium && gives_others(folder, &name) {
            let mut known = self.lock();
            known.unreadable.insert(segment.number);
            if known.unreadable.len() <= UNREADABLE_MAX {
                return Withheld::Damaged(format!("the disk does not give it ({source})"));
            }
        }
        let path = folder.path(&name);
        Withheld::Unread(StoreError::Segment { path, source })
    }

    pub(super) fn forget(&self, number: u64) {
        self.lock().stamps.remove(&number);
    }

    pub(super) fn forget_all(&self) {
        self.lock().stamps.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the disk gives the end of any other file; where there is none, nobody can tell.
fn gives_others(folder: &dyn Folder, name: &str) -> bool {
    let Ok(names) = folder.list() else {
        return false;
    };
    let others = names
        .iter()
        .filter(|other| other.ends_with(EXTENSION) && *other != name);
    let gives = |other: &String| -> io::Result<()> {
        let content = folder.open(other)?;
        let length = content.length()?;
        content
            .read_at(length.saturating_sub(8), length.min(8) as usize)
            .map(drop)
    };
    let mut others = others.take(OTHERS).peekable();
    others.peek().is_none() || others.any(|other| gives(other).is_ok())
}

fn whole(content: &dyn Content, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    match content.read_at(0, length) {
        // it became shorter meanwhile: then it is not what was written
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Bytes::new()),
        read => read,
    }
}
