//! One batch stream: frames in, verdicts of the store out, never more than eight batches between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use isochrone_proto::codec;
use isochrone_proto::control::{CloseCode, StreamHello};
use isochrone_proto::frame::MessageKind;
use isochrone_proto::ids::{EpochId, PlanVersion, Sequence};
use isochrone_proto::limits::BATCHES_IN_FLIGHT_MAX;
use isochrone_store::ingest::{Incoming, Ingested, Item, Receipt};
use tokio_util::sync::CancellationToken;

use super::end::{End, ProtocolBreak};
use super::frames::{FrameReader, OpenedFrame};
use super::quota::Bucket;
use super::safe::Safe;
use super::talk::Talk;

/// A stream that was opened says within this time what it is for.
const STREAM_HELLO: Duration = Duration::from_secs(5);

/// Reads one stream to its end, or until `stop`; returns when every batch it submitted has been judged.
pub(super) async fn read_stream(
    talk: Arc<Talk>,
    stream: quinn::RecvStream,
    stop: CancellationToken,
) -> Result<(), End> {
    let mut reader = FrameReader::new(stream);
    let hello = tokio::time::timeout(STREAM_HELLO, reader.next(&[MessageKind::StreamHello])).await;
    let Some(hello) = hello.map_err(|_| End::Protocol(ProtocolBreak::NoStreamHello))?? else {
        return Ok(());
    };
    let StreamHello { epoch, role } = codec::decode_stream_hello(&hello.payload)?;
    tracing::debug!(%epoch, ?role, "batch stream opened");
    let now = talk.gate.clock.now();
    let mut stream = BatchStream {
        epoch,
        reader,
        in_flight: VecDeque::new(),
        batches: Bucket::batches(now),
        bytes: Bucket::bytes(now),
        safe: Safe::default(),
        talk,
    };
    stream.run(&stop).await
}

struct BatchStream {
    talk: Arc<Talk>,
    epoch: EpochId,
    reader: FrameReader,
    /// Submitted and not yet judged, in sequence.
    in_flight: VecDeque<Submitted>,
    batches: Bucket,
    bytes: Bucket,
    safe: Safe,
}

struct Submitted {
    incoming: Incoming,
    receipt: Receipt,
}

/// Whether a stream goes on after a verdict.
#[derive(PartialEq)]
enum Next {
    GoOn,
    Over,
}

/// What is safe of a stream whose mark is this one.
fn safe_of(safe: &mut Safe, talk: &Talk, mark: Sequence) -> Sequence {
    let store = &talk.gate.store;
    let sent = store.sent_up_to();
    // the batch's commit or a later one: never said too early
    let commit = sent.map_or(Ok(0), |_| store.commit_number());
    safe.stored(mark, commit.unwrap_or(u64::MAX), sent)
}

impl BatchStream {
    async fn run(&mut self, stop: &CancellationToken) -> Result<(), End> {
        let mut reading = true;
        loop {
            let room = self.in_flight.len() < BATCHES_IN_FLIGHT_MAX;
            if !reading && self.in_flight.is_empty() {
                return Ok(());
            }
            let first = self.in_flight.front_mut().map(|submitted| &mut submitted.receipt);
            tokio::select! {
                biased;
                verdict = verdict_of(first) => {
                    if self.settle(verdict).await? == Next::Over {
                        return Ok(());
                    }
                }
                () = stop.cancelled(), if reading => reading = false,
                frame = self.reader.next(&[MessageKind::Batch, MessageKind::Tombstone]), if reading && room => {
                    match frame? {
                        Some(frame) => self.submit(frame).await?,
                        None => reading = false,
                    }
                }
            }
        }
    }

    async fn submit(&mut self, frame: OpenedFrame) -> Result<(), End> {
        self.hold_back(frame.wire_bytes).await;
        let received = self.talk.gate.clock.wall();
        self.talk.live.lock().heard = Some(received);
        let payload = Bytes::from(frame.payload);
        let incoming = match frame.kind {
            MessageKind::Tombstone => Incoming::tombstone(self.talk.probe, payload, received)?,
            _ => Incoming::batch(self.talk.probe, payload, received)?,
        };
        if incoming.epoch() != self.epoch {
            return Err(End::Protocol(ProtocolBreak::OtherEpoch {
                found: incoming.epoch(),
                expected: self.epoch,
            }));
        }
        match &incoming.item {
            Item::Batch(batch) => self.talk.follows(batch.header.adopted.version),
            Item::Unread(unread) => {
                if let Some(header) = &unread.place.header {
                    self.talk.follows(header.adopted.version);
                }
            }
            Item::Tombstone(_) => {}
        }
        self.send(incoming).await;
        Ok(())
    }

    async fn send(&mut self, incoming: Incoming) {
        let receipt = self.talk.gate.ingest.submit(incoming.clone()).await;
        self.in_flight.push_back(Submitted { incoming, receipt });
    }

    /// A probe that sends faster than its quota is read more slowly.
    async fn hold_back(&mut self, wire_bytes: usize) {
        loop {
            let now = self.talk.gate.clock.now();
            let wait = self
                .batches
                .take(1, now)
                .and_then(|()| self.bytes.take(wire_bytes, now));
            match wait {
                Ok(()) => return,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Acts on the verdict of the oldest batch in flight.
    async fn settle(&mut self, verdict: Ingested) -> Result<Next, End> {
        let replies = &self.talk.live.replies;
        match verdict {
            Ingested::Stored { mark } | Ingested::Already { mark } => {
                let safe = safe_of(&mut self.safe, &self.talk, mark);
                replies.ack(self.epoch, (mark, safe), None);
            }
            Ingested::Refused { mark, reason, so_far } => {
                tracing::warn!(epoch = %self.epoch, %mark, %reason, "batch refused for its content");
                let safe = safe_of(&mut self.safe, &self.talk, mark);
                replies.ack(self.epoch, (mark, safe), Some(so_far));
            }
            Ingested::Forked { sequence } => {
                let epoch = self.epoch;
                self.talk.tell_fork(epoch, sequence); // durable before the probe goes on in a new epoch
                replies.forked(epoch, sequence);
                self.reader.stop(CloseCode::Done.code());
                return Ok(Next::Over); // what follows it in flight belongs to the fork too
            }
            Ingested::Gap { expected } => {
                let found = self
                    .in_flight
                    .front()
                    .map_or(expected, |first| first.incoming.last_sequence());
                let epoch = self.epoch;
                return Err(End::Protocol(ProtocolBreak::Gap {
                    epoch,
                    found,
                    expected,
                }));
            }
            Ingested::NeedPlans(versions) => {
                self.fetch_plans(versions).await?;
                return Ok(Next::GoOn);
            }
            Ingested::Unavailable(reason) => {
                tracing::error!(%reason, "a batch cannot be stored now");
                let gate = &self.talk.gate;
                gate.sessions.note_unstored(self.talk.probe, gate.clock.wall());
                return Err(End::StoreUnavailable);
            }
        }
        self.in_flight.pop_front();
        Ok(Next::GoOn)
    }

    /// The collector lost plans: nothing from the oldest batch on was judged. Asks for them and submits all
    /// again, in order; what the probe no longer has either is judged without.
    async fn fetch_plans(&mut self, versions: Vec<PlanVersion>) -> Result<(), End> {
        self.talk.need_plans(&versions).await?;
        let unjudged: Vec<_> = self.in_flight.drain(..).collect();
        for submitted in unjudged {
            let mut incoming = submitted.incoming;
            incoming.plans_lost |= incoming.plans().iter().any(|plan| versions.contains(plan));
            self.send(incoming).await;
        }
        Ok(())
    }
}

async fn verdict_of(receipt: Option<&mut Receipt>) -> Ingested {
    match receipt {
        Some(receipt) => receipt.await,
        None => std::future::pending().await,
    }
}
