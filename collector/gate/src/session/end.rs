//! Why a conversation ends, and how the probe is told.

use isochrone_base::error_chain::chain;
use isochrone_proto::codec::DecodeError;
use isochrone_proto::control::{CloseCode, Refusal};
use isochrone_proto::ids::{EpochId, PlanVersion, Sequence};

use super::frames::{ReadError, SendError};
use crate::authority::LeafError;

/// Why a conversation ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("{0}")]
    Refused(Refusal),
    #[error("protocol broken: {0}")]
    Protocol(ProtocolBreak),
    #[error("quota exceeded: more than 300 control messages in a burst, or 10 a second")]
    Quota,
    #[error("the collector's store cannot take more now; come back in a while")]
    StoreUnavailable,
    #[error("the collector is stopping; come back in a while")]
    Stopping,
    #[error("the connection is gone")]
    Gone,
}

/// How a probe broke the protocol.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProtocolBreak {
    #[error("no control stream within 5 s")]
    NoControlStream,
    #[error("no Hello within 5 s")]
    NoHello,
    #[error("the control stream was finished before Hello")]
    FinishedBeforeHello,
    #[error("the first message was no Hello")]
    NotHello,
    #[error("a second Hello on one connection")]
    SecondHello,
    #[error("the control stream was finished")]
    Finished,
    #[error("{0}")]
    Leaf(LeafError),
    #[error("a batch stream without StreamHello for 5 s")]
    NoStreamHello,
    #[error("a batch of epoch {found} on the stream of epoch {expected}")]
    OtherEpoch { found: EpochId, expected: EpochId },
    #[error("gap in epoch {epoch}: batch {found} came where {expected} was due")]
    Gap {
        epoch: EpochId,
        found: Sequence,
        expected: Sequence,
    },
    #[error("no answer to NeedPlans for {version} within 30 s")]
    PlanUnanswered { version: PlanVersion },
    #[error("a plan that this collector's authority did not sign")]
    UnsignedPlan,
    #[error("{0}")]
    Frame(ReadError),
    #[error("{}", chain(.0))]
    Content(DecodeError),
    #[error("the collector could not put its own message into a frame")]
    OwnMessage,
}

impl End {
    /// The code the connection is closed with; `None` where it is gone already.
    pub(super) fn code(&self) -> Option<CloseCode> {
        match self {
            Self::Refused(_) => Some(CloseCode::Refused),
            Self::Protocol(_) => Some(CloseCode::Protocol),
            Self::Quota => Some(CloseCode::Quota),
            Self::StoreUnavailable => Some(CloseCode::StoreUnavailable),
            Self::Stopping => Some(CloseCode::Stopping),
            Self::Gone => None,
        }
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Stream(_) => Self::Gone,
            error => Self::Protocol(ProtocolBreak::Frame(error)),
        }
    }
}

impl From<DecodeError> for End {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(ProtocolBreak::Content(error))
    }
}

impl From<SendError> for End {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Stream(_) => Self::Gone,
            SendError::Frame(error) => {
                tracing::error!(%error, "cannot send a message of ours");
                Self::Protocol(ProtocolBreak::OwnMessage)
            }
        }
    }
}
