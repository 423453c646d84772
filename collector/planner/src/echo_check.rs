//! The collector's own authenticated echo: an address enters plans only after it answered this.
//!
//! A probe says where its responder is; believing it would let it aim the whole mesh at anyone. Only the
//! responder that holds the secret can answer, so an answer proves that the address is the probe's.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isochrone_proto::echo::{
    Direction, EchoPacket, KeyEpoch, PACKET_BYTES, PairKey, ResponderSecret, Sealed,
};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::Micros;
use tokio::net::UdpSocket;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// Requests to an address before it counts as silent.
const ATTEMPTS: u32 = 3;
/// How long an answer may take after each request.
const WAIT: Duration = Duration::from_secs(1);
/// Distance between two requests of this collector, whatever is to be checked: 50 a second.
const PACE: Duration = Duration::from_millis(20);

/// What a check found.
#[derive(Debug)]
pub enum Verdict {
    /// The responder that holds the secret answered from this address.
    Verified {
        /// Round-trip time, stamped by this process: for people, not for reports.
        rtt: Micros,
    },
    /// Nobody who holds the secret answered: the port is closed, or the address is another's.
    NoAnswer,
    /// This machine could not ask.
    CannotSend(CannotSend),
}

/// Why a request did not leave.
#[derive(Debug, thiserror::Error)]
pub enum CannotSend {
    /// No responder can be there.
    #[error("{address} is no address of one machine; correct `advertise` in the probe's probe.toml")]
    NotUnicast {
        /// Where a responder should have been.
        address: SocketAddr,
    },
    /// This machine lacks the family.
    #[error("this collector has no {family} sockets, so {family} addresses of probes cannot be verified")]
    NoFamily {
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The system refused.
    #[error("cannot send an echo to {address}")]
    Socket {
        /// Where a responder should have been.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// One UDP socket a family. A cheap handle; when the last one goes, the sockets close.
#[derive(Clone, Debug)]
pub struct EchoCheck(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    v4: Option<Arc<Asker>>,
    v6: Option<Arc<Asker>>,
    pace: AsyncMutex<Interval>,
    now: fn() -> Instant,
    _receiving: JoinSet<()>,
}

/// A socket and who waits for answers to it.
#[derive(Debug)]
struct Asker {
    socket: UdpSocket,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    request: EchoPacket,
    to: SocketAddr,
    key: PairKey,
    sent: Instant,
    answer: mpsc::Sender<Duration>,
}

impl EchoCheck {
    /// Opens the sockets. Call it on a runtime. `now` is the monotonic clock that RTTs are read from.
    ///
    /// # Errors
    /// When this machine has no UDP socket of either family.
    pub async fn bind(now: fn() -> Instant) -> io::Result<Self> {
        let v4 = Asker::bind(Ipv4Addr::UNSPECIFIED.into()).await;
        let v6 = Asker::bind(Ipv6Addr::UNSPECIFIED.into()).await;
        if let (Err(error), Err(_)) = (&v4, &v6) {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        let (v4, v6) = (usable(v4, "IPv4"), usable(v6, "IPv6"));
        let mut receiving = JoinSet::new();
        for asker in [&v4, &v6].into_iter().flatten() {
            receiving.spawn(Arc::clone(asker).receive(now));
        }
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self(Arc::new(Inner {
            v4,
            v6,
            pace: AsyncMutex::new(pace),
            now,
            _receiving: receiving,
        })))
    }

    /// Asks the responder of `secret` at `address`, up to three times, a second each. Any number may run at
    /// once: their requests share one pace of 50 a second.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the requests that are out.
    pub async fn check(&self, secret: &ResponderSecret, key_epoch: KeyEpoch, address: SocketAddr) -> Verdict {
        if !is_unicast(address) {
            return Verdict::CannotSend(CannotSend::NotUnicast { address });
        }
        let (asker, family) = match address {
            SocketAddr::V4(_) => (&self.0.v4, "IPv4"),
            SocketAddr::V6(_) => (&self.0.v6, "IPv6"),
        };
        let Some(asker) = asker else {
            return Verdict::CannotSend(CannotSend::NoFamily { family });
        };
        let key = PairKey::derive(secret, ProbeId::COLLECTOR, key_epoch);
        let (sender, mut answers) = mpsc::channel(1); // the first answer is enough; later ones are dropped
        let mut out = Out {
            asker,
            nonces: Vec::new(),
        };
        for sequence in 1..=ATTEMPTS {
            self.0.pace.lock().await.tick().await;
            let request = EchoPacket {
                direction: Direction::Request,
                key_epoch,
                prober: ProbeId::COLLECTOR,
                nonce: rand::random(),
                sequence,
                claimed_delay_us: 0,
            };
            out.nonces.push(request.nonce);
            let waiting = Waiting {
                request,
                to: address,
                key: key.clone(),
                sent: (self.0.now)(),
                answer: sender.clone(),
            };
            if let Err(source) = asker.ask(waiting).await {
                return Verdict::CannotSend(CannotSend::Socket { address, source });
            }
            if let Ok(Some(rtt)) = timeout(WAIT, answers.recv()).await
                && let Some(rtt) = Micros::from_duration(rtt)
            {
                return Verdict::Verified { rtt };
            }
        }
        Verdict::NoAnswer
    }
}

/// Requests that are out; dropped, they are forgotten.
struct Out<'a> {
    asker: &'a Asker,
    nonces: Vec<u64>,
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let mut waiting = self.asker.waiting();
        for nonce in &self.nonces {
            waiting.remove(nonce);
        }
    }
}

impl Asker {
    async fn bind(any: IpAddr) -> io::Result<Self> {
        Ok(Self {
            socket: UdpSocket::bind((any, 0)).await?,
            waiting: Mutex::default(),
        })
    }

    async fn ask(&self, waiting: Waiting) -> io::Result<()> {
        let (bytes, to) = (waiting.request.seal(&waiting.key), waiting.to);
        self.waiting().insert(waiting.request.nonce, waiting);
        self.socket.send_to(&bytes, to).await.map(|_| ())
    }

    /// Reads answers until it is dropped.
    async fn receive(self: Arc<Self>, now: fn() -> Instant) {
        let mut bytes = [0; PACKET_BYTES + 1]; // a longer datagram is cut, and then refused for its length
        loop {
            match self.socket.recv_from(&mut bytes).await {
                Ok((length, from)) => self.received(&bytes[..length], from, now()),
                Err(error) => {
                    tracing::debug!(%error, "the echo check's socket reported an error");
                    tokio::time::sleep(PACE).await; // an error must not make a busy loop
                }
            }
        }
    }

    /// Tells whoever waits for it. Anything but the authentic reply from the address asked is dropped.
    fn received(&self, bytes: &[u8], from: SocketAddr, at: Instant) {
        let Ok(sealed) = Sealed::parse(bytes) else {
            return;
        };
        let waiting = self.waiting();
        let Some(asked) = waiting.get(&sealed.nonce()) else {
            return;
        };
        if (from.ip(), from.port()) != (asked.to.ip(), asked.to.port()) {
            return;
        }
        let Ok(reply) = sealed.open(&asked.key) else {
            return;
        };
        if reply == asked.request.reply(reply.claimed_delay_us)
            && let Some(rtt) = at.checked_duration_since(asked.sent)
            && asked.answer.try_send(rtt).is_err()
        {
            tracing::trace!(%from, "a further answer to an echo check");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn usable(asker: io::Result<Asker>, family: &'static str) -> Option<Arc<Asker>> {
    match asker {
        Ok(asker) => Some(Arc::new(asker)),
        Err(error) => {
            tracing::warn!(%error, family, "no socket of this family: its addresses cannot be verified");
            None
        }
    }
}

fn is_unicast(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast) && address.port() != 0
}

#[cfg(test)]
mod tests;
