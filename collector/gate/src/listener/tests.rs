//! The gate over real QUIC on loopback: each way in, and each way to be turned away.

mod admission;
mod conversation;
mod joining;
mod resumption;
mod world;
