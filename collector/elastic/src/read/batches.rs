//! Documents, as the batches that they came from: what was measured by one probe and arrived at one instant.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use isochrone_base::kinds::{OutcomeError, OutcomeFields};
use isochrone_base::roster::Roster;
use isochrone_proto::batch::{Batch, BatchError, BatchHeader};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::ledger::Adoption;
use isochrone_proto::limits::BATCH_ROWS_MAX;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};
use isochrone_store::Stored;
use serde::Deserialize;

use super::Foreign;
use crate::document::{DocumentId, MeasurementId};

/// Documents on their way to batches. Of a batch that was several pages apart, each part is one of its own.
#[derive(Debug)]
pub struct Batches {
    /// Those whose measurements count, and which target each of them is for its peers.
    peers: HashMap<TargetId, ProbeId>,
    probes: HashSet<ProbeId>,
    plans: HashMap<ProbeId, Planned>,
    rows: BTreeMap<(ProbeId, EpochId, UnixMillis), Vec<Measurement>>,
    foreign: Foreign,
}

/// What documents say of a probe's plan.
#[derive(Debug)]
struct Planned {
    plan: Arc<Plan>,
    targets: HashMap<TargetId, u16>,
    checks: HashMap<(u16, Kind, u32, u32), u16>,
}

/// Why a document is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Fields that are missing or of another type.
    #[error("{0}")]
    Fields(#[from] serde_json::Error),
    /// A field holds what it cannot.
    #[error("{field} holds {value}, which it cannot")]
    Value {
        /// Its key.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// It says no outcome.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// Made by no collector, or changed since.
    #[error("its _id is not that of the measurement it tells of")]
    Id,
    /// More different checks of one probe than a plan has.
    #[error("its probe has more checks than any plan")]
    Checks,
}

#[derive(Deserialize)]
struct Source {
    probe: String,
    probe_id: String,
    epoch: String,
    kind: String,
    target: String,
    target_id: String,
    slot: u64,
    lateness_us: u64,
    arrival_ms: i64,
    interval_ms: u32,
    timeout_ms: u32,
    #[serde(flatten)]
    outcome: OutcomeFields,
}

impl Batches {
    /// None yet. `roster` says whose measurements count, and which peers' targets are which probes.
    #[must_use]
    pub fn new(roster: &Roster) -> Self {
        let peers = roster.probes();
        Self {
            probes: roster.probes().map(|probe| probe.id).collect(),
            peers: peers
                .map(|probe| (TargetId::of_peer(probe.id), probe.id))
                .collect(),
            plans: HashMap::new(),
            rows: BTreeMap::new(),
            foreign: Foreign::default(),
        }
    }

    /// Takes in a document; one that is no measurement is counted.
    pub fn add(&mut self, index: &str, id: &str, source: &str) {
        if let Err(unfit) = self.row(id, source) {
            self.foreign.documents += 1;
            let example = &mut self.foreign.example;
            example.get_or_insert_with(|| format!("document {id} of index {index}: {unfit}"));
        }
    }

    /// Those that were no measurements.
    #[must_use]
    pub const fn foreign(&self) -> &Foreign {
        &self.foreign
    }

    fn row(&mut self, id: &str, source: &str) -> Result<(), Unfit> {
        let source: Source = serde_json::from_str(source)?;
        let wrong = |field, value: &str| {
            let value = value.to_owned();
            Unfit::Value { field, value }
        };
        let ids = MeasurementId {
            probe: ProbeId(hex("probe_id", &source.probe_id)?),
            epoch: source.epoch.parse().map_err(|_| wrong("epoch", &source.epoch))?,
            kind: source.kind.parse().map_err(|_| wrong("kind", &source.kind))?,
            target: TargetId(hex("target_id", &source.target_id)?),
            slot: UnixMillis(source.slot),
        };
        if DocumentId::parse(id) != Some(DocumentId::of(&ids)) {
            return Err(Unfit::Id);
        }
        if !self.probes.contains(&ids.probe) {
            self.foreign.strangers += 1;
            return Ok(());
        }
        let received = source.slot.checked_add_signed(source.arrival_ms);
        let received = received.ok_or_else(|| wrong("arrival_ms", &source.arrival_ms.to_string()))?;
        let lateness = Micros::new(source.lateness_us);
        let lateness = lateness.ok_or_else(|| wrong("lateness_us", &source.lateness_us.to_string()))?;
        let schedule = Schedule::new(
            source.interval_ms,
            u32::try_from(source.slot % u64::from(source.interval_ms.max(1))).unwrap_or_default(),
            source.timeout_ms,
        );
        let schedule = schedule.map_err(|error| wrong("interval_ms", &error.to_string()))?;
        let outcome = source.outcome.read(ids.kind.check)?;
        let check = self.check(&ids, schedule, (source.probe, source.target))?;
        let of_batch = (ids.probe, ids.epoch, UnixMillis(received));
        self.rows.entry(of_batch).or_default().push(Measurement {
            check,
            slot: ids.slot,
            lateness,
            outcome,
        });
        Ok(())
    }

    /// Its place in the probe's plan.
    fn check(
        &mut self,
        ids: &MeasurementId,
        schedule: Schedule,
        (probe_name, target_name): (String, String),
    ) -> Result<u16, Unfit> {
        let planned = self.plans.entry(ids.probe).or_insert_with(|| Planned {
            plan: Arc::new(empty(ids.probe, probe_name)),
            targets: HashMap::new(),
            checks: HashMap::new(),
        });
        let target = match planned.targets.get(&ids.target) {
            Some(target) => *target,
            None => {
                let place = u16::try_from(planned.targets.len()).map_err(|_| Unfit::Checks)?;
                Arc::make_mut(&mut planned.plan).targets.push(Target {
                    id: ids.target,
                    name: target_name,
                    address: address(ids, &self.peers),
                });
                planned.targets.insert(ids.target, place);
                place
            }
        };
        let key = (target, ids.kind, schedule.interval_ms(), schedule.timeout_ms());
        if let Some(check) = planned.checks.get(&key) {
            return Ok(*check);
        }
        let place = u16::try_from(planned.checks.len()).map_err(|_| Unfit::Checks)?;
        Arc::make_mut(&mut planned.plan).checks.push(PlannedCheck {
            kind: ids.kind,
            target,
            schedule,
        });
        planned.checks.insert(key, place);
        Ok(place)
    }

    /// What was taken in since, as batches.
    pub fn take(&mut self) -> Vec<Stored> {
        let rows = std::mem::take(&mut self.rows);
        let mut batches = Vec::with_capacity(rows.len());
        for ((probe, epoch, received), rows) in rows {
            let Some(planned) = self.plans.get(&probe) else {
                continue;
            };
            for rows in rows.chunks(BATCH_ROWS_MAX) {
                match batch(epoch, received, rows) {
                    Ok(batch) => batches.push(Stored {
                        commit: 0,
                        probe,
                        epoch,
                        sequence: batch.header.sequence,
                        received,
                        batch,
                        plan: Arc::clone(&planned.plan),
                    }),
                    Err(error) => tracing::error!(%error, "a chunk of rows is larger than any batch"),
                }
            }
        }
        batches
    }
}

/// Echoes go to probes, all else to nodes.
fn address(ids: &MeasurementId, peers: &HashMap<TargetId, ProbeId>) -> TargetAddress {
    match ids.kind.check {
        Check::Echo => TargetAddress::Peer {
            probe: peers.get(&ids.target).copied().unwrap_or(ProbeId::COLLECTOR),
            v4: None,
            v6: None,
            key: None,
        },
        _ => TargetAddress::Endpoint {
            url: String::new(),
            asset: None,
        },
    }
}

const VERSION: PlanVersion = PlanVersion {
    promotion: 0,
    number: 0,
};

fn empty(probe: ProbeId, probe_name: String) -> Plan {
    Plan {
        version: VERSION,
        probe,
        probe_name,
        issued: UnixMillis(0),
        expires: UnixMillis(u64::MAX),
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    }
}

fn batch(epoch: EpochId, received: UnixMillis, rows: &[Measurement]) -> Result<Batch, BatchError> {
    let header = BatchHeader {
        epoch,
        sequence: Sequence(1),
        previous: Digest::ZERO,
        adopted: Adoption {
            version: VERSION,
            first_slot: UnixMillis(0),
        },
        plan: VERSION,
        cut: received,
        hours: Vec::new(),
        skipped: Vec::new(),
        events: Vec::new(),
        source_ports: Vec::new(),
    };
    Batch::pack(header, rows)
}

fn hex(field: &'static str, text: &str) -> Result<u64, Unfit> {
    let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok());
    number.flatten().ok_or_else(|| Unfit::Value {
        field,
        value: text.to_owned(),
    })
}
