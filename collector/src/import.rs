//! `import ndjson`, `elasticsearch`, `atlas` and `globalping`: whoever gave the command reads, and the store's owner takes
//! in, a piece at a time. The first two need the feature `elasticsearch`.

mod borrowed;
#[cfg(feature = "elasticsearch")]
mod documents;
mod store;
mod topology;

use isochrone_base::error_chain::chain;

use self::store::Store;
use crate::cli::ImportCommand;
use crate::config::Paths;
use crate::control::{Answer, Answers};

/// Carries the command out; returns the exit code.
pub(crate) async fn run(paths: Paths, command: ImportCommand, answers: Answers) -> u8 {
    match import(&paths, command, &answers).await {
        Ok(code) => code,
        Err(error) => {
            let text = format!("isochrone-collector: {}\n", chain(error.as_ref()));
            answers.send(Answer::Err(text)).await.map_or(1, |()| 1)
        }
    }
}

async fn import(paths: &Paths, command: ImportCommand, answers: &Answers) -> anyhow::Result<u8> {
    let store = Store::new(paths, answers);
    let asked = match command {
        ImportCommand::Atlas {
            files,
            probes,
            options,
        } => borrowed::Asked {
            files,
            lists: Some(probes),
            options,
        },
        ImportCommand::Globalping { files, options } => borrowed::Asked {
            files,
            lists: None,
            options,
        },
        #[cfg(feature = "elasticsearch")]
        ImportCommand::Ndjson { file, index, options } => {
            return documents::of_file((&file, index), &options, store, answers).await;
        }
        ImportCommand::Topology {
            source,
            anyway,
            format,
        } => return topology::import(&source, anyway, format, (paths, store, answers)).await,
        #[cfg(feature = "elasticsearch")]
        ImportCommand::Elasticsearch { from, options } => {
            return documents::of_index(&from, &options, store, answers).await;
        }
        _ => anyhow::bail!("this import is carried out by the collector"),
    };
    borrowed::import(&asked, store, answers).await
}

async fn say(answers: &Answers, text: String) {
    if answers.send(Answer::Err(text)).await.is_err() {
        tracing::debug!("nobody reads the answer any more");
    }
}

#[cfg(test)]
mod tests;
