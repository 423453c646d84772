//! Keeps the past judged hour by hour, beside everything else: reports over weeks need not judge it from its rows.

use std::time::Duration;

use isochrone_base::error_chain::chain;
use isochrone_store::StoreError;
use isochrone_watch::past;
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::commands::CommandContext;

/// How often it is looked whether there is anything to do.
const LOOK: Duration = Duration::from_secs(60);
/// After a stretch it rests for so many times as long as that one took.
const REST_FACTOR: u32 = 3;

/// Judges what is over until `stop`: a stretch of a day at most in one go, so that a stop waits for one.
///
/// # Errors
/// When a stretch's thread ended in a panic. A store that fails is logged and tried again.
pub(crate) async fn run(context: CommandContext, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval_at(context.clock.now() + LOOK, LOOK); // a start has enough to do
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let work = async {
            ticks.tick().await;
            judge(&context).await
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            judged = work => judged?,
        }
    }
}

/// Judges all that is over now.
async fn judge(context: &CommandContext) -> anyhow::Result<()> {
    loop {
        let (began, of_step) = (context.clock.now(), context.clone());
        match tokio::task::spawn_blocking(move || step(&of_step)).await? {
            Ok(true) => sleep((context.clock.now() - began) * REST_FACTOR).await,
            Ok(false) => return Ok(()),
            Err(error) => {
                tracing::error!(error = %chain(&error), "cannot keep the judged past; reports judge it from its rows, and it is tried again");
                return Ok(());
            }
        }
    }
}

/// Judges one stretch; whether there may be more.
fn step(context: &CommandContext) -> Result<bool, StoreError> {
    if context.store.reserve().shortage().is_some() {
        return Ok(false); // what is kept would take what is left
    }
    past::keep(&context.store, &context.past_roster()?, context.clock.wall())
}
