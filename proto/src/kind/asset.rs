//! `asset-head` and `asset-get`: whether a node serves an object; `throughput`: how fast. Their runs have the outcome of
//! [`super::http`].

use super::{Facts, Layout, TargetKind};
use crate::limits::{ENDPOINT_INTERVAL_MIN_MS, THROUGHPUT_INTERVAL_MIN_MS, TIMEOUT_MAX_MS};

pub(super) const HEAD_FACTS: Facts = facts("asset-head");
pub(super) const GET_FACTS: Facts = facts("asset-get");
pub(super) const THROUGHPUT_FACTS: Facts = Facts {
    interval_min_ms: THROUGHPUT_INTERVAL_MIN_MS,
    timeout_ms: TIMEOUT_MAX_MS, // ends for whoever gets 1.2 Mbps
    ..facts("throughput")
};

const fn facts(word: &'static str) -> Facts {
    Facts {
        word,
        target: TargetKind::Asset,
        interval_min_ms: ENDPOINT_INTERVAL_MIN_MS,
        timeout_ms: 20_000, // a node that has to fetch the object first
        layout: Layout::Endpoint,
    }
}
