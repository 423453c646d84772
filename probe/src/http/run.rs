//! The course of one check, phase by phase.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, HOST, HeaderValue, RANGE};
use hyper::{Method, Request};
use isochrone_proto::measurement::{CacheState, Phase};
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address_policy::ForbiddenAddress;
use crate::argus;
use crate::dns::{family_name, family_of};
use crate::http::check::{Absence, Answer, Check, CheckOutcome, CheckReport, CheckRequest};
use crate::http::dial::ByteStream;
use crate::http::endpoint_url::EndpointUrl;
use crate::http::exchange::{self, Answering, BodyRead, socket_cause};
use crate::http::failure::{Cause, ErrorText, Failure};
use crate::http::marks::{MarkedStream, Marks};
use crate::http::stopwatch::Stopwatch;
use crate::http::tls::{NotedExpiry, tls_cause};
use crate::http::verdict::{self, Plan, Verdict};
use crate::http::{EndpointProber, USER_AGENT};

/// Why a check cannot go on. The phase is the one that was running.
#[derive(Debug)]
pub(crate) struct Broken {
    cause: Cause,
    text: ErrorText,
}

impl Broken {
    pub(crate) fn new(cause: Cause, text: ErrorText) -> Self {
        Self { cause, text }
    }
}

impl From<ForbiddenAddress> for Broken {
    fn from(refused: ForbiddenAddress) -> Self {
        Self::new(Cause::ForbiddenAddress(refused.reason), ErrorText::of(&refused))
    }
}

/// One check while it runs.
pub(crate) struct Run<'a> {
    prober: &'a EndpointProber,
    request: &'a CheckRequest,
    url: EndpointUrl,
    watch: Stopwatch,
    marks: Marks,
    address: Option<SocketAddr>,
    expiry: Option<NotedExpiry>,
    http_status: Option<u16>,
    cache: CacheState,
}

impl<'a> Run<'a> {
    pub(crate) fn new(prober: &'a EndpointProber, request: &'a CheckRequest) -> Self {
        let url = match &request.check {
            Check::Http { url } => url.clone(),
            Check::ArgusStatus { base } => base.join(argus::STATUS_PATH),
            Check::AssetHead { base, asset } | Check::AssetGet { base, asset, .. } => {
                base.join(&asset.path())
            }
        };
        let watch = Stopwatch::start((prober.now)());
        Self {
            prober,
            request,
            url,
            watch,
            marks: Marks::default(),
            address: None,
            expiry: None,
            http_status: None,
            cache: CacheState::Absent,
        }
    }

    pub(crate) async fn finish(mut self) -> CheckReport {
        let total = self.request.timeouts.total;
        let outcome = match timeout(total, self.go()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(broken)) => self.failed(broken),
            Err(_) => {
                let broken = self.gave_up(total);
                self.failed(broken)
            }
        };
        let lints = match &self.request.check {
            Check::Http { .. } => Vec::new(),
            argus => argus.planned_url().base_lints(),
        };
        CheckReport {
            family: self.request.family,
            address: self.address,
            certificate_not_after: self.expiry.as_ref().and_then(NotedExpiry::get),
            http_status: self.http_status,
            cache: self.cache,
            lints,
            outcome,
        }
    }

    async fn go(&mut self) -> Result<CheckOutcome, Broken> {
        let limit = self.request.timeouts.first_byte;
        let mut answering = match timeout(limit, self.up_to_head()).await {
            Ok(answering) => answering?,
            Err(_) => return Err(self.gave_up(limit)),
        };
        self.watch.enter(Phase::Transfer);
        let check = &self.request.check;
        self.http_status = Some(answering.status);
        self.cache = verdict::counted_cache(check, answering.status, &answering.headers);
        let body = self.read(&mut answering).await?;
        let end = (self.prober.now)();
        self.watch.enter(Phase::Verify);
        let kind = match verdict::judge(check, answering.status, &answering.headers, &body)? {
            Verdict::Good(kind) => kind,
            Verdict::Absent(reason, text) => {
                return Ok(CheckOutcome::Absent(Absence {
                    reason,
                    text,
                    elapsed: self.watch.elapsed(end),
                }));
            }
        };
        if let (Some(written), Some(first)) = (self.marks.request_written(), self.marks.first_byte()) {
            self.watch.answered(written, first);
        }
        let phases = self.watch.finish(end).ok_or_else(|| {
            Broken::new(
                Cause::BadAnswer,
                ErrorText::new("the answer began before the request was written"),
            )
        })?;
        let (status, body_bytes, capped) = (answering.status, body.bytes, body.capped);
        Ok(CheckOutcome::Answered(Box::new(Answer {
            phases,
            status,
            body_bytes,
            capped,
            kind,
        })))
    }

    async fn up_to_head(&mut self) -> Result<Answering, Broken> {
        let address = self.resolve().await?;
        let stream = self.connect(address).await?;
        let limits = &self.prober.limits;
        if self.url.is_https() {
            let stream = self.secure(stream).await?;
            self.watch.enter(Phase::Request);
            exchange::send(self.marked(stream), self.http_request()?, limits).await
        } else {
            self.watch.enter(Phase::Request);
            exchange::send(self.marked(stream), self.http_request()?, limits).await
        }
    }

    async fn resolve(&mut self) -> Result<SocketAddr, Broken> {
        let family = self.request.family;
        let address = match self.url.address() {
            Some(address) if family_of(address) == family => address,
            Some(address) => {
                let text = format!(
                    "the URL holds the address {address}, which is not {}",
                    family_name(family)
                );
                return Err(Broken::new(Cause::NoAddress, ErrorText::new(&text)));
            }
            None => {
                let from = (self.prober.now)();
                let found = self.prober.resolver.resolve(&self.url.host(), family).await;
                self.watch.resolved(from, (self.prober.now)());
                let found = found.map_err(|error| Broken::new(error.cause, error.text))?;
                *found
                    .first()
                    .expect("the resolver gives at least one address or an error")
            }
        };
        let address = SocketAddr::new(address, self.url.port());
        self.address = Some(address);
        self.prober.policy.check(address.ip())?;
        Ok(address)
    }

    async fn connect(&mut self, to: SocketAddr) -> Result<Box<dyn ByteStream>, Broken> {
        self.watch.enter(Phase::Connect);
        let from = (self.prober.now)();
        let connected = self.prober.dial.connect(to).await;
        self.watch.connected(from, (self.prober.now)());
        let connection =
            connected.map_err(|error| Broken::new(socket_cause(&error), ErrorText::of(&error)))?;
        if connection.remote != to {
            let text = format!("asked for {to}, connected to {}", connection.remote);
            return Err(Broken::new(Cause::Local, ErrorText::new(&text)));
        }
        self.prober
            .policy
            .check_connected(connection.local.ip(), to.ip())?;
        Ok(connection.stream)
    }

    async fn secure(
        &mut self,
        stream: Box<dyn ByteStream>,
    ) -> Result<tokio_rustls::client::TlsStream<Box<dyn ByteStream>>, Broken> {
        self.watch.enter(Phase::Tls);
        let (config, expiry) = self.prober.roots.handshake().ok_or_else(|| {
            let text = "this machine has no root certificates; install ca-certificates";
            Broken::new(Cause::Local, ErrorText::new(text))
        })?;
        self.expiry = Some(expiry);
        let name = ServerName::try_from(self.url.host()).map_err(|error| {
            Broken::new(
                Cause::WrongName,
                ErrorText::new(&format!("{}: {error}", self.url.host())),
            )
        })?;
        let from = (self.prober.now)();
        let secured = TlsConnector::from(config).connect(name, stream).await;
        self.watch.secured(from, (self.prober.now)());
        secured.map_err(|error| {
            let (cause, text) = tls_cause(&error).unwrap_or_else(|| {
                let cause = match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => Cause::TlsBroken,
                    _ => socket_cause(&error),
                };
                (cause, ErrorText::of(&error))
            });
            Broken::new(cause, text)
        })
    }

    fn marked<S>(&self, stream: S) -> MarkedStream<S> {
        MarkedStream::new(stream, self.marks.clone(), self.prober.now)
    }

    fn http_request(&self) -> Result<Request<Empty<Bytes>>, Broken> {
        let head = matches!(self.request.check, Check::AssetHead { .. });
        let mut request = Request::builder()
            .method(if head { Method::HEAD } else { Method::GET })
            .uri(self.url.request_target())
            .header(HOST, self.url.authority())
            .header(hyper::header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
            .header(ACCEPT, HeaderValue::from_static("*/*"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            .header(CONNECTION, HeaderValue::from_static("close"));
        if let Check::AssetGet { first, .. } = &self.request.check {
            request = request.header(RANGE, format!("bytes=0-{}", first.get() - 1));
        }
        request.body(Empty::new()).map_err(|error| {
            Broken::new(
                Cause::Local,
                ErrorText::new(&format!("{} cannot be asked for: {error}", self.url)),
            )
        })
    }

    async fn read(&self, answering: &mut Answering) -> Result<BodyRead, Broken> {
        let too_large = |limit: u64| {
            Broken::new(
                Cause::BodyTooLarge,
                ErrorText::new(&format!("the body exceeds {limit} bytes")),
            )
        };
        match verdict::plan(&self.request.check, answering.status, &self.prober.limits) {
            Plan::Capped { cap, keep } => answering.read(cap, keep).await,
            Plan::Whole { limit, keep } => {
                let head = matches!(self.request.check, Check::AssetHead { .. });
                if !head && argus::content_length(&answering.headers).is_some_and(|length| length > limit) {
                    return Err(too_large(limit));
                }
                let body = answering.read(limit.saturating_add(1), keep).await?;
                if body.bytes > limit {
                    Err(too_large(limit))
                } else {
                    Ok(body)
                }
            }
        }
    }

    fn gave_up(&self, after: Duration) -> Broken {
        let phase = self.phase();
        let cause = if phase == Phase::Resolve {
            Cause::DnsTimeout
        } else {
            Cause::Timeout
        };
        let text = format!("gave up {after:?} after the start, in the phase {}", phase.word());
        Broken::new(cause, ErrorText::new(&text))
    }

    /// The request's phase ends when it is written, which only the stream sees.
    fn phase(&self) -> Phase {
        match self.watch.phase() {
            Phase::Request if self.marks.request_written().is_some() => Phase::FirstByte,
            phase => phase,
        }
    }

    fn failed(&self, broken: Broken) -> CheckOutcome {
        let phase = self.phase();
        // Bytes came, then the end: that is no empty reply.
        let cause = match broken.cause {
            Cause::EmptyReply if self.marks.first_byte().is_some() => Cause::TooFewBytes,
            cause => cause,
        };
        let elapsed = self.watch.elapsed((self.prober.now)());
        CheckOutcome::Failed(Failure {
            phase,
            cause,
            text: broken.text,
            elapsed,
        })
    }
}
