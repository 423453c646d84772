//! A small real HTTP server that answers like a distributor node running Argus 2.1.2.
//!
//! It has a cache, objects on chain, storage nodes behind it with a speed of their own, and an indexer; all
//! of them can be made to fail. What it answers is what was seen on a real node: on a miss nothing is sent
//! before 1 MiB (or the end) is there, a range of a pending object is longer than asked, 404 and 421 carry a
//! message, `status` depends on the indexer while cached assets do not.

mod answer;
mod asset;
mod body;
mod cache;
mod range;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache::Cache;
pub use cache::{Object, Place, Supply};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, body::Incoming};
use hyper_util::rt::TokioIo;
use isochrone_base::clock::monotonic;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What a node is.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where it listens; port 0 takes a free one, which it keeps over restarts.
    pub listen: SocketAddr,
    /// TLS, or plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Path of the base URL, with a slash at both ends, like `/distributor/`.
    pub base_path: String,
    /// The name in its own configuration.
    pub id: String,
    /// Argus' version.
    pub version: String,
    /// The chain's worker id.
    pub worker_id: Option<u64>,
    /// The buckets that it serves, like `0:0`.
    pub buckets: Vec<String>,
    /// Whether NODE_ENV is `production`: decides what an unsatisfiable range gets.
    pub production: bool,
    /// Cache size that it claims, in bytes.
    pub storage_limit: u64,
    /// Larger objects are proxied and never cached. In bytes.
    pub max_cached_item: u64,
    /// The storage nodes behind it.
    pub source: Source,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            base_path: "/distributor/".to_owned(),
            id: "demo-node".to_owned(),
            version: "2.1.2".to_owned(),
            worker_id: Some(0),
            buckets: vec!["0:0".to_owned()],
            production: true,
            storage_limit: 500 << 30,
            max_cached_item: 10 << 30,
            source: Source {
                latency: Duration::from_millis(40),
                bytes_per_second: 20 << 20,
            },
        }
    }
}

/// How fast the storage nodes behind a node are.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Before the first byte.
    pub latency: Duration,
    /// From then on; at least 1.
    pub bytes_per_second: u64,
}

/// What the node's indexer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexer {
    /// Answers.
    Up,
    /// Refuses: `status` and misses get 500, hits go on.
    Down,
    /// Says nothing: `status` and misses hang, hits go on.
    Silent,
}

/// A request that reached the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// The connection's number since the node was made.
    pub connection: u64,
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// `user-agent`.
    pub user_agent: Option<String>,
    /// `range`.
    pub range: Option<String>,
    /// `cache-control`.
    pub cache_control: Option<String>,
}

/// A running node and its controls. Dropping it stops the node.
pub struct ArgusNode {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: tokio::sync::Mutex<JoinSet<()>>,
}

impl ArgusNode {
    /// Starts a node that knows `objects`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(config: NodeConfig, objects: Vec<Object>) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            cache: Cache::new(&config, objects),
            config,
            controls: Mutex::new(Controls::new()),
            crash: Notify::new(),
        });
        let node = Self {
            shared,
            address,
            server: tokio::sync::Mutex::new(JoinSet::new()),
        };
        node.serve(listener).await;
        Ok(node)
    }

    /// Where it listens, also while it is down.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, by address.
    pub fn base_url(&self) -> String {
        let scheme = if self.shared.config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{}", self.address, self.shared.config.base_path)
    }

    /// Stops it as a crash does: the port refuses, open connections break off, pending downloads are lost.
    pub async fn kill(&self) {
        self.server.lock().await.shutdown().await;
        self.shared.cache.drop_downloads().await;
    }

    /// Starts it again on the same port, with its cache and an uptime of 0; kills it first if it runs.
    ///
    /// # Errors
    /// If somebody took the port meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.kill().await;
        let listener = TcpListener::bind(self.address).await?;
        self.shared.with(|controls| controls.started = monotonic());
        self.serve(listener).await;
        Ok(())
    }

    /// Whether it listens: false after [`Self::kill`] and after a crash of its own.
    pub async fn is_up(&self) -> bool {
        let mut server = self.server.lock().await;
        while server.try_join_next().is_some() {}
        !server.is_empty()
    }

    /// Waits this long before each answer; zero ends it.
    pub fn slow_by(&self, delay: Duration) {
        self.shared.with(|controls| controls.delay = delay);
    }

    /// Lets `status` hang, whatever the indexer does, while assets are served.
    pub fn hang_status(&self, hang: bool) {
        self.shared.with(|controls| controls.status_hangs = hang);
    }

    /// Sets what its indexer does.
    pub fn set_indexer(&self, indexer: Indexer) {
        self.shared.with(|controls| controls.indexer = indexer);
    }

    /// Sets the heights that `status` tells.
    pub fn set_heights(&self, chain_head: u64, blocks_processed: u64) {
        self.shared
            .with(|controls| controls.heights = (chain_head, blocks_processed));
    }

    /// Adds an object to the chain, or replaces it. (HEAD may go on saying 404 until a restart, as Argus does.)
    pub fn put(&self, object: Object) {
        self.shared.cache.put(object);
    }

    /// Whether the object is in the cache, whole.
    pub fn has_cached(&self, id: u64) -> bool {
        self.shared.cache.has_cached(id)
    }

    /// The last requests, oldest first, at most [`SEEN_MAX`]; older ones are forgotten.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.shared
            .with(|controls| controls.seen.iter().cloned().collect())
    }

    async fn serve(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.server.lock().await.spawn(accept(listener, shared));
    }
}

impl std::fmt::Debug for ArgusNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArgusNode")
            .field("id", &self.shared.config.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What all connections of a node share.
struct Shared {
    config: NodeConfig,
    cache: Cache,
    controls: Mutex<Controls>,
    crash: Notify,
}

struct Controls {
    started: Instant,
    delay: Duration,
    status_hangs: bool,
    indexer: Indexer,
    heights: (u64, u64),
    connections: u64,
    seen: VecDeque<SeenRequest>,
}

impl Controls {
    fn new() -> Self {
        Self {
            started: monotonic(),
            delay: Duration::ZERO,
            status_hangs: false,
            indexer: Indexer::Up,
            heights: (9_000_000, 9_000_000),
            connections: 0,
            seen: VecDeque::new(),
        }
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Controls) -> T) -> T {
        act(&mut self.controls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, connection: u64, request: &Request<Incoming>) {
        let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
        let seen = SeenRequest {
            connection,
            method: request.method().clone(),
            target: request.uri().to_string(),
            user_agent: header("user-agent"),
            range: header("range"),
            cache_control: header("cache-control"),
        };
        self.with(|controls| {
            if controls.seen.len() == SEEN_MAX {
                controls.seen.pop_front();
            }
            controls.seen.push_back(seen);
        });
    }
}

/// Accepts until the node crashes or is killed; both drop every open connection.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.crash.notified() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let number = shared.with(|controls| {
                        controls.connections += 1;
                        controls.connections
                    });
                    connections.spawn(connection(stream, number, Arc::clone(&shared)));
                }
                // Out of descriptors, or a client that left already: neither ends the server.
                Err(error) => {
                    tracing::debug!(%error, "demo node cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let served = async {
        stream.set_nodelay(true)?;
        match shared.config.tls.clone() {
            Some(tls) => http(TlsAcceptor::from(tls).accept(stream).await?, number, shared).await,
            None => http(stream, number, shared).await,
        }
    };
    if let Err(error) = served.await {
        tracing::debug!(%error, "connection to a demo node ended early");
    }
}

async fn http<S>(stream: S, number: u64, shared: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            shared.note(number, &request);
            let delay = shared.with(|controls| controls.delay);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok::<_, Infallible>(answer::answer(&shared, &request).await)
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// How many requests [`ArgusNode::seen`] remembers.
pub const SEEN_MAX: usize = 256;

#[cfg(test)]
mod tests;
