//! A collector that does as a script says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::control::{
    Ack, CloseCode, CollectorMessage, EpochMark, EpochState, Hello, ProbeMessage, Refusal, RefusedSoFar,
    Welcome,
};
use isochrone_proto::frame::{self, FrameHeader, HEADER_BYTES, MessageKind};
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::known::Known;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::wire::Wire;
use super::{BASE, EVER};
use crate::identity::ProbeKey;
use crate::identity::tests::{Role, TestAuthority};
use crate::tls::tests::server_config;

/// The time by which certificates are judged: every leaf of these tests lives.
#[derive(Debug)]
pub(super) struct In2021;

impl TimeProvider for In2021 {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_620_000_000)))
    }
}

/// What a collector of this test knows: the batches it stored, by epoch, and those that did not fit.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) epochs: BTreeMap<EpochId, Vec<Digest>>,
    pub(super) forked: Vec<(EpochId, Sequence)>,
    pub(super) hellos: Vec<Hello>,
    pub(super) messages: Vec<ProbeMessage>,
    pub(super) rows: usize,
}

/// How it behaves.
#[derive(Default)]
pub(super) struct Script {
    pub(super) refuse: Option<Refusal>,
    /// Said right after Welcome.
    pub(super) say: Vec<CollectorMessage>,
    pub(super) renew: bool,
    /// Marks that it believes in, beside what it stored.
    pub(super) marks: BTreeMap<EpochId, (Sequence, Digest)>,
    /// Stores, and never says so.
    pub(super) silent: bool,
    /// Never answers a Hello.
    pub(super) mute: bool,
    /// A section that it does not know.
    pub(super) unknown: Option<&'static str>,
    /// Closes the connection as soon as it has welcomed.
    pub(super) close: Option<CloseCode>,
    /// Stops every batch stream, and says nothing.
    pub(super) stops_streams: bool,
    /// Does not understand batches of a forked epoch.
    pub(super) breaks_on_forked: bool,
}

pub(super) struct Collector {
    pub(super) authority: Arc<TestAuthority>,
    pub(super) wire: Wire,
    pub(super) address: String,
    pub(super) stored: Arc<Mutex<Stored>>,
    pub(super) script: Arc<Mutex<Script>>,
    changed: Arc<watch::Sender<u64>>,
    pub(super) connections: Arc<Mutex<Vec<quinn::Connection>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    pub(super) fn start(script: Script) -> Self {
        Self::of(Arc::new(TestAuthority::new()), Wire::default(), script)
    }

    /// Another one of the same mesh.
    pub(super) fn beside(&self, script: Script) -> Self {
        Self::of(Arc::clone(&self.authority), self.wire.clone(), script)
    }

    fn of(authority: Arc<TestAuthority>, wire: Wire, script: Script) -> Self {
        let key = ProbeKey::generate().unwrap();
        let chain = authority.chain(&key, Role::Collector, 2090);
        let config = server_config(&key, chain, &authority, Arc::new(In2021));
        let endpoint = wire.endpoint(Some(config)).unwrap();
        let address = endpoint.local_addr().unwrap().to_string();
        let stored = Arc::new(Mutex::new(Stored::default()));
        let script = Arc::new(Mutex::new(script));
        let changed = Arc::new(watch::Sender::new(0));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk {
            stored: Arc::clone(&stored),
            script: Arc::clone(&script),
            changed: Arc::clone(&changed),
        };
        let kept = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Some(incoming) = endpoint.accept().await {
                if let Ok(connection) = incoming.await {
                    kept.lock().unwrap().push(connection.clone());
                    talks.spawn(desk.clone().talk(connection));
                }
            }
        });
        Self {
            authority,
            wire,
            address,
            stored,
            script,
            changed,
            connections,
            _serving: serving,
        }
    }

    /// Waits until what is stored satisfies `wanted`.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&Stored) -> bool) {
        let mut changed = self.changed.subscribe();
        let satisfied = async {
            while !wanted(&self.stored.lock().unwrap()) {
                changed.changed().await.unwrap();
            }
        };
        let satisfied = tokio::time::timeout(EVER, satisfied).await;
        assert!(satisfied.is_ok(), "never: {what}");
    }

    pub(super) fn hang_up(&self, code: CloseCode) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.close(code.code().into(), b"as the test wants");
        }
    }
}

#[derive(Clone)]
struct Desk {
    stored: Arc<Mutex<Stored>>,
    script: Arc<Mutex<Script>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Desk {
    async fn talk(self, connection: quinn::Connection) {
        let Ok((send, mut receive)) = connection.accept_bi().await else {
            return;
        };
        let send = Arc::new(tokio::sync::Mutex::new(send));
        let Some((_, payload)) = read_frame(&mut receive).await else {
            return;
        };
        let Ok(ProbeMessage::Hello(hello)) = codec::decode_from_probe(&payload) else {
            panic!("the first message is Hello");
        };
        let (answers, close) = self.answer_hello(&hello);
        for message in answers {
            write(&send, &message).await;
        }
        if let Some(code) = close {
            connection.close(code.code().into(), b"as the test wants");
        }
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                frame = read_frame(&mut receive) => {
                    let Some((_, payload)) = frame else { return };
                    let message = codec::decode_from_probe(&payload).unwrap();
                    self.change(|stored| stored.messages.push(message));
                }
                stream = connection.accept_uni() => {
                    let Ok(stream) = stream else { return };
                    streams.spawn(self.clone().batches(connection.clone(), stream, Arc::clone(&send)));
                }
            }
        }
    }

    fn answer_hello(&self, hello: &Hello) -> (Vec<CollectorMessage>, Option<CloseCode>) {
        let script = self.script.lock().unwrap();
        let mark = |state: &EpochState| {
            let stored = self.stored.lock().unwrap();
            let own = stored.epochs.get(&state.epoch);
            let own = own.map(|all| {
                (
                    Sequence(all.len() as u64),
                    all.last().copied().unwrap_or(Digest::ZERO),
                )
            });
            let believed = script.marks.get(&state.epoch).copied();
            let (stored, digest) = believed.or(own).unwrap_or((Sequence::NONE, Digest::ZERO));
            EpochMark {
                epoch: state.epoch,
                stored,
                digest,
                safe: Sequence::NONE,
                refused: RefusedSoFar::default(),
            }
        };
        let marks = hello.epochs.iter().map(mark).collect();
        self.change(|stored| stored.hellos.push(hello.clone()));
        if script.mute {
            return (Vec::new(), None);
        }
        if let Some(refusal) = &script.refuse {
            return (vec![CollectorMessage::Refused(refusal.clone())], None);
        }
        let welcome = Welcome {
            probe: ProbeId(1),
            name: "ada".into(),
            software: "scripted".into(),
            collector_time: BASE,
            marks,
            addresses: Vec::new(),
            renew: script.renew,
            observed: None,
            known: {
                let mut known = Known::of_this_build();
                known
                    .sections
                    .retain(|name| Some(name.as_str()) != script.unknown);
                known
            },
            more: Vec::new(),
        };
        let mut messages = vec![CollectorMessage::Welcome(welcome)];
        messages.extend(script.say.iter().cloned());
        (messages, script.close)
    }

    /// Stores what fits, counts what does not.
    async fn batches(
        self,
        connection: quinn::Connection,
        mut stream: quinn::RecvStream,
        send: Arc<tokio::sync::Mutex<quinn::SendStream>>,
    ) {
        let Some((MessageKind::StreamHello, _)) = read_frame(&mut stream).await else {
            return;
        };
        while let Some((MessageKind::Batch, payload)) = read_frame(&mut stream).await {
            let batch = codec::decode_batch(&payload).unwrap();
            let (epoch, sequence) = (batch.header.epoch, batch.header.sequence);
            if self.script.lock().unwrap().stops_streams {
                stream.stop(0u32.into()).ok();
                return;
            }
            let answer = self.judge(&batch, Digest::of(&payload));
            let is_forked = matches!(answer, CollectorMessage::Forked { .. });
            let (silent, breaks) = {
                let script = self.script.lock().unwrap();
                (script.silent, script.breaks_on_forked && is_forked)
            };
            if breaks {
                connection.close(CloseCode::Protocol.code().into(), b"as the test wants");
                return;
            }
            if silent {
                continue;
            }
            write(&send, &answer).await;
            if is_forked {
                self.change(|stored| stored.forked.push((epoch, sequence)));
                stream.stop(0u32.into()).ok();
                return;
            }
        }
    }

    fn judge(&self, batch: &Batch, digest: Digest) -> CollectorMessage {
        let (epoch, sequence) = (batch.header.epoch, batch.header.sequence);
        let foreign = self.script.lock().unwrap().marks.contains_key(&epoch);
        if foreign {
            return CollectorMessage::Forked { epoch, sequence };
        }
        let stored = self.change(|stored| {
            let all = stored.epochs.entry(epoch).or_default();
            let next = all.len() as u64 + 1;
            assert!(sequence.0 <= next, "a gap: {sequence} where {next} was due");
            if sequence.0 == next {
                assert_eq!(batch.header.previous, all.last().copied().unwrap_or(Digest::ZERO));
                all.push(digest);
                stored.rows += batch.rows();
                next
            } else {
                assert_eq!(all[sequence.0 as usize - 1], digest, "re-sent unchanged");
                next - 1
            }
        });
        CollectorMessage::Ack(Ack {
            epoch,
            stored: Sequence(stored),
            safe: Sequence::NONE,
            refused: None,
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Stored) -> T) -> T {
        let done = change(&mut self.stored.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        done
    }
}

async fn read_frame(stream: &mut quinn::RecvStream) -> Option<(MessageKind, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let header = FrameHeader::parse(&header).unwrap();
    let mut body = vec![0; header.length()];
    stream.read_exact(&mut body).await.ok()?;
    Some((header.kind(), header.open(body).unwrap()))
}

async fn write(send: &tokio::sync::Mutex<quinn::SendStream>, message: &CollectorMessage) {
    let payload = codec::encode_from_collector(message);
    let sealed = frame::seal(MessageKind::FromCollector, &payload).unwrap();
    send.lock().await.write_all(&sealed).await.ok(); // the probe may have gone
}
