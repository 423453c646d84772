//! `import atlas` and `import globalping`: files of public platforms are read here, and taken in by whoever has the store.

mod account;
mod reading;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_borrowed::Platform;
use isochrone_store::borrowed::BorrowedBatch;
use tokio::sync::mpsc;

use self::account::Account;
use self::reading::{Piece, Said};
use super::store::Store;
use crate::cli::{BorrowedOptions, Format};
use crate::control::{Answer, Answers};

/// What is to be taken in.
pub(super) struct Asked {
    /// Files of results.
    pub(super) files: Vec<PathBuf>,
    /// Lists of probes; `None`: the platform's results say themselves where they were measured.
    pub(super) lists: Option<Vec<PathBuf>>,
    pub(super) options: BorrowedOptions,
}

impl Asked {
    const fn platform(&self) -> Platform {
        match self.lists {
            Some(_) => Platform::Atlas,
            None => Platform::Globalping,
        }
    }
}

/// Takes all of it in; returns the exit code.
pub(super) async fn import(asked: &Asked, mut store: Store<'_>, answers: &Answers) -> anyhow::Result<u8> {
    let (platform, dry_run) = (asked.platform(), asked.options.dry_run);
    reading::check(asked)?;
    let wanted = store.wanted(platform).await?;
    anyhow::ensure!(
        !wanted.hosts.is_empty(),
        "no node and no candidate is listed yet, and only what was measured of them is taken in: add one with `target add`, \
         or as [[candidate]] in targets.toml"
    );
    let mut account = Account::new(platform, dry_run, &wanted.hosts);
    let mut repeated = Repeated::default();
    let (sender, mut said) = mpsc::channel(2); // full: the reader waits for the store
    let now = Clock::system().wall();
    let (files, lists) = (asked.files.clone(), asked.lists.clone());
    let reader = tokio::task::spawn_blocking(move || reading::read_all((files, lists), wanted, now, &sender));
    let mut ended = Ok(());
    while let Some(next) = said.recv().await {
        let piece = match next {
            Said::Piece(piece) => piece,
            Said::Over {
                file,
                refusals,
                unread,
            } => {
                account.end_of(&file, refusals, unread);
                continue;
            }
        };
        let (done, total) = piece.progress;
        answers
            .try_send(Answer::Progress { done, total })
            .unwrap_or_default(); // a slow screen misses steps
        ended = take(&mut store, *piece, dry_run, (&mut repeated, &mut account)).await;
        if ended.is_err() {
            break; // the reader ends, as nobody hears it
        }
    }
    drop(said);
    let read = reader.await.context("the reader of the files ended early")?;
    if account.new_count() > 0 && !dry_run {
        let noted = store.note_borrowed(account.audit_line(&asked.files)).await;
        ended = ended.and(noted);
    }
    let text = match asked.options.format {
        Format::Text => account.text(),
        Format::Json => account.json(),
    };
    answers
        .send(Answer::Out(text))
        .await
        .context("nobody reads the answer")?;
    ended?;
    read?;
    Ok(account.exit_code())
}

async fn take(
    store: &mut Store<'_>,
    mut piece: Piece,
    dry_run: bool,
    (repeated, account): (&mut Repeated, &mut Account),
) -> anyhow::Result<()> {
    if dry_run {
        repeated.leave_out(&mut piece, account); // the store would know it by then
    }
    let Piece { file, batch, at, .. } = piece;
    let taken = store.take_borrowed(batch.clone(), dry_run).await?;
    account.take(&file, &batch, &at, &taken);
    Ok(())
}

/// Measurements of a dry run that came before in it.
#[derive(Default)]
struct Repeated(HashSet<u64>);

impl Repeated {
    fn leave_out(&mut self, piece: &mut Piece, account: &mut Account) {
        let BorrowedBatch { vantages, runs } = &mut piece.batch;
        let mut kept = Vec::with_capacity(runs.len());
        for (run, at) in std::mem::take(runs)
            .into_iter()
            .zip(std::mem::take(&mut piece.at))
        {
            let mut hasher = DefaultHasher::new();
            let seen = &run.seen;
            let vantage = vantages.get(run.vantage);
            let id = vantage.map(|vantage| &vantage.id);
            (id, &run.host, seen.at.0, &seen.measurement, seen.part).hash(&mut hasher);
            match self.0.insert(hasher.finish()) {
                true => kept.push((run, at)),
                false => account.repeated(vantage, &run),
            }
        }
        (*runs, piece.at) = kept.into_iter().unzip();
    }
}
