//! Sends an epoch's records on a stream of its own: never more than eight unacknowledged, in sequence, from
//! the mark on.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_proto::codec;
use isochrone_proto::control::{StreamHello, StreamRole};
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::ids::{EpochId, Sequence};
use isochrone_proto::known::Known;
use isochrone_proto::limits::BATCHES_IN_FLIGHT_MAX;
use quinn::{Connection, SendStream, WriteError};

use super::LinkEnd;
use super::frames::write_end;
use crate::clock::Clock;
use crate::recorder::{Changes, SharedSpool};
use crate::spool::{ItemKind, Outgoing, SpoolError};

/// Without an acknowledgement for this long, the connection is given up.
pub(super) const UNANSWERED: Duration = Duration::from_secs(60);

/// A record of a forked epoch that ended so many connections unanswered is given up, with what follows it.
const FORKED_ASKED_MAX: u32 = 3;

/// What goes first when the way is narrow: control messages, then live results, then a backlog.
pub(super) const CONTROL_PRIORITY: i32 = 2;
const LIVE_PRIORITY: i32 = 1;
const DRAIN_PRIORITY: i32 = 0;
const _: () = assert!(CONTROL_PRIORITY > LIVE_PRIORITY && LIVE_PRIORITY > DRAIN_PRIORITY);

/// The epochs that the collector was told of on this connection.
#[derive(Clone, Default)]
pub(super) struct Announced(Arc<Mutex<HashSet<EpochId>>>);

impl Announced {
    pub(super) fn add(&self, epoch: EpochId) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(epoch)
    }

    fn has(&self, epoch: EpochId) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&epoch)
    }
}

/// One of the two streams of batches.
pub(super) struct Feed {
    pub(super) connection: Connection,
    pub(super) spool: SharedSpool,
    pub(super) announced: Announced,
    pub(super) clock: Clock,
    /// What the collector can read, where that is less than this release writes.
    pub(super) reads: Option<Arc<Known>>,
    /// Epochs that wait for a collector that can read them.
    pub(super) withheld: Withheld,
}

/// Epochs that wait for a collector that can read them.
#[derive(Clone, Default)]
pub(super) struct Withheld(Arc<Mutex<HashSet<EpochId>>>);

impl Withheld {
    fn add(&self, epoch: EpochId) -> bool {
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.insert(epoch)
    }

    fn has(&self, epoch: EpochId) -> bool {
        let epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.contains(&epoch)
    }
}

/// How sending went.
enum Sent {
    Yes,
    /// The collector takes no more on this stream: it will say why.
    Stopped,
}

impl Feed {
    /// Sends the current epoch, and the one after it, for as long as the connection lasts.
    pub(super) async fn live(self) -> Result<(), LinkEnd> {
        let mut changes = self.spool.changes();
        loop {
            changes.mark_unchanged();
            let current = self.spool.with(|spool| {
                let current = spool.current();
                current.filter(|epoch| !spool.is_forked(*epoch) && !self.withheld.has(*epoch))
            });
            match current.filter(|epoch| self.announced.has(*epoch)) {
                Some(epoch) => self.stream(epoch, StreamRole::Live).await?,
                None => changes.changed().await,
            }
        }
    }

    /// Sends older epochs, the oldest first, for as long as the connection lasts.
    pub(super) async fn drain(self) -> Result<(), LinkEnd> {
        let mut changes = self.spool.changes();
        loop {
            changes.mark_unchanged();
            let announced = |epoch| self.announced.has(epoch) && !self.withheld.has(epoch);
            let oldest = self.spool.with(|spool| {
                spool
                    .oldest_to_drain(&announced)
                    .map(|epoch| (epoch, spool.is_forked(epoch)))
            });
            match oldest {
                Some((epoch, false)) => self.stream(epoch, StreamRole::Drain).await?,
                Some((epoch, true)) => self.count_forked(epoch).await?,
                None => changes.changed().await,
            }
        }
    }

    /// Sends `epoch` until it is no longer current (live), everything of it is acknowledged (drain), or it
    /// turned out to be forked.
    async fn stream(&self, epoch: EpochId, role: StreamRole) -> Result<(), LinkEnd> {
        let mut changes = self.spool.changes();
        let mut stream = self.open(epoch, role).await?;
        let mut sent = self.spool.with(|spool| spool.stored(epoch));
        let mut in_flight: VecDeque<Sequence> = VecDeque::new();
        let mut answered_at = self.clock.now();
        loop {
            changes.mark_unchanged();
            let (stored, over) = self.spool.with(|spool| {
                let stored = spool.stored(epoch);
                let superseded = role == StreamRole::Live && spool.current() != Some(epoch);
                let drained = role == StreamRole::Drain && spool.is_finished(epoch, stored);
                (stored, superseded || drained || spool.is_forked(epoch))
            });
            if over {
                finish(&mut stream);
                return Ok(());
            }
            while in_flight.front().is_some_and(|last| *last <= stored) {
                in_flight.pop_front();
                answered_at = self.clock.now();
            }
            if in_flight.len() < BATCHES_IN_FLIGHT_MAX
                && let Some(outgoing) = self.next(epoch, sent)?
            {
                if let Some(section) = self.unread(&outgoing) {
                    if self.withheld.add(epoch) {
                        tracing::error!(%epoch, section, "this collector does not know a section of what was measured; it is kept until one does: update the collector");
                    }
                    finish(&mut stream);
                    return Ok(());
                }
                match send(&mut stream, &outgoing).await? {
                    Sent::Yes => {
                        if in_flight.is_empty() {
                            answered_at = self.clock.now();
                        }
                        sent = outgoing.last;
                        in_flight.push_back(sent);
                    }
                    Sent::Stopped => return self.hear_why(epoch, &mut changes).await,
                }
                continue;
            }
            if in_flight.is_empty() {
                changes.changed().await;
            } else {
                let waited = tokio::time::timeout_at(answered_at + UNANSWERED, changes.changed()).await;
                waited.map_err(|_| LinkEnd::Unanswered)?;
            }
        }
    }

    /// Sends each record of a forked epoch by itself: the collector answers each, and counts what it has
    /// not stored. Then the epoch is dropped.
    async fn count_forked(&self, epoch: EpochId) -> Result<(), LinkEnd> {
        let mut changes = self.spool.changes();
        loop {
            changes.mark_unchanged();
            let counted = self.spool.with(|spool| spool.stored(epoch));
            let Some(outgoing) = self.next(epoch, counted)? else {
                let is_finished = self.spool.with(|spool| spool.is_finished(epoch, counted));
                if is_finished {
                    self.spool.change(|spool| spool.drop_forked(epoch));
                    return Ok(());
                }
                changes.changed().await;
                continue;
            };
            let Some(asked) = self.spool.with(|spool| spool.asking(epoch, outgoing.last)) else {
                return Ok(()); // it was given up meanwhile
            };
            if asked >= FORKED_ASKED_MAX {
                let rows = self.spool.change(|spool| spool.drop_forked(epoch));
                tracing::error!(%epoch, first = outgoing.first.0, rows, "the collector does not answer for a forked epoch; the rest of it is dropped");
                return Ok(());
            }
            let mut stream = self.open(epoch, StreamRole::Drain).await?;
            send(&mut stream, &outgoing).await?;
            finish(&mut stream);
            let answered = async {
                while self.spool.with(|spool| spool.stored(epoch)) < outgoing.last {
                    changes.changed().await;
                }
            };
            tokio::time::timeout(UNANSWERED, answered)
                .await
                .map_err(|_| LinkEnd::Unanswered)?;
        }
    }

    /// The collector stopped a stream; its reason (a fork) comes on the control stream.
    async fn hear_why(&self, epoch: EpochId, changes: &mut Changes) -> Result<(), LinkEnd> {
        let heard = async {
            while !self.spool.with(|spool| spool.is_forked(epoch)) {
                changes.changed().await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(10), heard).await;
        heard.map_err(|_| LinkEnd::Protocol {
            what: "a batch stream was stopped without a reason".into(),
        })
    }

    /// The first section that the collector must know, and did not announce.
    fn unread(&self, outgoing: &Outgoing) -> Option<String> {
        let reads = self.reads.as_ref()?;
        if !matches!(outgoing.kind, ItemKind::Batch) {
            return None;
        }
        let needed = codec::needed_sections(&outgoing.payload).ok()?;
        needed.into_iter().find(|name| !reads.sections.contains(name))
    }

    fn next(&self, epoch: EpochId, sent: Sequence) -> Result<Option<Outgoing>, LinkEnd> {
        loop {
            match self.spool.with(|spool| spool.next_after(epoch, sent)) {
                Ok(outgoing) => return Ok(outgoing),
                Err(error @ SpoolError::Damaged { .. }) => {
                    tracing::error!(error = %error, "damage in the spool")
                }
                Err(error) => return Err(LinkEnd::Spool(error)),
            }
        }
    }

    async fn open(&self, epoch: EpochId, role: StreamRole) -> Result<SendStream, LinkEnd> {
        let mut stream = self.connection.open_uni().await?;
        let priority = match role {
            StreamRole::Live => LIVE_PRIORITY,
            StreamRole::Drain => DRAIN_PRIORITY,
        };
        prefer(&stream, priority);
        let hello = codec::encode_stream_hello(&StreamHello { epoch, role });
        let sealed = frame::seal(MessageKind::StreamHello, &hello)?;
        stream.write_all(&sealed).await.map_err(write_end)?;
        Ok(stream)
    }
}

async fn send(stream: &mut SendStream, outgoing: &Outgoing) -> Result<Sent, LinkEnd> {
    let kind = match outgoing.kind {
        ItemKind::Batch => MessageKind::Batch,
        ItemKind::Tombstone => MessageKind::Tombstone,
    };
    let sealed = frame::seal(kind, &outgoing.payload)?;
    match stream.write_all(&sealed).await {
        Ok(()) => Ok(Sent::Yes),
        Err(WriteError::Stopped(_)) => Ok(Sent::Stopped),
        Err(error) => Err(write_end(error)),
    }
}

fn finish(stream: &mut SendStream) {
    if stream.finish().is_err() {
        tracing::trace!("the stream was closed already");
    }
}

/// Has a stream go before those of a lower priority.
pub(super) fn prefer(stream: &SendStream, priority: i32) {
    if stream.set_priority(priority).is_err() {
        tracing::trace!("the stream is closed already");
    }
}
