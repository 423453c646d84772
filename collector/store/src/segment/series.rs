//! What a segment holds before it is written: runs by who measured what.

use std::sync::Arc;

use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::measurement::Measurement;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The commit number of its batch.
    pub(crate) commit: u64,
    /// The epoch of its batch.
    pub(crate) epoch: EpochId,
    pub(crate) run: Measurement,
}

/// The runs of one kind by one probe against one target.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) probe: ProbeId,
    pub(crate) probe_name: Arc<str>,
    pub(crate) target: TargetId,
    pub(crate) target_name: Arc<str>,
    /// By slot, once the segment is written.
    pub(crate) entries: Vec<Entry>,
}

impl Series {
    /// Where it stands in a segment.
    pub(super) fn place(&self) -> (&str, ProbeId, &str, TargetId) {
        (&self.probe_name, self.probe, &self.target_name, self.target)
    }
}
