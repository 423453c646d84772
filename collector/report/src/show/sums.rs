//! Failures of an hour or a day, as they add up: of weeks, no single run is read.

use isochrone_base::kinds::{Finding, counts_for};
use isochrone_base::roster::ProbeEntry;
use isochrone_base::words;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Loss;

use super::values::{FailureRun, Slots};
use crate::tiers::finding;

/// Failures of one cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summed {
    /// Of runs from then on …
    pub(super) first: UnixMillis,
    /// … until then.
    pub(super) last: UnixMillis,
    pub(super) loss: Loss,
    pub(super) count: u64,
}

impl Summed {
    /// In words. `counted`: slots of failures that count against the node; those that are told here are taken out.
    pub(super) fn told(
        &self,
        (probe, own): (&ProbeEntry, bool),
        kind: Kind,
        counted: &mut Vec<UnixMillis>,
    ) -> FailureRun {
        let (phase, cause) = match self.loss {
            Loss::TimedOut => (None, "timed out".to_owned()),
            Loss::Failed(phase, cause) => (Some(phase.word()), cause.to_string()),
            Loss::Unsent(cause) => (None, format!("unsent: {cause}")),
        };
        let down = finding(self.loss) == Finding::Bad && counts_for(kind.check).is_judged();
        let most = if down { self.count } else { 0 };
        let mut taken = 0;
        counted.retain(|slot| {
            let is_told = taken < most && (self.first..=self.last).contains(slot);
            taken += u64::from(is_told);
            !is_told
        });
        FailureRun {
            vantage: probe.name.clone(),
            place: probe.site.clone(),
            network: probe.network,
            own,
            kind: kind.to_string(),
            first: words::rfc3339(self.first),
            last: words::rfc3339(self.last),
            count: self.count,
            counted: taken,
            phase,
            cause,
            error: String::new(),
            http_status: None,
            address: String::new(),
            down,
            summed: true,
            slots: Slots {
                first: self.first,
                last: self.last,
                gap_ms: 0,
                answered: None,
            },
        }
    }
}
