//! The course of one check, phase by phase.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, HOST, HeaderValue, RANGE};
use hyper::{Method, Request};
use isochrone_proto::measurement::{CacheState, Cause, FailureCause, Phase, SendFailure};
use tokio::time::timeout;

use crate::argus;
use crate::http::check::{Absence, Answer, Check, CheckOutcome, CheckReport, CheckRequest};
use crate::http::exchange::{self, Answering, BodyRead};
use crate::http::foreign;
use crate::http::marks::{MarkedStream, Marks};
use crate::http::phases::Phases;
use crate::http::verdict::{self, Plan, Verdict};
use crate::http::{EndpointProber, USER_AGENT};
use crate::reach::{Attempt, Broken, ErrorText};

/// One check while it runs.
pub(crate) struct Run<'a> {
    prober: &'a EndpointProber,
    request: &'a CheckRequest,
    attempt: Attempt<'a>,
    marks: Marks,
    http_status: Option<u16>,
    cache: CacheState,
    body: BodyRead,
}

impl<'a> Run<'a> {
    pub(crate) fn new(prober: &'a EndpointProber, request: &'a CheckRequest) -> Self {
        let url = match &request.check {
            Check::Http { url } => url.clone(),
            Check::ArgusStatus { base } => base.join(argus::STATUS_PATH),
            Check::AssetHead { base, asset }
            | Check::AssetGet { base, asset, .. }
            | Check::Throughput { base, asset } => base.join(&asset.path()),
        };
        Self {
            prober,
            request,
            attempt: Attempt::new(&prober.reach, url, request.family),
            marks: Marks::default(),
            http_status: None,
            cache: CacheState::Absent,
            body: BodyRead::default(),
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
            address: self.attempt.address(),
            tried: self.attempt.tried().to_vec(),
            certificate_not_after: self.attempt.certificate_not_after(),
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
        self.attempt.enter(Phase::Transfer);
        let check = &self.request.check;
        self.http_status = Some(answering.status);
        self.cache = verdict::counted_cache(check, answering.status, &answering.headers);
        self.read(&mut answering).await?;
        let end = self.prober.reach.now();
        self.attempt.enter(Phase::Verify);
        let kind = match verdict::judge(check, answering.status, &answering.headers, &self.body)? {
            Verdict::Good(kind) => kind,
            Verdict::Absent(reason, text) => {
                return Ok(CheckOutcome::Absent(Absence {
                    reason,
                    text,
                    elapsed: self.attempt.watch().elapsed(end),
                }));
            }
        };
        let answered = self.marks.answered();
        let phases = answered.and_then(|answered| Phases::of(self.attempt.watch(), answered, end));
        let phases = phases.ok_or_else(|| {
            Broken::new(
                FailureCause::BadHttp,
                ErrorText::new("the answer began before the request was written"),
            )
        })?;
        let (status, body_bytes, capped) = (answering.status, self.body.bytes, self.body.capped);
        Ok(CheckOutcome::Answered(Box::new(Answer {
            phases,
            status,
            body_bytes,
            capped,
            kind,
        })))
    }

    async fn up_to_head(&mut self) -> Result<Answering, Broken> {
        let stream = self.attempt.open(self.request.timeouts.first_byte).await?;
        self.attempt.enter(Phase::Request);
        let stream = MarkedStream::new(stream, self.marks.clone(), self.prober.reach.clock());
        exchange::send(stream, self.http_request()?, &self.prober.limits).await
    }

    fn http_request(&self) -> Result<Request<Empty<Bytes>>, Broken> {
        let head = matches!(self.request.check, Check::AssetHead { .. });
        let mut request = Request::builder()
            .method(if head { Method::HEAD } else { Method::GET })
            .uri(self.attempt.url().request_target())
            .header(HOST, self.attempt.url().authority())
            .header(hyper::header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
            .header(ACCEPT, HeaderValue::from_static("*/*"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            .header(CONNECTION, HeaderValue::from_static("close"));
        if let Some(first) = self.request.check.range() {
            request = request.header(RANGE, format!("bytes=0-{}", first.get() - 1));
        }
        request.body(Empty::new()).map_err(|error| {
            Broken::new(
                SendFailure::Local,
                ErrorText::new(&format!("{} cannot be asked for: {error}", self.attempt.url())),
            )
        })
    }

    async fn read(&mut self, answering: &mut Answering) -> Result<(), Broken> {
        let too_large = |limit: u64| {
            Broken::new(
                FailureCause::BodyTooLarge,
                ErrorText::new(&format!("the body exceeds {limit} bytes")),
            )
        };
        let (status, headers) = (answering.status, &answering.headers);
        match verdict::plan(&self.request.check, status, headers, &self.prober.limits) {
            Plan::Capped { cap, keep } => answering.read(cap, keep, &mut self.body).await,
            Plan::Whole { limit, keep } => {
                let head = matches!(self.request.check, Check::AssetHead { .. });
                if !head && argus::content_length(&answering.headers).is_some_and(|length| length > limit) {
                    return Err(too_large(limit));
                }
                answering
                    .read(limit.saturating_add(1), keep, &mut self.body)
                    .await?;
                if self.body.bytes > limit {
                    Err(too_large(limit))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// It took too long. The words say how much had come.
    fn gave_up(&self, after: Duration) -> Broken {
        let phase = self.phase();
        let came = match phase {
            Phase::Transfer => (self.body.bytes, "of the body"),
            Phase::FirstByte => (self.marks.read_bytes(), "of the answer's head"),
            _ => return self.attempt.gave_up(phase, after),
        };
        let text = match came {
            (0, "of the body") => format!("the answer's head came, then nothing in {after:?}"),
            (0, _) => format!("the server took connection and request, and did not answer in {after:?}"),
            (1, what) => format!("1 byte {what} came, then time ran out after {after:?}"),
            (bytes, what) => format!("{bytes} bytes {what} came, then time ran out after {after:?}"),
        };
        Broken::new(FailureCause::Timeout, ErrorText::new(&text))
    }

    /// The request's phase ends when it is written, which only the stream sees.
    fn phase(&self) -> Phase {
        match self.attempt.watch().phase() {
            Phase::Request if self.marks.request_written().is_some() => Phase::FirstByte,
            phase => phase,
        }
    }

    fn failed(&self, mut broken: Broken) -> CheckOutcome {
        if broken.cause == Cause::Failed(FailureCause::Closed) && self.marks.first_byte().is_some() {
            broken.cause = FailureCause::BodyTooShort.into(); // bytes came, then the end
        }
        if broken.cause == Cause::Failed(FailureCause::BadHttp)
            && self.http_status.is_none()
            && let Some(spoken) = foreign::words(&self.marks.beginning())
        {
            broken.text = ErrorText::new(&format!("{spoken} ({})", broken.text));
        }
        CheckOutcome::Failed(self.attempt.failure(self.phase(), broken))
    }
}
