//! Seals old batches into segments, tends these, and removes what is kept no longer, beside everything else.

use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Compacted, Store, StoreError, UpkeepFailure};
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether there is anything to do.
const LOOK: Duration = Duration::from_secs(60);
/// Files whose turn to be checked came while nobody looked for longer wait for the next one.
const CHECKED_MAX: Duration = Duration::from_secs(3_600);

/// Seals until `stop`. A span at a time: a stop waits for one, and ingest for the end of one. Between two of them it
/// rests as long as the last one took, so that it never has more than half a core.
///
/// # Errors
/// When a span's thread ended in a panic. A store that fails is logged and tried again.
pub(crate) async fn run(store: Store, clock: Clock, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval_at(clock.now() + LOOK, LOOK); // a start has enough to do
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut checked, mut worked) = (clock.wall(), clock.since_boot());
    loop {
        let work = async {
            ticks.tick().await;
            let failed = tend(&store, &clock, &mut checked).await?;
            let since_boot = clock.since_boot();
            if failed.is_none() {
                worked = since_boot;
            }
            let lasts = since_boot.saturating_sub(worked);
            store.note_upkeep(failed.map(|error| UpkeepFailure { lasts, error }));
            Ok::<(), anyhow::Error>(())
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            tended = work => tended?,
        }
    }
}

/// Does all that is to be done now. What fails is left until the next look, and keeps nothing else from being done; returns
/// the first error, in words.
async fn tend(store: &Store, clock: &Clock, checked: &mut UnixMillis) -> anyhow::Result<Option<String>> {
    let (mut failed, mut first) = (Vec::new(), None);
    loop {
        let began = clock.now();
        let at = Instants {
            wall: clock.wall(),
            since_boot: clock.since_boot(),
            checked: *checked,
        };
        let (of_step, without) = (store.clone(), failed.clone());
        let step = tokio::task::spawn_blocking(move || step(&of_step, at, &without)).await?;
        match step {
            Step::Done => sleep(clock.now() - began).await,
            Step::Nothing => {
                *checked = at.wall;
                return Ok(first);
            }
            Step::Failed(work, error) => {
                tracing::error!(error = %chain(&error), work = ?work, "cannot tend the store; what is stored stays as it is, and it is tried again");
                first.get_or_insert_with(|| chain(&error).to_string());
                failed.push(work);
            }
        }
    }
}

/// What there may be to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    RemoveReplaced,
    Retain,
    Seal,
    Compact,
    Fold,
    RollUpAgain,
    Check,
}

impl Work {
    const ALL: [Self; 7] = [
        Self::RemoveReplaced,
        Self::Retain,
        Self::Seal,
        Self::Compact,
        Self::Fold,
        Self::RollUpAgain,
        Self::Check,
    ];

    /// Whether it writes files.
    const fn takes_room(self) -> bool {
        matches!(self, Self::Seal | Self::Compact | Self::Fold | Self::RollUpAgain)
    }

    /// Does one thing of it; whether there may be more.
    fn carry_out(self, store: &Store, at: Instants) -> Result<bool, StoreError> {
        match self {
            Self::RemoveReplaced => store.remove_replaced(at.since_boot).map(|_| false),
            Self::Retain => retain(store, at),
            Self::Seal => seal(store, at.wall),
            Self::Compact => Ok(is_done("measurements", store.compact(at.wall)?)),
            Self::Fold => Ok(is_done("rollups", store.fold_rollups(at.wall)?)),
            Self::RollUpAgain => Ok(is_done("rollups made again", store.roll_up_again(at.wall)?)),
            Self::Check => check(store, at).map(|()| false),
        }
    }
}

/// When it is.
#[derive(Clone, Copy, Debug)]
struct Instants {
    wall: UnixMillis,
    /// By the clock that nobody sets.
    since_boot: Duration,
    /// Files whose turn came until then were checked.
    checked: UnixMillis,
}

/// What came of a step.
enum Step {
    /// One thing was done, and there may be more.
    Done,
    /// There is nothing to do.
    Nothing,
    Failed(Work, StoreError),
}

/// Does one thing that is to be done, but for work that failed before.
fn step(store: &Store, at: Instants, without: &[Work]) -> Step {
    for work in Work::ALL.into_iter().filter(|work| !without.contains(work)) {
        if work.takes_room() && store.reserve().shortage().is_some() {
            continue; // files would take what is left
        }
        match work.carry_out(store, at) {
            Ok(true) => return Step::Done,
            Ok(false) => {}
            Err(error) => return Step::Failed(work, error),
        }
    }
    Step::Nothing
}

fn retain(store: &Store, at: Instants) -> Result<bool, StoreError> {
    let now = store.retention_time(at.wall, at.since_boot)?;
    let Some(removed) = store.retain(now)? else {
        return Ok(false);
    };
    tracing::debug!(
        files = removed.files,
        bytes = removed.bytes,
        measurements = removed.measurements,
        rows = removed.rows,
        "removed what is kept no longer"
    );
    Ok(true)
}

fn seal(store: &Store, now: UnixMillis) -> Result<bool, StoreError> {
    let Some(sealed) = store.seal(now)? else {
        return Ok(false);
    };
    tracing::debug!(
        batches = sealed.batches,
        measurements = sealed.measurements,
        files = sealed.files,
        bytes = sealed.bytes,
        "sealed"
    );
    Ok(true)
}

fn is_done(what: &'static str, compacted: Option<Compacted>) -> bool {
    if let Some(compacted) = compacted {
        tracing::debug!(
            measurements = compacted.measurements,
            replaced = compacted.replaced,
            files = compacted.files,
            what,
            "files put together"
        );
    }
    compacted.is_some()
}

/// Checks the files again whose turn it is.
fn check(store: &Store, at: Instants) -> Result<(), StoreError> {
    let from = at.checked.max(at.wall.minus(CHECKED_MAX));
    let files = store.check_files(from, at.wall)?;
    if files > 0 {
        tracing::debug!(files, "checked again");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
