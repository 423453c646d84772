//! Seals old batches into segments, and tends these, beside everything else.

use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether there is anything to do.
const LOOK: Duration = Duration::from_secs(60);

/// Seals until `stop`. A span at a time: a stop waits for one, and ingest for the end of one. Between two of them it
/// rests as long as the last one took, so that it never has more than half a core.
///
/// # Errors
/// When a span's thread ended in a panic. A store that fails is logged and tried again.
pub(crate) async fn run(store: Store, clock: Clock, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval_at(clock.now() + LOOK, LOOK); // a start has enough to do
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let work = async {
            ticks.tick().await;
            tend(&store, &clock).await
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            tended = work => tended?,
        }
    }
}

/// Does all that is to be done now.
async fn tend(store: &Store, clock: &Clock) -> anyhow::Result<()> {
    loop {
        let (began, now) = (clock.now(), clock.wall());
        let of_step = store.clone();
        let step = tokio::task::spawn_blocking(move || step(&of_step, now)).await?;
        match step {
            Ok(true) => sleep(clock.now() - began).await,
            Ok(false) => return Ok(()),
            Err(error) => {
                tracing::error!(error = %chain(&error), "cannot seal old batches; they stay in the log, and it is tried again");
                return Ok(());
            }
        }
    }
}

/// Does one thing that is to be done; whether there may be more.
fn step(store: &Store, now: UnixMillis) -> Result<bool, StoreError> {
    store.remove_replaced(now)?;
    if store.reserve().shortage().is_some() {
        return Ok(false); // files would take what is left
    }
    if let Some(sealed) = store.seal(now)? {
        tracing::debug!(
            batches = sealed.batches,
            measurements = sealed.measurements,
            files = sealed.files,
            bytes = sealed.bytes,
            "sealed"
        );
        return Ok(true);
    }
    if let Some(compacted) = store.compact(now)? {
        tracing::debug!(
            measurements = compacted.measurements,
            replaced = compacted.replaced,
            files = compacted.files,
            "compacted"
        );
        return Ok(true);
    }
    for folded in [Store::fold_rollups, Store::roll_up_again] {
        if let Some(folded) = folded(store, now)? {
            tracing::debug!(
                measurements = folded.measurements,
                replaced = folded.replaced,
                files = folded.files,
                "rollups put together"
            );
            return Ok(true);
        }
    }
    Ok(false)
}
