//! What the scripts of others rely on, as docs/contract.md lists it: the document and the built programs say the same.
//!
//! A test fails when something listed is renamed or gone, and when something new is not listed yet. The trees of JSON
//! keys lie beside this file; `UPDATE_KEYS=1 cargo test -p isochrone-tests --test contract` writes them anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod book;
mod certificate;
mod commands;
mod exit_codes;
mod files;
mod gathered;
mod key_tree;
mod mesh;
mod outputs;
mod settings;
mod webhook;
mod wire;
