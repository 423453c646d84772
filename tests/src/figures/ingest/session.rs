//! One probe's connection, as far as a collector can tell: control stream, live stream, acknowledgements.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use isochrone_base::clock::Clock;
use isochrone_probe::identity::Identity;
use isochrone_probe::tls::{CollectorVerifier, SERVER_NAME, Trust, probe_config};
use isochrone_proto::codec;
use isochrone_proto::control::{
    Ack, CollectorMessage, Hello, ProbeMessage, SpoolState, StreamHello, StreamRole,
};
use isochrone_proto::frame::{self, FrameHeader, HEADER_BYTES, MessageKind};
use isochrone_proto::known::Known;
use isochrone_proto::limits::BATCHES_IN_FLIGHT_MAX;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::echoes::Stream;

/// A welcomed connection.
pub(super) struct Session {
    pub(super) place: usize,
    connection: Connection,
    live: SendStream,
    sent: u64,
    stored: watch::Receiver<u64>,
    /// Listens to the control stream; ends with the session.
    listening: JoinSet<Result<()>>,
    /// A socket of its own, as every probe has.
    _endpoint: Endpoint,
}

impl Session {
    /// Connects, says Hello, waits for Welcome, and opens the live stream.
    pub(super) async fn open(identity: &Identity, collector: SocketAddr, stream: &Stream) -> Result<Self> {
        let verifier = CollectorVerifier::new(Trust::Authority(identity.authority().clone()));
        let time = Arc::new(rustls::time_provider::DefaultTimeProvider);
        let config = probe_config(identity, &verifier, time)?;
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let connection = endpoint.connect_with(config, collector, SERVER_NAME)?.await?;
        let (mut send, mut receive) = connection.open_bi().await?;
        say(&mut send, &ProbeMessage::Hello(hello(stream))).await?;
        match hear(&mut receive).await? {
            CollectorMessage::Welcome(welcome) => ensure!(welcome.probe == identity.probe()),
            other => bail!("no Welcome but {other:?}"),
        }
        let (told, stored) = watch::channel(0);
        let mut listening = JoinSet::new();
        listening.spawn(listen(send, receive, told));
        let mut live = connection.open_uni().await?;
        let role = StreamHello {
            epoch: stream.epoch.epoch,
            role: StreamRole::Live,
        };
        let role = codec::encode_stream_hello(&role);
        live.write_all(&frame::seal(MessageKind::StreamHello, &role)?)
            .await?;
        Ok(Self {
            place: stream.place,
            connection,
            live,
            sent: 0,
            stored,
            listening,
            _endpoint: endpoint,
        })
    }

    /// Sends the next batches of the epoch and waits until all are acknowledged.
    pub(super) async fn send(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        for frame in frames {
            self.stored_up_to((self.sent + 1).saturating_sub(BATCHES_IN_FLIGHT_MAX as u64))
                .await?;
            self.live.write_all(frame).await?;
            self.sent += 1;
        }
        self.stored_up_to(self.sent).await
    }

    async fn stored_up_to(&mut self, sequence: u64) -> Result<()> {
        tokio::select! {
            biased;
            stored = self.stored.wait_for(|stored| *stored >= sequence) => {
                stored.context("the control stream's reader has ended")?;
                Ok(())
            }
            Some(ended) = self.listening.join_next() => {
                ended??;
                bail!("the control stream has ended")
            }
        }
    }

    pub(super) fn close(&self) {
        self.connection.close(0u32.into(), b"");
    }
}

fn hello(stream: &Stream) -> Hello {
    Hello {
        software: "figures".into(),
        instance: stream.place as u64 + 1,
        plan: None,
        kept_plans: Vec::new(),
        epochs: vec![stream.epoch],
        echo_port: 0,
        advertise: Vec::new(),
        spool: SpoolState::default(),
        probe_time: Clock::system().wall(),
        known: Known::of_this_build(),
        more: Vec::new(),
    }
}

/// Takes in acknowledgements, answers pings; plans of the collector's own making are not followed.
async fn listen(mut send: SendStream, mut receive: RecvStream, stored: watch::Sender<u64>) -> Result<()> {
    loop {
        match hear(&mut receive).await? {
            CollectorMessage::Ack(Ack {
                stored: mark,
                refused: None,
                ..
            }) => {
                stored.send_replace(mark.0);
            }
            CollectorMessage::Ping {
                nonce,
                collector_time,
                ..
            } => {
                let pong = ProbeMessage::Pong {
                    nonce,
                    collector_time,
                    probe_time: Clock::system().wall(),
                };
                say(&mut send, &pong).await?;
            }
            CollectorMessage::Plan(_) => {}
            other => bail!("the collector says {other:?}"),
        }
    }
}

pub(in crate::figures) async fn say(send: &mut SendStream, message: &ProbeMessage) -> Result<()> {
    let payload = codec::encode_from_probe(message);
    send.write_all(&frame::seal(MessageKind::FromProbe, &payload)?)
        .await?;
    Ok(())
}

pub(in crate::figures) async fn hear(receive: &mut RecvStream) -> Result<CollectorMessage> {
    let mut header = [0; HEADER_BYTES];
    receive.read_exact(&mut header).await?;
    let header = FrameHeader::parse(&header)?;
    ensure!(
        header.kind() == MessageKind::FromCollector,
        "a frame of kind {:?}",
        header.kind()
    );
    let mut body = vec![0; header.length()];
    receive.read_exact(&mut body).await?;
    Ok(codec::decode_from_collector(&header.open(body)?)?)
}
