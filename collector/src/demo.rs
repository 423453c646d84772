//! `up --demo`: a world of ten places on this machine, and the story of what Isochrone sees in it.
//!
//! The collector and the ten probes are processes of their own, so that they can be killed for real; the nodes,
//! the distances and the receiver of alerts live in this process.

pub mod argus_node;
pub mod child;
pub mod director;
pub mod history;
pub mod link;
pub mod past;
pub mod receiver;
pub mod relay;
pub mod story;
pub mod world;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use self::director::Director;
use self::story::{Story, keep_up, say};

/// Runs the demo until `stop`. Its files lie in `folder`, or in a temporary one that is removed at the end.
///
/// # Errors
/// When the world cannot be built, or Isochrone did not see what the story says it must.
pub async fn run(folder: Option<PathBuf>, stop: CancellationToken) -> anyhow::Result<()> {
    let (folder, ours) = match folder {
        Some(folder) => (folder, false),
        None => (
            std::env::temp_dir().join(format!("isochrone-demo-{}", std::process::id())),
            true,
        ),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let result = perform(&folder, &stop).await;
    if ours {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    result
}

async fn perform(folder: &Path, stop: &CancellationToken) -> anyhow::Result<()> {
    let began = now();
    say(
        began,
        "A simulated world on this machine. Nothing here was measured on the internet.",
    );
    let mut world = Director::prepare(folder).await?;
    let told = tokio::select! {
        told = tell(&mut world, began) => told,
        () = stop.cancelled() => Ok(()),
    };
    let result = match told {
        Ok(()) if !stop.is_cancelled() => keep_up(&mut world, stop).await,
        told => told,
    };
    say(began, "Stopping: the probes say goodbye, the collector drains.");
    world.end().await?;
    result
}

async fn tell(world: &mut Director, began: Instant) -> anyhow::Result<()> {
    world.start_collector().await?;
    let tasks = world.join_probes().await?;
    world.stop_collector().await?;
    let rows = world.write_history().await?;
    say(
        began,
        &format!("Fifteen simulated days are in the store: {rows} measurements, with one outage in Tokyo."),
    );
    world.start_collector().await?;
    for (city, task) in tasks {
        world.spawn_probe(city, task).await?;
    }
    Story::new(world, began).tell().await
}

#[expect(clippy::disallowed_methods, reason = "the story's own stopwatch")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
