//! What a group's older tools left behind, in an index or in a file of its documents, as measurements of imported vantages.
//!
//! Both ways give pieces; whoever holds the store takes them in. A document that cannot be taken is named and counted, and
//! the rest goes on.

mod document;
mod lines;
mod pull;
mod shape;
mod unfit;

use std::fmt;

use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::ImportedRun;

pub use self::lines::{FileError, Lines};
pub use self::pull::{Pull, PullError, Pulled};
pub use self::unfit::Unfit;

/// Some documents, in the order in which they were read.
#[derive(Debug, Default)]
pub struct Piece {
    /// Those that can be taken in.
    pub runs: Vec<(Origin, ImportedRun)>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
    /// How far the reading came, and how far it goes; 0 where nobody knows.
    pub progress: (u64, u64),
    /// All documents before it were given; `None`: they come in another order than by time.
    pub reached: Option<UnixMillis>,
}

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Of a file, from 1.
    Line(u64),
    /// Of an index.
    Id(String),
}

/// A document that cannot be taken in.
#[derive(Debug)]
pub struct Refused {
    /// Where it stands.
    pub origin: Origin,
    /// Why.
    pub unfit: Unfit,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(out, "line {line}"),
            Self::Id(id) => write!(out, "id {id}"),
        }
    }
}

/// Documents in one piece.
const PIECE: usize = 5_000;
