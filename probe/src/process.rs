//! A whole probe on this machine: the agent with real sockets, files and clocks. The `run` command is one; the
//! collector's `up` and its demo run others.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::token::Token;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::address_policy::{AddressPolicy, own_addresses};
use crate::agent::{Agent, AgentError, EndpointFactory, Parts, Settings};
use crate::clock::{Clock, monotonic};
use crate::config::Config;
use crate::disk::FileDisk;
use crate::echo::{EchoConfig, EchoNet, SelfStall};
use crate::identity::{Identity, IdentityError, Locked, StateLock};
use crate::join::{JoinError, JoinOutcome, JoinParts, join as join_through, join_running};
use crate::prober::real::RealProber;
use crate::reach::{Dial, Reach, TlsRoots, TlsRootsError};
use crate::status;

/// Why a probe does not run on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The state folder cannot be used.
    #[error("cannot use the state folder {folder}; name another with --state")]
    Folder {
        /// Where the state was to be kept.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process uses it.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// It has not joined.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A socket cannot be opened.
    #[error("cannot open a socket")]
    Socket(#[source] std::io::Error),
    /// The echo sockets cannot be opened.
    #[error(transparent)]
    Echo(#[from] crate::echo::BindError),
    /// No certificates to judge nodes by.
    #[error(transparent)]
    Roots(#[from] TlsRootsError),
    /// One of its tasks failed.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// It could not join.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Joins with `token`; the identity lies in `folder` afterwards.
///
/// # Errors
/// When the folder cannot be used or the collector refuses.
pub async fn join(folder: &Path, token: &Token) -> Result<JoinOutcome, ProcessError> {
    let disk = open(folder)?;
    let _lock = match (StateLock::take(folder), Identity::load_optional(&disk)) {
        (Ok(lock), _) => lock,
        (Err(Locked::InUse { .. }), Ok(Some(running))) => return Ok(join_running(&running, token)?),
        (Err(error), _) => return Err(error.into()),
    };
    let parts = JoinParts {
        disk: Arc::new(disk),
        endpoint: endpoints(),
        tls_time: Arc::new(rustls::time_provider::DefaultTimeProvider),
    };
    Ok(join_through(&parts, token).await?)
}

/// Runs the probe whose state lies in `folder`, until `stop`. `dial` opens the endpoint checks' connections:
/// [`crate::reach::TcpDial`], except in the demo.
///
/// # Errors
/// When it has not joined, a socket or file cannot be opened, or one of its tasks fails.
pub async fn run(
    folder: &Path,
    config: Config,
    dial: Arc<dyn Dial>,
    stop: CancellationToken,
) -> Result<(), ProcessError> {
    let disk = open(folder)?;
    let _lock = StateLock::take(folder)?;
    let identity = Identity::load(&disk)?;
    tracing::info!(probe = %identity.probe(), name = identity.name(), version = crate::VERSION, "probe starts");
    let stall = SelfStall::default();
    let own = own_addresses().map_err(ProcessError::Socket)?;
    let policy = AddressPolicy::new(config.allow_private, own);
    let mut echo = EchoConfig::new(identity.probe(), config.echo_listen, policy.clone());
    echo.stall = stall.clone();
    let reach = Reach::new(
        policy.clone(),
        TlsRoots::system_and(config.extra_roots)?,
        monotonic,
    )
    .with_dial(dial);
    let prober = RealProber::new(EchoNet::bind(echo)?, reach, policy);
    let mut seed = [0; 32];
    rand::RngCore::fill_bytes(&mut rand::rngs::ThreadRng::default(), &mut seed);
    let agent = Agent::open(Parts {
        clock: Clock::system(),
        seed,
        disk: Arc::new(disk),
        endpoint: endpoints(),
        tls_time: Arc::new(rustls::time_provider::DefaultTimeProvider),
        prober: Arc::new(prober),
        stall,
        known: isochrone_proto::known::Known::of_this_build(),
        settings: Settings {
            spool: config.spool,
            collectors: config.collectors,
            advertise: config.advertise,
        },
    })?;
    let mut beside = JoinSet::new();
    let (state, source, stopped) = (folder.to_owned(), agent.status(), stop.clone());
    beside.spawn(async move {
        if let Err(error) = status::serve(&state, source, stopped).await {
            tracing::error!(error = %crate::error_text::chain(&error), "`isochrone-probe status` will not work");
        }
    });
    agent.serve(stop).await?;
    tracing::info!("probe stopped; everything measured is spooled");
    Ok(())
}

/// Whether a probe with this configuration could run on this machine now. Call it on a runtime.
///
/// # Errors
/// When one of its ports is taken, most likely by another probe.
pub fn check_ports(config: &Config) -> Result<(), ProcessError> {
    Ok(crate::echo::check(&config.echo_listen)?)
}

/// Who the probe is whose state lies in `folder`; `None` if it has not joined.
///
/// # Errors
/// When the folder cannot be read.
pub fn joined(folder: &Path) -> Result<Option<ProbeId>, ProcessError> {
    Ok(Identity::load_optional(&open(folder)?)?.map(|identity| identity.probe()))
}

fn open(folder: &Path) -> Result<FileDisk, ProcessError> {
    FileDisk::open(folder).map_err(|source| ProcessError::Folder {
        folder: folder.display().to_string(),
        source,
    })
}

/// A new socket for each connection, of the family of its other end.
fn endpoints() -> EndpointFactory {
    Arc::new(|remote: SocketAddr| {
        let any = match remote {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        quinn::Endpoint::client(any)
    })
}
