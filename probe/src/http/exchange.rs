//! One HTTP/1.1 request and its answer over an open stream; hyper parses, this drives it and counts.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use isochrone_proto::measurement::{Cause, FailureCause};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::check::Limits;
use crate::reach::{Broken, ErrorText, socket_cause};

/// An answer whose head was read and whose body was not.
pub(crate) struct Answering {
    driver: Driver,
    body: Incoming,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

/// What was read of a body.
#[derive(Debug, Default)]
pub(crate) struct BodyRead {
    /// Bytes that came; at most one frame above the cap.
    pub(crate) bytes: u64,
    /// Whether more may have been coming when reading stopped at the cap.
    pub(crate) capped: bool,
    /// The body's first bytes, as many as were asked to be kept.
    pub(crate) kept: Vec<u8>,
}

/// Sends `request` and reads the head of its answer.
pub(crate) async fn send<S>(
    stream: S,
    mut request: Request<Empty<Bytes>>,
    limits: &Limits,
) -> Result<Answering, Broken>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(limits.headers)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(HYPER_LEAST_BUFFER))
        // What browsers and curl take is no failure: a folded line, a blank before the colon, a control byte in a value
        // (that one header is dropped).
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken_head(&error, limits))?;
    let mut driver = Driver {
        connection: Some(Box::pin(connection)),
    };
    let interim = Interim::counted_of(&mut request);
    let answered = driver.drive(interim.within_bound(sender.send_request(request)));
    let answer: Response<Incoming> = answered.await?.map_err(|error| broken_head(&error, limits))?;
    let (head, body) = answer.into_parts();
    Ok(Answering {
        driver,
        body,
        status: head.status.as_u16(),
        headers: head.headers,
    })
}

impl Answering {
    /// Reads the body up to `cap` bytes into `read`, keeping the first `keep` of them.
    ///
    /// # Cancel safety
    /// `read` says what came so far.
    pub(crate) async fn read(&mut self, cap: u64, keep: usize, read: &mut BodyRead) -> Result<(), Broken> {
        while read.bytes < cap {
            let frame = match self.driver.drive(self.body.frame()).await {
                None => return Ok(()),
                Some(Err(error)) if self.ends_with(&error) => return Ok(()),
                Some(frame) => frame.map_err(|error| broken_body(&error, read.bytes))?,
            };
            if let Some(data) = frame.data_ref() {
                read.bytes += data.len() as u64;
                let room = keep.saturating_sub(read.kept.len()).min(data.len());
                read.kept.extend_from_slice(&data[..room]);
            }
        }
        read.capped = read.bytes > cap || !self.body.is_end_stream();
        Ok(())
    }

    /// Whether an error is the end of the body: one that neither says its length nor comes in chunks ends with its
    /// connection, and many servers close that without a word of TLS about it.
    fn ends_with(&self, error: &hyper::Error) -> bool {
        let says_its_end =
            self.headers.contains_key(CONTENT_LENGTH) || self.headers.contains_key(TRANSFER_ENCODING);
        !says_its_end && io_source(error).is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof)
    }
}

/// How many interim answers (100 to 199) came. A server may send some before its answer; without a bound they would cost
/// the processor as much as their sender likes, until the check's time is over.
struct Interim(Arc<AtomicUsize>);

impl Interim {
    const MAX: usize = 16;

    fn counted_of(request: &mut Request<Empty<Bytes>>) -> Self {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        hyper::ext::on_informational(request, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        Self(seen)
    }

    /// What `answer` gives, unless too many came before it.
    async fn within_bound<F: Future>(&self, answer: F) -> Result<F::Output, Broken> {
        let mut answer = pin!(answer);
        std::future::poll_fn(|cx| {
            if self.0.load(Ordering::Relaxed) > Self::MAX {
                let max = Self::MAX;
                let text =
                    format!("more than {max} interim answers (100 Continue and the like) before an answer");
                return Poll::Ready(Err(Broken::new(FailureCause::BadHttp, ErrorText::new(&text))));
            }
            answer.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

type Work = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Runs the connection's own work beside whatever waits for it, without a task of its own: dropping the
/// check drops everything.
struct Driver {
    connection: Option<Work>,
}

impl Driver {
    async fn drive<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = wanted.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            if let Some(work) = self.connection.as_mut()
                && work.as_mut().poll(cx).is_ready()
            {
                self.connection = None; // its error reaches `wanted` through hyper's channel
            }
            wanted.as_mut().poll(cx)
        })
        .await
    }
}

fn broken_head(error: &hyper::Error, limits: &Limits) -> Broken {
    if error.is_parse_too_large() {
        let (kib, lines) = (limits.head >> 10, limits.headers);
        let text = format!("the headers exceed {kib} KiB or {lines} lines, which is all that a check reads");
        return Broken::new(FailureCause::HeaderTooLarge, ErrorText::new(&text));
    }
    let cause = if error.is_parse() {
        Cause::Failed(FailureCause::BadHttp)
    } else if let Some(io) = io_source(error) {
        match io.kind() {
            io::ErrorKind::UnexpectedEof => Cause::Failed(FailureCause::Closed),
            _ => socket_cause(io),
        }
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Cause::Failed(FailureCause::Closed)
    } else {
        Cause::Failed(FailureCause::BadHttp)
    };
    Broken::new(cause, ErrorText::of(error))
}

fn broken_body(error: &hyper::Error, bytes: u64) -> Broken {
    let cause = match io_source(error) {
        Some(io) if io.kind() != io::ErrorKind::UnexpectedEof => socket_cause(io),
        _ if error.is_parse() => Cause::Failed(FailureCause::BadHttp),
        _ => Cause::Failed(FailureCause::BodyTooShort),
    };
    let said = ErrorText::of(error);
    Broken::new(
        cause,
        ErrorText::new(&format!("after {bytes} bytes of the body: {said}")),
    )
}

fn io_source<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// hyper panics below this.
const HYPER_LEAST_BUFFER: usize = 8192;
