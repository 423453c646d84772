//! Which nodes download their asset again at each GET: the planner asks those less often.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{CacheState, Outcome};
use isochrone_proto::plan::{Plan, Target};

/// After five misses without a hit in between, from whatever vantages, a node's asset counts as downloaded each time: it
/// is larger than what the node keeps, or its bytes are wrong. So does one whose download is under way at ten checks in a
/// row: it never ends, or is begun anew each time.
const ENOUGH: u32 = 10;
/// What an answer weighs.
const MISS: u32 = 2;
const PENDING: u32 = 1;

/// What the answers to the asset's GETs said of the node's cache.
#[derive(Debug, Default)]
pub(crate) struct Downloads(BTreeMap<TargetId, Misses>);

#[derive(Debug)]
struct Misses {
    node: String,
    weight: u32,
}

impl Downloads {
    /// Takes in a stored batch.
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
                CacheState::Miss => self.add(target, MISS),
                CacheState::Pending => self.add(target, PENDING),
                CacheState::Hit => {
                    self.0.remove(&target.id);
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, target: &Target, weight: u32) {
        let misses = self.0.entry(target.id).or_insert_with(|| Misses {
            node: target.name.clone(),
            weight: 0,
        });
        misses.weight = misses.weight.saturating_add(weight);
    }

    /// The nodes whose asset is downloaded each time.
    pub(crate) fn nodes(&self) -> BTreeSet<String> {
        let each_time = self.0.values().filter(|misses| misses.weight >= ENOUGH);
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
    use isochrone_proto::plan::{PlannedCheck, ResponderPlan, TargetAddress};
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
            address: None,
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
        for _ in 1..5 {
            downloads.take(&plan, &batch(0, CacheState::Miss));
            downloads.take(&plan, &batch(1, CacheState::Hit)); // a HEAD starts nothing and shows nothing
        }
        assert!(downloads.nodes().is_empty());
        downloads.take(&plan, &batch(0, CacheState::Miss));
        assert_eq!(downloads.nodes(), BTreeSet::from(["berlin".to_owned()]));
        downloads.take(&plan, &batch(0, CacheState::Hit));
        assert!(downloads.nodes().is_empty());
    }

    #[test]
    fn download_that_is_under_way_for_ever_counts_as_begun_each_time() {
        let (plan, mut downloads) = (plan(), Downloads::default());
        downloads.take(&plan, &batch(0, CacheState::Miss));
        for _ in 0..7 {
            downloads.take(&plan, &batch(0, CacheState::Pending));
        }
        assert!(downloads.nodes().is_empty(), "one long download");
        downloads.take(&plan, &batch(0, CacheState::Pending));
        assert_eq!(downloads.nodes(), BTreeSet::from(["berlin".to_owned()]));
        downloads.take(&plan, &batch(0, CacheState::Hit));
        assert!(downloads.nodes().is_empty());
    }
}
