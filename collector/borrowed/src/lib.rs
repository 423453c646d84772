//! Borrowed eyes: what public platforms measured of our nodes, as their APIs give it, and requests to them.
//!
//! Files of [RIPE Atlas](AtlasResults) and [Globalping](GlobalpingResults) become [`Measured`] rows of [`Vantage`]s that are
//! named as what they are: somebody else's, with platform, network and access class, and with the measurement's own time.
//! They are read one object at a time, whatever the file's size; what cannot be taken is counted, and the first of it is
//! listed with its line and reason ([`Refusals`]). A failure has no time.
//!
//! [`draft`] writes requests that a person sends by hand, with what they cost. Nothing here calls anybody, knows a store or
//! reads a clock.

mod atlas;
pub mod draft;
mod family;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod globalping;
mod items;
pub mod lent;
mod measurement;
mod refusals;
mod source;
mod targets;
mod time;
mod unfit;
mod values;
mod vantage;
mod window;

pub use self::atlas::{AtlasResults, Probes};
pub use self::family::Family;
pub use self::globalping::GlobalpingResults;
pub use self::measurement::{
    Answer, Cause, Echoes, Exchange, Failure, Handshake, Kind, Measured, MeasurementId, Micros, NoTime,
    Outcome,
};
pub use self::refusals::{Refusals, Refused, Where};
pub use self::source::{Source, open};
pub use self::targets::{Targets, host_as_kept};
pub use self::unfit::Rule;
pub use self::vantage::{Access, LeftOut, Place, Platform, Vantage};
