//! The demo's own receiver of alerts: what arrives here would have woken somebody.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use isochrone_watch::alert::Alert;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Largest alert read.
const ALERT_BYTES_MAX: usize = 256 * 1024;
/// Alerts kept; the demo sends a dozen.
const ALERTS_MAX: usize = 1_000;

/// The alerts that arrived so far.
#[derive(Clone)]
pub struct Receiver {
    alerts: Arc<Mutex<Vec<Alert>>>,
    count: watch::Sender<usize>,
    address: SocketAddr,
}

impl Receiver {
    /// Listens on a loopback port.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(tasks: &mut JoinSet<io::Result<()>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let receiver = Self {
            alerts: Arc::default(),
            count: watch::Sender::default(),
            address,
        };
        tasks.spawn(receiver.clone().listen(listener));
        Ok(receiver)
    }

    /// Where alerts are to be sent.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// Waits for an alert that `fits`, among those that came and those to come.
    pub async fn wait_for(&self, fits: impl Fn(&Alert) -> bool) -> Alert {
        let mut count = self.count.subscribe();
        loop {
            count.mark_unchanged();
            if let Some(alert) = self.all().into_iter().find(|alert| fits(alert)) {
                return alert;
            }
            if count.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Every alert, in the order they came.
    #[must_use]
    pub fn all(&self) -> Vec<Alert> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn listen(self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            let receiver = self.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| receiver.clone().take(request));
                let served = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a sender of alerts broke off");
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let body = Limited::new(request.into_body(), ALERT_BYTES_MAX).collect().await;
        let alert = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        let mut response = Response::new(Empty::new());
        match alert {
            Some(alert) => {
                let mut alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
                if alerts.len() < ALERTS_MAX {
                    alerts.push(alert);
                }
                self.count.send_replace(alerts.len());
            }
            None => *response.status_mut() = hyper::StatusCode::BAD_REQUEST,
        }
        Ok(response)
    }
}
