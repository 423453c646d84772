//! The asking side: sixteen sockets a family, one table of requests each.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isochrone_proto::echo::{Direction, EchoPacket, KeyEpoch, PairKey};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{EchoOutcome, SendFailure};
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::units::{Micros, UnixMillis};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout_at};

use super::bucket::{Rate, TokenBucket};
use super::counters::{SharedCounters, count};
use super::in_flight::{Asked, InFlight, Reply};
use super::sockets::{Buffers, EchoSocket, Options, is_missing_family, send_failure};
use super::stamp::{Arrival, Reading, monotonic_now};
use super::suspect::{SelfStall, is_suspect};
use super::{BindError, lock};

/// Sockets, and so source ports, of one family.
pub(crate) const SOCKETS_PER_FAMILY: usize = 16;

/// Replies of a burst wait here while the process is busy; the default holds 256 small packets.
const OPTIONS: Options = Options {
    receive_buffer: 1 << 20,
    asked_address: false,
};
/// What one probe sends at most, whatever its plan says: 5,000 packets a second, 64 at once.
const PACE: Rate = Rate::new(5_000, 64);
/// When sending took longer, the process was interrupted between its stamp and the packet's leaving.
const SEND_MAX: Duration = Duration::from_millis(1);
/// Datagrams read before other tasks get their turn.
const READS_AT_ONCE: usize = 64;
/// Datagrams read when a run's time is over: as many as the socket holds, so that a flood cannot keep it.
const READS_AT_LAST: usize = 1_024;
/// A socket's error must not make a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// The socket that a slot's echo leaves by, so that over time all equal-cost paths are seen: its place in
/// the batch header's source ports of the family.
#[must_use]
pub(crate) fn socket_of(target: TargetId, slot: UnixMillis) -> usize {
    let mut hasher = blake3::Hasher::new_derive_key("isochrone echo socket 1");
    hasher
        .update(&target.0.to_be_bytes())
        .update(&slot.0.to_be_bytes());
    usize::from(hasher.finalize().as_bytes()[0]) % SOCKETS_PER_FAMILY
}

/// A peer's responder over one family.
#[derive(Debug)]
pub(crate) struct Responder<'a> {
    to: SocketAddr,
    key: &'a PairKey,
    key_epoch: KeyEpoch,
}

impl<'a> Responder<'a> {
    /// `None` if the target has no echo responder over `family`, or the plan no key for it.
    pub(crate) fn of(target: &'a Target, family: Family) -> Option<Self> {
        let TargetAddress::Peer {
            v4,
            v6,
            key: Some((key_epoch, key)),
            ..
        } = &target.address
        else {
            return None;
        };
        let to = match family {
            Family::V4 => SocketAddr::V4((*v4)?),
            Family::V6 => SocketAddr::V6((*v6)?),
        };
        Some(Self {
            to,
            key,
            key_epoch: *key_epoch,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.to
    }
}

/// The sockets of both families.
#[derive(Debug)]
pub(crate) struct Prober {
    probe: ProbeId,
    v4: Vec<Arc<ProberSocket>>,
    v6: Vec<Arc<ProberSocket>>,
    pace: Mutex<TokenBucket>,
    sequences: Mutex<HashMap<TargetId, u32>>,
    stall: SelfStall,
}

/// One socket and what it asked.
#[derive(Debug)]
pub(crate) struct ProberSocket {
    socket: EchoSocket,
    in_flight: Mutex<InFlight<oneshot::Sender<Answer>>>,
    counters: Arc<SharedCounters>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    arrival: Arrival,
    claimed_delay_us: u32,
}

impl Prober {
    /// Binds all sockets. A family that this machine lacks has none.
    ///
    /// # Errors
    /// When a family is there and a socket of it cannot be had.
    pub(crate) fn bind(
        probe: ProbeId,
        stall: SelfStall,
        counters: &Arc<SharedCounters>,
    ) -> Result<Self, BindError> {
        let family = |address: SocketAddr| family_sockets(address, counters);
        Ok(Self {
            probe,
            v4: family((Ipv4Addr::UNSPECIFIED, 0).into())?,
            v6: family((Ipv6Addr::UNSPECIFIED, 0).into())?,
            pace: Mutex::new(TokenBucket::new(PACE)),
            sequences: Mutex::default(),
            stall,
        })
    }

    /// Every socket, IPv4 then IPv6.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Arc<ProberSocket>> {
        self.v4.iter().chain(&self.v6)
    }

    /// Local ports, IPv4 then IPv6.
    pub(crate) fn source_ports(&self) -> Vec<u16> {
        self.sockets()
            .map(|socket| socket.socket.local().port())
            .collect()
    }

    /// Forgets the counts of targets that are gone.
    pub(crate) fn retain_targets(&self, targets: &[Target]) {
        lock(&self.sequences).retain(|id, _| targets.iter().any(|target| target.id == *id));
    }

    /// Asks once.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up; a reply that still comes counts as late.
    pub(crate) async fn echo(
        &self,
        target: TargetId,
        responder: &Responder<'_>,
        slot: UnixMillis,
        timeout: Duration,
    ) -> EchoOutcome {
        let sockets = match responder.to {
            SocketAddr::V4(_) => &self.v4,
            SocketAddr::V6(_) => &self.v6,
        };
        let Some(socket) = sockets.get(socket_of(target, slot)) else {
            return EchoOutcome::Unsent(SendFailure::NoRoute);
        };
        self.wait_for_pace().await;
        let run = match socket.ask(self.packet(target, responder), responder, timeout) {
            Ok(run) => run,
            Err(cause) => return EchoOutcome::Unsent(cause),
        };
        let sent = run.sent;
        let starved = run.slow_send;
        match run.answer(timeout).await {
            Some(answer) => outcome(answer, sent, starved || self.stall.since(sent)),
            None => EchoOutcome::TimedOut,
        }
    }

    async fn wait_for_pace(&self) {
        let now = monotonic_now();
        let at = lock(&self.pace).reserve(now);
        if at > now {
            sleep_until(at.into()).await;
        }
    }

    fn packet(&self, target: TargetId, responder: &Responder<'_>) -> EchoPacket {
        let mut sequences = lock(&self.sequences);
        let sequence = sequences.entry(target).or_default();
        *sequence = sequence.wrapping_add(1);
        EchoPacket {
            direction: Direction::Request,
            key_epoch: responder.key_epoch,
            prober: self.probe,
            nonce: rand::random(),
            sequence: *sequence,
            claimed_delay_us: 0,
        }
    }
}

fn outcome(answer: Answer, sent: Instant, starved: bool) -> EchoOutcome {
    let Some((rtt, stamp)) = answer.arrival.since(sent) else {
        tracing::error!("a reply was read before its request was sent: the monotonic clock ran backwards");
        return EchoOutcome::TimedOut;
    };
    let Some(rtt) = Micros::from_duration(rtt) else {
        return EchoOutcome::TimedOut; // above 100 s; no timeout is that long
    };
    let claimed = Duration::from_micros(u64::from(answer.claimed_delay_us));
    EchoOutcome::Replied {
        rtt,
        claimed_delay: Micros::saturating(claimed), // a claim, kept as far as the wire carries it
        stamp,
        suspect: is_suspect(starved, claimed),
    }
}

fn family_sockets(
    any: SocketAddr,
    counters: &Arc<SharedCounters>,
) -> Result<Vec<Arc<ProberSocket>>, BindError> {
    let mut sockets = Vec::with_capacity(SOCKETS_PER_FAMILY);
    for _ in 0..SOCKETS_PER_FAMILY {
        match EchoSocket::bind(any, OPTIONS) {
            Ok(socket) => sockets.push(Arc::new(ProberSocket {
                socket,
                in_flight: Mutex::default(),
                counters: Arc::clone(counters),
            })),
            Err(source) if is_missing_family(&source, any) => {
                let family = if any.is_ipv4() { "IPv4" } else { "IPv6" };
                tracing::warn!(
                    family,
                    "this machine lacks an address family: its echoes stay unsent (no route)"
                );
                return Ok(Vec::new());
            }
            Err(source) => return Err(BindError::Prober { source }),
        }
    }
    Ok(sockets)
}

/// A request that is out. Dropped, it is given up.
struct Run<'a> {
    socket: &'a ProberSocket,
    nonce: u64,
    sent: Instant,
    slow_send: bool,
    answer: oneshot::Receiver<Answer>,
}

impl Run<'_> {
    async fn answer(mut self, timeout: Duration) -> Option<Answer> {
        let deadline = (self.sent + timeout).into();
        match timeout_at(deadline, &mut self.answer).await {
            Ok(answer) => answer.ok(),
            Err(_) => {
                // The reply may lie in the socket, in time, while this process was starved: that is no loss.
                self.socket.read_all();
                self.answer.try_recv().ok()
            }
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.socket.table().gave_up(self.nonce, monotonic_now());
    }
}

impl ProberSocket {
    /// Sends `packet`; the stamp is taken last.
    fn ask(
        &self,
        mut packet: EchoPacket,
        responder: &Responder<'_>,
        timeout: Duration,
    ) -> Result<Run<'_>, SendFailure> {
        let answer = loop {
            let (waiter, answer) = oneshot::channel();
            let now = monotonic_now();
            let asked = Asked {
                request: packet,
                to: responder.to,
                key: responder.key.clone(),
                deadline: now + timeout,
            };
            if self.table().sent(asked, waiter, now) {
                break answer;
            }
            packet.nonce = rand::random();
        };
        let bytes = packet.seal(responder.key);
        let sent = monotonic_now();
        let result = self.socket.try_send(&bytes, responder.to, None);
        let slow_send = monotonic_now() - sent > SEND_MAX;
        match result {
            Ok(()) => Ok(Run {
                socket: self,
                nonce: packet.nonce,
                sent,
                slow_send,
                answer,
            }),
            Err(error) => {
                self.table().unsent(packet.nonce);
                tracing::trace!(%error, to = %responder.to, "echo stays unsent");
                Err(send_failure(&error))
            }
        }
    }

    /// Reads replies until it is dropped.
    pub(crate) async fn receive(self: Arc<Self>) {
        let mut buffers = Buffers::new();
        loop {
            let Ok(()) = self.socket.readable().await else {
                return; // the runtime's poller is gone: it is shutting down
            };
            let read = self
                .socket
                .when_readable(|| self.read_some(&mut buffers, READS_AT_ONCE));
            match read {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%error, "an echo socket reported an error");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }

    /// Reads what lies in the socket now, and no more than it holds.
    fn read_all(&self) {
        let result = self.read_some(&mut Buffers::new(), READS_AT_LAST);
        if let Err(error) = result
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(%error, "an echo socket reported an error");
        }
    }

    /// Reads up to `most` datagrams; the error says why there were fewer.
    fn read_some(&self, buffers: &mut Buffers, most: usize) -> io::Result<()> {
        for _ in 0..most {
            let datagram = self.socket.try_receive(buffers)?;
            let arrival = Arrival::new(datagram.stamp, Reading::now());
            let reply = self
                .table()
                .reply(datagram.from, buffers.bytes(&datagram), arrival.instant());
            match reply {
                Reply::Answered {
                    waiter,
                    claimed_delay_us,
                } => {
                    if !arrival.is_by_kernel() {
                        count(&self.counters.user_stamps);
                    }
                    let answer = Answer {
                        arrival,
                        claimed_delay_us,
                    };
                    if waiter.send(answer).is_err() {
                        count(&self.counters.late_replies); // given up in this very moment
                    }
                }
                Reply::Late => count(&self.counters.late_replies),
                Reply::Duplicate => count(&self.counters.duplicate_replies),
                Reply::Foreign => count(&self.counters.foreign_replies),
            }
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, InFlight<oneshot::Sender<Answer>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
