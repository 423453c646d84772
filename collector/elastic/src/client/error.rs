//! Why there is no client, or no answer.

use std::path::PathBuf;
use std::time::Duration;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of the settings cannot be read.
    #[error("elasticsearch.{key} = {}: the file cannot be read", path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A file that holds no secret, or something else.
    #[error("elasticsearch.{key} = {}: {reason}", path.display())]
    Secret {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it; says nothing of what is in it.
        reason: &'static str,
    },
    /// No certificate of an authority.
    #[error("elasticsearch.ca = {}: the file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The library's words.
        #[source]
        source: elasticsearch::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client for Elasticsearch cannot be set up")]
    Build {
        /// The library's words.
        #[source]
        source: elasticsearch::Error,
    },
}

/// Why there is no answer, or none that will do.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The settings name no node.
    #[error("elasticsearch.urls names no node")]
    NoNode,
    /// No connection, or one that broke.
    #[error("{url} does not answer")]
    Unreachable {
        /// The node.
        url: String,
        /// The library's words.
        #[source]
        source: elasticsearch::Error,
    },
    /// Too slow.
    #[error("{url} did not answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// The node.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer that is longer than any that is of use.
    #[error(
        "{url} answers with {} MB, and at most {} MB are read: what is asked for is too much for one answer, or this is no \
         Elasticsearch",
        bytes / 1_000_000,
        most / 1_000_000
    )]
    TooLong {
        /// The node and path.
        url: String,
        /// What it says that it would send.
        bytes: u64,
        /// What is read at most.
        most: u64,
    },
    /// A success that is not JSON.
    #[error(
        "{url} answered with what is not whole JSON ({text:?}): the answer was cut, or this is no Elasticsearch"
    )]
    NotJson {
        /// The node and path.
        url: String,
        /// How it begins.
        text: String,
        /// Where it ends being JSON.
        #[source]
        source: serde_json::Error,
    },
    /// The server says no.
    #[error("{url} answered {status}: {reason}")]
    Refused {
        /// The node and path.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// The server's words.
        reason: String,
    },
}

impl RequestError {
    pub(super) fn failed(url: &str, after: Duration, source: elasticsearch::Error) -> Self {
        let url = url.to_owned();
        match source.is_timeout() {
            true => Self::TimedOut { url, after },
            false => Self::Unreachable { url, source },
        }
    }

    /// Whether the same request may succeed later with nothing changed here.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NotJson { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500..=599),
            Self::NoNode | Self::TooLong { .. } => false,
        }
    }

    /// The status of HTTP, where a server refused.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoNode
            | Self::TooLong { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotJson { .. } => None,
        }
    }
}
