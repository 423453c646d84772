//! Isochrone's collector: joins probes, stores what they measure, says who is down, and reports coverage.

pub mod act;
pub mod alert;
pub mod audit;
pub mod authority;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod demo;
pub mod duty;
pub mod echo_check;
pub mod events;
pub mod export;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod former;
pub mod health;
pub mod incident;
pub mod ingest;
pub mod ledger;
pub mod listener;
pub mod live;
pub mod monitor;
pub mod place;
pub mod planner;
pub mod plans;
pub mod registry;
pub mod report;
pub mod roster;
mod run;
pub mod serve;
pub mod session;
pub mod store;
pub mod targets;
pub mod up;
pub mod web;
pub mod words;

pub use self::run::run;

/// Release and commit, as `--version` prints it.
pub const VERSION: &str = env!("ISOCHRONE_VERSION");
