//! `import ndjson`, `elasticsearch`, `atlas` and `globalping`: whoever gave the command reads, and the store's owner takes
//! in, a piece at a time.

mod account;
mod borrowed;
mod source;
mod store;
mod topology;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_elastic::import::{Piece, Unfit};
use isochrone_store::imported::{ImportBatch, ImportedIndex, ImportedRun, Reached};

use self::account::Account;
use self::source::Source;
use self::store::Store;
use crate::cli::{Format, ImportCommand, ImportOptions};
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
    let now = Clock::system().wall();
    let mut store = Store::new(paths, answers);
    let (source, options) = match command {
        ImportCommand::Ndjson { file, index, options } => (Source::file(&file, index.into(), now)?, options),
        ImportCommand::Elasticsearch { from, options } => {
            let named = source::Named::of(&from, now)?;
            let resume = match named.key.clone().filter(|_| !options.dry_run) {
                Some(key) => store.reached(&key).await?,
                None => None,
            };
            if let Some(at) = resume {
                let at = isochrone_base::words::rfc3339_second(at);
                say(
                    answers,
                    format!("An import of this index was interrupted; it goes on from {at}.\n"),
                )
                .await;
            }
            (Source::index(named, resume, answers).await?, options)
        }
        ImportCommand::Atlas {
            files,
            probes,
            options,
        } => {
            let lists = Some(probes);
            return borrowed::import(
                &borrowed::Asked {
                    files,
                    lists,
                    options,
                },
                store,
                answers,
            )
            .await;
        }
        ImportCommand::Topology {
            source,
            anyway,
            format,
        } => return topology::import(&source, anyway, format, (paths, store, answers)).await,
        ImportCommand::Globalping { files, options } => {
            let asked = borrowed::Asked {
                files,
                lists: None,
                options,
            };
            return borrowed::import(&asked, store, answers).await;
        }
        _ => anyhow::bail!("this import is carried out by the collector"),
    };
    take_all(source, &options, store, answers).await
}

/// Takes in all that `source` gives.
async fn take_all(
    mut source: Source,
    options: &ImportOptions,
    mut store: Store<'_>,
    answers: &Answers,
) -> anyhow::Result<u8> {
    let mut account = Account::new(source.index_of(), options)?;
    let mut repeated = Repeated::default();
    let ended = loop {
        let piece = match source.next_piece().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        for note in source.notes() {
            say(answers, format!("{note}\n")).await;
        }
        let (done, total) = piece.progress;
        answers
            .try_send(Answer::Progress { done, total })
            .unwrap_or_default(); // a slow screen misses steps
        let of = Of {
            index: source.index_of(),
            key: source.key(),
            dry_run: options.dry_run,
        };
        let taken = take(&mut store, of, piece, (&mut repeated, &mut account)).await;
        if let Err(error) = taken {
            break Err(error);
        }
    };
    if ended.is_ok()
        && !options.dry_run
        && let Some(from) = source.key()
    {
        let over = Reached { from, up_to: None };
        store
            .take(batch(source.index_of(), Vec::new(), Some(over)), false)
            .await?;
    }
    source.close().await;
    let text = match options.format {
        Format::Text => account.text(),
        Format::Json => account.json(),
    };
    answers
        .send(Answer::Out(text))
        .await
        .context("nobody reads the answer")?;
    ended?;
    Ok(account.exit_code())
}

/// What a piece is of.
struct Of {
    index: ImportedIndex,
    key: Option<String>,
    dry_run: bool,
}

async fn take(
    store: &mut Store<'_>,
    Of { index, key, dry_run }: Of,
    piece: Piece,
    (repeated, account): (&mut Repeated, &mut Account),
) -> anyhow::Result<()> {
    for refused in &piece.refused {
        account.refuse(&refused.origin, &refused.unfit)?;
    }
    if let Some((other, count)) = other_index(&piece) {
        anyhow::bail!(
            "{count} of {} documents have the shape of {other}, so nothing of them was taken in: import them --as {other}",
            piece.runs.len() + piece.refused.len()
        );
    }
    let (mut origins, mut runs) = (Vec::new(), Vec::new());
    for (origin, run) in piece.runs {
        if dry_run && repeated.is_one(&run) {
            account.repeated(&run);
            continue; // the store would know it by then
        }
        origins.push(origin);
        runs.push(run);
    }
    let key = key.filter(|_| piece.reached.is_some());
    let reached = key.map(|from| Reached {
        from,
        up_to: piece.reached,
    });
    let batch = batch(index, runs, reached);
    let seen: Vec<_> = batch
        .runs
        .iter()
        .map(|run| (run.vantage.clone(), run.at))
        .collect();
    let taken = store.take(batch, dry_run).await?;
    account.take(&taken, &seen, &origins)
}

/// Of which other index most documents of a piece are: the few that fit by chance would pass for failures.
fn other_index(piece: &Piece) -> Option<(&'static str, usize)> {
    let mut others = piece.refused.iter().filter_map(|refused| match refused.unfit {
        Unfit::OtherIndex(other) => Some(other),
        _ => None,
    });
    let count = others.clone().count();
    others
        .next()
        .filter(|_| count > piece.runs.len())
        .map(|other| (other, count))
}

fn batch(index: ImportedIndex, runs: Vec<ImportedRun>, reached: Option<Reached>) -> ImportBatch {
    ImportBatch {
        index,
        runs,
        places: Vec::new(),
        reached,
    }
}

/// Documents of a dry run that came before in it.
#[derive(Default)]
struct Repeated(HashSet<u64>);

impl Repeated {
    fn is_one(&mut self, run: &ImportedRun) -> bool {
        let mut hasher = DefaultHasher::new();
        (&run.vantage, &run.endpoint, &run.bucket, run.at.0).hash(&mut hasher);
        !self.0.insert(hasher.finish())
    }
}

async fn say(answers: &Answers, text: String) {
    if answers.send(Answer::Err(text)).await.is_err() {
        tracing::debug!("nobody reads the answer any more");
    }
}

#[cfg(test)]
mod tests;
