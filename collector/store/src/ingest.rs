//! From a checked batch to a durable commit.
//!
//! Sessions submit what a probe sent; one committer judges everything that waits, writes it in one
//! transaction, and only after that is durable answers each. What it stored then goes to the live state.

mod adopted;
mod commit;
mod forks;
mod judge;
mod memory;
mod not_stored;
mod notes;
mod piece;
mod quarantine;
mod refill;
mod round;
mod slot_set;
mod stream;
mod tombstones;
mod unread;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use isochrone_base::error_chain::chain;
use isochrone_proto::batch::{Batch, BatchPlace};
use isochrone_proto::codec::{self, DecodeError};
use isochrone_proto::control::{EpochMark, EpochState, RefusedSoFar};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::ledger::Tombstone;
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::adopted::SeenAgain;
use self::commit::Committer;
pub use self::judge::RefuseReason;
pub use self::quarantine::{Quarantined, Refused, quarantined};
pub(crate) use self::quarantine::{newest_refused, refused_of};
use crate::Store;

/// A handle for sessions; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ingest(Way);

#[derive(Clone, Debug)]
enum Way {
    /// To the committer's thread.
    Thread(mpsc::Sender<Job>),
    /// In the caller's task: the simulation, where no thread may outrun virtual time.
    Inline {
        committer: Arc<Mutex<Committer>>,
        live: mpsc::Sender<Committed>,
    },
}

/// How commits are grouped.
#[derive(Clone, Copy, Debug)]
pub struct IngestOptions {
    /// Items that may wait for the committer; a full queue makes sessions wait, and QUIC with them.
    pub(crate) queue: usize,
    /// How long the committer lets more items come after the first, so that one fsync serves them all.
    pub(crate) gather: Duration,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            queue: 1_024,
            gather: Duration::from_millis(2),
        }
    }
}

impl Ingest {
    /// Starts the committer on a thread of its own. It ends, with everything committed, when the last
    /// handle is dropped. `live` gets every stored batch; when it is full the committer waits.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        store: Store,
        live: mpsc::Sender<Committed>,
        options: IngestOptions,
    ) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel(options.queue); // full: sessions wait
        let committer = Committer::new(store);
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || commit::run(committer, receiver, &live, options))?;
        Ok((Self(Way::Thread(sender)), thread))
    }

    /// Commits in the caller's task, one item at a time, with no thread.
    #[must_use]
    pub fn inline(store: Store, live: mpsc::Sender<Committed>) -> Self {
        let committer = Arc::new(Mutex::new(Committer::new(store)));
        Self(Way::Inline { committer, live })
    }

    /// As [`Ingest::inline`], with a bug that the tests must find.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn inline_with_bug(store: Store, live: mpsc::Sender<Committed>, bug: PlantedBug) -> Self {
        let mut committer = Committer::new(store);
        committer.planted = Some(bug);
        let committer = Arc::new(Mutex::new(committer));
        Self(Way::Inline { committer, live })
    }

    /// Hands an item to the committer, waiting while its queue is full. Items of one epoch are judged in
    /// the order in which they were submitted, so a session may have several receipts open.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the item may or may not be committed; a re-send tells.
    pub async fn submit(&self, incoming: Incoming) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        self.enter(Job::Item { incoming, reply }).await;
        Receipt(receipt)
    }

    /// Notes what a Hello says of a probe's epochs (all that its spool holds, oldest first, the current one
    /// last) and returns the mark of each, for the Welcome.
    ///
    /// # Errors
    /// When the store cannot serve now.
    pub async fn hello(
        &self,
        probe: ProbeId,
        epochs: Vec<EpochState>,
    ) -> Result<Vec<EpochMark>, Unavailable> {
        self.note(probe, epochs, true).await
    }

    /// Notes an epoch that was opened on a live connection.
    ///
    /// # Errors
    /// When the store cannot serve now.
    pub async fn epoch_opened(&self, probe: ProbeId, epoch: EpochState) -> Result<EpochMark, Unavailable> {
        let marks = self.note(probe, vec![epoch], false).await?;
        marks.into_iter().next().ok_or(Unavailable::Storage)
    }

    async fn note(
        &self,
        probe: ProbeId,
        epochs: Vec<EpochState>,
        complete: bool,
    ) -> Result<Vec<EpochMark>, Unavailable> {
        let (reply, marks) = oneshot::channel();
        let note = EpochNote {
            probe,
            epochs,
            complete,
        };
        self.enter(Job::Note { note, reply }).await;
        marks.await.unwrap_or(Err(Unavailable::Stopped))
    }

    async fn enter(&self, job: Job) {
        match &self.0 {
            Way::Thread(queue) => {
                // A stopped committer drops the job, and with it the reply: the receipt says Stopped.
                queue.send(job).await.ok();
            }
            Way::Inline { committer, live } => {
                let committed = {
                    let mut committer = committer.lock().unwrap_or_else(PoisonError::into_inner);
                    committer.process(vec![job])
                };
                for committed in committed {
                    live.send(committed).await.ok(); // nobody watches: nothing to do
                }
            }
        }
    }
}

/// A bug planted on purpose, to see that the tests find it.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// A batch after a gap moves the mark.
    MarkOverGap,
    /// The acknowledgement leaves before the disk has the commit.
    AckBeforeCommit,
}

/// What a session waits for: the item's fate, once it is durable.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Ingested>);

impl Future for Receipt {
    type Output = Ingested;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ingested> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|reply| reply.unwrap_or(Ingested::Unavailable(Unavailable::Stopped)))
    }
}

/// What a probe sent on a batch stream, decoded and hashed.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Whose, by its certificate.
    pub probe: ProbeId,
    /// The payload, decoded and checked.
    pub item: Item,
    /// The payload, as it was spooled.
    pub payload: Bytes,
    /// BLAKE3 over the batch as it was sent; the next batch names it.
    pub digest: Digest,
    /// The collector's wall clock when it came.
    pub received: UnixMillis,
    /// The probe was asked for the plans this item names and no longer has them: judge it without.
    pub plans_lost: bool,
}

/// A batch, or what stands in the place of some.
#[derive(Clone, Debug)]
pub enum Item {
    /// Measurements.
    Batch(Arc<Batch>),
    /// What the spool dropped.
    Tombstone(Arc<Tombstone>),
    /// A batch that this release cannot read: it is kept raw, and refused.
    Unread(Arc<UnreadBatch>),
}

/// A batch that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadBatch {
    /// Where it stands, and its account where that can be read.
    pub place: BatchPlace,
    /// Why it cannot be read, in words: the section's name, where that is it.
    pub error: Arc<str>,
}

impl Incoming {
    /// Decodes a batch's payload and hashes it. One of which only its place can be read is an item, too: a later
    /// release may have made it.
    ///
    /// # Errors
    /// When it is no batch: the probe broke the protocol.
    pub fn batch(probe: ProbeId, payload: Bytes, received: UnixMillis) -> Result<Self, DecodeError> {
        let item = match codec::decode_batch(&payload) {
            Ok(batch) => Item::Batch(Arc::new(batch)),
            Err(error) => match codec::place_of_batch(&payload) {
                Some(place) if !error.is_framing() => Item::Unread(Arc::new(UnreadBatch {
                    place,
                    error: chain(&error).to_string().into(),
                })),
                _ => return Err(error),
            },
        };
        Ok(Self::new(probe, item, payload, received))
    }

    /// Decodes a tombstone's payload and hashes it.
    ///
    /// # Errors
    /// When it is no tombstone: the probe broke the protocol.
    pub fn tombstone(probe: ProbeId, payload: Bytes, received: UnixMillis) -> Result<Self, DecodeError> {
        let item = Item::Tombstone(Arc::new(codec::decode_tombstone(&payload)?));
        Ok(Self::new(probe, item, payload, received))
    }

    fn new(probe: ProbeId, item: Item, payload: Bytes, received: UnixMillis) -> Self {
        let digest = Digest::of(&payload);
        Self {
            probe,
            item,
            payload,
            digest,
            received,
            plans_lost: false,
        }
    }

    /// The epoch it belongs to.
    #[must_use]
    pub fn epoch(&self) -> EpochId {
        match &self.item {
            Item::Batch(batch) => batch.header.epoch,
            Item::Unread(unread) => unread.place.epoch,
            Item::Tombstone(tombstone) => tombstone.epoch,
        }
    }

    /// The sequence that is acknowledged once it is durable: a tombstone's last.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        match &self.item {
            Item::Batch(batch) => batch.header.sequence,
            Item::Unread(unread) => unread.place.sequence,
            Item::Tombstone(tombstone) => tombstone.last,
        }
    }

    /// Every plan it names.
    #[must_use]
    pub fn plans(&self) -> Vec<PlanVersion> {
        match &self.item {
            Item::Batch(batch) if batch.header.plan == batch.header.adopted.version => {
                vec![batch.header.plan]
            }
            Item::Batch(batch) => vec![batch.header.plan, batch.header.adopted.version],
            Item::Unread(unread) => {
                let header = unread.place.header.iter();
                header.map(|header| header.adopted.version).collect()
            }
            Item::Tombstone(tombstone) => tombstone.adopted.iter().map(|adopted| adopted.version).collect(),
        }
    }
}

/// What became of an item. All but the last three are durable when they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// Stored (or, a tombstone, accepted): acknowledge everything up to `mark`.
    Stored {
        /// The epoch's mark.
        mark: Sequence,
    },
    /// At or below the mark, with the digest that stands there: acknowledge again.
    Already {
        /// The epoch's mark.
        mark: Sequence,
    },
    /// Refused for its content: quarantined and counted; acknowledge it as refused.
    Refused {
        /// The epoch's mark.
        mark: Sequence,
        /// What was wrong.
        reason: RefuseReason,
        /// What was refused of the epoch so far, this included.
        so_far: RefusedSoFar,
    },
    /// It does not fit what is stored: the epoch went on elsewhere. No acknowledgement.
    Forked {
        /// The first sequence that does not fit.
        sequence: Sequence,
    },
    /// Something is missing before it: the probe broke the protocol. Nothing was done.
    Gap {
        /// The sequence that must come next.
        expected: Sequence,
    },
    /// These plans must be put into the store first. Nothing was done: submit it again after that, or with
    /// `plans_lost` if the probe has them no longer. What was submitted behind it got [`Ingested::Gap`].
    NeedPlans(Vec<PlanVersion>),
    /// The store cannot take anything now. Nothing was done.
    Unavailable(Unavailable),
}

/// Why the store takes nothing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Less than the reserve is free.
    #[error("the collector's disk has only {free_bytes} bytes free, less than its reserve; make room")]
    DiskReserve {
        /// What the file system has left.
        free_bytes: u64,
    },
    /// The database failed; it is opened again with the next item.
    #[error("the collector's store failed; see its log")]
    Storage,
    /// The committer has ended.
    #[error("the collector is stopping")]
    Stopped,
}

/// A stored batch, for the live state.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The probe that measured it.
    pub probe: ProbeId,
    /// The plan whose checks its rows name.
    pub plan: Arc<Plan>,
    /// Shared: live state and the store read the same one.
    pub batch: Arc<Batch>,
    /// When it was received.
    pub received: UnixMillis,
    /// Its place in the log.
    pub commit: u64,
}

/// What a probe says of its epochs.
#[derive(Debug)]
struct EpochNote {
    probe: ProbeId,
    epochs: Vec<EpochState>,
    /// `epochs` is all that the spool holds.
    complete: bool,
}

#[derive(Debug)]
enum Job {
    Item {
        incoming: Incoming,
        reply: oneshot::Sender<Ingested>,
    },
    Note {
        note: EpochNote,
        reply: oneshot::Sender<Result<Vec<EpochMark>, Unavailable>>,
    },
}

#[cfg(any(test, feature = "testing"))]
pub mod fixture;
#[cfg(test)]
mod tests;
