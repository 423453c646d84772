//! Why an index cannot be read.

use std::time::Duration;

use crate::{RequestError, ServerError};

/// Why an index cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// No index can be called so.
    #[error("--index {name:?}: no index can be called so; write its name, such as operators-ping")]
    Name {
        /// As given.
        name: String,
    },
    /// It is not there.
    #[error(
        "there is no index {name} at {url}; `GET _cat/indices` lists those that there are (an account may be shown some only)"
    )]
    NoIndex {
        /// As given.
        name: String,
        /// The node and path.
        url: String,
    },
    /// It is closed.
    #[error("{name} is closed at {url}: open it there (`POST {name}/_open`), and close it again afterwards")]
    Closed {
        /// As given.
        name: String,
        /// The node and path.
        url: String,
    },
    /// Who asks may not read it.
    #[error(
        "{url} answered {status}: {reason}; reading {name} takes an account with the privilege `read` on it (--user and \
         --password-file, or --api-key-file)"
    )]
    Account {
        /// As given.
        name: String,
        /// The node and path.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// The server's words.
        reason: String,
    },
    /// Something else that is like it.
    #[error(
        "{url} is OpenSearch {version}, whose points in time are others: dump the index to a file, one document a line, and \
         `import ndjson FILE --as …`"
    )]
    OpenSearch {
        /// The node.
        url: String,
        /// As it says it.
        version: String,
    },
    /// Too old.
    #[error(
        "{url} is version {version} and knows no points in time: dump the index to a file, one document a line, and \
         `import ndjson FILE --as …`"
    )]
    NoPit {
        /// The node.
        url: String,
        /// As it says it.
        version: String,
    },
    /// Something else altogether.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// No answer, or a refusal.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The server says that it is busy.
    #[error("{url} answered {status}: {reason}")]
    Busy {
        /// The node and path.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// The server's words.
        reason: String,
        /// How long it asks not to be asked again.
        retry_after: Option<Duration>,
    },
    /// An answer without all of the index.
    #[error("{url} gave a part of the answer only: {what}")]
    Part {
        /// The node and path.
        url: String,
        /// What is missing.
        what: String,
    },
    /// The search is not possible on this index.
    #[error("{name} cannot be read: {reason}")]
    Refused {
        /// As given.
        name: String,
        /// The server's words.
        reason: String,
    },
    /// Too often in a row.
    #[error(
        "given up after {tries} tries in a row; what was taken in stays, and the same command goes on from there"
    )]
    GivenUp {
        /// How many.
        tries: u32,
        /// Why the last one failed.
        #[source]
        source: Box<PullError>,
    },
}

impl PullError {
    /// How long to wait before the same may succeed, after so many failures in a row; `None`: it will not.
    pub(super) fn wait(&self, failures: u32) -> Option<Duration> {
        let doubled = Duration::from_millis(500 << failures.min(7));
        match self {
            Self::Busy { retry_after, .. } => Some(retry_after.unwrap_or(doubled)),
            Self::Part { .. } => Some(doubled),
            Self::Request(error) => error.is_transient().then_some(doubled),
            Self::Server(ServerError::Request(error)) => error.is_transient().then_some(doubled),
            Self::Name { .. }
            | Self::NoIndex { .. }
            | Self::Closed { .. }
            | Self::Account { .. }
            | Self::OpenSearch { .. }
            | Self::NoPit { .. }
            | Self::Server(_)
            | Self::Refused { .. }
            | Self::GivenUp { .. } => None,
        }
    }

    /// Whether the answer was longer than any that is read: fewer documents at once will do.
    pub(super) const fn is_too_long(&self) -> bool {
        matches!(self, Self::Request(RequestError::TooLong { .. }))
    }

    /// Whether fewer documents at once may help.
    pub(super) const fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::Part { .. }
                | Self::Busy { .. }
                | Self::Request(RequestError::TimedOut { .. } | RequestError::NotJson { .. })
        )
    }
}
