//! The ports of a collector: QUIC for probes, TCP for the page.

use std::sync::Arc;
use std::time::Duration;

use isochrone_gate::authority::tls;
use isochrone_proto::control::CloseCode;
use isochrone_web::Access;
use quinn::Endpoint;
use tokio::net::TcpListener;

use super::bind;
use super::opened::Opened;
use crate::config::{Config, Paths};

/// How long a probe may take to hear that the collector stops.
const LEAVE: Duration = Duration::from_secs(2);

/// What is bound, and who may see the page.
pub(super) struct Doors {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) page: TcpListener,
    pub(super) access: Access,
}

impl Doors {
    /// Binds everything that the configuration names.
    pub(super) async fn open(config: &Config, paths: &Paths, opened: &Opened) -> anyhow::Result<Self> {
        let time = Arc::new(tls::ClockTime(opened.clock.clone()));
        let server = tls::quic_server_config(&opened.authority, time)?;
        let secret = bind::QuicSecret::open(&paths.state.join("quic.secret"))?;
        let endpoints = bind::quic((&paths.config, &config.listen), &server, &secret)?;
        let page = bind::page(&paths.config, config.web).await?;
        let access = Access::new(page.local_addr()?, config.web_token.clone())?;
        tracing::info!(
            quic = ?config.listen, page = %format!("http://{}/", page.local_addr()?),
            state = %paths.state.display(), "collector is up"
        );
        Ok(Self {
            endpoints,
            page,
            access,
        })
    }
}

/// Closes what is left of each connection, and waits until the probes have heard it.
pub(super) async fn take_leave(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        endpoint.close(
            CloseCode::Stopping.code().into(),
            b"the collector is stopping; come back in a while",
        );
    }
    for endpoint in endpoints {
        if tokio::time::timeout(LEAVE, endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some probe did not take leave in time");
        }
    }
}
