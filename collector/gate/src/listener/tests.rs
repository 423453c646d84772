//! The gate over real QUIC on loopback: each way in, and each way to be turned away.

mod admission;
mod bench;
mod conversation;
mod joining;
mod resumption;
