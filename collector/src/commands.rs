//! Carries out commands: in the running collector for whoever asks through the control socket, or in a process that
//! opened the store itself.

mod chain_audit;
#[cfg(feature = "elasticsearch")]
mod elastic;
#[cfg(feature = "elasticsearch")]
mod elsewhere;
mod engine;
mod error;
mod export;
#[cfg(feature = "elasticsearch")]
mod from_elasticsearch;
mod gaps;
mod import;
mod ledger;
mod load;
mod locate;
mod page;
mod placing;
mod probes;
mod reports;
mod status;
mod store;
mod targets;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_base::roster::Roster;
use isochrone_base::words;
use isochrone_gate::audit::Actor;
use isochrone_gate::registry::Registry;
use isochrone_gate::session::Sessions;
use isochrone_planner::pace::Pace;
use isochrone_planner::plans::AddressBook;
use isochrone_planner::removed_nodes;
use isochrone_planner::targets::Targets;
use isochrone_report::frame::DEMO;
use isochrone_store::{Damage, Store, StoreError};
use isochrone_web::LiveView;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::watch;

#[cfg(feature = "elasticsearch")]
pub use self::elastic::elastic_without_store;
pub use self::error::{CommandError, UsageError};
pub use self::gaps::{gaps_from_files, read_probe_lists};
pub(crate) use self::import::{Wanted, WantedHost};
pub use self::locate::{locate_from_files, with_whole_paths};
pub use self::page::PageReports;
pub use self::placing::{advice_from_files, read_candidate_file};
pub use self::reports::{read_weights, report_from_files};
pub use self::status::{status_of_no_answer, status_of_no_collector};
use crate::assembly::roster;
use crate::cli::{Command, Format, ReportCommand};
use crate::config::Config;
use crate::control::{Answer, Answers};

/// Columns of text on a terminal.
const WIDTH: usize = 100;

/// What commands work on. Cheap to clone.
#[derive(Clone)]
pub struct CommandContext {
    /// What the commands read.
    pub store: Store,
    /// Named where it cannot be read.
    pub store_file: PathBuf,
    /// Probes and invitations.
    pub registry: Registry,
    /// Who is connected; nobody, where no collector runs.
    pub sessions: Sessions,
    /// Where peers answer.
    pub addresses: AddressBook,
    /// The nodes in force.
    pub targets: watch::Sender<Arc<Targets>>,
    /// `targets.toml`.
    pub targets_file: PathBuf,
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Who commands, for the audit log: who asked through the control socket, or who started the command.
    pub actor: Actor,
    /// What the page shows, where a collector runs in this process (else nothing is connected by definition, not by
    /// observation).
    pub views: Option<watch::Receiver<Arc<LiveView>>>,
}

impl CommandContext {
    /// Who is who, nodes that were removed included: the past knows them.
    pub(crate) fn past_roster(&self) -> Result<Roster, StoreError> {
        let targets = self.targets.borrow().clone();
        let removed = removed_nodes::removed(&self.store, &targets)?;
        Ok(roster(&self.registry, &targets).with_nodes(removed))
    }
}

impl CommandContext {
    /// Puts other nodes in force, and keeps them known to reports.
    pub fn take_targets(&self, targets: Targets) {
        let targets = Arc::new(targets);
        self.targets.send_replace(Arc::clone(&targets));
        if let Err(error) = removed_nodes::note(&self.store, &targets) {
            let error = chain(&error);
            tracing::warn!(%error, "reports will not know these nodes once they are removed");
        }
    }

    /// Documents that Elasticsearch will not take.
    #[cfg(feature = "elasticsearch")]
    #[must_use]
    pub fn dead_letters(&self) -> PathBuf {
        self.store_file.with_file_name(elastic::DEAD_LETTERS)
    }

    /// Size of the store's file and its segments, in bytes; without what cannot be told.
    #[must_use]
    pub fn store_bytes(&self) -> u64 {
        let file = std::fs::metadata(&self.store_file).map_or(0, |file| file.len());
        file + self.store.segment_bytes()
    }
}

/// Carries out `command`, and returns the exit code.
pub async fn carry_out(context: CommandContext, command: Command, answers: Answers) -> u8 {
    let out = Out::new(answers, &context.store);
    let reads_log = matches!(
        command,
        Command::Show { .. }
            | Command::Report(_)
            | Command::Locate(_)
            | Command::Place(_)
            | Command::WhatIf(_)
            | Command::Gaps(_)
            | Command::Export(_)
    );
    let result = match command {
        Command::Status { format } => match status::status(&context, format, &out).await {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Probe(command) => probes::carry_out(&context, command, &out).await,
        Command::Target(command) => targets::carry_out(&context, command, &out).await,
        #[cfg(feature = "elasticsearch")]
        command if command.is_from_elasticsearch() => {
            from_elasticsearch::carry_out(&context, command, &out).await
        }
        #[cfg(not(feature = "elasticsearch"))]
        command if command.is_from_elasticsearch() => Err(UsageError::NoElasticsearch.into()),
        Command::Show { node, window, format } => reports::show(&context, &node, &window, format, &out).await,
        Command::Report(ReportCommand::Audit { window, format }) => {
            chain_audit::carry_out(&context, &window, format, &out).await
        }
        Command::Report(command) => reports::carry_out(&context, command, &out).await,
        Command::Locate(args) => locate::locate(&context, *args, &out).await,
        Command::Place(args) => placing::carry_out(&context, placing::Advice::Place(args), &out).await,
        Command::WhatIf(args) => placing::carry_out(&context, placing::Advice::WhatIf(args), &out).await,
        Command::Gaps(args) => gaps::gaps(&context, *args, &out).await,
        Command::Ledger {
            accept_damage: Some(which),
            format,
            ..
        } => ledger::accept_damage(&context, which, format, &out).await,
        Command::Ledger { verify, format, .. } => ledger::shown(&context, verify, format, &out).await,
        Command::Export(command) => export::carry_out(&context, command, &out).await,
        Command::Store(command) => store::carry_out(&context, command, &out).await,
        #[cfg(feature = "elasticsearch")]
        Command::Elastic(command) => elastic::carry_out(&context, command, &out).await,
        Command::Import(command) => import::carry_out(&context, command, &out).await,
        #[cfg(not(feature = "elasticsearch"))]
        Command::Elastic(_) => Err(UsageError::NoElasticsearch.into()),
        Command::Audit { format } => probes::audit(&context, format, &out).await,
    };
    if result.is_ok() && reads_log {
        say_damage(&context.store, &out).await;
    }
    out.end(result).await
}

/// `target list` where no collector has run yet: it reads the file, and makes nothing.
pub async fn targets_of_file(
    (targets, file): (Targets, PathBuf),
    pace: Pace,
    format: Format,
    answers: Answers,
) -> u8 {
    let out = Out::of_files(answers);
    let listed = targets::list_of_file((&targets, &file), pace, format, &out).await;
    out.end(listed).await
}

/// Says beside what was printed, on standard error, that the store has holes.
async fn say_damage(store: &Store, out: &Out) {
    let damage = match store.damage() {
        Ok(damage) => damage,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "cannot tell what is damaged");
            return;
        }
    };
    for note in damage_notes(&damage) {
        out.say(Answer::Err(format!(
            "note: {note}; `isochrone-collector ledger` names them\n"
        )))
        .await;
    }
}

fn damage_notes(damage: &Damage) -> Vec<String> {
    let mut notes = Vec::new();
    if damage.open_measurements() > 0 {
        notes.push(format!(
            "damaged rows of the store are left out: {} measurements are lost with them, {} are withheld until \
             their plan is back",
            damage.measurements, damage.withheld
        ));
    }
    if damage.lost_sums > 0 {
        let files = words::count(damage.lost_sums as usize, "damaged file");
        notes.push(format!(
            "{files} of what hours or days add up to cannot be made again, for the measurements are kept no longer: \
             reports over these days may lack some"
        ));
    }
    notes
}

/// Where a command prints. What comes from the demo's store is marked as that here.
#[derive(Clone)]
pub struct Out {
    answers: Answers,
    /// `store`, `files` or `demo`, for JSON that does not say it itself.
    source: &'static str,
    /// The mark of a demo still has to be printed above the first text.
    unmarked: Arc<AtomicBool>,
}

impl Out {
    /// Prints what is made from `store`.
    fn new(answers: Answers, store: &Store) -> Self {
        Self {
            answers,
            source: store.source(),
            unmarked: Arc::new(AtomicBool::new(store.is_demo())),
        }
    }

    /// Prints what is made from files.
    fn of_files(answers: Answers) -> Self {
        Self {
            answers,
            source: "files",
            unmarked: Arc::default(),
        }
    }

    /// Prints nothing: for those who want the report itself.
    fn nowhere() -> Self {
        Self::of_files(tokio::sync::mpsc::channel(1).0)
    }

    /// Text for people.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub async fn text(&self, text: impl Into<String>) -> Result<(), CommandError> {
        let mut text = text.into();
        if self.unmarked.swap(false, Ordering::Relaxed) {
            text.insert_str(0, &format!("{DEMO}\n"));
        }
        self.document(text).await
    }

    /// What carries its own mark: a report, a script.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub async fn document(&self, text: impl Into<String>) -> Result<(), CommandError> {
        self.answers
            .send(Answer::Out(text.into()))
            .await
            .map_err(|_| CommandError::Gone)
    }

    /// The same from a thread that may block.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn document_blocking(&self, text: String) -> Result<(), CommandError> {
        self.answers
            .blocking_send(Answer::Out(text))
            .map_err(|_| CommandError::Gone)
    }

    /// The same, given back where nobody took it for that long.
    ///
    /// # Errors
    /// When nobody reads any more.
    fn offer_blocking(&self, text: String, patience: Duration) -> Result<Option<String>, CommandError> {
        let sent = self.answers.send_timeout(Answer::Out(text), patience);
        match Handle::current().block_on(sent) {
            Ok(()) => Ok(None),
            Err(SendTimeoutError::Timeout(Answer::Out(text))) => Ok(Some(text)),
            Err(_) => Err(CommandError::Gone),
        }
    }

    /// An answer of another kind, from a thread that may block.
    ///
    /// # Errors
    /// When nobody reads any more.
    fn answer_blocking(&self, answer: Answer) -> Result<(), CommandError> {
        self.answers.blocking_send(answer).map_err(|_| CommandError::Gone)
    }

    /// A step of the progress bar; dropped where the reader is slow.
    pub fn progress(&self, done: u64, total: u64) {
        if self.answers.try_send(Answer::Progress { done, total }).is_err() {
            tracing::trace!("nobody reads progress");
        }
    }

    /// JSON, on one line; an object says its `source`.
    async fn json(&self, value: &impl serde::Serialize) -> Result<(), CommandError> {
        let mut value = serde_json::to_value(value)?;
        if let Some(object) = value.as_object_mut() {
            object.entry("source").or_insert_with(|| self.source.into());
        }
        self.document(format!("{value}\n")).await
    }

    /// Says why a command was not carried out, and returns its exit code.
    async fn end(&self, result: Result<(), CommandError>) -> u8 {
        let Err(error) = result else {
            return 0;
        };
        if !matches!(error, CommandError::Gone) {
            self.say(Answer::Err(format!("{}\n", chain(&error)))).await;
        }
        error.exit_code()
    }

    async fn say(&self, answer: Answer) {
        if self.answers.send(answer).await.is_err() {
            tracing::debug!("nobody reads the answer any more");
        }
    }
}

/// Runs what blocks (the store) away from the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CommandError::Ended(error)),
    }
}

#[cfg(test)]
mod tests;
mod window;
