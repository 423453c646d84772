//! Telling people: an outbox that no restart and no dead receiver empties, and the receivers behind it.
//!
//! An alert is written in the transaction of the incident it is about, then delivered at least once to every
//! receiver, each with a queue of its own. A receiver can tell a repeated delivery by the alert's id.

pub mod config;
pub mod courier;
pub mod deliver;
mod discord;
pub mod heartbeat;
pub mod message;
pub mod outbox;
pub mod receiver;

pub use config::{AlertsConfig, SecretUrl};
pub use courier::Courier;
pub use deliver::{Deliver, DeliverError, HttpDeliver, Method, Request};
pub use message::{Alert, Event, SecurityNotice, Whose};
pub use outbox::{Board, Outbox};
pub use receiver::{Receiver, ReceiverKind};
