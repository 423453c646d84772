//! Where a measurement would firm up the answer most: which city should get the next node.
//!
//! The gain of each candidate is a sum over cities, so how unsure it is and what one more eye would take off that follow
//! from how errors of predicted times go together ([`crate::predict::Together`]). That depends on where is measured and
//! not on what comes out, so a batch of eyes can be chosen one after the other, each given those before it.
//!
//! Pure and without chance: the same scene gives the same list. Method: docs/coverage.md, ADR 27.

mod eyes;
mod gain;
mod scene;
mod table;
mod worth;

pub use eyes::{Asked, Eye, choose};
pub use gain::{Contest, Gain};
pub use scene::Scene;
pub use table::Table;

/// Candidates that eyes measure beside the nodes: those that may well gain most.
pub const SHORTLIST: usize = 5;
