//! Who gets in, and what they say: the authority, the registry, joining, the listener and the sessions.
//!
//! What happens here is told through [`events::EventSink`]; who is told, and in which words, is not known here.

pub mod audit;
pub mod authority;
pub mod clocks;
pub mod events;
pub mod listener;
pub mod registry;
pub mod session;
