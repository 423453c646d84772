//! The whole mesh in one process, on virtual time: a seed decides everything.

pub mod network;
