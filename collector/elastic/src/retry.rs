//! Dead letters once more, after somebody put right why they were refused.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::dead_letters::{self, DeadLetters, Letter, LetterError};
use crate::delivery::Dead;
use crate::send::{SendError, Sender};

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// They are there now.
    pub sent: u64,
    /// They are refused again, and stand in the file again.
    pub dead: u64,
}

impl Retried {
    /// As `elastic retry --format json` prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "schema": "isochrone.retry/1", "sent": self.sent, "refused": self.dead })
    }
}

/// Why they could not be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The file.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// The cluster: all letters are still kept.
    #[error("{}: they are kept; try again later", path.display())]
    Send {
        /// The file that they are kept in.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: SendError,
    },
    /// A line that names no document of ours.
    #[error("{}: \"{id}\" is no id of a document", path.display())]
    Id {
        /// The file.
        path: std::path::PathBuf,
        /// What stands there.
        id: String,
    },
}

/// Sends the letters of the file at `path` again. Those that are refused again stand in it afterwards; the file goes
/// with its last letter. Whatever ends it, no letter is lost: the same call goes on with it.
///
/// # Errors
/// When the file is none of ours, or the cluster takes nothing.
pub async fn retry(path: &Path, sender: &mut Sender) -> Result<Retried, RetryError> {
    let (letters, aside) = dead_letters::take(path)?;
    let mut documents = Vec::new();
    for letter in &letters {
        documents.push(letter.document().ok_or_else(|| RetryError::Id {
            path: aside.clone(),
            id: letter.id.clone(),
        })?);
    }
    sender.take_any_form(letters.iter().find_map(Letter::histograms));
    let sent = sender.send_all(documents).await;
    let dead: Vec<Dead> = sent.map_err(|source| RetryError::Send {
        path: aside.clone(),
        source,
    })?;
    DeadLetters::open(path)?.keep(&dead)?;
    let gone = fs::remove_file(&aside);
    gone.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
    .map_err(|source| LetterError::File {
        path: aside,
        doing: "written",
        source,
    })?;
    Ok(Retried {
        sent: (letters.len() - dead.len()) as u64,
        dead: dead.len() as u64,
    })
}
