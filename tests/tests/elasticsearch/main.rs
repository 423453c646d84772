//! The sink, setup and verify against real servers of both releases: after each fault the documents are the store's, no
//! more and no less, counted by the server itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod absence;
mod dashboards;
mod document;
mod faults;
mod import;
mod mesh;
mod reading;
mod secured;
