//! Requests to a cluster: to whichever of its nodes answers, with the account of the settings.

mod account;
mod answer;
mod error;
mod nodes;
mod packed;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use elasticsearch::http::Method;
use elasticsearch::http::headers::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use isochrone_base::clock::Clock;
use isochrone_proto::units::UnixMillis;
use serde_json::Value;

use self::account::Secret;
pub use self::answer::{Answer, RawAnswer, reason};
pub use self::error::{ClientError, RequestError};
use self::nodes::Nodes;
pub use self::packed::Packed;
use crate::Settings;

/// A cluster, as one account sees it. Every request must be one that may be made twice: where a node does not answer,
/// it is made again to the next one.
pub struct Client {
    nodes: Vec<Node>,
    order: Mutex<Nodes>,
    clock: Clock,
    timeout: Duration,
    warnings: Vec<String>,
}

struct Node {
    /// As it is named in errors.
    url: String,
    transport: Transport,
}

impl Client {
    /// Reads the files that `settings` names; no node is asked yet.
    ///
    /// # Errors
    /// When a file cannot be used; names it.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, ClientError> {
        let secret = Secret::read(settings.account.as_ref())?;
        let mut nodes = Vec::new();
        for url in &settings.urls {
            let pool = SingleNodeConnectionPool::new(url.clone());
            // A proxy of the environment would see the credentials.
            let mut builder = TransportBuilder::new(pool).disable_proxy();
            if let Some(credentials) = &secret.credentials {
                builder = builder.auth(credentials.clone());
            }
            if let Some(file) = &settings.ca {
                builder = builder.cert_validation(account::authority(file)?);
            }
            let transport = builder.build().map_err(|source| ClientError::Build {
                source: source.into(),
            })?;
            let url = url.as_str().trim_end_matches('/').to_owned();
            nodes.push(Node { url, transport });
        }
        Ok(Self {
            order: Mutex::new(Nodes::new(nodes.len())),
            nodes,
            clock,
            timeout: TIMEOUT,
            warnings: secret.warnings,
        })
    }

    /// The same, giving up on a node's answer after `timeout` (30 s otherwise).
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What should be put right about the files, though they can be used.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The first node, for words about the cluster as a whole.
    #[must_use]
    pub fn name(&self) -> &str {
        self.nodes.first().map_or("", |node| &node.url)
    }

    /// This machine's time.
    pub(crate) fn wall(&self) -> UnixMillis {
        self.clock.wall()
    }

    /// One request with a body of JSON, or none, and its answer whatever its status. `path` begins with no slash, and may
    /// carry a query: `_search?size=10`.
    ///
    /// # Errors
    /// When no node answered, or one with a success that is not JSON.
    ///
    /// # Cancel safety
    /// The cluster may have done what was asked.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, RequestError> {
        let packed = body.map(Packed::json);
        self.send(method, path, packed.as_ref()).await?.read()
    }

    /// As [`Client::request`], where only a success will do.
    ///
    /// # Errors
    /// As [`Client::request`], and [`RequestError::Refused`] with the server's reason for any other status.
    ///
    /// # Cancel safety
    /// As [`Client::request`].
    pub async fn fetch(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RequestError> {
        self.request(method, path, body).await?.success()
    }

    /// One request, and the bytes of its answer whatever its status.
    ///
    /// # Errors
    /// When no node answered.
    ///
    /// # Cancel safety
    /// As [`Client::request`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Packed>,
    ) -> Result<RawAnswer, RequestError> {
        let order = self.order().order(self.clock.now());
        let mut last = None;
        for at in order {
            match self.ask(&self.nodes[at], method, path, body).await {
                Ok(answer) => {
                    // A gateway in front of a node that is gone: the next request goes elsewhere.
                    match matches!(answer.status, 502..=504) {
                        true => self.order().failed(at, self.clock.now()),
                        false => self.order().answered(at),
                    }
                    return Ok(answer);
                }
                Err(error @ RequestError::TooLong { .. }) => {
                    self.order().answered(at);
                    return Err(error); // another node would say as much
                }
                Err(error) => {
                    self.order().failed(at, self.clock.now());
                    last.get_or_insert(error); // of the node that was thought to be well
                }
            }
        }
        Err(last.unwrap_or(RequestError::NoNode))
    }

    async fn ask(
        &self,
        node: &Node,
        method: Method,
        path: &str,
        body: Option<&Packed>,
    ) -> Result<RawAnswer, RequestError> {
        let mut headers = HeaderMap::new();
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(body.content_type));
            if body.is_gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        let bytes = body.map(|body| body.bytes.clone());
        let failed = |source: elasticsearch::Error| RequestError::failed(&node.url, self.timeout, source);
        let sent = node
            .transport
            .send(method, path, headers, None::<&()>, bytes, Some(self.timeout));
        let response = sent.await.map_err(failed)?;
        let status = response.status_code().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let url = format!("{}/{}", node.url, path.split('?').next().unwrap_or_default());
        let told = response.content_length().unwrap_or_default();
        if told > ANSWER_MAX {
            let (bytes, most) = (told, ANSWER_MAX);
            return Err(RequestError::TooLong { url, bytes, most });
        }
        Ok(RawAnswer {
            url,
            status,
            retry_after: retry_after.map(Duration::from_secs),
            bytes: response.bytes().await.map_err(failed)?,
        })
    }

    fn order(&self) -> MutexGuard<'_, Nodes> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The library's own would show the credentials.
impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.nodes.iter().map(|node| node.url.as_str()).collect();
        out.debug_struct("Client")
            .field("urls", &urls)
            .finish_non_exhaustive()
    }
}

/// How long a node's answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read where a node tells its length, in bytes.
const ANSWER_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
