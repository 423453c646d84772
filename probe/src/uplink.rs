//! The way to the collector: dials out, says who it is and what it holds, sends what the spool holds, and
//! takes plans. Connected means welcomed; everything else is being away.

mod backoff;
mod end;
mod feed;
mod frames;
mod renewal;
mod session;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::{Clocks, CloseCode, EpochState};
use isochrone_proto::ids::{EpochId, Sequence};
use isochrone_proto::known::Known;
use isochrone_proto::units::UnixMillis;
use rand::RngCore as _;
use rand::rngs::StdRng;
use rustls::time_provider::TimeProvider;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::backoff::Backoff;
pub(crate) use self::end::LinkEnd;
use self::end::{closing_words, patience};
use self::renewal::Renewal;
use self::session::Session;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error_text::chain;
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
pub(crate) const AWAY: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
const WELCOME: Duration = Duration::from_secs(10);
/// A connection that lasted so long was of use, even if there was nothing to acknowledge.
const STEADY: Duration = Duration::from_secs(60);
/// Before the next of several collectors is tried.
const NEXT_COLLECTOR: Duration = Duration::from_millis(200);
/// Clocks that differ by more are named, in milliseconds.
pub(crate) const CLOCK_NAMED_ABOVE_MS: u64 = 2_000;
/// After the last batch is spooled, how long acknowledgements are waited for.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// What an uplink is made of.
pub(crate) struct UplinkParts {
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
    /// What the collector may send.
    pub known: Known,
    /// To the runner.
    pub commands: mpsc::Sender<Command>,
    /// For the status.
    pub link: watch::Sender<Link>,
}

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// The collector that welcomed this probe, while connected.
    pub collector: Option<String>,
    /// Its release.
    pub collector_software: String,
    /// Since when it is connected, or away.
    pub since: UnixMillis,
    /// Why the last attempt or connection ended, in words for a person.
    pub trouble: Option<String>,
    /// How the two clocks stand, as the collector measured it on this connection.
    pub clocks: Option<Clocks>,
    /// End of the certificate.
    pub certificate_until: UnixMillis,
    /// What the state folder did not take, in words for a person; it is held in memory and tried again.
    pub unkept: Option<String>,
}

pub(crate) struct Uplink {
    parts: UplinkParts,
    instance: u64,
    /// When the collector was last heard, on the clock that goes on while the machine sleeps.
    heard_at: Duration,
    /// It was not heard for more than [`AWAY`], and no epoch was opened since.
    was_away: bool,
    /// The last connection brought an acknowledgement, or lasted.
    was_of_use: bool,
    renewal: Renewal,
    /// The identity in memory is newer than the one in the state folder.
    identity_changed: bool,
}

impl Uplink {
    /// An uplink that has not dialled yet.
    #[must_use]
    pub(crate) fn new(mut parts: UplinkParts) -> Self {
        let instance = parts.rng.next_u64();
        let heard_at = parts.clock.since_boot();
        Self {
            parts,
            instance,
            heard_at,
            was_away: false,
            was_of_use: false,
            renewal: Renewal::default(),
            identity_changed: false,
        }
    }

    /// Connects, and connects again, until `stop`; what is spooled then may still be sent within
    /// [`LAST_WORDS`].
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut turn = 0;
        self.away(None);
        while !stop.is_cancelled() {
            let addresses = self.addresses();
            let Some(address) = addresses.get(turn % addresses.len().max(1)).cloned() else {
                tracing::error!("no collector address is known; set `collectors` in probe.toml");
                return;
            };
            self.was_of_use = false;
            let end = self.attempt(&address, &stop).await;
            if let LinkEnd::Stopped = end {
                return;
            }
            self.ended(&address, &end).await;
            if self.was_of_use {
                backoff.reset();
            } else {
                turn += 1;
            }
            let others_wait = !self.was_of_use && turn % addresses.len() != 0;
            let wait = match patience(&end) {
                _ if matches!(end, LinkEnd::Renewed) => Duration::ZERO,
                Duration::ZERO if others_wait => NEXT_COLLECTOR,
                patience => backoff.next(&mut self.parts.rng).max(patience),
            };
            tokio::select! {
                biased; // one seed of a simulation is one order of events
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn ended(&mut self, address: &str, end: &LinkEnd) {
        if let LinkEnd::Closed {
            code: Some(CloseCode::Protocol),
            ..
        } = end
        {
            self.parts.spool.with(Spool::asked_in_vain);
        }
        if end.is_revoked() {
            self.parts.plans.end();
            self.command(Command::EndPlan).await;
        }
        let words = chain(end);
        tracing::warn!(collector = address, reason = words, "not connected");
        self.away(Some(words));
        self.keep();
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
        let greeted = tokio::select! {
            biased;
            () = stop.cancelled() => return LinkEnd::Stopped,
            greeted = self.greet(connection) => greeted,
        };
        let mut session = match greeted {
            Ok(session) => session,
            Err(end) => return closing_words(connection, end),
        };
        let since = self.parts.clock.now();
        let software = session.software().to_owned();
        self.parts.link.send_modify(|link| {
            link.collector = Some(address.to_owned());
            link.collector_software = software;
            link.since = self.parts.clock.wall();
            link.trouble = None;
            link.clocks = None;
        });
        tracing::info!(collector = address, "connected");
        let end = session.run(self, stop).await;
        self.was_of_use |= self.parts.clock.now().duration_since(since) >= STEADY;
        closing_words(connection, end)
    }

    /// Hello and Welcome; after an absence a new epoch, so that live results need not wait behind the backlog.
    async fn greet(&mut self, connection: &quinn::Connection) -> Result<Session, LinkEnd> {
        let greeted = tokio::time::timeout(WELCOME, Session::greet(self, connection)).await;
        let session = greeted.map_err(|_| LinkEnd::Protocol {
            what: "no Welcome within 10 s".to_owned(),
        })??;
        self.heard();
        if self.was_away {
            self.open_epoch().await?;
        }
        Ok(session)
    }

    /// The collector was heard just now.
    fn heard(&mut self) {
        let now = self.parts.clock.since_boot();
        self.was_away |= now.saturating_sub(self.heard_at) > AWAY;
        self.heard_at = now;
    }

    /// Has the runner open an epoch, and waits until the spool knows it.
    async fn open_epoch(&mut self) -> Result<EpochState, LinkEnd> {
        let (done, opened) = oneshot::channel();
        let sent = self.parts.commands.send(Command::OpenEpoch(done)).await;
        sent.map_err(|_| LinkEnd::Stopped)?;
        let opened = opened.await.map_err(|_| LinkEnd::Stopped)?;
        // it was asked for on a connection: one that a fork made need not be followed by one for the absence
        (self.heard_at, self.was_away) = (self.parts.clock.since_boot(), false);
        Ok(opened)
    }

    /// Asks the runner for what it need not answer. One that has ended measures nothing more, and needs it not.
    async fn command(&self, command: Command) {
        if self.parts.commands.send(command).await.is_err() {
            tracing::debug!("the runner has ended");
        }
    }

    /// What the collector measured of both clocks: a difference that matters is told, once it begins and once it ends.
    fn clocks(&self, clocks: Option<Clocks>) {
        let Some(now) = clocks else { return };
        let is_named = |clocks: &Clocks| clocks.offset_ms.unsigned_abs() > CLOCK_NAMED_ABOVE_MS;
        let was_named = self.parts.link.borrow().clocks.as_ref().is_some_and(is_named);
        match (was_named, is_named(&now)) {
            (false, true) => {
                tracing::warn!(
                    offset_ms = now.offset_ms,
                    collector_is_wrong = now.collector_is_wrong,
                    "this clock and the collector's differ; set the wrong one"
                );
            }
            (true, false) => tracing::info!("this clock and the collector's agree again"),
            (false, false) | (true, true) => {}
        }
        self.parts.link.send_modify(|link| link.clocks = Some(now));
    }

    /// Writes what the state folder does not hold yet: the identity and plans. What it refuses is held in memory,
    /// told in the status, and tried again.
    fn keep(&mut self) {
        let kept = crate::disk::blocking(|| {
            if self.identity_changed {
                let saved = self.parts.identity.save(&*self.parts.disk);
                saved.map_err(|error| chain(&error))?;
                self.identity_changed = false;
            }
            self.parts.plans.save().map_err(|error| chain(&error))
        });
        let unkept = kept.err();
        match (&self.parts.link.borrow().unkept, &unkept) {
            (None, Some(words)) => {
                tracing::error!(
                    words,
                    "the state folder takes no more; make room, or see why it is not writable"
                );
            }
            (Some(_), None) => tracing::info!("the state folder is written again"),
            (None, None) | (Some(_), Some(_)) => return,
        }
        self.parts.link.send_modify(|link| link.unkept = unkept);
    }

    /// The epoch went on elsewhere: what is held is sent to be counted, and a new one begins if it is current.
    async fn forked(&mut self, epoch: EpochId, counted: Option<Sequence>) -> Result<(), LinkEnd> {
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
