//! `import topology`: whoever gave the command asks the indexer or reads the file, and the store's owner keeps the copy.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use isochrone_chain::Topology;
use isochrone_chain::client::{Indexer, TIMEOUT};

use super::store::Store;
use crate::cli::Format;
use crate::config::{Config, Paths, indexer};
use crate::control::{Answer, Answers};

/// A file of more bytes is none of an indexer's answer.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Fetches and keeps it; returns the exit code.
pub(super) async fn import(
    source: &str,
    anyway: bool,
    format: Format,
    (paths, mut store, answers): (&Paths, Store<'_>, &Answers),
) -> anyhow::Result<u8> {
    let topology = match indexer(source) {
        Some(url) => {
            let roots = Config::read(&paths.config)?.extra_roots.with_the_systems();
            let indexer = Indexer::new(url, &roots, TIMEOUT);
            let asked = tokio::task::spawn_blocking(move || indexer.topology()).await?;
            asked.with_context(|| source.to_owned())?
        }
        None => {
            let file = source.to_owned();
            tokio::task::spawn_blocking(move || read(Path::new(&file))).await??
        }
    };
    let summary = store.take_topology(topology, source.to_owned(), anyway).await?;
    let text = match format {
        Format::Text => summary.text(),
        Format::Json => format!("{}\n", serde_json::to_value(&summary)?),
    };
    answers
        .send(Answer::Out(text))
        .await
        .context("nobody reads the answer")?;
    Ok(0)
}

fn read(file: &Path) -> anyhow::Result<Topology> {
    let named = || format!("{}", file.display());
    let opened = std::fs::File::open(file).with_context(|| {
        format!(
            "{}: neither an address (https://…) nor a file that can be read",
            file.display()
        )
    })?;
    let mut bytes = Vec::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    anyhow::ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "{}: more than {} MB; name a file with the indexer's answer",
        file.display(),
        FILE_BYTES_MAX >> 20
    );
    isochrone_chain::from_file(&bytes).with_context(named)
}
