//! `isochrone-probe`: see `isochrone-probe --help`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use isochrone_probe::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse(); // exits with 2 on wrong usage
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,isochrone_probe=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false) // they would be printed where nobody reads any more
        .init();
    cli::run(cli).await
}
