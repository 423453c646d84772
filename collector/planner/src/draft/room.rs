//! What fits into one probe's plan: more than this no probe would take.

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Kind;
use isochrone_proto::limits::{CONTROL_BYTES_MAX, ENDPOINT_RATE_MAX, PLAN_CHECKS_MAX};
use isochrone_proto::plan::{Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

use super::content::Draft;

/// What a target takes beside its texts, and what a check takes, in bytes; both rounded up.
const TARGET_BYTES: usize = 128;
const CHECK_BYTES: usize = 32;
/// What the rest of a plan takes at most: its head and the responder's secrets.
const REST_BYTES: usize = 4 * 1024;

/// What is still free in a plan.
pub(super) struct Room {
    checks: usize,
    bytes: usize,
    /// Endpoint checks, in millionths of a check a second, as a probe counts them.
    rate: u64,
}

impl Room {
    /// What `draft` leaves free, in which no endpoint stands yet.
    pub(super) fn of(draft: &Draft) -> Self {
        let names: usize = draft.targets.iter().map(|target| target.name.len()).sum();
        let probers = size_of::<ProbeId>() * draft.responder.probers.len();
        let targets = TARGET_BYTES * draft.targets.len() + CHECK_BYTES * draft.checks.len();
        let taken = names + probers + targets + REST_BYTES;
        Self {
            checks: PLAN_CHECKS_MAX.saturating_sub(draft.checks.len()),
            bytes: CONTROL_BYTES_MAX.saturating_sub(taken),
            rate: ENDPOINT_RATE_MAX * MILLIONTHS,
        }
    }

    /// Takes the room of a target and its checks; `false`, and nothing is taken, where they do not fit.
    pub(super) fn take(&mut self, target: &Target, checks: &[(Kind, Schedule)]) -> bool {
        let texts = match &target.address {
            TargetAddress::Peer { .. } => 0,
            TargetAddress::Endpoint { url, asset } => url.len() + asset.as_ref().map_or(0, String::len),
        };
        let bytes = TARGET_BYTES + target.name.len() + texts + CHECK_BYTES * checks.len();
        let endpoint = checks.iter().filter(|(kind, _)| kind.check.is_endpoint());
        let rate = endpoint
            .map(|(_, schedule)| 1_000 * MILLIONTHS / u64::from(schedule.interval_ms()))
            .sum();
        let left = (
            self.checks.checked_sub(checks.len()),
            self.bytes.checked_sub(bytes),
            self.rate.checked_sub(rate),
        );
        let (Some(checks), Some(bytes), Some(rate)) = left else {
            return false;
        };
        *self = Self { checks, bytes, rate };
        true
    }
}

const MILLIONTHS: u64 = 1_000_000;
