//! A file of documents, one a line: read in pieces, whatever its size.
//!
//! Taken as they are: packed by gzip, with a byte order mark, with carriage returns, with each document inside `_source` as
//! dumps have it, or with lines of a bulk request between the documents.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{ImportedIndex, ImportedRun};
use serde_json::Value;

use super::document;
use super::unfit::{Unfit, excerpt};
use super::{Origin, PIECE, Piece, Refused};

/// A file of documents.
pub struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    index: ImportedIndex,
    /// This machine's time, by which documents of the future are told.
    now: UnixMillis,
    line: u64,
    /// Bytes of the file that were read.
    read: Arc<AtomicU64>,
    /// Its size; 0 where nobody knows.
    size: u64,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not there, or not for this user.
    #[error("{} cannot be read; what was taken in of it stays, and importing it again changes nothing of that", path.display())]
    Unread {
        /// Which.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// One document that holds all others.
    #[error("{} is one JSON array, not one document a line; write it as lines first: jq -c '.[]'", path.display())]
    Array {
        /// Which.
        path: PathBuf,
    },
}

impl Lines {
    /// Opens the file at `path`; `-` is standard input. `now` is this machine's time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path, index: ImportedIndex, now: UnixMillis) -> Result<Self, FileError> {
        let unread = |source| FileError::Unread {
            path: path.to_owned(),
            source,
        };
        let (source, size): (Box<dyn Read + Send>, u64) = match path == Path::new("-") {
            true => (Box::new(io::stdin()), 0),
            false => {
                let file = File::open(path).map_err(unread)?;
                let size = file.metadata().map_or(0, |file| file.len());
                (Box::new(file), size)
            }
        };
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            source,
            read: Arc::clone(&read),
        };
        let mut packed = BufReader::with_capacity(BUFFER, counted);
        let is_packed = packed.fill_buf().map_err(unread)?.starts_with(&GZIP);
        let reader: Box<dyn BufRead + Send> = match is_packed {
            true => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(packed))),
            false => Box::new(packed),
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            index,
            now,
            line: 0,
            read,
            size,
        })
    }

    /// The next documents; `None`: there are no more. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, FileError> {
        let mut piece = Piece::default();
        let mut line = Vec::new();
        while piece.runs.len() + piece.refused.len() < PIECE {
            let whole = self.next_line(&mut line).map_err(|source| FileError::Unread {
                path: self.path.clone(),
                source,
            })?;
            let Some(whole) = whole else {
                break;
            };
            let origin = Origin::Line(self.line);
            if self.line == 1 && line.trim_ascii_start().starts_with(b"[") {
                let path = self.path.clone();
                return Err(FileError::Array { path });
            }
            let found = match whole {
                true => self.document(&line),
                false => Err(Unfit::TooLong(LINE_MAX)),
            };
            match found {
                Ok(Some(run)) => piece.runs.push((origin, run)),
                Ok(None) => {}
                Err(unfit) => piece.refused.push(Refused { origin, unfit }),
            }
        }
        let read = self.read.load(Ordering::Relaxed);
        piece.progress = (read.min(self.size), self.size);
        let is_over = piece.runs.is_empty() && piece.refused.is_empty();
        Ok((!is_over).then_some(piece))
    }

    /// Reads a line; whether it came whole. `None`: the file is over.
    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
        line.clear();
        let most = LINE_MAX as u64 + 1;
        if (&mut self.reader).take(most).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let is_whole = line.last() == Some(&b'\n') || line.len() <= LINE_MAX;
        if !is_whole {
            self.reader.skip_until(b'\n')?;
        }
        if self.line == 1 && line.starts_with(BOM) {
            line.drain(..BOM.len());
        }
        Ok(Some(is_whole))
    }

    /// What a line holds; nothing: a blank one, or one of a bulk request that is no document.
    fn document(&self, line: &[u8]) -> Result<Option<ImportedRun>, Unfit> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(line).map_err(|error| {
            let words = error.to_string();
            Unfit::NotJson(excerpt(&words.replace(" at line 1 column ", " at column "))) // the file's line is another
        })?;
        if is_action(&value) {
            return Ok(None);
        }
        let document = value.get("_source").filter(|source| source.is_object());
        document::read(document.unwrap_or(&value), self.index, self.now).map(Some)
    }
}

/// `{"index":{…}}` and its like, which stand before each document of a bulk request.
fn is_action(value: &Value) -> bool {
    let Value::Object(fields) = value else {
        return false;
    };
    let only = fields.iter().next().filter(|_| fields.len() == 1);
    only.is_some_and(|(name, value)| {
        value.is_object() && ["index", "create", "update", "delete"].contains(&name.as_str())
    })
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// No document is longer; a file without line ends is not read into memory.
const LINE_MAX: usize = 1 << 20;
const BUFFER: usize = 64 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests;
