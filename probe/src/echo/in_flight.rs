//! Requests that are out: which reply belongs to which, and which reply is late, a second copy, or foreign.
//!
//! Pure: knows no socket and no clock. `W` is whatever waits for the answer.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use isochrone_proto::echo::{Direction, EchoPacket, PairKey, Sealed};

/// How long a finished request is remembered, so that its late and second replies can be told from foreign
/// datagrams.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Most finished requests that are remembered; beyond, the oldest are forgotten, and what still comes for
/// them counts as foreign.
const REMEMBERED_MAX: usize = 4_096;

/// A request, as much of it as judging its reply takes.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What was sent.
    pub(crate) request: EchoPacket,
    /// Where to: only from there a reply may come.
    pub(crate) to: SocketAddr,
    /// What it was sealed with.
    pub(crate) key: PairKey,
    /// A reply that arrives after this is late.
    pub(crate) deadline: Instant,
}

impl Asked {
    /// The delay claimed by `bytes`, if these are the authentic reply to this request.
    fn claim(&self, from: SocketAddr, sealed: &Sealed<'_>) -> Option<u32> {
        let same_place = from.ip() == self.to.ip() && from.port() == self.to.port(); // not flow label, not scope
        let reply = same_place.then(|| sealed.open(&self.key).ok()).flatten()?;
        (self.request.reply(reply.claimed_delay_us) == reply).then_some(reply.claimed_delay_us)
    }
}

/// What a datagram was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<W> {
    /// The awaited one.
    Answered {
        /// Who waits for it.
        waiter: W,
        /// The responder's claim, in microseconds.
        claimed_delay_us: u32,
    },
    /// Authentic, after its deadline.
    Late,
    /// Authentic, and not the first.
    Duplicate,
    /// Forged, malformed, from elsewhere, or for a request that nobody remembers.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Replied,
    Unanswered,
}

/// The requests of one socket.
#[derive(Debug)]
pub(crate) struct InFlight<W> {
    waiting: HashMap<u64, (Asked, W)>,
    ended: HashMap<u64, (Asked, End)>,
    order: VecDeque<(Instant, u64)>,
}

impl<W> Default for InFlight<W> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            ended: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<W> InFlight<W> {
    /// Notes a request that is about to be sent. `false` if its nonce is taken: make another.
    #[must_use]
    pub(crate) fn sent(&mut self, asked: Asked, waiter: W, now: Instant) -> bool {
        self.expire(now);
        let nonce = asked.request.nonce;
        if self.waiting.contains_key(&nonce) || self.ended.contains_key(&nonce) {
            return false;
        }
        self.waiting.insert(nonce, (asked, waiter));
        true
    }

    /// Takes back a request that could not be sent.
    pub(crate) fn unsent(&mut self, nonce: u64) {
        self.waiting.remove(&nonce);
    }

    /// Nobody waits for this request any more.
    pub(crate) fn gave_up(&mut self, nonce: u64, now: Instant) {
        if let Some((asked, _)) = self.waiting.remove(&nonce) {
            self.remember(nonce, asked, End::Unanswered, now);
        }
    }

    /// Judges a datagram that arrived at `at`.
    pub(crate) fn reply(&mut self, from: SocketAddr, bytes: &[u8], at: Instant) -> Reply<W> {
        let Ok(sealed) = Sealed::parse(bytes) else {
            return Reply::Foreign;
        };
        if sealed.direction() != Direction::Reply {
            return Reply::Foreign;
        }
        let nonce = sealed.nonce();
        if let Some((asked, end)) = self.ended.get_mut(&nonce) {
            return match (asked.claim(from, &sealed), *end) {
                (None, _) => Reply::Foreign,
                (Some(_), End::Replied) => Reply::Duplicate,
                (Some(_), End::Unanswered) => {
                    *end = End::Replied; // what still comes is a second copy
                    Reply::Late
                }
            };
        }
        let claim = self
            .waiting
            .get(&nonce)
            .and_then(|(asked, _)| asked.claim(from, &sealed));
        let Some(claimed_delay_us) = claim else {
            return Reply::Foreign;
        };
        let Some((asked, waiter)) = self.waiting.remove(&nonce) else {
            return Reply::Foreign;
        };
        let late = at > asked.deadline;
        self.remember(nonce, asked, End::Replied, at);
        if late {
            Reply::Late
        } else {
            Reply::Answered {
                waiter,
                claimed_delay_us,
            }
        }
    }

    /// Forgets what finished long ago.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((ended, nonce)) = self.order.front() {
            if now.saturating_duration_since(*ended) <= REMEMBERED_FOR && self.order.len() <= REMEMBERED_MAX {
                break;
            }
            self.ended.remove(nonce);
            self.order.pop_front();
        }
    }

    /// How many requests are awaited.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn remember(&mut self, nonce: u64, asked: Asked, end: End, now: Instant) {
        self.ended.insert(nonce, (asked, end));
        self.order.push_back((now, nonce));
        self.expire(now);
    }
}

#[cfg(test)]
mod tests;
