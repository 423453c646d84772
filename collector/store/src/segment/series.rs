//! What a segment holds before it is written: runs, and who measured what.

use std::ops::Range;
use std::sync::Arc;

use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::measurement::Measurement;

/// One run. There are half a million of them in memory at once: what others share is named by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The place of its series in its sheet.
    pub(crate) series: u32,
    /// The place of its batch among all that were gathered.
    pub(crate) batch: u32,
    pub(crate) run: Measurement,
}

/// Which batch a run came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchOf {
    /// Its commit number.
    pub(crate) commit: u64,
    pub(crate) epoch: EpochId,
}

/// The runs of one kind by one probe against one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) probe: ProbeId,
    pub(crate) probe_name: Arc<str>,
    pub(crate) target: TargetId,
    pub(crate) target_name: Arc<str>,
    /// Which entries of its sheet are its runs, once that is sorted.
    pub(crate) rows: Range<usize>,
}

impl Series {
    /// Where it stands in a segment.
    pub(super) fn place(&self) -> (&str, ProbeId, &str, TargetId) {
        (&self.probe_name, self.probe, &self.target_name, self.target)
    }
}
