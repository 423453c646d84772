//! `import ndjson` and `import elasticsearch`: documents that the group wrote before.

mod account;
mod source;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_elastic::import::{Piece, Unfit};
use isochrone_store::imported::{ImportBatch, ImportedIndex, ImportedRun, Reached};

use self::account::Account;
use self::source::Source;
use super::say;
use super::store::Store;
use crate::cli::{Format, ImportFrom, ImportOptions, IndexName};
use crate::control::{Answer, Answers};

/// Takes in a file of documents, one a line; returns the exit code.
pub(super) async fn of_file(
    (file, index): (&Path, IndexName),
    options: &ImportOptions,
    store: Store<'_>,
    answers: &Answers,
) -> anyhow::Result<u8> {
    let source = Source::file(file, index.into(), Clock::system().wall())?;
    take_all(source, options, store, answers).await
}

/// Takes in an index, from where it was interrupted; returns the exit code.
pub(super) async fn of_index(
    from: &ImportFrom,
    options: &ImportOptions,
    mut store: Store<'_>,
    answers: &Answers,
) -> anyhow::Result<u8> {
    let named = source::Named::of(from, Clock::system().wall())?;
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
    let source = Source::index(named, resume, answers).await?;
    take_all(source, options, store, answers).await
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

/// What the store keeps an interrupted import of it under.
#[cfg(test)]
pub(super) fn key_of(from: &ImportFrom, now: isochrone_proto::units::UnixMillis) -> Option<String> {
    source::Named::of(from, now).unwrap().key
}
