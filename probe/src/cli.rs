//! The command line of `isochrone-probe`.

mod paths;
mod run;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use isochrone_proto::token::Token;

use self::paths::Paths;
use self::terminal::say;
use crate::VERSION;
use crate::config::Config;
use crate::join::JoinOutcome;
use crate::measure::{self, MeasureArgs, MeasureError};
use crate::reach::TlsRoots;
use crate::{process, status};

/// Measures this server's peers and the nodes' public endpoints for an Isochrone mesh.
#[derive(Debug, Parser)]
#[command(name = "isochrone-probe", version = VERSION, about, propagate_version = true)]
#[command(after_help = "Examples:
  isochrone-probe join isochrone1_…        once, with the token the lead sent
  isochrone-probe run                      as a service (see deploy/)
  isochrone-probe status                   is it connected, is everything stored?

Exit codes: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration.")]
pub struct Cli {
    /// Configuration file [default: /etc/isochrone/probe.toml, or under $XDG_CONFIG_HOME].
    #[arg(long, env = "ISOCHRONE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder: key, certificate, plan, spool [default: /var/lib/isochrone-probe, or under
    /// $XDG_STATE_HOME].
    #[arg(long, env = "ISOCHRONE_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Join a mesh: makes this server's key and gets a certificate for it.
    #[command(after_help = "Example:
  isochrone-probe join isochrone1_AhNsZWFkLmV4YW1wbGUub3Jn…

An answer that got lost does no harm: run the same command again.")]
    Join {
        /// The line that the lead sent.
        #[arg(value_name = "TOKEN")]
        token: Token,
    },
    /// Measure, until SIGTERM or SIGINT.
    #[command(after_help = "Example:
  isochrone-probe --config /etc/isochrone/probe.toml run

Says what it does on stderr; RUST_LOG=isochrone_probe=debug says more.")]
    Run,
    /// Show what the running probe does: connection, plan, spool, and what became of every planned run.
    #[command(after_help = "Examples:
  isochrone-probe status
  isochrone-probe status --format json

Exit code 1 if no probe runs here, or it is not connected.")]
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Measure one URL now and show the phases.
    Measure(MeasureArgs),
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// JSON, schema `isochrone.probe-status/1`.
    Json,
}

/// Runs the command line to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let paths = Paths::find(cli.config, cli.state);
    let config = match paths.read_config() {
        Ok(config) => config,
        Err(error) => return complain(&error, EXIT_CONFIG),
    };
    if !matches!(cli.command, Command::Measure(_))
        && let Err(error) = paths.check_state()
    {
        return complain(&error, EXIT_CONFIG);
    }
    let done = match cli.command {
        Command::Join { token } => join_mesh(&paths, &token).await,
        Command::Run => run::run(&paths, config).await,
        Command::Status { format } => show_status(&paths, format).await,
        Command::Measure(arguments) => measure_one(&arguments, &config).await,
    };
    match done {
        Ok(code) => code,
        Err(error) if is_usage(&*error) => complain(&*error, EXIT_USAGE),
        Err(error) => complain(&*error, EXIT_FAILED),
    }
}

async fn join_mesh(paths: &Paths, token: &Token) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match process::join(&paths.state, token).await? {
        JoinOutcome::Joined { name, probe } => say(&format!(
            "Joined as {name} (probe {probe}).\n\
             Start measuring now: `systemctl enable --now isochrone-probe`, or `isochrone-probe run`.\n"
        )),
        JoinOutcome::AlreadyJoined { name, probe, runs } => {
            let next = if runs { "; its probe runs" } else { "" };
            say(&format!(
                "This server has already joined with this token, as {name} (probe {probe}){next}. Nothing to do.\n"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_status(paths: &Paths, format: Format) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let asked = status::ask(&paths.state).await;
    let status = asked.map_err(|error| match paths.other_service() {
        Some(service) => format!(
            "no isochrone-probe runs with the state folder {}; that of the service is {}: run this with sudo",
            paths.state.display(),
            service.display()
        )
        .into(),
        None => Box::<dyn std::error::Error>::from(error),
    })?;
    match format {
        Format::Text => say(&status.text()),
        Format::Json => say(&format!("{}\n", serde_json::to_string(&status)?)),
    }
    Ok(if status.collector.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

async fn measure_one(
    arguments: &MeasureArgs,
    config: &Config,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let roots = TlsRoots::system_and(config.extra_roots.clone())?;
    let measured = measure::measure(arguments, &config.allow_private, roots, crate::clock::monotonic).await?;
    say(&measured.print(arguments.format));
    Ok(if measured.works() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

/// Says what is wrong, with all causes, and which code to exit with.
fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    terminal::complain(&format!("isochrone-probe: {}\n", crate::error_text::chain(error)));
    ExitCode::from(code)
}

/// Whether the command line itself names something that cannot be measured.
fn is_usage(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(MeasureError::Target(_)))
}

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_CONFIG: u8 = 64;
