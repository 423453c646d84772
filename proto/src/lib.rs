//! Isochrone's vocabulary and wire.
//!
//! Ids and units, the plan a probe is given, the slots of its time grid, what became of each slot, the
//! columns these travel in, the frames around them, the control messages, and the mesh's echo packet.
//!
//! This crate holds no socket, no clock and no async runtime: every function maps bytes or values to
//! values. Only `serializer` names the serializer and the compressor.

pub mod batch;
mod bounds;
pub mod codec;
mod coded;
pub mod columns;
pub mod control;
pub mod echo;
mod failure;
pub mod frame;
pub mod ids;
pub mod join;
pub mod kind;
pub mod known;
pub mod ledger;
pub mod limits;
pub mod measurement;
pub mod plan;
pub mod schedule;
pub mod section;
mod serializer;
pub mod text;
pub mod token;
pub mod units;

#[cfg(test)]
mod tests;
