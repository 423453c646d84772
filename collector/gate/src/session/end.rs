//! Why a conversation ends, and how the probe is told.

use isochrone_base::error_chain::chain;
use isochrone_proto::codec::DecodeError;
use isochrone_proto::control::{CloseCode, Refusal};

use super::frames::{ReadError, SendError};

/// Why a conversation ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("{0}")]
    Refused(Refusal),
    #[error("protocol broken: {0}")]
    Protocol(String),
    #[error("quota exceeded: {0}")]
    Quota(String),
    #[error("the collector's store cannot take more now; come back in a while")]
    StoreUnavailable,
    #[error("the collector is stopping; come back in a while")]
    Stopping,
    #[error("the connection is gone")]
    Gone,
}

impl End {
    /// The code the connection is closed with; `None` where it is gone already.
    pub(super) fn code(&self) -> Option<CloseCode> {
        match self {
            Self::Refused(_) => Some(CloseCode::Refused),
            Self::Protocol(_) => Some(CloseCode::Protocol),
            Self::Quota(_) => Some(CloseCode::Quota),
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
            error => Self::Protocol(error.to_string()),
        }
    }
}

impl From<DecodeError> for End {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(chain(&error))
    }
}

impl From<SendError> for End {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Stream(_) => Self::Gone,
            SendError::Frame(error) => {
                tracing::error!(%error, "cannot send a message of ours");
                Self::Protocol("the collector could not put its own message into a frame".into())
            }
        }
    }
}
