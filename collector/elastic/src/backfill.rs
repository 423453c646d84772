//! Everything since an instant once more, whatever the cursor says: for an index that somebody deleted.

use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};

use crate::dead_letters::{DeadLetters, LetterError};
use crate::index::Names;
use crate::send::{SendError, Sender};
use crate::sink::reader::Reader;

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Documents that are there now; many may have been before.
    pub documents: u64,
    /// Documents that were refused, and stand in the dead letters.
    pub dead: u64,
}

/// Why it ended early. What was sent is there, and the same call goes on.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The cluster takes nothing.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Refused documents cannot be written down.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// A thread ended in a panic.
    #[error("a thread that reads the store panicked")]
    Ended(#[from] tokio::task::JoinError),
}

/// Sends every measurement with a slot at or after `since`. `progress` is told the commits that are done, and all.
///
/// # Errors
/// When the store, the cluster or the file of dead letters failed.
pub async fn backfill(
    (store, names): (Store, Names),
    since: UnixMillis,
    sender: &mut Sender,
    letters: &mut DeadLetters,
    mut progress: impl FnMut(u64, u64),
) -> Result<Backfilled, BackfillError> {
    let reader = Reader::since(store, names, since);
    let (mut after, mut done) = (0, Backfilled::default());
    loop {
        let of = reader.clone();
        let reading = tokio::task::spawn_blocking(move || of.read(after)).await??;
        if reading.chunks.is_empty() {
            return Ok(done);
        }
        for chunk in reading.chunks {
            let count = chunk.documents.len() as u64;
            let dead = sender.send_all(chunk.documents).await?;
            letters.keep(&dead)?;
            done.documents += count - dead.len() as u64;
            done.dead += dead.len() as u64;
            after = chunk.last;
            progress(after, reading.commits);
        }
    }
}
