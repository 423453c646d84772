//! Isochrone's collector: the application that joins the crates beside it. It reads the command line and the
//! configuration, runs commands, serves, keeps watch, and plays the demo.

pub mod assembly;
mod carrier;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod demo;
mod downloads;
#[cfg(feature = "elasticsearch")]
mod elastic_incidents;
#[cfg(feature = "elasticsearch")]
mod elastic_watch;
mod following;
pub mod gate_alerts;
mod import;
mod judging;
pub mod log;
mod plan_notices;
mod received;
mod run;
mod sealing;
pub mod serve;
pub mod store_watch;
pub mod supervisor;
pub mod terminal;
mod topology;
pub mod up;
pub mod view;

pub use self::run::run;

/// Release and commit, as `--version` prints it.
pub const VERSION: &str = env!("ISOCHRONE_VERSION");
