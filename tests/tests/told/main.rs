//! Told when it matters: what a lead is told, and sees, when nodes, probes, ways and the collector fail. The whole mesh
//! in virtual time, at its defaults: real plans, sessions, store, engine, outbox and courier; only what nodes answer
//! is made up, and alerts end in a letter box.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod fleet;
mod judges;
mod late;
mod load;
mod noise;
mod odd;
mod services;
mod shared;
mod stage;
