//! A batch that can be read or not, on its way into the store.

use std::sync::Arc;

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, Sequence};

use super::UnreadBatch;

/// A batch, as far as its turn goes.
pub(super) struct Piece<'b> {
    pub(super) sequence: Sequence,
    pub(super) previous: Digest,
    /// `None`: its rows cannot be read.
    pub(super) batch: Option<&'b Arc<Batch>>,
}

impl<'b> Piece<'b> {
    pub(super) fn of(batch: &'b Arc<Batch>) -> Self {
        Self {
            sequence: batch.header.sequence,
            previous: batch.header.previous,
            batch: Some(batch),
        }
    }

    pub(super) fn of_unread(unread: &UnreadBatch) -> Self {
        Self {
            sequence: unread.place.sequence,
            previous: unread.place.previous,
            batch: None,
        }
    }
}
