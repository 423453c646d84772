//! `isochrone-probe`: see `isochrone-probe --help`.

use std::process::ExitCode;

use clap::Parser as _;
use isochrone_probe::cli::{self, Cli};
use isochrone_probe::log;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse(); // exits with 2 on wrong usage
    log::trace();
    cli::run(cli).await
}
