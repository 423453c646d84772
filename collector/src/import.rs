//! `import ndjson` and `import elasticsearch`: whoever gave the command reads, and the store's owner takes in, a piece at a time.

mod account;
mod source;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_elastic::import::{Piece, Unfit};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{ImportBatch, ImportedIndex, ImportedRun, Reached, Taken};
use tokio::sync::mpsc;

use self::account::Account;
use self::source::Source;
use crate::carrier::{self, reach};
use crate::cli::{Command, Format, ImportCommand, ImportOptions};
use crate::commands::{self, CommandContext};
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

/// The store, in whatever process it is open.
struct Store<'p> {
    paths: &'p Paths,
    answers: &'p Answers,
    /// It is open here.
    opened: Option<CommandContext>,
}

impl<'p> Store<'p> {
    fn new(paths: &'p Paths, answers: &'p Answers) -> Self {
        Self {
            paths,
            answers,
            opened: None,
        }
    }

    async fn take(&mut self, batch: ImportBatch, dry_run: bool) -> anyhow::Result<Taken> {
        if dry_run && self.is_missing() {
            let new = batch.runs.len() as u64;
            return Ok(Taken {
                new,
                ..Taken::default()
            }); // a dry run makes no store
        }
        self.ask(ImportCommand::Take { batch, dry_run }).await
    }

    async fn reached(&mut self, from: &str) -> anyhow::Result<Option<UnixMillis>> {
        if self.is_missing() {
            return Ok(None);
        }
        let from = from.to_owned();
        self.ask(ImportCommand::Reached { from }).await
    }

    fn is_missing(&self) -> bool {
        self.opened.is_none() && !Path::exists(&self.paths.store()) && !self.paths.socket().exists()
    }

    /// Has the running collector do it; where none runs, opens the store and keeps it until the import is over.
    async fn ask<T: serde::de::DeserializeOwned>(&mut self, command: ImportCommand) -> anyhow::Result<T> {
        let command = Command::Import(command);
        let mut said = Heard::default();
        if self.opened.is_none() {
            let mut waiting = Vec::new();
            let reached = reach(self.paths, &command, |answer| match answer {
                Answer::Err(text) if text.contains("Waiting") => waiting.push(text),
                answer => said.hear(answer),
            });
            let reached = reached.await?;
            for text in waiting {
                say(self.answers, text).await;
            }
            match reached {
                carrier::Reached::Answered(code) => return said.value(code),
                carrier::Reached::Opened(context) => self.opened = Some(context),
                carrier::Reached::Nothing(_) => anyhow::bail!("there is no store to import into"),
            }
        }
        let context = self.opened.clone().context("the store is not open")?;
        let (sender, mut answers) = mpsc::channel(16); // full: the command waits
        let hearing = async {
            while let Some(answer) = answers.recv().await {
                said.hear(answer);
            }
        };
        let (code, ()) = tokio::join!(commands::carry_out(context, command, sender), hearing);
        said.value(code)
    }
}

/// What the store's owner said.
#[derive(Default)]
struct Heard {
    out: String,
    errors: String,
}

impl Heard {
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Out(text) => self.out.push_str(&text),
            Answer::Err(text) => self.errors.push_str(&text),
            Answer::File { .. } | Answer::Progress { .. } | Answer::Exit(_) => {}
        }
    }

    fn value<T: serde::de::DeserializeOwned>(self, code: u8) -> anyhow::Result<T> {
        anyhow::ensure!(code == 0, "{}", self.errors.trim_end());
        serde_json::from_str(&self.out)
            .context("the collector answered something else; are both of one version?")
    }
}

async fn say(answers: &Answers, text: String) {
    if answers.send(Answer::Err(text)).await.is_err() {
        tracing::debug!("nobody reads the answer any more");
    }
}

#[cfg(test)]
mod tests;
