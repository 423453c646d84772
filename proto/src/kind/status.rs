//! `status`: an Argus node's own status, asked for and parsed. Its runs have the outcome of [`super::http`].

use super::{Facts, Layout, TargetKind};
use crate::limits::ENDPOINT_INTERVAL_MIN_MS;

pub(super) const FACTS: Facts = Facts {
    word: "status",
    target: TargetKind::Endpoint,
    interval_min_ms: ENDPOINT_INTERVAL_MIN_MS,
    timeout_ms: 5_000, // domain: the group's own tools gave it 5 s
    layout: Layout::Endpoint,
};
