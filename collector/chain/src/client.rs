//! Asking an indexer over HTTP. Blocking: call it where a thread may wait.

use std::io::Read as _;
use std::time::Duration;

use isochrone_proto::text::cleaned;
use serde_json::json;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

use crate::answer::ANSWER_BYTES_MAX;
use crate::fetch::{FetchError, fetch};
use crate::topology::Topology;

/// One request, from connect to the answer's last byte.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of a refusal that are kept.
const SAID_MAX: usize = 200;

/// Why an indexer did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It took too long.
    #[error("no whole answer within {} s", timeout.as_secs())]
    TimedOut {
        /// So long it was waited for.
        timeout: Duration,
    },
    /// Its name is not known.
    #[error("host not found")]
    NoHost,
    /// The connection broke while the answer came.
    #[error("the answer was cut off: {0}")]
    Cut(std::io::Error),
    /// A status that is no answer.
    #[error("answered {status}: {says}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The beginning of its words.
        says: String,
    },
    /// More than is read.
    #[error("the answer is larger than {} MB", ANSWER_BYTES_MAX >> 20)]
    TooLarge,
    /// No connection, no HTTP, or a certificate that is not trusted.
    #[error("{0}")]
    Protocol(String),
}

/// An indexer that is asked over HTTP.
#[derive(Clone, Debug)]
pub struct Indexer {
    agent: ureq::Agent,
    url: Url,
    timeout: Duration,
}

impl Indexer {
    /// The one at `url`. It trusts the authorities `roots` (DER); without any, those that browsers trust. It follows no
    /// redirect, and each request takes `timeout` at most.
    #[must_use]
    pub fn new<R: AsRef<[u8]>>(url: Url, roots: &[R], timeout: Duration) -> Self {
        let roots: Vec<_> = roots
            .iter()
            .map(|root| Certificate::from_der(root.as_ref()).to_owned())
            .collect();
        let tls = match roots.is_empty() {
            true => TlsConfig::default(),
            false => TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .build(),
        };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(tls)
            .user_agent(concat!("isochrone-collector/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            url,
            timeout,
        }
    }

    /// The whole chain, as it tells it now.
    ///
    /// # Errors
    /// When it does not answer, or what it answers cannot be taken.
    pub fn topology(&self) -> Result<Topology, FetchError<AskError>> {
        fetch(|query| self.ask(query))
    }

    fn ask(&self, query: &str) -> Result<Vec<u8>, AskError> {
        let failed = |error: ureq::Error| match error {
            ureq::Error::Timeout(_) => AskError::TimedOut {
                timeout: self.timeout,
            },
            ureq::Error::HostNotFound => AskError::NoHost,
            other => AskError::Protocol(cut(&other.to_string())),
        };
        let request = self.agent.post(self.url.as_str());
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json");
        let mut answer = request
            .send(json!({ "query": query }).to_string())
            .map_err(failed)?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX + 1)
            .reader();
        let read = body.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        match (status, read) {
            (200..300, Ok(_)) => Ok(bytes),
            (200..300, Err(error)) if error.to_string().contains("timeout") => Err(AskError::TimedOut {
                timeout: self.timeout,
            }),
            (200..300, Err(error)) => Err(AskError::Cut(error)),
            // Some servers of GraphQL refuse a query with 400 and say why in an answer.
            (400, Ok(_)) if bytes.trim_ascii_start().starts_with(b"{") => Ok(bytes),
            _ => Err(AskError::Status {
                status,
                says: cut(&String::from_utf8_lossy(&bytes[..bytes.len().min(4_096)])),
            }),
        }
    }
}

fn cut(text: &str) -> String {
    let words: String = text.chars().take(SAID_MAX).collect();
    cleaned(&words).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
