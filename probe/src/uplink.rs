//! The way to the collector: dials out, says who it is and what it holds, sends what the spool holds, and
//! takes plans. Connected means welcomed; everything else is being away.

mod backoff;
mod feed;
mod frames;
mod renewal;
mod session;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::{CloseCode, EpochState, Refusal};
use isochrone_proto::frame::FrameError;
use isochrone_proto::ids::EpochId;
use isochrone_proto::units::UnixMillis;
use rand::RngCore as _;
use rand::rngs::StdRng;
use rustls::time_provider::TimeProvider;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::backoff::Backoff;
use self::session::Session;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::identity::Identity;
use crate::plans::PlanStore;
use crate::prober::EchoPorts;
use crate::recorder::SharedSpool;
use crate::runner::Command;
use crate::spool::Spool;
use crate::tls::{self, CollectorVerifier, NotTheCollector, Trust};

/// Makes the socket for one connection to the given address.
pub type EndpointFactory = Arc<dyn Fn(SocketAddr) -> std::io::Result<quinn::Endpoint> + Send + Sync>;

/// After more than this away, a new epoch: live results never wait behind a backlog.
pub const AWAY: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
const WELCOME: Duration = Duration::from_secs(10);
/// After the last batch is spooled, how long acknowledgements are waited for.
pub const LAST_WORDS: Duration = Duration::from_secs(2);

/// What an uplink is made of.
pub struct UplinkParts {
    /// Time.
    pub clock: Clock,
    /// Random waits, and the number of this process.
    pub rng: StdRng,
    /// Where a renewed identity is kept.
    pub disk: Arc<dyn Disk>,
    /// Who this probe is.
    pub identity: Identity,
    /// The kept plans.
    pub plans: PlanStore,
    /// What is to be sent.
    pub spool: SharedSpool,
    /// Sockets.
    pub endpoint: EndpointFactory,
    /// What time certificates are judged at.
    pub tls_time: Arc<dyn TimeProvider>,
    /// Collector addresses of the local file; empty: those the collector tells.
    pub collectors: Vec<String>,
    /// Addresses under which the responder wants to be known.
    pub advertise: Vec<SocketAddr>,
    /// Ports of the responder.
    pub echo_ports: EchoPorts,
    /// To the runner.
    pub commands: mpsc::Sender<Command>,
    /// For the status.
    pub link: watch::Sender<Link>,
}

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The collector that welcomed this probe, while connected.
    pub collector: Option<String>,
    /// Its release.
    pub collector_software: String,
    /// Since when it is connected, or away.
    pub since: UnixMillis,
    /// Why the last attempt or connection ended, in words for a person.
    pub trouble: Option<String>,
    /// Batches that the collector refused for their content, since the process started.
    pub refused_batches: u64,
    /// End of the certificate.
    pub certificate_until: UnixMillis,
}

/// Why a connection ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum LinkEnd {
    /// The name of the collector has no address.
    #[error("the collector's name {address} cannot be resolved; does this server's DNS work?")]
    Resolve {
        /// As configured.
        address: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// No socket.
    #[error("this server cannot open a UDP socket")]
    Socket(#[source] std::io::Error),
    /// The connection could not be begun.
    #[error("the connection to {remote} cannot be begun")]
    Connect {
        /// Where to.
        remote: SocketAddr,
        /// The library's words.
        #[source]
        source: quinn::ConnectError,
    },
    /// The TLS library refuses this probe's own certificate.
    #[error("this probe's certificate cannot be used; ask the lead for a new invitation")]
    OwnCertificate(#[source] rustls::Error),
    /// Nobody answered.
    #[error("the collector at {remote} does not answer; is it running, and does a firewall let UDP port {} out?", remote.port())]
    NoAnswer {
        /// Where.
        remote: SocketAddr,
    },
    /// Somebody else answered.
    #[error(transparent)]
    NotTheCollector(#[from] NotTheCollector),
    /// The collector does not let this probe in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The collector closed the connection.
    #[error("{}", closed_sentence(*code, reason))]
    Closed {
        /// Why.
        code: Option<CloseCode>,
        /// Its words.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to the collector was lost")]
    Lost(#[source] quinn::ConnectionError),
    /// The collector said something that this release does not understand.
    #[error("the collector at the other end speaks differently ({what}); is one of the two releases older?")]
    Protocol {
        /// What.
        what: String,
    },
    /// Batches stay unanswered.
    #[error("the collector has acknowledged nothing for {} s; connecting anew", feed::UNANSWERED.as_secs())]
    Unanswered,
    /// The spool cannot be read.
    #[error("the spool cannot be read")]
    Spool(#[source] crate::spool::SpoolError),
    /// The certificate was renewed after its end: the connection is made again with the new one.
    #[error("the certificate was renewed; connecting anew")]
    Renewed,
    /// This process is stopping.
    #[error("stopping")]
    Stopped,
}

/// The uplink.
pub struct Uplink {
    parts: UplinkParts,
    instance: u64,
    /// When it was last connected.
    connected_at: tokio::time::Instant,
}

impl Uplink {
    /// An uplink that has not dialled yet.
    #[must_use]
    pub fn new(mut parts: UplinkParts) -> Self {
        let instance = parts.rng.next_u64();
        let connected_at = parts.clock.now();
        Self {
            parts,
            instance,
            connected_at,
        }
    }

    /// Connects, and connects again, until `stop`; what is spooled then may still be sent within
    /// [`LAST_WORDS`].
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut turn = 0;
        self.away(None);
        while !stop.is_cancelled() {
            let addresses = self.addresses();
            let Some(address) = addresses.get(turn % addresses.len().max(1)).cloned() else {
                tracing::error!("no collector address is known; set `collectors` in probe.toml");
                return;
            };
            let began = self.connected_at;
            let end = self.attempt(&address, &stop).await;
            let was_connected = self.connected_at > began;
            if let LinkEnd::Stopped = end {
                return;
            }
            if let LinkEnd::Closed {
                code: Some(CloseCode::Protocol),
                ..
            } = end
            {
                self.parts.spool.with(Spool::asked_in_vain);
            }
            let words = chain(&end);
            tracing::warn!(collector = address, reason = words, "not connected");
            self.away(Some(words));
            if was_connected {
                backoff.reset();
            } else {
                turn += 1;
            }
            let wait = match &end {
                LinkEnd::Renewed => Duration::ZERO,
                end if turn % addresses.len() != 0 && !is_final(end) => Duration::from_millis(200),
                end => backoff.next(&mut self.parts.rng).max(patience(end)),
            };
            tokio::select! {
                biased; // one seed of a simulation is one order of events
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn addresses(&self) -> Vec<String> {
        if self.parts.collectors.is_empty() {
            self.parts.identity.collectors().to_vec()
        } else {
            self.parts.collectors.clone()
        }
    }

    fn away(&self, trouble: Option<String>) {
        let since = self.parts.clock.wall();
        let until = self
            .parts
            .identity
            .leaf_life()
            .map(|life| life.until)
            .unwrap_or_default();
        self.parts.link.send_modify(|link| {
            if link.collector.take().is_some() || link.since == UnixMillis(0) {
                link.since = since;
            }
            link.certificate_until = until;
            if trouble.is_some() {
                link.trouble = trouble;
            }
        });
    }

    /// One address, all that its name resolves to, until one connection was welcomed and has ended.
    async fn attempt(&mut self, address: &str, stop: &CancellationToken) -> LinkEnd {
        let remotes = tokio::select! {
            biased;
            () = stop.cancelled() => return LinkEnd::Stopped,
            remotes = resolve(address) => remotes,
        };
        let remotes = match remotes {
            Ok(remotes) => remotes,
            Err(source) => {
                let address = address.to_owned();
                return LinkEnd::Resolve { address, source };
            }
        };
        let mut last = LinkEnd::Resolve {
            address: address.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        for remote in remotes {
            let dialled = tokio::select! {
                biased; // one seed of a simulation is one order of events
                () = stop.cancelled() => return LinkEnd::Stopped,
                dialled = self.dial(remote) => dialled,
            };
            match dialled {
                Ok((endpoint, connection)) => {
                    let end = self.converse(address, &connection, stop).await;
                    let code = CloseCode::Done.code();
                    connection.close(code.into(), b"");
                    if tokio::time::timeout(Duration::from_millis(500), endpoint.wait_idle())
                        .await
                        .is_err()
                    {
                        tracing::trace!("the close was not acknowledged");
                    }
                    return end;
                }
                Err(end) => last = end,
            }
        }
        last
    }

    async fn dial(&self, remote: SocketAddr) -> Result<(quinn::Endpoint, quinn::Connection), LinkEnd> {
        let authority = self.parts.identity.authority().clone();
        let verifier = CollectorVerifier::new(Trust::Authority(authority));
        let config = tls::probe_config(&self.parts.identity, &verifier, Arc::clone(&self.parts.tls_time));
        let config = config.map_err(LinkEnd::OwnCertificate)?;
        let endpoint = (self.parts.endpoint)(remote).map_err(LinkEnd::Socket)?;
        let connecting = endpoint.connect_with(config, remote, tls::SERVER_NAME);
        let connecting = connecting.map_err(|source| LinkEnd::Connect { remote, source })?;
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let connected = connected.map_err(|_| LinkEnd::NoAnswer { remote })?;
        match connected {
            Ok(connection) => Ok((endpoint, connection)),
            Err(_) if verifier.refused().is_some() => {
                let refused = verifier.refused().unwrap_or(NotTheCollector::Malformed);
                Err(refused.into())
            }
            Err(quinn::ConnectionError::TimedOut) => Err(LinkEnd::NoAnswer { remote }),
            Err(error) => Err(error.into()),
        }
    }

    async fn converse(
        &mut self,
        address: &str,
        connection: &quinn::Connection,
        stop: &CancellationToken,
    ) -> LinkEnd {
        if self.parts.clock.now().duration_since(self.connected_at) > AWAY
            && let Err(end) = self.open_epoch().await
        {
            return end;
        }
        let greeted = tokio::time::timeout(WELCOME, Session::greet(self, connection)).await;
        let mut session = match greeted {
            Ok(Ok(session)) => session,
            Ok(Err(end)) => return closing_words(connection, end),
            Err(_) => {
                let what = "no Welcome within 10 s".to_owned();
                return LinkEnd::Protocol { what };
            }
        };
        self.connected_at = self.parts.clock.now();
        let software = session.software().to_owned();
        self.parts.link.send_modify(|link| {
            link.collector = Some(address.to_owned());
            link.collector_software = software;
            link.since = self.parts.clock.wall();
            link.trouble = None;
        });
        tracing::info!(collector = address, "connected");
        let end = session.run(self, stop).await;
        self.connected_at = self.parts.clock.now();
        closing_words(connection, end)
    }

    /// Has the runner open an epoch, and waits until the spool knows it.
    async fn open_epoch(&self) -> Result<EpochState, LinkEnd> {
        let (done, opened) = oneshot::channel();
        let sent = self.parts.commands.send(Command::OpenEpoch(done)).await;
        sent.map_err(|_| LinkEnd::Stopped)?;
        opened.await.map_err(|_| LinkEnd::Stopped)
    }

    /// The epoch went on elsewhere: what is held is sent to be counted, and a new one begins if it is current.
    async fn forked(
        &self,
        epoch: EpochId,
        counted: Option<isochrone_proto::ids::Sequence>,
    ) -> Result<(), LinkEnd> {
        let is_current = self.parts.spool.with(|spool| spool.current() == Some(epoch));
        let is_news = self.parts.spool.with(|spool| !spool.is_forked(epoch));
        if is_news {
            tracing::error!(%epoch, "the collector has other batches of this epoch: was this machine cloned or restored from a snapshot?");
        }
        if is_current {
            self.open_epoch().await?;
        }
        self.parts.spool.change(|spool| spool.fork(epoch, counted));
        Ok(())
    }
}

/// `host:port` as addresses; a literal address needs no resolver.
async fn resolve(address: &str) -> std::io::Result<Vec<SocketAddr>> {
    if let Ok(literal) = address.parse() {
        return Ok(vec![literal]);
    }
    let found: Vec<SocketAddr> = tokio::net::lookup_host(address).await?.collect();
    if found.is_empty() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    Ok(found)
}

/// Waiting longer than usual is kinder where only a person can help.
fn patience(end: &LinkEnd) -> Duration {
    match end {
        end if is_final(end) => Duration::from_secs(600),
        LinkEnd::Closed {
            code: Some(CloseCode::Replaced),
            ..
        } => Duration::from_secs(60),
        LinkEnd::Closed {
            code: Some(CloseCode::Quota),
            ..
        } => Duration::from_secs(30),
        _ => Duration::ZERO,
    }
}

/// Whether only a person can help.
fn is_final(end: &LinkEnd) -> bool {
    match end {
        LinkEnd::Refused(refusal) => match refusal {
            Refusal::Revoked | Refusal::Unknown | Refusal::ExpiredTooLong | Refusal::NoCertificate => true,
            Refusal::Expired | Refusal::BadRequest | Refusal::Busy { .. } => false,
        },
        LinkEnd::Closed { code, .. } => *code == Some(CloseCode::Revoked),
        _ => false,
    }
}

/// What a close code means, for a volunteer.
fn closed_sentence(code: Option<CloseCode>, reason: &str) -> String {
    let sentence = match code {
        Some(CloseCode::Done) => "the collector ended the connection",
        Some(CloseCode::Stopping) => {
            "the collector is restarting; this probe goes on measuring and comes back"
        }
        Some(CloseCode::Replaced) => {
            "another process with this probe's key took over; is a second copy of this server running?"
        }
        Some(CloseCode::Revoked) => {
            "this probe was revoked; if that is a mistake, ask the lead for a new invitation and run `isochrone-probe join TOKEN`"
        }
        Some(CloseCode::Refused) => "the collector does not let this probe in",
        Some(CloseCode::Protocol) => {
            "the collector did not understand this probe; is one of the two releases older?"
        }
        Some(CloseCode::Quota) => "this probe sent more than its quota; it slows down and comes back",
        Some(CloseCode::StoreUnavailable) => {
            "the collector cannot store anything now (is its disk full?); this probe keeps its results and comes back"
        }
        None => "the collector closed the connection for a reason that this release does not know",
    };
    if reason.is_empty() || reason == sentence {
        sentence.to_owned()
    } else {
        format!("{sentence} ({reason})")
    }
}

/// Where the collector closed the connection with a reason, that tells more than what broke here.
fn closing_words(connection: &quinn::Connection, end: LinkEnd) -> LinkEnd {
    match (&end, connection.close_reason()) {
        (LinkEnd::Refused(_) | LinkEnd::Stopped | LinkEnd::Renewed, _) => end,
        (_, Some(error @ quinn::ConnectionError::ApplicationClosed(_))) => error.into(),
        (LinkEnd::Protocol { .. }, _) => end,
        (_, Some(error @ (quinn::ConnectionError::TimedOut | quinn::ConnectionError::Reset))) => error.into(),
        _ => end,
    }
}

impl From<quinn::ConnectionError> for LinkEnd {
    fn from(error: quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::ApplicationClosed(closed) => Self::Closed {
                code: CloseCode::from_code(closed.error_code.into_inner()),
                reason: printable(&String::from_utf8_lossy(&closed.reason)),
            },
            error => Self::Lost(error),
        }
    }
}

impl From<FrameError> for LinkEnd {
    fn from(error: FrameError) -> Self {
        Self::Protocol {
            what: error.to_string(),
        }
    }
}

/// Somebody else's words, without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// An error with its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = source.source();
    }
    text
}
