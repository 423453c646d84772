//! Globalping: measurements as `GET /v1/measurements/ID` gives them.

mod raw;
mod results;

pub use self::results::GlobalpingResults;
