//! Small pictures inside a page: no script, legible in the dark and on paper, each with its figures in words.

mod bar;

pub use bar::{Part, bar};
