//! Who is down: what each vantage sees now, the one engine that judges it, live and over the past, incidents, and the
//! alerts about them.

pub mod alert;
pub mod clocks;
mod feed;
pub mod incident;
pub mod judge;
pub mod live;
pub mod monitor;
pub mod replay;
