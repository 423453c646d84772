//! `isochrone-probe run`: a probe in this process, until a signal.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use super::{EXIT_FAILED, complain};
use crate::config::Config;
use crate::process;
use crate::reach::TcpDial;

pub(super) async fn run(places: &Places, config: Config) -> ExitCode {
    match serve(places, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&*error, EXIT_FAILED),
    }
}

async fn serve(places: &Places, config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let stop = CancellationToken::new();
    let mut signals = JoinSet::new();
    signals.spawn(stop_on_signal(stop.clone())?);
    process::run(&places.state, config, Arc::new(TcpDial), stop).await?;
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
