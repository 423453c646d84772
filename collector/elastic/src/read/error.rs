//! Why measurements cannot be read from a cluster.

use isochrone_store::StoreError;

use crate::RequestError;

/// Why measurements cannot be read from a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store, of which all else is read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No answer, or a refusal of no known kind.
    #[error("measurements in {pattern} cannot be read")]
    Request {
        /// The indices.
        pattern: String,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The server does not know who asks.
    #[error(
        "measurements in {pattern} cannot be read: the account of [elasticsearch] is not known there; correct user, \
         password_file or api_key_file in collector.toml"
    )]
    Unknown {
        /// The indices.
        pattern: String,
        /// The server's words.
        #[source]
        source: RequestError,
    },
    /// The account may not read.
    #[error(
        "measurements in {pattern} cannot be read: the account of [elasticsearch] lacks a privilege; `elastic setup --role` \
         prints what it must be allowed"
    )]
    NotAllowed {
        /// The indices.
        pattern: String,
        /// The server's words.
        #[source]
        source: RequestError,
    },
    /// A search that the server does not understand.
    #[error(
        "measurements in {pattern} cannot be searched: has somebody changed the mapping of an index? Reindex it into a new \
         one, or delete it and `elastic backfill`"
    )]
    Refused {
        /// The indices.
        pattern: String,
        /// The server's words.
        #[source]
        source: RequestError,
    },
    /// There is no index.
    #[error(
        "{url} has no index {pattern}: nothing was sent there yet, somebody deleted it, or the account of [elasticsearch] may \
         not see it; `status` says how far the sink is, and `elastic backfill --since 30d` sends what is stored again"
    )]
    Nothing {
        /// The cluster.
        url: String,
        /// The indices.
        pattern: String,
    },
    /// OpenSearch calls them otherwise.
    #[error(
        "{url} knows no points in time of Elasticsearch: measurements cannot be read back from OpenSearch; the same report \
         without --from elasticsearch is made of the store"
    )]
    NoPit {
        /// The cluster.
        url: String,
        /// Its words.
        #[source]
        source: RequestError,
    },
    /// The point in time was let go.
    #[error(
        "the server let its point in time on {pattern} go, again and again; ask again when it has less to do"
    )]
    Gone {
        /// The indices.
        pattern: String,
        /// The server's words.
        #[source]
        source: RequestError,
    },
    /// An answer of another form.
    #[error("{url} answered a search of {pattern} with something else: {what} is missing")]
    Shape {
        /// The cluster.
        url: String,
        /// The indices.
        pattern: String,
        /// What was looked for.
        what: &'static str,
    },
}

impl ReadError {
    /// Of a request to `pattern`.
    pub(super) fn of(source: RequestError, pattern: &str) -> Self {
        let pattern = pattern.to_owned();
        let is_gone = source.to_string().contains("search_context_missing");
        match source.status() {
            _ if is_gone => Self::Gone { pattern, source },
            Some(401) => Self::Unknown { pattern, source },
            Some(403) => Self::NotAllowed { pattern, source },
            Some(400 | 405) => Self::Refused { pattern, source },
            _ => Self::Request { pattern, source },
        }
    }

    /// Whether the same may succeed with a new point in time.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Whether fewer documents at once may help.
    pub(super) const fn is_too_long(&self) -> bool {
        matches!(
            self,
            Self::Request {
                source: RequestError::TooLong { .. },
                ..
            }
        )
    }

    /// Whether the same may succeed later.
    pub(super) const fn is_transient(&self) -> bool {
        match self {
            Self::Request { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}
