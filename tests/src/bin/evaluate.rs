//! Evaluates the mathematics on measured data that it was not shown: `evaluate where --data FOLDER [--format json]`.
//!
//! Exit codes: 0, 1 when the data cannot be read or predicted from, 2 for a command line that is not understood.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use isochrone_coverage::predict::Prior;
use isochrone_tests::evaluate::{Figure, World, whereabouts};

#[derive(Parser)]
#[command(
    name = "evaluate",
    about = "Evaluates the mathematics on measured data that it was not shown."
)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prediction and location: any folder of sites.csv and rtt.csv.
    Where {
        /// The folder.
        #[arg(long)]
        data: PathBuf,
        /// As text, or as one JSON document.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// `none`, or a file made by collector/coverage/data/make_prior.py; otherwise the one in the binary. Judged
        /// sites are taken out of it.
        #[arg(long)]
        prior: Option<String>,
        /// Of all splits and draws.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let Command::Where {
        data,
        format,
        prior,
        seed,
    } = Options::parse().command;
    let figures = World::read(&data).and_then(|world| {
        let prior = read_prior(prior.as_deref())?;
        whereabouts(&world, prior.as_ref(), seed)
    });
    match figures {
        Ok(figures) => {
            print(&figures, format);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read_prior(asked: Option<&str>) -> anyhow::Result<Option<Prior>> {
    match asked {
        None => Ok(Some(Prior::embedded().clone())),
        Some("none") => Ok(None),
        Some(file) => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
            Ok(Some(Prior::read(&bytes).with_context(|| file.to_owned())?))
        }
    }
}

fn print(figures: &[Figure], format: Format) {
    match format {
        Format::Text => {
            for figure in figures {
                println!(
                    "{} {:.3} {} ({})",
                    figure.name, figure.value, figure.unit, figure.how
                );
            }
        }
        Format::Json => {
            let figures: serde_json::Map<String, serde_json::Value> = figures
                .iter()
                .map(|figure| (figure.name.clone(), figure.value.into()))
                .collect();
            println!(
                "{}",
                serde_json::json!({"schema": "isochrone.evaluate/1", "figures": figures})
            );
        }
    }
}
