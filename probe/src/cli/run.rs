//! `isochrone-probe run`: the agent with real sockets, until a signal.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use super::{EXIT_FAILED, complain};
use crate::address_policy::{AddressPolicy, own_addresses};
use crate::agent::{Agent, EndpointFactory, Parts, Settings};
use crate::clock::{Clock, monotonic};
use crate::config::Config;
use crate::disk::FileDisk;
use crate::echo::{EchoConfig, EchoNet, SelfStall};
use crate::http::{EndpointProber, TlsRoots};
use crate::identity::{Identity, StateLock};
use crate::prober::real::RealProber;
use crate::status;

pub(super) async fn run(places: &Places, config: Config) -> ExitCode {
    match serve(places, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&*error, EXIT_FAILED),
    }
}

async fn serve(places: &Places, config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let disk = FileDisk::open(&places.state).map_err(|source| places.no_folder(source))?;
    let _lock = StateLock::take(&places.state)?;
    let identity = Identity::load(&disk)?;
    tracing::info!(probe = %identity.probe(), name = identity.name(), version = super::VERSION, "probe starts");
    let stall = SelfStall::default();
    let policy = AddressPolicy::new(config.allow_private, own_addresses()?);
    let mut echo = EchoConfig::new(identity.probe(), config.echo_listen, policy.clone());
    echo.stall = stall.clone();
    let roots = TlsRoots::system_and(Vec::new())?;
    let prober = RealProber::new(
        EchoNet::bind(echo)?,
        EndpointProber::new(policy, roots, monotonic),
    );
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
        settings: Settings {
            spool: config.spool,
            collectors: config.collectors,
            advertise: config.advertise,
        },
    })?;
    let stop = CancellationToken::new();
    let mut beside = JoinSet::new();
    beside.spawn(stop_on_signal(stop.clone())?);
    let folder = places.state.clone();
    let (source, stopped) = (agent.status(), stop.clone());
    beside.spawn(async move {
        if let Err(error) = status::serve(&folder, source, stopped).await {
            tracing::error!(error = %crate::uplink::chain(&error), "`isochrone-probe status` will not work");
        }
    });
    agent.serve(stop).await?;
    beside.abort_all();
    tracing::info!("probe stopped; everything measured is spooled");
    Ok(())
}

/// Cancels `stop` on SIGTERM or SIGINT.
fn stop_on_signal(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new runs, some seconds for what is under way");
        stop.cancel();
    })
}

/// A new socket for each connection, of the family of its other end.
pub(super) fn endpoints() -> EndpointFactory {
    Arc::new(|remote: SocketAddr| {
        let any = match remote {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        quinn::Endpoint::client(any)
    })
}
