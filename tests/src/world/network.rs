//! UDP without a kernel: datagrams wait in memory until virtual time says that they arrive. Delay, loss,
//! reordering and partitions come from a seed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Duration, Instant, Sleep, sleep_until};

/// What a way between two hosts is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Shortest time one way.
    pub delay: Duration,
    /// Up to so much more, at random: datagrams overtake each other.
    pub jitter: Duration,
    /// Share of datagrams that vanish.
    pub loss: f64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: 0.0,
        }
    }
}

/// The network. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    seed: u64,
    state: Arc<Mutex<State>>,
}

struct State {
    random: StdRng,
    link: Link,
    links: HashMap<(IpAddr, IpAddr), Link>,
    cut: BTreeSet<(IpAddr, IpAddr)>,
    inboxes: HashMap<SocketAddr, Inbox>,
    /// Sockets bound so far: an old one never receives, nor sends, for a new one at its address.
    bound: u64,
    sent: u64,
    /// A running hash of everything that was sent: two runs of one seed are compared by it.
    trace: blake3::Hasher,
}

struct Inbox {
    /// The socket it belongs to.
    socket: u64,
    waiting: BTreeMap<(Instant, u64), Datagram>,
    waker: Option<Waker>,
}

struct Datagram {
    from: SocketAddr,
    ecn: Option<EcnCodepoint>,
    bytes: Vec<u8>,
}

/// Datagrams that may wait at one socket; more are lost, as in a full receive buffer.
const INBOX_MAX: usize = 4_096;

impl Network {
    /// A network whose accidents come from `seed`.
    #[must_use]
    pub fn new(seed: u64, link: Link) -> Self {
        let state = State {
            random: StdRng::seed_from_u64(seed),
            link,
            links: HashMap::new(),
            cut: BTreeSet::new(),
            inboxes: HashMap::new(),
            bound: 0,
            sent: 0,
            trace: blake3::Hasher::new(),
        };
        Self {
            seed,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A socket at `address`. One that was there before is gone, with what waited for it.
    #[must_use]
    pub fn bind(&self, address: SocketAddr) -> Arc<VirtualSocket> {
        let mut state = self.lock();
        state.bound += 1;
        let number = state.bound;
        let inbox = Inbox {
            socket: number,
            waiting: BTreeMap::new(),
            waker: None,
        };
        state.inboxes.insert(address, inbox);
        Arc::new(VirtualSocket {
            address,
            number,
            network: self.clone(),
            timer: Mutex::new(None),
        })
    }

    /// A QUIC endpoint on a socket at `address`; its randomness comes from the network's seed and the address.
    ///
    /// # Errors
    /// None that a simulated socket has.
    pub fn endpoint(
        &self,
        address: SocketAddr,
        server: Option<quinn::ServerConfig>,
    ) -> io::Result<quinn::Endpoint> {
        let socket = self.bind(address);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.seed.to_le_bytes())
            .update(address.to_string().as_bytes())
            .update(&socket.number.to_le_bytes());
        let mut config = quinn::EndpointConfig::default();
        config.rng_seed(Some(*hasher.finalize().as_bytes()));
        quinn::Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(quinn::TokioRuntime))
    }

    /// Takes every socket of `host` away: it crashed. Nothing it still says is heard.
    pub fn unplug(&self, host: IpAddr) {
        self.lock().inboxes.retain(|address, _| address.ip() != host);
    }

    /// Nothing of what `host` sent arrives any more.
    pub fn forget(&self, host: IpAddr) {
        for inbox in self.lock().inboxes.values_mut() {
            inbox.waiting.retain(|_, datagram| datagram.from.ip() != host);
        }
    }

    /// Changes the way of every pair of hosts that has none of its own.
    pub fn set_every_link(&self, link: Link) {
        self.lock().link = link;
    }

    /// Changes the way between two hosts, both ways.
    pub fn set_link(&self, a: IpAddr, b: IpAddr, link: Link) {
        let mut state = self.lock();
        state.links.insert((a, b), link);
        state.links.insert((b, a), link);
    }

    /// Cuts or mends the way between two hosts, both ways. What is under way still arrives.
    pub fn set_cut(&self, a: IpAddr, b: IpAddr, cut: bool) {
        let mut state = self.lock();
        for pair in [(a, b), (b, a)] {
            if cut {
                state.cut.insert(pair);
            } else {
                state.cut.remove(&pair);
            }
        }
    }

    /// Hash of everything that was sent so far: sender, receiver, length, in order.
    #[must_use]
    pub fn trace(&self) -> String {
        self.lock().trace.finalize().to_hex().to_string()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        ecn: Option<EcnCodepoint>,
        bytes: &[u8],
        now: Instant,
    ) {
        self.sent += 1;
        self.trace
            .update(from.to_string().as_bytes())
            .update(to.to_string().as_bytes());
        self.trace.update(&(bytes.len() as u64).to_le_bytes());
        let pair = (from.ip(), to.ip());
        let link = self.links.get(&pair).copied().unwrap_or(self.link);
        let lost = self.random.random_bool(link.loss) || self.cut.contains(&pair);
        let jitter = link.jitter.mul_f64(self.random.random::<f64>());
        let Some(inbox) = self
            .inboxes
            .get_mut(&to)
            .filter(|inbox| !lost && inbox.waiting.len() < INBOX_MAX)
        else {
            return;
        };
        let datagram = Datagram {
            from,
            ecn,
            bytes: bytes.to_vec(),
        };
        inbox
            .waiting
            .insert((now + link.delay + jitter, self.sent), datagram);
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
    }
}

/// One end of the network.
pub struct VirtualSocket {
    address: SocketAddr,
    number: u64,
    network: Network,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl fmt::Debug for VirtualSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualSocket")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl VirtualSocket {
    /// Moves the first datagram that has arrived into `buffer`.
    fn take(
        &self,
        context: &mut Context<'_>,
        buffer: &mut IoSliceMut<'_>,
        meta: &mut RecvMeta,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let inbox = state.inboxes.get_mut(&self.address);
        let Some(inbox) = inbox.filter(|inbox| inbox.socket == self.number) else {
            return Poll::Pending; // unplugged: silence
        };
        let arrives = match inbox.waiting.first_entry() {
            Some(first) if first.key().0 <= now() => {
                let datagram = first.remove();
                let length = datagram.bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram.bytes[..length]);
                meta.addr = datagram.from;
                meta.len = length;
                meta.stride = length.max(1);
                meta.ecn = datagram.ecn;
                meta.dst_ip = Some(self.address.ip());
                return Poll::Ready(Ok(1));
            }
            Some(first) => Some(first.key().0),
            None => None,
        };
        inbox.waker = Some(context.waker().clone());
        drop(state);
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        *timer = arrives.map(|arrives| Box::pin(sleep_until(arrives)));
        if let Some(timer) = timer.as_mut()
            && timer.as_mut().poll(context).is_ready()
        {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for VirtualSocket {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        if state
            .inboxes
            .get(&self.address)
            .is_some_and(|inbox| inbox.socket == self.number)
        {
            state.inboxes.remove(&self.address);
        }
    }
}

impl AsyncUdpSocket for VirtualSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let mut state = self.network.lock();
        if state
            .inboxes
            .get(&self.address)
            .is_none_or(|inbox| inbox.socket != self.number)
        {
            return Ok(()); // unplugged: what a dead host says goes nowhere
        }
        for bytes in transmit.contents.chunks(segment) {
            state.send(self.address, transmit.destination, transmit.ecn, bytes, now());
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match (buffers.first_mut(), meta.first_mut()) {
            (Some(buffer), Some(meta)) => self.take(context, buffer, meta),
            _ => Poll::Pending,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time: tokio's clock is paused in every world"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 7470))
    }

    fn send(socket: &VirtualSocket, to: SocketAddr, contents: &[u8]) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        socket.try_send(&transmit).unwrap();
    }

    async fn receive(socket: &VirtualSocket) -> Vec<u8> {
        let mut space = [0; 64];
        let mut meta = [RecvMeta::default()];
        poll_fn(|context| socket.poll_recv(context, &mut [IoSliceMut::new(&mut space)], &mut meta))
            .await
            .unwrap();
        space[..meta[0].len].to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn datagram_arrives_after_its_delay_and_not_before() {
        let link = Link {
            delay: Duration::from_millis(30),
            jitter: Duration::ZERO,
            loss: 0.0,
        };
        let network = Network::new(1, link);
        let (a, b) = (network.bind(address(1)), network.bind(address(2)));
        let sent = now();
        send(&a, address(2), b"ping");
        assert_eq!(receive(&b).await, b"ping");
        assert_eq!(now() - sent, Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn cut_way_carries_nothing_until_it_is_mended() {
        let network = Network::new(1, Link::default());
        let (a, b) = (network.bind(address(1)), network.bind(address(2)));
        network.set_cut(address(1).ip(), address(2).ip(), true);
        send(&a, address(2), b"lost");
        network.set_cut(address(1).ip(), address(2).ip(), false);
        send(&a, address(2), b"arrives");
        assert_eq!(receive(&b).await, b"arrives");
    }

    #[tokio::test(start_paused = true)]
    async fn loss_and_order_are_the_same_for_one_seed_and_differ_for_another() {
        async fn run(seed: u64) -> (Vec<Vec<u8>>, String) {
            let link = Link {
                loss: 0.3,
                jitter: Duration::from_millis(50),
                ..Link::default()
            };
            let network = Network::new(seed, link);
            let (a, b) = (network.bind(address(1)), network.bind(address(2)));
            for number in 0..100_u8 {
                send(&a, address(2), &[number]);
            }
            let mut got = Vec::new();
            while let Ok(datagram) = tokio::time::timeout(Duration::from_secs(1), receive(&b)).await {
                got.push(datagram);
            }
            (got, network.trace())
        }
        let (first, again, other) = (run(7).await, run(7).await, run(8).await);
        assert_eq!(first, again);
        assert_ne!(first.0, other.0);
        assert!(
            (50..90).contains(&first.0.len()),
            "{} of 100 arrived",
            first.0.len()
        );
        assert!(!first.0.is_sorted(), "jitter above the spacing must reorder");
    }
}
