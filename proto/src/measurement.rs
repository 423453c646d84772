//! What became of a slot.

use serde::{Deserialize, Serialize};

use crate::units::{Micros, UnixMillis};

/// One run: which check, which slot, how late it started, what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Index in the plan's checks.
    pub check: u16,
    /// Planned start, on the grid.
    pub slot: UnixMillis,
    /// Actual start minus planned start (slot + jitter).
    pub lateness: Micros,
    /// The result.
    pub outcome: Outcome,
}

/// A result of either family of checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of an echo check.
    Echo(EchoOutcome),
    /// Of a status, asset or http check.
    Endpoint(Box<EndpointOutcome>),
}

/// What became of one echo. A loss carries no RTT, so no mean can absorb it as 0 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EchoOutcome {
    /// An authentic reply within the timeout.
    Replied {
        /// Raw round-trip time, nothing subtracted.
        rtt: Micros,
        /// What the responder says it took between receiving and sending; a claim.
        claimed_delay: Micros,
        /// Who stamped the arrival.
        stamp: Stamp,
        /// The probe itself was starved while this ran: leaves the percentiles.
        suspect: bool,
    },
    /// No authentic reply within the schedule's timeout.
    TimedOut,
    /// Never left this machine: says nothing about the path.
    Unsent(SendFailure),
}

/// Who stamped a packet's arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stamp {
    /// The kernel (SO_TIMESTAMPNS).
    Kernel,
    /// The probe's own code, some microseconds later.
    User,
}

/// Why a packet did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SendFailure {
    /// ENOBUFS or EAGAIN: this machine's queue was full.
    Buffers,
    /// This machine has no route to the address.
    NoRoute,
    /// A local firewall forbids it (EPERM).
    Forbidden,
    /// The address is not one this probe may measure (private, its own …).
    AddressPolicy,
    /// Any other error of the socket.
    Socket,
    /// This probe ran out of file descriptors, ports or memory.
    Resources,
}

/// What became of one endpoint check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOutcome {
    /// The address that was dialled, as text; empty if none was.
    pub address: String,
    /// HTTP status; `None` before a status line.
    pub http_status: Option<u16>,
    /// `x-cache` of the answer.
    pub cache: CacheState,
    /// End of validity of the certificate shown, in Unix seconds.
    pub certificate_expires: Option<u64>,
    /// Success or failure.
    pub result: EndpointResult,
}

/// Success with its phases, or failure with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointResult {
    /// The answer was right.
    Ok {
        /// Where the time went.
        phases: Phases,
        /// Body bytes read.
        body_bytes: u32,
        /// A node's own uptime in seconds, from its status.
        node_uptime_s: Option<u64>,
        /// A node's own version, from its status; empty otherwise.
        node_version: String,
    },
    /// It was not. Carries no latency.
    Failed {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        cause: FailureCause,
        /// The error, verbatim, at most 200 characters.
        text: String,
    },
    /// Never left this machine.
    Unsent(SendFailure),
}

/// Where the time of a successful check went. The phases add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name to address.
    pub resolve: Micros,
    /// TCP handshake: the endpoint's RTT.
    pub connect: Micros,
    /// TLS handshake; 0 for http.
    pub tls: Micros,
    /// Request written to first byte of the answer.
    pub first_byte: Micros,
    /// First byte to last.
    pub transfer: Micros,
    /// What none of the above holds: the prober's own work.
    pub unattributed: Micros,
}

impl Phases {
    /// Time to first byte: resolve + connect + TLS + first byte, in microseconds.
    #[must_use]
    pub fn ttfb_us(&self) -> u64 {
        [self.resolve, self.connect, self.tls, self.first_byte]
            .iter()
            .map(|p| u64::from(p.get()))
            .sum()
    }

    /// The whole, in microseconds.
    #[must_use]
    pub fn total_us(&self) -> u64 {
        self.ttfb_us() + u64::from(self.transfer.get()) + u64::from(self.unattributed.get())
    }
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number on the wire; never reused for another meaning.
            #[must_use]
            pub const fn code(self) -> u8 { match self { $(Self::$variant => $code,)+ } }

            /// The meaning of a number on the wire.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// In words, for people and for JSON.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $(Self::$variant => $word,)+ } }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.word()) }
        }
    };
}

coded! {
    /// `x-cache` of an answer. A cached and an uncached first byte are never mixed.
    CacheState {
        /// No such header, or a status for which it means nothing.
        Absent = 0 "absent",
        /// Served from the node's disk.
        Hit = 1 "hit",
        /// The node is still fetching it.
        Pending = 2 "pending",
        /// The node started fetching it: the first byte measures its source.
        Miss = 3 "miss",
    }
}

coded! {
    /// How far a check came.
    Phase {
        /// Name to address.
        Resolve = 0 "resolve",
        /// TCP handshake.
        Connect = 1 "connect",
        /// TLS handshake.
        Tls = 2 "tls",
        /// Writing the request.
        Request = 3 "request",
        /// Waiting for the first byte.
        FirstByte = 4 "first-byte",
        /// Reading the answer.
        Transfer = 5 "transfer",
        /// Judging the answer.
        Verify = 6 "verify",
    }
}

coded! {
    /// What went wrong with an endpoint check.
    FailureCause {
        /// The name does not exist.
        NxDomain = 1 "nxdomain",
        /// The resolver could not answer.
        ServFail = 2 "servfail",
        /// The name has no address of this family.
        NoAddress = 3 "no-address",
        /// No answer from the resolver in time.
        DnsTimeout = 4 "dns-timeout",
        /// Another resolver error.
        Dns = 5 "dns",
        /// The address is private, the probe's own or otherwise closed by the probe's local rules.
        ForbiddenAddress = 6 "forbidden-address",
        /// The host answered that nobody listens.
        Refused = 7 "refused",
        /// No route to the host or network.
        Unreachable = 8 "unreachable",
        /// The connection was reset.
        Reset = 9 "reset",
        /// Nothing came within the timeout of the phase.
        Timeout = 10 "timeout",
        /// The connection was closed before a whole answer.
        Closed = 11 "closed",
        /// The certificate is past its end.
        CertificateExpired = 12 "certificate-expired",
        /// Nobody trusted signed the certificate.
        CertificateUnknownIssuer = 13 "certificate-unknown-issuer",
        /// The certificate is for another name.
        CertificateWrongName = 14 "certificate-wrong-name",
        /// Another fault of the certificate.
        CertificateInvalid = 15 "certificate-invalid",
        /// The TLS handshake failed.
        Tls = 16 "tls",
        /// A status that is no success.
        BadStatus = 17 "bad-status",
        /// A redirect; none is followed.
        Redirect = 18 "redirect",
        /// 404: the node does not know the object. Not "down".
        NotFound = 19 "not-found",
        /// 421: the object is not in this node's buckets. Not "down".
        Misdirected = 20 "misdirected",
        /// Headers above the limit.
        HeaderTooLarge = 21 "header-too-large",
        /// Body above the limit.
        BodyTooLarge = 22 "body-too-large",
        /// Fewer bytes than announced or asked for.
        BodyTooShort = 23 "body-too-short",
        /// The body is not the JSON it should be.
        BadJson = 24 "bad-json",
        /// The JSON lacks a field that every version sends.
        MissingField = 25 "missing-field",
        /// Not HTTP.
        BadHttp = 26 "bad-http",
    }
}

impl FailureCause {
    /// Whether the failure speaks against the node (404 and 421 are about the object or the chain; a
    /// forbidden address is about this probe).
    #[must_use]
    pub const fn is_down(self) -> bool {
        !matches!(self, Self::NotFound | Self::Misdirected | Self::ForbiddenAddress)
    }
}
