//! What probe and collector say to each other beside the batches.
//!
//! The probe opens one bidirectional control stream and sends [`ProbeMessage::Hello`]; the collector answers
//! [`CollectorMessage::Welcome`] (only then is the probe connected) or [`CollectorMessage::Refused`]. Each
//! epoch that has batches to send gets a unidirectional stream that starts with a [`StreamHello`]: one live,
//! at most one draining. Acknowledgements come back on the control stream.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use crate::bounds::ControlError;
use crate::bounds::{count, text};
use crate::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use crate::known::Known;
use crate::limits::{HELLO_EPOCHS_MAX, PLAN_CHECKS_MAX};
use crate::plan::SignedPlan;
use crate::section::{Section, check_more};
use crate::units::UnixMillis;

/// First frame of a batch stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHello {
    /// Whose batches follow, in sequence.
    pub epoch: EpochId,
    /// Live or draining.
    pub role: StreamRole,
}

/// What a batch stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamRole {
    /// The current epoch.
    Live,
    /// An older epoch, after an absence.
    Drain,
}

/// What a probe says on the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeMessage {
    /// The first message.
    Hello(Hello),
    /// Plans the collector asked for ([`CollectorMessage::NeedPlans`]); those it no longer has are left out.
    Plans(Vec<SignedPlan>),
    /// Asks for a new leaf for the same key.
    Renew {
        /// PKCS #10 certificate request, DER.
        #[serde(with = "serde_bytes")]
        csr: Vec<u8>,
    },
    /// Answer to [`CollectorMessage::Ping`].
    Pong {
        /// As asked.
        nonce: u64,
        /// As asked: the collector's wall clock when it asked.
        collector_time: UnixMillis,
        /// The probe's wall clock.
        probe_time: UnixMillis,
    },
    /// How full the spool is; sent when it changes much, and at least once a minute.
    Spool(SpoolState),
    /// An epoch was opened on this connection (a clock step, a fork).
    EpochOpened(EpochState),
}

/// Who a probe is and what it holds. Identity comes from the certificate, never from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The probe's release.
    pub software: String,
    /// Random for each process: tells a reconnect from a second process with the same key.
    pub instance: u64,
    /// The plan it follows.
    pub plan: Option<PlanVersion>,
    /// Versions of the plans it keeps because its spool names them.
    pub kept_plans: Vec<PlanVersion>,
    /// The epochs in its spool, oldest first; the last is the current one.
    pub epochs: Vec<EpochState>,
    /// UDP port of its echo responder over the family of this connection; 0 if there is none.
    pub echo_port: u16,
    /// Addresses it wants its responder to be known by, where NAT stands between.
    pub advertise: Vec<SocketAddr>,
    /// How full its spool is.
    pub spool: SpoolState,
    /// The probe's wall clock.
    pub probe_time: UnixMillis,
    /// What the probe can read.
    pub known: Known,
    /// What later releases say beside.
    pub more: Vec<Section>,
}

/// What a spool holds of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochState {
    /// The one whose batches are counted.
    pub epoch: EpochId,
    /// Its first slot: ends what was planned for earlier epochs.
    pub first_slot: UnixMillis,
    /// First batch or tombstone still held; 0 if none.
    pub first_held: Sequence,
    /// Last batch or tombstone written; 0 if none.
    pub last: Sequence,
    /// Digest of that one; zeros if none.
    pub last_digest: Digest,
    /// Nothing more will be added.
    pub closed: bool,
}

/// How full a spool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolState {
    /// Bytes on disk.
    pub bytes: u64,
    /// The bound.
    pub bytes_max: u64,
    /// Measurements written but not yet acknowledged as stored.
    pub unstored: u64,
    /// Measurements dropped since the process started.
    pub dropped: u64,
    /// Records that failed their checksum since the process started.
    pub corrupt_records: u64,
}

/// What a collector says on the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CollectorMessage {
    /// The probe is in.
    Welcome(Welcome),
    /// The probe is not; the connection is closed after it.
    Refused(Refusal),
    /// The task from now on (the probe adopts it at a slot of its own choosing).
    Plan(SignedPlan),
    /// Plans the collector lost and must have before it can judge a refill.
    NeedPlans(Vec<PlanVersion>),
    /// Everything of `epoch` up to `stored` is durable.
    Ack(Ack),
    /// The epoch went on elsewhere (a cloned or restored machine): its rows are counted, not stored. The
    /// probe drops what it holds of the epoch above the mark and, if it is the current one, opens a new one.
    Forked {
        /// The one that two machines write.
        epoch: EpochId,
        /// The first batch that does not fit.
        sequence: Sequence,
    },
    /// The new leaf: certificates, DER, leaf first.
    Renewed {
        /// Leaf, then authority.
        chain: Vec<CertificateDer>,
    },
    /// The renewal was refused.
    RenewalRefused(Refusal),
    /// Measures the way to the probe and its clock.
    Ping {
        /// Comes back in the answer.
        nonce: u64,
        /// The collector's wall clock.
        collector_time: UnixMillis,
        /// What the pings before say of both clocks; `None` before the first answer.
        clocks: Option<Clocks>,
    },
}

/// DER, as TLS and the store carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CertificateDer(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// The probe is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The probe's id, as the collector knows it.
    pub probe: ProbeId,
    /// The probe's name.
    pub name: String,
    /// The collector's release.
    pub software: String,
    /// The collector's wall clock.
    pub collector_time: UnixMillis,
    /// For each epoch of the Hello, how far it is stored.
    pub marks: Vec<EpochMark>,
    /// Where else the collector can be reached.
    pub addresses: Vec<String>,
    /// The leaf is past its end (or its last third): renew before anything else.
    pub renew: bool,
    /// Addresses of its own from which this connection came: the probe never measures them.
    pub observed: Option<SocketAddr>,
    /// What the collector can read.
    pub known: Known,
    /// What later releases say beside.
    pub more: Vec<Section>,
}

/// How the two ends' wall clocks stand to each other, as the collector measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The probe's minus the collector's, in milliseconds; within half a round trip.
    pub offset_ms: i64,
    /// The collector differs from most of its probes: its own clock is the wrong one.
    pub collector_is_wrong: bool,
}

/// How far an epoch is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochMark {
    /// The one whose batches are counted.
    pub epoch: EpochId,
    /// The mark.
    pub stored: Sequence,
    /// Digest of the batch at the mark; zeros at 0.
    pub digest: Digest,
    /// Also in Elasticsearch or a backup, where configured.
    pub safe: Sequence,
    /// What was refused of it so far.
    pub refused: RefusedSoFar,
}

/// What was refused of an epoch since it began: it stands in quarantine, and in the ledgers of both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedSoFar {
    /// Batches and tombstones.
    pub batches: u64,
    /// Measurements in them.
    pub rows: u64,
    /// Of these, measurements whose time cannot be, by the collector's clock: one of the two clocks is wrong.
    pub rows_for_time: u64,
}

/// Everything up to here is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The one whose batches are counted.
    pub epoch: EpochId,
    /// In the durable commit: stored, refused or tombstoned.
    pub stored: Sequence,
    /// Also in Elasticsearch or a backup, where configured; else 0.
    pub safe: Sequence,
    /// What was refused of the epoch so far, where that changed.
    pub refused: Option<RefusedSoFar>,
}

/// Why a probe is not let in. The text for people is [`Refusal`]'s `Display`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The key was revoked.
    #[error(
        "this probe was revoked; if that is a mistake, ask the lead for a new invitation and run `isochrone-probe join TOKEN`"
    )]
    Revoked,
    /// The authority signed the key, and the registry does not know it.
    #[error(
        "the collector does not know this probe (was its registry restored from an old backup?); ask the lead for a new invitation"
    )]
    Unknown,
    /// The leaf is past its end and may only renew.
    #[error("this probe's certificate has expired; it may only renew now")]
    Expired,
    /// The leaf expired more than 400 days ago.
    #[error("this probe's certificate expired more than 400 days ago; ask the lead for a new invitation")]
    ExpiredTooLong,
    /// No certificate was shown.
    #[error("a probe must show its certificate; run `isochrone-probe join TOKEN` first")]
    NoCertificate,
    /// The request for a leaf is malformed or for another key.
    #[error("the certificate request does not fit this probe's key")]
    BadRequest,
    /// The collector cannot serve now.
    #[error("the collector cannot take this probe now: {reason}")]
    Busy {
        /// Why.
        reason: String,
    },
}

/// QUIC application close codes. The reason text that goes with each is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The probe is done.
    Done,
    /// The collector is stopping; come back.
    Stopping,
    /// A newer connection of the same key took over.
    Replaced,
    /// The key was revoked.
    Revoked,
    /// See the [`Refusal`] sent before.
    Refused,
    /// The peer broke the protocol.
    Protocol,
    /// More than the probe's quota.
    Quota,
    /// The collector's disk cannot take more now; come back.
    StoreUnavailable,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Stopping,
        Self::Replaced,
        Self::Revoked,
        Self::Refused,
        Self::Protocol,
        Self::Quota,
        Self::StoreUnavailable,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Stopping => 1,
            Self::Replaced => 2,
            Self::Revoked => 3,
            Self::Refused => 4,
            Self::Protocol => 5,
            Self::Quota => 6,
            Self::StoreUnavailable => 7,
        }
    }

    /// The meaning of a number on the wire.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| u64::from(known.code()) == code)
    }
}

impl StreamHello {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        Ok(()) // every value has a meaning
    }
}

impl ProbeMessage {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        match self {
            Self::Hello(hello) => {
                text("software", &hello.software)?;
                count("epochs", hello.epochs.len(), HELLO_EPOCHS_MAX)?;
                count("kept plans", hello.kept_plans.len(), HELLO_EPOCHS_MAX)?;
                count("advertised addresses", hello.advertise.len(), 16)?;
                hello.known.check()?;
                Ok(check_more(&hello.more)?)
            }
            Self::Plans(plans) => count("plans", plans.len(), HELLO_EPOCHS_MAX),
            Self::Renew { csr } => count("bytes of a certificate request", csr.len(), 4_096),
            Self::Pong { .. } | Self::Spool(_) | Self::EpochOpened(_) => Ok(()),
        }
    }
}

impl CollectorMessage {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        match self {
            Self::Welcome(welcome) => {
                text("name", &welcome.name)?;
                text("software", &welcome.software)?;
                count("marks", welcome.marks.len(), HELLO_EPOCHS_MAX)?;
                count("addresses", welcome.addresses.len(), 16)?;
                welcome
                    .addresses
                    .iter()
                    .try_for_each(|address| text("address", address))?;
                welcome.known.check()?;
                Ok(check_more(&welcome.more)?)
            }
            Self::NeedPlans(versions) => count("plans", versions.len(), PLAN_CHECKS_MAX),
            Self::Renewed { chain } => count("certificates", chain.len(), 4),
            Self::Refused(refusal) | Self::RenewalRefused(refusal) => refusal.check(),
            Self::Plan(_) | Self::Ack(_) | Self::Forked { .. } | Self::Ping { .. } => Ok(()),
        }
    }
}

impl Refusal {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        match self {
            Self::Busy { reason } => text("reason", reason),
            Self::Revoked
            | Self::Unknown
            | Self::Expired
            | Self::ExpiredTooLong
            | Self::NoCertificate
            | Self::BadRequest => Ok(()),
        }
    }
}
