//! `up --demo`: a world of ten places on this machine, and the story of what Isochrone sees in it.
//!
//! The collector and the ten probes are processes of their own, so that they can be killed for real; the nodes,
//! the distances and the receiver of alerts live in this process.

mod advice;
pub mod argus_node;
mod chain;
#[cfg(feature = "elasticsearch")]
mod compared;
pub mod director;
mod eyes;
pub mod history;
pub mod link;
pub mod past;
pub mod probe_process;
pub mod receiver;
pub mod relay;
pub mod story;
pub mod world;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use isochrone_base::clock::monotonic;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::director::Director;
use self::story::{Story, keep_up, say};

/// The collector's state in the demo's folder.
pub(crate) const STATE: &str = "collector";

/// Runs the demo until `stop`. Its files lie in `folder`, or in a temporary one of this user alone that is removed
/// at the end, unless something went wrong: the logs say what.
///
/// # Errors
/// When the world cannot be built, or Isochrone did not see what the story says it must.
pub async fn run(asked: Asked, stop: CancellationToken) -> anyhow::Result<()> {
    if let Some(folder) = &asked.folder {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let result = perform(folder, &asked, &stop).await;
        println!("         The demo's files are in {}.", folder.display());
        return result;
    }
    let ours = tempfile::Builder::new()
        .prefix("isochrone-demo-")
        .tempdir()
        .context("cannot make a temporary folder; name one with --state")?;
    let result = perform(ours.path(), &asked, &stop).await;
    end(ours, result)
}

fn end(folder: TempDir, result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Ok(()) => folder
            .close()
            .context("cannot remove the demo's temporary folder"),
        Err(error) => {
            let kept = folder.keep();
            Err(error.context(format!(
                "the demo failed; its logs are kept in {}",
                kept.display()
            )))
        }
    }
}

async fn perform(folder: &Path, asked: &Asked, stop: &CancellationToken) -> anyhow::Result<()> {
    let began = monotonic();
    say(
        began,
        "A simulated world on this machine. Nothing here was measured on the internet.",
    );
    let mut world = Director::prepare(folder, &asked.further()).await?;
    let told = tokio::select! {
        told = tell(&mut world, asked, began) => told,
        () = stop.cancelled() => Ok(()),
    };
    let result = match told {
        Ok(()) if !stop.is_cancelled() => keep_up(&mut world, stop).await,
        told => told,
    };
    say(began, "Stopping: the probes say goodbye, the collector drains.");
    world.end().await?;
    say(began, "Stopped.");
    result
}

async fn tell(world: &mut Director, asked: &Asked, began: Instant) -> anyhow::Result<()> {
    say(
        began,
        "A collector starts, ten probes join with their tokens, and fifteen simulated days are written into its store (some seconds; a minute in a debug build).",
    );
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
    let mut story = Story::new(world, began);
    story.tell().await?;
    advice::tell(&mut story).await?;
    story.conclude().await?;
    asked.compare(&mut story).await?;
    story.goes_on();
    Ok(())
}

/// What the demo is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Where its files lie; `None`: in a temporary folder.
    pub folder: Option<PathBuf>,
    /// Where its measurements go, too.
    #[cfg(feature = "elasticsearch")]
    pub elasticsearch: Option<url::Url>,
}

#[cfg(feature = "elasticsearch")]
impl Asked {
    /// What stands in its configuration beside.
    fn further(&self) -> String {
        self.elasticsearch
            .as_ref()
            .map(compared::toml)
            .unwrap_or_default()
    }

    async fn compare(&self, story: &mut Story<'_>) -> anyhow::Result<()> {
        match &self.elasticsearch {
            Some(url) => compared::tell(story, url).await,
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "elasticsearch"))]
impl Asked {
    fn further(&self) -> String {
        String::new()
    }

    async fn compare(&self, _: &mut Story<'_>) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_folder_is_kept_with_its_logs_only_after_a_failure() {
        let folder = || tempfile::tempdir().unwrap();
        let (failed, went_well) = (folder(), folder());
        let (kept, removed) = (failed.path().to_owned(), went_well.path().to_owned());
        let error = end(failed, Err(anyhow::anyhow!("a probe does not start"))).unwrap_err();
        assert!(error.to_string().contains(&kept.display().to_string()), "{error}");
        assert!(kept.is_dir());
        std::fs::remove_dir_all(kept).unwrap();
        end(went_well, Ok(())).unwrap();
        assert!(!removed.exists());
    }
}
