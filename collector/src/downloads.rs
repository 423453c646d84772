//! Which nodes download their asset again at each GET: the planner asks those less often.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{CacheState, Outcome};
use isochrone_proto::plan::Plan;

/// After so many misses without a hit in between, from whatever vantages, a node's asset counts as downloaded each
/// time: it is larger than what the node keeps, or its bytes are wrong.
const MISSES: u32 = 5;

/// What the answers to the asset's GETs said of the node's cache.
#[derive(Debug, Default)]
pub(crate) struct Downloads(BTreeMap<TargetId, Misses>);

#[derive(Debug)]
struct Misses {
    node: String,
    since_hit: u32,
}

impl Downloads {
    /// Takes in a stored batch. An answer while the download is under way says nothing.
    pub(crate) fn take(&mut self, plan: &Plan, batch: &Batch) {
        for row in batch.endpoints() {
            let Some((check, target)) = plan.target_of(row.check) else {
                continue;
            };
            let Outcome::Endpoint(outcome) = row.outcome else {
                continue;
            };
            if check.kind.check != Check::AssetGet {
                continue;
            }
            match outcome.cache {
                CacheState::Miss => {
                    let misses = self.0.entry(target.id).or_insert_with(|| Misses {
                        node: target.name.clone(),
                        since_hit: 0,
                    });
                    misses.since_hit = misses.since_hit.saturating_add(1);
                }
                CacheState::Hit => {
                    self.0.remove(&target.id);
                }
                _ => {}
            }
        }
    }

    /// The nodes whose asset is downloaded each time.
    pub(crate) fn nodes(&self) -> BTreeSet<String> {
        let each_time = self.0.values().filter(|misses| misses.since_hit >= MISSES);
        each_time.map(|misses| misses.node.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::batch::BatchHeader;
    use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
    use isochrone_proto::kind::{Family, Kind};
    use isochrone_proto::ledger::Adoption;
    use isochrone_proto::measurement::{EndpointOutcome, EndpointResult, FailureCause, Measurement, Phase};
    use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target, TargetAddress};
    use isochrone_proto::schedule::Schedule;
    use isochrone_proto::units::{Micros, UnixMillis};

    use super::*;

    fn plan() -> Plan {
        let check = |check| PlannedCheck {
            kind: Kind::new(check, Family::V4),
            target: 0,
            schedule: Schedule::new(60_000, 0, 20_000).unwrap(),
        };
        Plan {
            version: PlanVersion::default(),
            probe: ProbeId(1),
            probe_name: "ada-1".to_owned(),
            issued: UnixMillis(0),
            expires: UnixMillis(u64::MAX),
            targets: vec![Target {
                id: TargetId::of_node("berlin"),
                name: "berlin".to_owned(),
                address: TargetAddress::Endpoint {
                    url: "https://node.example.org/".to_owned(),
                    asset: Some("1".to_owned()),
                },
            }],
            checks: vec![check(Check::AssetGet), check(Check::AssetHead)],
            responder: ResponderPlan::default(),
        }
    }

    fn batch(check: u16, cache: CacheState) -> Batch {
        let header = BatchHeader {
            epoch: EpochId([1; 16]),
            sequence: Sequence(1),
            previous: Digest::ZERO,
            adopted: Adoption {
                version: PlanVersion::default(),
                first_slot: UnixMillis(0),
            },
            plan: PlanVersion::default(),
            cut: UnixMillis(60_000),
            hours: vec![],
            skipped: vec![],
            events: vec![],
            source_ports: vec![],
        };
        let outcome = EndpointOutcome {
            address: String::new(),
            http_status: Some(500),
            cache,
            certificate_expires: None,
            result: EndpointResult::Failed {
                phase: Phase::FirstByte,
                cause: FailureCause::NotFound,
                text: String::new(),
            },
        };
        let row = Measurement {
            check,
            slot: UnixMillis(0),
            lateness: Micros::saturating(std::time::Duration::ZERO),
            outcome: Outcome::Endpoint(Box::new(outcome)),
        };
        Batch::pack(header, &[row]).unwrap()
    }

    #[test]
    fn node_that_misses_again_and_again_downloads_until_a_hit() {
        let (plan, mut downloads) = (plan(), Downloads::default());
        for _ in 1..MISSES {
            downloads.take(&plan, &batch(0, CacheState::Miss));
            downloads.take(&plan, &batch(0, CacheState::Pending));
            downloads.take(&plan, &batch(1, CacheState::Hit)); // a HEAD starts nothing and shows nothing
        }
        assert!(downloads.nodes().is_empty());
        downloads.take(&plan, &batch(0, CacheState::Miss));
        assert_eq!(downloads.nodes(), BTreeSet::from(["berlin".to_owned()]));
        downloads.take(&plan, &batch(0, CacheState::Hit));
        assert!(downloads.nodes().is_empty());
    }
}
