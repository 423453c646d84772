//! The collector's binary.

use std::process::ExitCode;

use clap::Parser as _;
use isochrone_collector::cli::Cli;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(isochrone_collector::run(Cli::parse()))
}
