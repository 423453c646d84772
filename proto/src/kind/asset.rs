//! `asset-head` and `asset-get`: whether a node serves an object. Their runs have the outcome of [`super::http`].

use super::{Facts, Layout, TargetKind};
use crate::limits::ENDPOINT_INTERVAL_MIN_MS;

pub(super) const HEAD_FACTS: Facts = facts("asset-head");
pub(super) const GET_FACTS: Facts = facts("asset-get");

const fn facts(word: &'static str) -> Facts {
    Facts {
        word,
        target: TargetKind::Asset,
        interval_min_ms: ENDPOINT_INTERVAL_MIN_MS,
        timeout_ms: 20_000, // a node that has to fetch the object first
        layout: Layout::Endpoint,
    }
}
