//! The store's owner, asked by whoever reads.

use std::path::Path;

use anyhow::Context as _;
use isochrone_borrowed::Platform;
use isochrone_chain::Topology;
use isochrone_planner::targets::Targets;
#[cfg(feature = "elasticsearch")]
use isochrone_proto::units::UnixMillis;
use isochrone_store::borrowed::BorrowedBatch;
#[cfg(feature = "elasticsearch")]
use isochrone_store::imported::ImportBatch;
use isochrone_store::imported::Taken;
use tokio::sync::mpsc;

use super::say;
use crate::carrier::{self, reach};
use crate::cli::{Command, ImportCommand};
use crate::commands::{self, CommandContext, Wanted};
use crate::config::Paths;
use crate::control::{Answer, Answers};
use crate::topology::Summary;

/// The store, in whatever process it is open.
pub(super) struct Store<'p> {
    paths: &'p Paths,
    answers: &'p Answers,
    /// It is open here.
    opened: Option<CommandContext>,
}

impl<'p> Store<'p> {
    pub(super) const fn new(paths: &'p Paths, answers: &'p Answers) -> Self {
        Self {
            paths,
            answers,
            opened: None,
        }
    }

    #[cfg(feature = "elasticsearch")]
    pub(super) async fn take(&mut self, batch: ImportBatch, dry_run: bool) -> anyhow::Result<Taken> {
        if dry_run && self.is_missing() {
            let new = batch.runs.len() as u64;
            return Ok(Taken {
                new,
                ..Taken::default()
            }); // a dry run makes no store
        }
        self.ask(ImportCommand::Take { batch, dry_run }).await
    }

    #[cfg(feature = "elasticsearch")]
    pub(super) async fn reached(&mut self, from: &str) -> anyhow::Result<Option<UnixMillis>> {
        if self.is_missing() {
            return Ok(None);
        }
        let from = from.to_owned();
        self.ask(ImportCommand::Reached { from }).await
    }

    /// Takes in what a public platform measured.
    pub(super) async fn take_borrowed(
        &mut self,
        batch: BorrowedBatch,
        dry_run: bool,
    ) -> anyhow::Result<Taken> {
        if dry_run && self.is_missing() {
            let new = batch.runs.len() as u64;
            return Ok(Taken {
                new,
                ..Taken::default()
            });
        }
        self.ask(ImportCommand::TakeBorrowed { batch, dry_run }).await
    }

    /// Writes into the audit log what was taken in.
    pub(super) async fn note_borrowed(&mut self, what: String) -> anyhow::Result<()> {
        self.ask(ImportCommand::NoteBorrowed { what }).await
    }

    /// Keeps a copy of the chain.
    pub(super) async fn take_topology(
        &mut self,
        topology: Topology,
        from: String,
        anyway: bool,
    ) -> anyhow::Result<Summary> {
        let topology = Box::new(topology);
        self.ask(ImportCommand::TakeTopology {
            topology,
            from,
            anyway,
        })
        .await
    }

    /// Of which hosts results are wanted, and which vantages of `platform` are known.
    pub(super) async fn wanted(&mut self, platform: Platform) -> anyhow::Result<Wanted> {
        if self.is_missing() {
            return Ok(Wanted::of(&Targets::read(&self.paths.targets)?));
        }
        self.ask(ImportCommand::Wanted { platform }).await
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
