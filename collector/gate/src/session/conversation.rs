//! One connection from Hello to its end.

use std::sync::Arc;
use std::time::Duration;

use isochrone_base::aside::aside;
use isochrone_proto::codec;
use isochrone_proto::control::{CollectorMessage, ProbeMessage, Refusal, Welcome};
use isochrone_proto::frame::MessageKind;
use isochrone_proto::ids::PlanVersion;
use isochrone_proto::known::Known;
use quinn::{Connection, SendStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::end::{End, ProtocolBreak};
use super::frames::{FrameReader, SendError, write};
use super::gate::Gate;
use super::replies::Outgoing;
use super::talk::Talk;
use super::{Live, SessionView, batches, control};
use crate::authority::{ProbeLeaf, RENEW_BEFORE};
use crate::events::{GateEvent, GateEventKind};
use crate::registry::ProbeRecord;

/// From the end of the handshake to the Hello.
const HELLO: Duration = Duration::from_secs(5);
/// The last messages of a connection are acknowledged within this time, or given up.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Batch streams of one probe at once: live, draining, and their successors while an epoch changes.
const STREAMS_MAX: usize = 4;
const SOFTWARE: &str = concat!("isochrone-collector ", env!("CARGO_PKG_VERSION"));

/// The two directions of the control stream.
struct ControlStreams {
    send: SendStream,
    reader: FrameReader,
}

/// A probe that may stay.
struct Greeted {
    talk: Arc<Talk>,
    welcome: Welcome,
    /// Plans that it says it has: the newest, and those that the store is known to lack.
    claimed: Vec<PlanVersion>,
}

/// Holds the conversation on a connection whose handshake is over, until it ends.
pub(crate) async fn converse(gate: Gate, connection: Connection, stop: CancellationToken) {
    let greeting = timeout(HELLO, connection.accept_bi()).await;
    let (send, receive) = match greeting {
        Ok(Ok(streams)) => streams,
        Ok(Err(_)) => return, // gone before it said anything
        Err(_) => return hang_up(&connection, &End::Protocol(ProtocolBreak::NoControlStream)),
    };
    let mut streams = ControlStreams {
        send,
        reader: FrameReader::new(receive),
    };
    let end = match greet(&gate, &connection, &mut streams.reader).await {
        Err(end) => {
            tell_broken_greeting(&gate, &connection, &end);
            end
        }
        Ok(greeted) => {
            let talk = Arc::clone(&greeted.talk);
            let span = tracing::info_span!("session", probe = %talk.probe, name = talk.name);
            let end = welcomed(greeted, &mut streams, &connection, stop)
                .instrument(span)
                .await;
            gate.sessions.leave(&talk.live);
            if let End::Protocol(reason) = &end {
                talk.tell(GateEventKind::ProtocolBroken {
                    reason: reason.to_string(),
                });
            }
            end
        }
    };
    if let End::Refused(refusal) = &end {
        let refused = CollectorMessage::Refused(refusal.clone());
        let said = async {
            write(&mut streams.send, &refused).await?;
            last_words(&mut streams.send).await;
            Ok::<_, SendError>(())
        };
        if !matches!(timeout(LAST_WORDS, said).await, Ok(Ok(()))) {
            tracing::debug!("the probe did not take its refusal");
        }
    }
    hang_up(&connection, &end);
}

/// Judges certificate and Hello; the connection takes its seat, and an older one of the same key is closed.
async fn greet(gate: &Gate, connection: &Connection, reader: &mut FrameReader) -> Result<Greeted, End> {
    let leaf = shown_leaf(connection)?;
    gate.registry.admit(&leaf).map_err(End::Refused)?;
    let frame = timeout(HELLO, reader.next(&[MessageKind::FromProbe])).await;
    let frame = frame.map_err(|_| End::Protocol(ProtocolBreak::NoHello))??;
    let frame = frame.ok_or(End::Protocol(ProtocolBreak::FinishedBeforeHello))?;
    let ProbeMessage::Hello(hello) = codec::decode_from_probe(&frame.payload)? else {
        return Err(End::Protocol(ProtocolBreak::NotHello));
    };
    let now = gate.clock.wall();
    let record = gate.registry.admit(&leaf).map_err(End::Refused)?;
    not_too_often(gate, &record)?;
    let identity = (record.id, record.name.clone());
    let view = SessionView::new(identity, hello.clone(), connection.remote_address(), now);
    let known = hello.known.clone();
    let live = Live::new(connection.clone(), view, known, now > leaf.expires);
    let arrival = gate.sessions.enter(&live);
    let talk = Arc::new(Talk::new(gate, &record, leaf, live));
    let seated = match gate.registry.admit(&leaf) {
        Ok(_) => talk.take_seat(arrival, &hello).await,
        Err(refusal) => Err(End::Refused(refusal)), // it was revoked meanwhile
    };
    let marks = seated.inspect_err(|_| gate.sessions.leave(&talk.live))?;
    let welcome = Welcome {
        probe: record.id,
        name: record.name.clone(),
        software: SOFTWARE.into(),
        collector_time: now,
        marks,
        addresses: gate.registry.addresses().to_vec(),
        renew: now.plus(RENEW_BEFORE) > leaf.expires,
        observed: Some(connection.remote_address()),
        known: Known::of_this_build(),
        more: Vec::new(),
    };
    let lacking = gate.store.missing_plans(record.id).into_iter();
    let lacking = lacking.filter(|version| hello.kept_plans.contains(version));
    let newest = hello.kept_plans.iter().chain(&hello.plan).max().copied();
    let claimed = newest.into_iter().chain(lacking).collect();
    Ok(Greeted {
        talk,
        welcome,
        claimed,
    })
}

/// Refuses a probe that greeted too often.
fn not_too_often(gate: &Gate, record: &ProbeRecord) -> Result<(), End> {
    let Err(wait) = gate.sessions.take_greeting(record.id, gate.clock.now()) else {
        return Ok(());
    };
    tracing::warn!(probe = %record.id, name = record.name, "a probe greets too often");
    let seconds = wait.as_secs() + 1;
    Err(End::Refused(Refusal::Busy {
        reason: format!("it greeted too often; it is welcome again in {seconds} s"),
    }))
}

/// A probe of ours whose greeting cannot be read is told of: it would only be silent.
fn tell_broken_greeting(gate: &Gate, connection: &Connection, end: &End) {
    let End::Protocol(
        reason @ (ProtocolBreak::Frame(_) | ProtocolBreak::Content(_) | ProtocolBreak::NotHello),
    ) = end
    else {
        return;
    };
    let Ok(leaf) = shown_leaf(connection) else { return };
    let Ok(record) = gate.registry.admit(&leaf) else {
        return;
    };
    let event = GateEvent {
        at: gate.clock.wall(),
        probe: record.id,
        name: record.name.clone(),
        kind: GateEventKind::ProtocolBroken {
            reason: reason.to_string(),
        },
    };
    aside(|| gate.events.tell(event));
}

fn shown_leaf(connection: &Connection) -> Result<ProbeLeaf, End> {
    let chain = connection.peer_identity();
    let chain = chain.and_then(|chain| {
        chain
            .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
            .ok()
    });
    let leaf = chain.as_ref().and_then(|chain| chain.first());
    let leaf = leaf.ok_or(End::Refused(Refusal::NoCertificate))?;
    ProbeLeaf::read(leaf).map_err(|error| End::Protocol(ProtocolBreak::Leaf(error)))
}

/// From Welcome on: reads, writes and waits for batch streams, all in this task.
async fn welcomed(
    greeted: Greeted,
    streams: &mut ControlStreams,
    connection: &Connection,
    stop: CancellationToken,
) -> End {
    let Greeted {
        talk,
        welcome,
        claimed,
    } = greeted;
    let ControlStreams { send, reader } = streams;
    let talk = &talk;
    tracing::info!(remote = %connection.remote_address(), "probe connected");
    if let Err(error) = write(send, &CollectorMessage::Welcome(welcome)).await {
        return error.into();
    }
    let end = {
        let mut speaking = std::pin::pin!(speak(talk, send));
        let end = tokio::select! {
            biased; // one seed of a simulation is one order of events
            end = control::listen(talk, reader) => end,
            end = &mut speaking => end,
            end = take_streams(talk, connection, &stop) => end,
            end = talk.prove_plans(&claimed) => end,
            _ = connection.closed() => End::Gone,
        };
        if matches!(end, End::Stopping | End::StoreUnavailable) {
            talk.live.replies.finish(); // what is durable is acknowledged before we go
            if timeout(LAST_WORDS, speaking).await.is_err() {
                tracing::debug!("the probe did not take the last acknowledgements");
            }
        }
        end
    };
    if connection.close_reason().is_some() {
        End::Gone
    } else {
        end
    }
}

/// Writes what the replies collects, and a ping now and then.
async fn speak(talk: &Talk, send: &mut SendStream) -> End {
    let mut pings = interval(control::PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay); // one that is late makes no row of them
    loop {
        let messages = tokio::select! {
            biased;
            outgoing = talk.live.replies.next() => match outgoing {
                Outgoing::Messages(messages) => messages,
                Outgoing::Finished => {
                    last_words(send).await;
                    return End::Stopping;
                }
            },
            _ = pings.tick() => vec![talk.ping()],
        };
        for message in messages {
            if let Err(error) = write(send, &message).await {
                return error.into();
            }
        }
    }
}

/// Finishes the stream and waits until the peer has all of it.
async fn last_words(send: &mut SendStream) {
    if send.finish().is_ok() {
        let stopped = send.stopped().await;
        tracing::trace!(?stopped, "control stream finished");
    }
}

/// Takes batch streams, once nothing stands in their way. On `stop` none is taken or read any more, and it
/// returns when all that was read has been judged.
async fn take_streams(talk: &Arc<Talk>, connection: &Connection, stop: &CancellationToken) -> End {
    tokio::select! {
        biased;
        ready = talk.ready() => if let Err(end) = ready { return end },
        () = stop.cancelled() => return End::Stopping,
    }
    let mut streams = JoinSet::new();
    let mut stopping = false;
    loop {
        if stopping && streams.is_empty() {
            return End::Stopping;
        }
        tokio::select! {
            biased;
            Some(over) = streams.join_next() => match over {
                Ok(Ok(())) => {}
                Ok(Err(end)) => return end,
                Err(error) => {
                    tracing::error!(%error, "a batch stream's task failed");
                    return End::StoreUnavailable;
                }
            },
            () = stop.cancelled(), if !stopping => stopping = true,
            stream = connection.accept_uni(), if !stopping && streams.len() < STREAMS_MAX => match stream {
                Ok(stream) => {
                    let reading = batches::read_stream(Arc::clone(talk), stream, stop.clone());
                    streams.spawn(reading.in_current_span());
                }
                Err(_) => return End::Gone,
            },
        }
    }
}

fn hang_up(connection: &Connection, end: &End) {
    let Some(code) = end.code() else {
        let reason = connection.close_reason().map(|reason| reason.to_string());
        tracing::info!(remote = %connection.remote_address(), reason, "probe left");
        return;
    };
    let reason = end.to_string();
    match end {
        End::Stopping | End::Gone => tracing::info!(reason, "connection closed"),
        // anybody can knock so: the listener counts them
        End::Refused(Refusal::NoCertificate) => tracing::debug!(?code, reason, "connection closed"),
        _ => tracing::warn!(remote = %connection.remote_address(), ?code, reason, "connection closed"),
    }
    connection.close(code.code().into(), reason.as_bytes());
}
