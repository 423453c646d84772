//! Documents that no server will take as they are: kept in a file, a line each, with the reason.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::Dead;
use crate::document::{Document, DocumentId};
use crate::index::Histograms;

/// The file, and how many letters are in it.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    count: u64,
    bytes: u64,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    /// Where it should have gone.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Of a document that may be revised: how new it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The server's status for it.
    pub status: u16,
    /// The server's words.
    pub reason: String,
    /// It, as it was sent.
    pub document: Box<RawValue>,
}

/// Why dead letters cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The file cannot be read or written.
    #[error("{}: dead letters cannot be {doing} there", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A line that is no letter.
    #[error("{}, line {line}: it is no dead letter", path.display())]
    Line {
        /// Where.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// There are too many of them for that to be an accident.
    #[error(
        "{} holds {bytes} bytes of dead letters, and no more are written: find out why they are refused, put it right, \
         then `elastic retry` the file or remove it",
        path.display()
    )]
    Full {
        /// Where.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
    },
}

impl DeadLetters {
    /// The file at `path`, made with its first letter. A line that a crash cut is cut off.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn open(path: &Path) -> Result<Self, LetterError> {
        let mut letters = Self {
            path: path.to_owned(),
            count: 0,
            bytes: 0,
        };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(letters),
            Err(error) => return Err(letters.failed("read", error)),
        };
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < text.len() {
            let file = OpenOptions::new().write(true).open(path);
            let cut = file.and_then(|file| file.set_len(whole as u64).and_then(|()| file.sync_all()));
            cut.map_err(|error| letters.failed("written", error))?;
        }
        letters.count = text[..whole].iter().filter(|byte| **byte == b'\n').count() as u64;
        letters.bytes = whole as u64;
        Ok(letters)
    }

    /// How many are in it.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts them again: somebody may have tried them again meanwhile.
    ///
    /// # Errors
    /// As [`DeadLetters::open`].
    pub fn refresh(&mut self) -> Result<(), LetterError> {
        let length = fs::metadata(&self.path).map_or(0, |file| file.len());
        if length != self.bytes {
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }

    /// Writes them down, durably.
    ///
    /// # Errors
    /// When they cannot be, or there are too many: then nothing more is to be called done.
    pub fn keep(&mut self, dead: &[Dead]) -> Result<(), LetterError> {
        if dead.is_empty() {
            return Ok(());
        }
        self.refresh()?;
        if self.bytes >= FULL {
            return Err(LetterError::Full {
                path: self.path.clone(),
                bytes: self.bytes,
            });
        }
        let mut lines = Vec::new();
        for dead in dead {
            lines.extend(line_of(dead));
        }
        let (before, count) = (self.bytes, dead.len() as u64);
        let written = append(&self.path, &lines);
        if let Err(error) = written {
            let file = OpenOptions::new().write(true).open(&self.path);
            if let Err(error) = file.and_then(|file| file.set_len(before)) {
                tracing::debug!(%error, "half a dead letter stays");
            }
            return Err(self.failed("written", error));
        }
        self.bytes += lines.len() as u64;
        self.count += count;
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> LetterError {
        LetterError::File {
            path: self.path.clone(),
            doing,
            source,
        }
    }
}

/// How many lie in the file at `path`, which may be written to meanwhile; none where there is no file.
///
/// # Errors
/// When it cannot be read.
pub fn count(path: &Path) -> Result<u64, LetterError> {
    match fs::read(path) {
        Ok(text) => Ok(text.iter().filter(|byte| **byte == b'\n').count() as u64),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(LetterError::File {
            path: path.to_owned(),
            doing: "read",
            source,
        }),
    }
}

/// The letters of a file, in its order.
///
/// # Errors
/// When it cannot be read, or is none of ours.
pub fn read(path: &Path) -> Result<Vec<Letter>, LetterError> {
    let failed = |source| LetterError::File {
        path: path.to_owned(),
        doing: "read",
        source,
    };
    let mut letters = Vec::new();
    for (at, line) in BufReader::new(File::open(path).map_err(failed)?)
        .lines()
        .enumerate()
    {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        letters.push(serde_json::from_str(&line).map_err(|source| LetterError::Line {
            path: path.to_owned(),
            line: at + 1,
            source,
        })?);
    }
    Ok(letters)
}

/// Takes all letters out of the file at `path`: it is put aside under another name while they are tried again, and no
/// letter that is written meanwhile is among them. Letters that an interrupted try left aside come first.
///
/// # Errors
/// When it cannot be read or renamed, or is none of ours.
pub fn take(path: &Path) -> Result<(Vec<Letter>, PathBuf), LetterError> {
    let failed = |source| LetterError::File {
        path: path.to_owned(),
        doing: "read",
        source,
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".retrying");
    let aside = PathBuf::from(aside);
    if aside.exists() {
        return Ok((read(&aside)?, aside));
    }
    read(path)?; // a file that is none of ours stays where it is
    let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    file.lock().map_err(failed)?; // whoever writes a letter is done, and finds another file after this
    fs::rename(path, &aside).map_err(failed)?;
    Ok((read(&aside)?, aside))
}

impl Letter {
    /// The form in which its document carries histograms; `None`: it carries none.
    pub(crate) fn histograms(&self) -> Option<Histograms> {
        let document = serde_json::from_str(self.document.get()).ok()?;
        Histograms::of_document(&document)
    }

    /// The document to be tried again; `None`: its id is none.
    #[must_use]
    pub fn document(&self) -> Option<Document> {
        Some(Document {
            id: DocumentId::parse(&self.id)?,
            index: self.index.as_str().into(),
            source: self.document.get().as_bytes().to_vec(),
            version: self.version,
        })
    }
}

fn line_of(dead: &Dead) -> Vec<u8> {
    let source = String::from_utf8_lossy(&dead.document.source).into_owned();
    let document = RawValue::from_string(source).expect("documents are written as JSON");
    let letter = Letter {
        index: dead.document.index.to_string(),
        id: dead.document.id.to_string(),
        version: dead.document.version,
        status: dead.status,
        reason: dead.reason.clone(),
        document,
    };
    let mut line = serde_json::to_vec(&letter).expect("text and numbers are JSON");
    line.push(b'\n');
    line
}

fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = locked(path)?;
    file.write_all(lines)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The file at `path`, which nobody takes away or writes to meanwhile.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        let is_still_there = fs::metadata(path).is_ok_and(|there| {
            file.metadata()
                .is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
        });
        if is_still_there {
            return Ok(file);
        }
    }
}

/// Bytes from which on no more are written: a tenth of a percent of refusals, over a year of a large mesh.
const FULL: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
    use isochrone_proto::units::UnixMillis;

    use super::*;
    use crate::document::MeasurementId;

    fn dead(slot: u64) -> Dead {
        let id = MeasurementId {
            probe: ProbeId(1),
            epoch: EpochId([0; 16]),
            kind: "echo4".parse().unwrap(),
            target: TargetId(2),
            slot: UnixMillis(slot),
        };
        Dead {
            document: Document {
                id: DocumentId::of(&id),
                index: Arc::from("isochrone-echo-2026.11"),
                source: format!("{{\"slot\":{slot}}}").into_bytes(),
                version: Some(slot).filter(|slot| slot % 2 == 0),
            },
            status: 400,
            reason: "no \"number\"".to_owned(),
        }
    }

    #[test]
    fn letters_are_kept_and_come_back_as_documents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("elastic").join("dead.ndjson");
        let mut letters = DeadLetters::open(&path).unwrap();
        letters.keep(&[dead(1), dead(2)]).unwrap();
        letters.keep(&[]).unwrap();
        letters.keep(&[dead(3)]).unwrap();
        assert_eq!(
            (letters.count(), DeadLetters::open(&path).unwrap().count()),
            (3, 3)
        );
        let read = read(&path).unwrap();
        let documents: Vec<Document> = read.iter().filter_map(Letter::document).collect();
        assert_eq!(documents, [dead(1).document, dead(2).document, dead(3).document]);
        assert_eq!(read[0].reason, "no \"number\"");
        let (taken, aside) = take(&path).unwrap();
        assert_eq!(taken.len(), 3);
        assert!(!path.exists() && aside.exists());
        letters.keep(&[dead(2)]).unwrap();
        assert_eq!(letters.count(), 1, "what was taken is no longer counted");
        assert_eq!(take(&path).unwrap().0.len(), 3, "an interrupted try comes first");
        fs::remove_file(&aside).unwrap();
        assert_eq!(take(&path).unwrap().0.len(), 1);
    }

    #[test]
    fn letter_that_a_crash_cut_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead.ndjson");
        DeadLetters::open(&path).unwrap().keep(&[dead(1)]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"index\":\"isoch").unwrap();
        let mut letters = DeadLetters::open(&path).unwrap();
        letters.keep(&[dead(2)]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
    }
}
