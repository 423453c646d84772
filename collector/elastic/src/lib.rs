//! Elasticsearch: what is set up there, what goes there, and what comes back from there.
//!
//! The official client does the HTTP; retries, what became of each document, and back-pressure are this crate's.

mod client;
mod settings;

pub use self::client::{Answer, Client, ClientError, Method, Packed, RawAnswer, RequestError, reason};
pub use self::settings::{Account, Period, Prefix, RawSettings, Settings, SettingsError};
