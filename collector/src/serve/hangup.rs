//! SIGHUP: `targets.toml` is read again; a wrong file changes nothing.

use isochrone_base::error_chain::chain;
use isochrone_planner::targets::Targets;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::commands::CommandContext;

/// Reads the targets again at each SIGHUP, until `stop`.
pub(super) async fn reload(context: CommandContext, stop: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hangup.recv() => read_again(&context),
        }
    }
}

fn read_again(context: &CommandContext) {
    let targets = match Targets::read(&context.targets_file) {
        Ok(targets) => targets,
        Err(error) => {
            tracing::error!(error = %chain(&error), "targets.toml is wrong; the targets in force stay");
            return;
        }
    };
    let what = targets.difference(&context.targets.borrow());
    tracing::info!(nodes = targets.nodes.len(), what, "targets.toml is read again");
    context.take_targets(targets);
    if let Err(error) = context.registry.note(&context.actor, "target reload", what) {
        let error = chain(&error);
        tracing::error!(%error, "the reload is in force, but the audit log could not be written");
    }
}
