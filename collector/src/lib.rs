//! Isochrone's collector: joins probes, stores what they measure, says who is down, and reports coverage.

pub mod demo;
pub mod web;
