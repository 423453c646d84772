//! What a check asks, and what became of it.
//!
//! A check is one cold request to one endpoint over one address family. It ends in exactly one of three
//! ways: [`CheckOutcome::Answered`] (with its phases), [`CheckOutcome::Absent`] (the node says that it does
//! not have the object, or not this bucket: it is up) or [`CheckOutcome::Failed`]. Only the first carries
//! latencies.

use std::net::SocketAddr;
use std::time::Duration;

use isochrone_proto::kind::{Check as Kind, Family};
use isochrone_proto::limits::THROUGHPUT_BYTES;
use isochrone_proto::measurement::{CacheState, FailureCause};

use crate::argus::{ArgusStatus, AssetId, DataSource};
use crate::http::phases::Phases;
use crate::reach::{EndpointUrl, ErrorText, Failure, Lint, Tried};

/// One check to run.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// What is asked.
    pub check: Check,
    /// Over which family; there is no fallback to the other.
    pub family: Family,
    /// How long it may take.
    pub timeouts: Timeouts,
}

impl CheckRequest {
    /// `check` over `family` with the default timeouts of its kind.
    pub fn new(check: Check, family: Family) -> Self {
        let timeouts = Timeouts::default_of(&check);
        Self {
            check,
            family,
            timeouts,
        }
    }
}

/// What is asked of an endpoint.
#[derive(Clone, Debug)]
pub enum Check {
    /// GET the URL; any 2xx is an answer, and its body is read up to `Limits::body`: more is no error, and of an event
    /// stream the head is enough.
    Http {
        /// The page.
        url: EndpointUrl,
    },
    /// GET `{base}/api/v1/status` of an Argus node; its JSON is parsed.
    ArgusStatus {
        /// The node's base URL.
        base: EndpointUrl,
    },
    /// HEAD of an asset: never starts a download on the node.
    AssetHead {
        /// The node's base URL.
        base: EndpointUrl,
        /// The object.
        asset: AssetId,
    },
    /// Ranged GET of an asset's first bytes. On a miss it starts a download on the node.
    AssetGet {
        /// The node's base URL.
        base: EndpointUrl,
        /// The object.
        asset: AssetId,
        /// How many bytes are asked for and at most read.
        first: ByteCount,
    },
    /// GET of an asset's first 8 MiB, read only where the node has it in its cache: how fast the node sends.
    Throughput {
        /// The node's base URL.
        base: EndpointUrl,
        /// The object.
        asset: AssetId,
    },
}

impl Check {
    /// The kind of check that it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Http { .. } => Kind::Http,
            Self::ArgusStatus { .. } => Kind::Status,
            Self::AssetHead { .. } => Kind::AssetHead,
            Self::AssetGet { .. } => Kind::AssetGet,
            Self::Throughput { .. } => Kind::Throughput,
        }
    }

    /// How many of an asset's first bytes it asks for; `None` where it asks for no range.
    pub(crate) fn range(&self) -> Option<ByteCount> {
        match self {
            Self::AssetGet { first, .. } => Some(*first),
            Self::Throughput { .. } => Some(ByteCount::THROUGHPUT),
            Self::Http { .. } | Self::ArgusStatus { .. } | Self::AssetHead { .. } => None,
        }
    }

    /// The URL as planned: the page, or the node's base.
    pub(crate) fn planned_url(&self) -> &EndpointUrl {
        match self {
            Self::Http { url } => url,
            Self::ArgusStatus { base }
            | Self::AssetHead { base, .. }
            | Self::AssetGet { base, .. }
            | Self::Throughput { base, .. } => base,
        }
    }
}

/// A number of bytes, at least 1 and at most [`ByteCount::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(u32);

impl ByteCount {
    /// The ceiling, 8 MiB: checks are to stay a small part of a node's traffic.
    pub const MAX: u32 = THROUGHPUT_BYTES;
    /// What a throughput check asks for.
    pub(crate) const THROUGHPUT: Self = Self(THROUGHPUT_BYTES);
    /// What an asset GET asks for unless the plan says otherwise: 64 KiB (`bytes=0-65535`).
    pub const ASSET_DEFAULT: Self = Self(65_536);

    /// `None` for 0 and for more than [`Self::MAX`].
    pub fn new(bytes: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&bytes).then_some(Self(bytes))
    }

    /// The plain number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// How long a check may take, counted from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Up to the first byte of the answer (resolve, connect and TLS included).
    pub first_byte: Duration,
    /// Up to the last byte.
    pub total: Duration,
}

impl Timeouts {
    /// Up to the first byte of any check.
    const FIRST_BYTE: Duration = Duration::from_secs(5);

    /// The default of a check's kind.
    pub(crate) fn default_of(check: &Check) -> Self {
        let total = Duration::from_millis(u64::from(check.kind().timeout_ms()));
        Self {
            first_byte: Self::FIRST_BYTE.min(total),
            total,
        }
    }
}

/// How much of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Status line and headers together, in bytes; more is too large. Default 64 KiB.
    pub head: usize,
    /// Number of header lines; more is too large. Default 500.
    pub headers: usize,
    /// Body of a plain HTTP check, in bytes; the rest is left unread. Default 1 MiB.
    pub body: u64,
    /// Body of a status answer, in bytes; more is too large. Default 64 KiB.
    pub status_body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            headers: 500,
            body: 1 << 20,
            status_body: 64 << 10,
        }
    }
}

/// Everything that is known about one finished check.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The family it ran over.
    pub family: Family,
    /// The address that answered or, where none did, that was judged or dialled last; `None` when the name did not
    /// resolve.
    pub address: Option<SocketAddr>,
    /// Addresses of the name that did not answer before it.
    pub tried: Vec<Tried>,
    /// When the certificate that the server showed expires, in seconds of Unix time. Also known when its
    /// verification failed; `None` over plain HTTP or when the handshake did not get that far.
    pub certificate_not_after: Option<i64>,
    /// The status, if a head came.
    pub http_status: Option<u16>,
    /// `x-cache`, where it counts: on 200, 206 and 304 of an asset.
    pub cache: CacheState,
    /// What is odd about the planned URL, without being an error.
    pub lints: Vec<Lint>,
    /// How it ended.
    pub outcome: CheckOutcome,
}

/// How a check ended.
#[derive(Clone, Debug)]
pub enum CheckOutcome {
    /// The endpoint gave what was asked.
    Answered(Box<Answer>),
    /// An Argus node answered that it has not got the object: it is up, and there is no TTFB to report.
    Absent(Absence),
    /// It did not work. There is no latency in here, only how long it took to know.
    Failed(Failure),
}

impl CheckOutcome {
    /// The answer, if there was one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Absent(_) | Self::Failed(_) => None,
        }
    }

    /// The failure, if it was one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Answered(_) | Self::Absent(_) => None,
        }
    }
}

/// A check that worked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where the time went.
    pub phases: Phases,
    /// The HTTP status.
    pub status: u16,
    /// Bytes of the body that were read (0 for HEAD).
    pub body_bytes: u64,
    /// Whether reading stopped at the limit while more was coming (a miss sends more than asked: no error).
    pub capped: bool,
    /// What its answer is judged by.
    pub kind: AnswerKind,
}

impl Answer {
    /// The time to first byte of an object that the node had in its cache: the node's own speed. `None` for
    /// everything else: on a miss the first byte measures the node's source, and is never mixed with these.
    pub fn cached_first_byte(&self) -> Option<Duration> {
        match self.kind {
            AnswerKind::Asset {
                cache: CacheState::Hit,
                ..
            } => Some(self.phases.first_byte()),
            _ => None,
        }
    }

    /// The time to first byte of an object that the node had to fetch: mostly the speed of its source.
    pub(crate) fn uncached_first_byte(&self) -> Option<Duration> {
        match self.kind {
            AnswerKind::Asset {
                cache: CacheState::Miss | CacheState::Pending,
                ..
            } => Some(self.phases.first_byte()),
            _ => None,
        }
    }
}

/// What an answer holds beyond its phases.
#[derive(Clone, Debug)]
pub enum AnswerKind {
    /// Of a plain web server: any 2xx.
    Page,
    /// A node's status.
    Status(Box<ArgusStatus>),
    /// An asset, or the head of one.
    Asset {
        /// Where the node had it.
        cache: CacheState,
        /// Whom the bytes came from, where the node says so (GET only).
        source: Option<DataSource>,
        /// The whole object's size as the headers tell it.
        object_bytes: Option<u64>,
    },
}

/// A node that answered, but has not got the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Why.
    pub reason: AbsenceReason,
    /// The node's own words, bounded.
    pub text: ErrorText,
    /// How long it took to know: never a latency.
    pub elapsed: Duration,
}

/// Why a node has not got an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbsenceReason {
    /// 404: it does not know the object, or it was never uploaded.
    NotFound,
    /// 421: the object is in no bucket of this node (the chain and the node disagree, or its indexer lags).
    NotServed,
}

impl AbsenceReason {
    /// As it is stored and shown.
    pub fn cause(self) -> FailureCause {
        match self {
            Self::NotFound => FailureCause::NotFound,
            Self::NotServed => FailureCause::Misdirected,
        }
    }
}
