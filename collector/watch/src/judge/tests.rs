//! Each sentence of the rule ("Knowing who is down") is a test here or beside the part it is about.

mod again;
mod any;
mod clock;
mod common;
mod flapping;
mod fleet;
mod line;
mod mesh;
mod outage;
mod plan;
mod scale;
mod service;
mod silence;
