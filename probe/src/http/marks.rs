//! A stream that notes when the request had been written and when the answer's first byte came.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a [`MarkedStream`] noted; readable while the stream is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    unflushed: bool,
    request_written: Option<Instant>,
    first_byte: Option<Instant>,
    /// Bytes of the answer that were read, its head among them.
    read: u64,
    /// The first of them.
    beginning: Vec<u8>,
}

/// When a request and its answer passed the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// The last byte of the request left, as far as it left before the answer began.
    pub(crate) request_written: Instant,
    /// The answer's first byte was read.
    pub(crate) first_byte: Instant,
}

impl Marks {
    /// When the last byte of the request left, as far as it left before the answer began.
    pub(crate) fn request_written(&self) -> Option<Instant> {
        self.with(|noted| noted.request_written)
    }

    /// When the answer's first byte was read.
    pub(crate) fn first_byte(&self) -> Option<Instant> {
        self.with(|noted| noted.first_byte)
    }

    /// How many bytes of the answer were read, its head among them.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.with(|noted| noted.read)
    }

    /// The first bytes of the answer, [`BEGINNING_BYTES`] at most.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        self.with(|noted| noted.beginning.clone())
    }

    /// The marks of an answer; `None` if it has not begun, or began before any of the request had left.
    pub(crate) fn answered(&self) -> Option<Answered> {
        self.with(|noted| {
            Some(Answered {
                request_written: noted.request_written?,
                first_byte: noted.first_byte?,
            })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Noted) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wrote(&self, now: Instant) {
        self.with(|noted| {
            if noted.first_byte.is_none() {
                (noted.unflushed, noted.request_written) = (true, Some(now));
            }
        });
    }

    /// A flush counts once per write: it is polled again on every wake-up while the answer is awaited.
    fn flushed(&self, now: Instant) {
        self.with(|noted| {
            if noted.unflushed && noted.first_byte.is_none() {
                (noted.unflushed, noted.request_written) = (false, Some(now));
            }
        });
    }

    /// Notes what was read, and takes an HTTP/1.0 answer as one of HTTP/1.1: it means the same on a connection for one
    /// request, and hyper would refuse the chunks that some such servers send, and that browsers and curl read.
    fn read(&self, now: Instant, bytes: &mut [u8]) {
        self.with(|noted| {
            noted.first_byte.get_or_insert(now);
            let before = usize::try_from(noted.read).unwrap_or(usize::MAX);
            noted.read += bytes.len() as u64;
            let room = BEGINNING_BYTES.saturating_sub(noted.beginning.len());
            noted.beginning.extend_from_slice(&bytes[..room.min(bytes.len())]);
            let last = HTTP_1_0.len() - 1; // the minor version
            if let Some(at) = last.checked_sub(before).filter(|at| *at < bytes.len())
                && noted.beginning.starts_with(HTTP_1_0)
            {
                bytes[at] = b'1';
            }
        });
    }
}

/// The stream. Over TLS it lies above it: session tickets are not an answer's first byte.
pub(crate) struct MarkedStream<S> {
    inner: S,
    marks: Marks,
    now: fn() -> Instant,
}

impl<S> MarkedStream<S> {
    pub(crate) fn new(inner: S, marks: Marks, now: fn() -> Instant) -> Self {
        Self { inner, marks, now }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MarkedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() > before {
            self.marks.read((self.now)(), &mut buf.filled_mut()[before..]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MarkedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.marks.wrote((self.now)());
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.marks.flushed((self.now)());
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

const HTTP_1_0: &[u8] = b"HTTP/1.0";
/// Of an answer so many bytes are kept: enough to tell what was spoken instead of HTTP.
const BEGINNING_BYTES: usize = 32;
