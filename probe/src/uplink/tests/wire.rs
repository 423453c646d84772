//! UDP without a kernel: a datagram arrives at once, unless the wire is cut. On paused time nothing here waits for
//! a real clock.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// The wire. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cut: bool,
    bound: u16,
    inboxes: HashMap<SocketAddr, Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Wire {
    /// A QUIC endpoint at an address that was not used before.
    pub(super) fn endpoint(&self, server: Option<quinn::ServerConfig>) -> io::Result<quinn::Endpoint> {
        let mut state = self.lock();
        state.bound += 1;
        let address = SocketAddr::from(([10, 0, 0, 1], state.bound));
        state.inboxes.insert(address, Inbox::default());
        drop(state);
        let socket = Arc::new(Socket {
            address,
            wire: self.clone(),
        });
        let config = quinn::EndpointConfig::default();
        quinn::Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(quinn::TokioRuntime))
    }

    /// While it is cut, everything that is sent is lost.
    pub(super) fn cut(&self, cut: bool) {
        self.lock().cut = cut;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    wire: Wire,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut state = self.wire.lock();
        let cut = state.cut;
        let inbox = state.inboxes.get_mut(&transmit.destination);
        let Some(inbox) = inbox.filter(|_| !cut) else {
            return Ok(());
        };
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for bytes in transmit.contents.chunks(segment) {
            inbox.waiting.push_back((self.address, bytes.to_vec()));
        }
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.wire.lock();
        let inbox = state.inboxes.entry(self.address).or_default();
        let Some((from, bytes)) = inbox.waiting.pop_front() else {
            inbox.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        buffers[0][..bytes.len()].copy_from_slice(&bytes);
        meta[0].addr = from;
        meta[0].len = bytes.len();
        meta[0].stride = bytes.len();
        meta[0].ecn = None;
        meta[0].dst_ip = Some(self.address.ip());
        Poll::Ready(Ok(1))
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
