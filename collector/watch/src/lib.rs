//! Who is down: what each vantage sees now, the one engine that judges it, live and over the past, incidents, and the
//! alerts about them.

pub mod addresses;
pub mod alert;
pub mod clocks;
mod dated;
pub mod facts;
mod feed;
#[cfg(feature = "testing")]
pub mod fixture;
pub mod incident;
pub mod judge;
mod late;
pub mod live;
pub mod monitor;
pub mod past;
pub mod replay;
pub mod spans;
