//! Follows the indexer that collector.toml names.

use isochrone_base::error_chain::chain;
use isochrone_chain::client::{Indexer, TIMEOUT};
use isochrone_store::StoreError;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::commands::CommandContext;
use crate::config::TopologySettings;
use crate::topology::{note_failure, take};

/// Fetches the chain at once and then again and again, until `stop`. An indexer that is away is logged and noted beside the copy that is
/// kept.
///
/// # Errors
/// When a fetch's thread ended in a panic.
pub(crate) async fn run(
    context: CommandContext,
    settings: TopologySettings,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let roots = context.config.extra_roots.with_the_systems();
    let indexer = Indexer::new(settings.url.clone(), &roots, TIMEOUT);
    let mut ticks = interval_at(context.clock.now(), settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let work = async {
            ticks.tick().await;
            let (indexer, context, from) = (indexer.clone(), context.clone(), settings.url.to_string());
            tokio::task::spawn_blocking(move || fetch(&indexer, &context, from)).await
        };
        let fetched = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            fetched = work => fetched?,
        };
        if let Err(error) = fetched {
            tracing::error!(error = %chain(&error), "cannot keep the copy of the chain; it is tried again");
        }
    }
}

fn fetch(indexer: &Indexer, context: &CommandContext, from: String) -> Result<(), StoreError> {
    let says = match indexer.topology() {
        Ok(topology) => match take(&context.store, topology, (context.clock.wall(), from), false)? {
            Ok(copy) => {
                let families = copy.topology.families.len();
                tracing::debug!(block = copy.topology.block, families, "the chain is copied");
                return Ok(());
            }
            Err(not_better) => not_better.to_string(),
        },
        Err(error) => chain(&error),
    };
    tracing::warn!(
        error = says,
        "the chain was not fetched; the last copy goes on to be used"
    );
    note_failure(&context.store, context.clock.wall(), says)
}
