//! From the command line to whoever does the work, and from errors to exit codes.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use isochrone_base::error_chain::chain;
use isochrone_planner::targets::{Targets, TargetsError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::carrier::{Reached, reach};
use crate::cli::{Cli, Command, ExportCommand, Format, Program};
use crate::commands;
use crate::config::{Config, ConfigError, Paths};
use crate::control::{self, Answer};
use crate::demo;
use crate::log::trace;
use crate::received::Received;
use crate::serve;
use crate::terminal;
use crate::up;

/// Wrong configuration.
const CONFIGURATION: u8 = 64;
/// Exit code of wrong usage.
const USAGE: u8 = 2;
/// Whether all is well is asked by scripts: no answer within this is one, too.
const ANSWER: Duration = Duration::from_secs(10);

/// Does what the command line says; returns the exit code.
#[must_use]
pub fn run(cli: Cli) -> u8 {
    let demo_folder = cli.state.clone();
    let named_config = cli.config.clone();
    let paths = Paths::find(cli.config, cli.state);
    if let Some(path) = named_config.clone()
        && !matches!(cli.program, Program::Up { .. })
        && !path.exists()
    {
        return complain(&ConfigError::Missing { path }.into());
    }
    if named_config.is_some() && matches!(cli.program, Program::Up { demo: true, .. }) {
        eprintln!(
            "The demo writes a configuration of its own: leave --config out. --state names the folder for all its files."
        );
        return USAGE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("cannot start")),
    };
    let result = match cli.program {
        Program::Serve { options } => {
            trace("info");
            runtime.block_on(async { serve::run(paths, options, stop_on_signal()?).await.map(|()| 0) })
        }
        #[cfg(feature = "elasticsearch")]
        Program::Up {
            demo: true,
            elasticsearch,
            ..
        } => {
            trace("warn");
            runtime.block_on(async {
                let asked = demo::Asked {
                    folder: demo_folder,
                    elasticsearch,
                };
                demo::run(asked, stop_on_signal()?).await.map(|()| 0)
            })
        }
        #[cfg(not(feature = "elasticsearch"))]
        Program::Up { demo: true, .. } => {
            trace("warn");
            runtime.block_on(async {
                let asked = demo::Asked { folder: demo_folder };
                demo::run(asked, stop_on_signal()?).await.map(|()| 0)
            })
        }
        Program::Up {
            demo: false, site, ..
        } => {
            trace("info");
            runtime.block_on(async { up::run(paths, site, stop_on_signal()?).await.map(|()| 0) })
        }
        Program::DemoProbe => {
            trace("info");
            runtime.block_on(async { demo::probe_process::run().await.map(|()| 0) })
        }
        Program::Command(command) => {
            trace("warn");
            runtime.block_on(ask_or_open(paths, command))
        }
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.unwrap_or_else(|error| complain(&error))
}

/// Has the running collector carry out `command`; where none runs, opens the store.
async fn ask_or_open(paths: Paths, mut command: Command) -> anyhow::Result<u8> {
    let received = match &command {
        Command::Export(ExportCommand::Parquet { into, tier, .. }) => {
            let cannot = || format!("cannot use the folder {}", into.display());
            let received = Received::into(into).with_context(cannot)?;
            if let Some(file) = received.earlier(*tier).with_context(cannot)? {
                anyhow::bail!(
                    "{} holds {file} of an earlier export: what both hold would count twice; name another folder, or empty it",
                    into.display()
                );
            }
            Some(received)
        }
        _ => None,
    };
    let mut screen = Screen::new(received);
    let mut show = |answer| screen.show(answer);
    if let Command::Report(report) = &mut command
        && let Some(args) = report.coverage_args()
    {
        commands::read_weights(args)?;
        if args.sites.is_some() {
            let report = report.clone();
            return show_while(&mut show, |answers| commands::report_from_files(report, answers)).await;
        }
    }
    let advice = match &mut command {
        Command::Place(args) => {
            commands::read_candidate_file(args)?;
            Some(&mut args.coverage)
        }
        Command::WhatIf(args) => Some(&mut args.coverage),
        _ => None,
    };
    if let Some(args) = advice {
        commands::read_weights(args)?;
        if args.sites.is_some() {
            return show_while(&mut show, |answers| commands::advice_from_files(command, answers)).await;
        }
    }
    if let Command::Gaps(args) = &mut command {
        commands::read_weights(&mut args.coverage)?;
        commands::read_probe_lists(args)?;
        if args.coverage.sites.is_some() {
            let args = (**args).clone();
            return show_while(&mut show, |answers| commands::gaps_from_files(args, answers)).await;
        }
    }
    if let Command::Locate(args) = command {
        if args.sites.is_some() {
            return show_while(&mut show, |answers| commands::locate_from_files(*args, answers)).await;
        }
        command = Command::Locate(Box::new(commands::with_whole_paths(*args)));
    }
    #[cfg(not(feature = "elasticsearch"))]
    if command.is_absent() {
        terminal::complain(&format!(
            "isochrone-collector: {}\n",
            commands::UsageError::NoElasticsearch
        ));
        return Ok(USAGE);
    }
    #[cfg(feature = "elasticsearch")]
    if let Command::Elastic(elastic) = &command
        && elastic.needs_no_store()
    {
        let (config, elastic) = (Config::read(&paths.config)?, elastic.clone());
        return show_while(&mut show, |answers| {
            commands::elastic_without_store(config, elastic, answers)
        })
        .await;
    }
    if let Command::Import(import) = &command
        && import.reads_here()
    {
        let import = import.clone();
        return show_while(&mut show, |answers| crate::import::run(paths, import, answers)).await;
    }
    if let Command::Status { format } = command {
        return status(&paths, format, &mut show).await;
    }
    match reach(&paths, &command, &mut show).await? {
        Reached::Answered(code) => Ok(code),
        Reached::Nothing(format) => {
            let pace = Config::read(&paths.config)?.pace;
            let targets = (Targets::read(&paths.targets)?, paths.targets);
            show_while(&mut show, |answers| {
                commands::targets_of_file(targets, pace, format, answers)
            })
            .await
        }
        Reached::Opened(context) => {
            show_while(&mut show, |answers| {
                commands::carry_out(context, command, answers)
            })
            .await
        }
    }
}

/// Asks the running collector whether all is well. Never waits for one: where none answers, nobody knows.
async fn status(paths: &Paths, format: Format, show: &mut impl FnMut(Answer)) -> anyhow::Result<u8> {
    let command = Command::Status { format };
    let socket = paths.socket();
    let mut whole = Vec::new(); // half an answer is none
    let asked = control::ask(&socket, &command, |answer| whole.push(answer));
    let unanswered = match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(Some(code))) => {
            whole.into_iter().for_each(show);
            return Ok(code);
        }
        Ok(Ok(None)) => None,
        Ok(Err(error)) => Some(format!("{}: {error}", socket.display())),
        Err(_) => Some(format!(
            "{}: nothing came within {} s",
            socket.display(),
            ANSWER.as_secs()
        )),
    };
    if let Some(reason) = unanswered {
        return show_while(show, |answers| {
            commands::status_of_no_answer(reason, format, answers)
        })
        .await;
    }
    let demo = paths.state.join(demo::STATE);
    let demo = Paths {
        state: demo,
        ..paths.clone()
    };
    let demo = demo.socket().exists().then_some(demo.state);
    if let (None, Some(service)) = (&demo, paths.other_service()) {
        let reason = format!(
            "none runs in {}; the service's folder is {}",
            paths.state.display(),
            service.display()
        );
        return show_while(show, |answers| {
            commands::status_of_no_answer(reason, format, answers)
        })
        .await;
    }
    show_while(show, |answers| {
        commands::status_of_no_collector(demo, format, answers)
    })
    .await
}

/// Shows answers as they come, until the work behind them has its exit code.
async fn show_while<R>(
    show: &mut impl FnMut(Answer),
    work: impl FnOnce(control::Answers) -> R,
) -> anyhow::Result<u8>
where
    R: Future<Output = u8> + Send + 'static,
{
    let (answers, mut waiting) = mpsc::channel(16); // full: the work waits for the screen
    let mut tasks = JoinSet::new();
    tasks.spawn(work(answers));
    while let Some(answer) = waiting.recv().await {
        show(answer);
    }
    tasks
        .join_next()
        .await
        .context("the command ended without an exit code")?
        .context("the command panicked")
}

/// Standard output, standard error, and a progress bar where a person watches.
struct Screen {
    bar: Option<ProgressBar>,
    /// Where files go that the answer brings.
    received: Option<Received>,
}

impl Screen {
    fn new(received: Option<Received>) -> Self {
        Self { bar: None, received }
    }

    fn show(&mut self, answer: Answer) {
        match answer {
            Answer::Out(text) => {
                self.clear();
                if !terminal::say(&text) {
                    std::process::exit(0);
                }
            }
            Answer::Err(text) => {
                self.clear();
                terminal::complain(&text);
            }
            Answer::Progress { done, total } if total > 0 && std::io::stderr().is_terminal() => {
                let bar = self.bar.get_or_insert_with(|| {
                    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}");
                    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                });
                bar.set_length(total.max(done));
                bar.set_position(done);
            }
            Answer::File {
                name,
                content,
                is_last,
            } => {
                let taken = self
                    .received
                    .as_mut()
                    .map(|received| received.take(&name, &content, is_last));
                if let Some(Err(error)) = taken {
                    self.clear();
                    terminal::complain(&format!("isochrone-collector: cannot write {name}: {error}\n"));
                    std::process::exit(1);
                }
            }
            Answer::Progress { .. } | Answer::Exit(_) => {}
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// SIGTERM and SIGINT do the same.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    let watch = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "lives as long as the process and cannot fail"
    )]
    drop(tokio::spawn(watch));
    Ok(stop)
}

/// Says what is wrong, in one line, and finds the exit code.
fn complain(error: &anyhow::Error) -> u8 {
    terminal::complain(&format!("isochrone-collector: {}\n", chain(error.as_ref())));
    let configuration = error
        .chain()
        .any(|cause| cause.is::<ConfigError>() || cause.is::<TargetsError>());
    if configuration { CONFIGURATION } else { 1 }
}

#[cfg(test)]
mod tests;
