//! Elasticsearch: what is set up there, what goes there, and what comes back from there.
//!
//! The official client does the HTTP; retries, what became of each document, and back-pressure are this crate's.

pub mod backfill;
mod bulk;
mod client;
pub mod cursor;
pub mod dead_letters;
mod delivery;
pub mod document;
mod hours;
pub mod import;
pub mod index;
#[cfg(test)]
mod mock;
mod page_size;
pub mod read;
pub mod retry;
pub mod revised;
pub mod send;
mod server;
mod settings;
pub mod setup;
pub mod sink;
pub mod verify;

pub use self::client::{Answer, Client, ClientError, Method, Packed, RawAnswer, RequestError, reason};
pub use self::hours::HourSet;
pub use self::server::{Capabilities, Flavour, Server, ServerError};
pub use self::settings::{Account, Period, Prefix, RawSettings, Settings, SettingsError};
