//! TCP over the demo's distances: connecting takes a round trip, and so does each answer.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use isochrone_base::clock::monotonic;
use isochrone_probe::reach::{Connection, Dial};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, Sleep, sleep, sleep_until};

use super::world::rtt_with_jitter;

/// Bytes that may be under way in one direction of one connection.
const IN_FLIGHT_MAX: usize = 256 * 1024;

/// What the demo can break: one probe's whole network.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<AtomicBool>);

impl Cut {
    /// Cuts or mends.
    pub fn set(&self, cut: bool) {
        self.0.store(cut, Ordering::SeqCst);
    }

    /// Whether it is cut now.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Which city each node's address stands for.
pub type Addresses = Arc<Mutex<BTreeMap<SocketAddr, usize>>>;

/// Dials as if from one city.
pub struct DemoLink {
    /// Index in [`super::world::CITIES`].
    pub from: usize,
    /// Where the nodes are.
    pub nodes: Addresses,
    /// This city's network.
    pub cut: Cut,
}

impl Dial for DemoLink {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let city = self
                .nodes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&to)
                .copied();
            let distance = rtt_with_jitter(self.from, city.unwrap_or(self.from), rand::random());
            if self.cut.is_cut() {
                std::future::pending::<()>().await; // nothing comes back: the prober's timeout decides
            }
            sleep(distance).await;
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
            Ok(Connection {
                stream: Box::new(Distant::new(stream, distance)),
                local,
                remote,
            })
        })
    }
}

/// A stream whose answers arrive a round trip after they were given.
struct Distant {
    stream: TcpStream,
    distance: Duration,
    under_way: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    ended: Option<io::Result<()>>,
    timer: Pin<Box<Sleep>>,
}

impl Distant {
    fn new(stream: TcpStream, distance: Duration) -> Self {
        let timer = Box::pin(sleep(Duration::ZERO));
        Self {
            stream,
            distance,
            under_way: VecDeque::new(),
            bytes: 0,
            ended: None,
            timer,
        }
    }

    /// Takes what the far side has sent, and notes when it arrives here.
    fn fill(&mut self, context: &mut Context<'_>) {
        let mut space = [0; 16 * 1024];
        while self.ended.is_none() && self.bytes < IN_FLIGHT_MAX {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.bytes += buffer.filled().len();
                    let arrives = monotonic() + self.distance;
                    self.under_way
                        .push_back((arrives, Bytes::copy_from_slice(buffer.filled())));
                }
                Poll::Ready(end) => {
                    self.under_way
                        .push_back((monotonic() + self.distance, Bytes::new()));
                    self.ended = Some(end);
                }
            }
        }
    }
}

impl AsyncRead for Distant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.fill(context);
        let Some((arrives, _)) = this.under_way.front() else {
            return match &this.ended {
                Some(_) => Poll::Ready(Ok(())), // told once already; nothing follows
                None => Poll::Pending,
            };
        };
        if *arrives > monotonic() {
            let arrives = *arrives;
            this.timer.set(sleep_until(arrives));
            ready!(this.timer.as_mut().poll(context));
        }
        if let Some((_, chunk)) = this.under_way.front_mut() {
            if chunk.is_empty() {
                this.under_way.pop_front();
                return Poll::Ready(match &mut this.ended {
                    Some(end) => std::mem::replace(end, Ok(())),
                    None => Ok(()),
                });
            }
            let taken = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..taken]);
            chunk.advance(taken);
            this.bytes -= taken;
            if chunk.is_empty() {
                this.under_way.pop_front();
            }
        }
        this.fill(context); // room was made: the far side's next bytes must wake this task too
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Distant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
