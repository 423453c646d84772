//! Everything since an instant once more, whatever the cursor says: for an index that somebody deleted.

use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::{Store, StoreError, Tier};
use serde_json::{Value, json};

use crate::cursor::Revision;
use crate::dead_letters::{DeadLetters, LetterError};
use crate::document::Document;
use crate::index::{Family, Names};
use crate::revised::{Incidents, Revised};
use crate::send::{SendError, Sender};
use crate::sink::reader::Reader;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Source {
    /// What is stored.
    pub store: Store,
    /// What is judged of it.
    pub incidents: Incidents,
    /// Under which names.
    pub names: Names,
    /// What lies there of it.
    pub revision: Revision,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Documents that are there now; many may have been before.
    pub documents: u64,
    /// Documents that were refused, and stand in the dead letters.
    pub dead: u64,
}

impl Backfilled {
    /// As `elastic backfill --format json` prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "schema": "isochrone.backfill/1", "documents": self.documents, "refused": self.dead })
    }
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

/// Sends every measurement with a slot at or after `since`, and what may be revised as it is at `now`. `progress` is told the commits that are done, and all.
///
/// # Errors
/// When the store, the cluster or the file of dead letters failed.
pub async fn backfill(
    of: &Source,
    (since, now): (UnixMillis, UnixMillis),
    sender: &mut Sender,
    letters: &mut DeadLetters,
    mut progress: impl FnMut(u64, u64),
) -> Result<Backfilled, BackfillError> {
    let reader = Reader::since(of.store.clone(), of.names.clone(), since);
    let (mut after, mut done) = (0, Backfilled::default());
    loop {
        let of = reader.clone();
        let reading = tokio::task::spawn_blocking(move || of.read(after)).await??;
        if reading.chunks.is_empty() {
            break;
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
    revise(of, (since, now), (sender, letters), &mut done).await?;
    Ok(done)
}

/// What may be revised, a quarter of a day at a time.
async fn revise(
    of: &Source,
    (since, now): (UnixMillis, UnixMillis),
    (sender, letters): (&mut Sender, &mut DeadLetters),
    done: &mut Backfilled,
) -> Result<(), BackfillError> {
    let source = (of.store.clone(), of.incidents.clone());
    let revised = Revised::new(source, of.names.clone(), of.revision.histograms);
    let begun = of.store.beginning()?.map_or(now, |beginning| beginning.from);
    let kept = of.store.whole_from(Tier::Hour)?;
    let (first, end) = (since.max(begun).max(kept).hour(), now.hour());
    let mut steps = vec![
        (Family::Incident, since.hour()..Hour(u32::MAX)),
        (Family::Ledger, since.hour()..Hour(u32::MAX)),
    ];
    let quarters = (first.0..end.0).step_by(AT_ONCE);
    steps.extend(quarters.map(|hour| {
        let until = hour.saturating_add(AT_ONCE as u32).min(end.0); // the hour that goes on is not over
        (Family::Rollup, Hour(hour)..Hour(until))
    }));
    let version = of.revision.next(now);
    for (family, hours) in steps {
        let revised = revised.clone();
        let read = move || revised.groups(family, (hours, now), version);
        let groups = tokio::task::spawn_blocking(read).await??;
        let documents: Vec<Document> = groups.into_values().flat_map(|group| group.documents).collect();
        let count = documents.len() as u64;
        let dead = sender.send_all(documents).await?;
        letters.keep(&dead)?;
        done.documents += count - dead.len() as u64;
        done.dead += dead.len() as u64;
    }
    Ok(())
}

/// Hours whose rollups are read at once.
const AT_ONCE: usize = 6;
