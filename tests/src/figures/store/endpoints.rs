//! What one probe says of nine nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EndpointOutcome, EndpointResult, FailureCause,
    Measurement, Outcome, Phase, Phases,
};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::UnixMillis;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::figures::wire::micros;

pub(in crate::figures) const PROBES: u64 = 10;
pub(in crate::figures) const NODES: usize = 9;
/// Of the figure of its size, and of a stretch.
pub(in crate::figures) const HOURS: u64 = 6;
/// One batch holds so much.
pub(in crate::figures) const BATCH: Duration = Duration::from_secs(60);
/// Of each node: within its budgets, ten probes together.
const CHECKS: [(Check, u32); 4] = [
    (Check::Connect, 10_000),
    (Check::Status, 100_000),
    (Check::AssetHead, 100_000),
    (Check::AssetGet, 100_000),
];

/// Its plan and the batches of so many hours, as spooled: one a minute.
pub(in crate::figures) fn of_probe(
    probe: ProbeId,
    start: UnixMillis,
    hours: u64,
) -> Result<(Plan, Vec<Bytes>)> {
    made(probe, start, (1, hours, BATCH))
}

/// As [`of_probe`], in batches of a second, as a probe makes them: those without a row are none.
pub(in crate::figures) fn by_seconds(
    probe: ProbeId,
    start: UnixMillis,
    hours: u64,
) -> Result<(Plan, Vec<Bytes>)> {
    made(probe, start, (1, hours, Duration::from_secs(1)))
}

/// As [`of_probe`], in an epoch and by a plan of its own: the plan has this number, which must rise.
pub(in crate::figures) fn stretch(
    probe: ProbeId,
    start: UnixMillis,
    number: u64,
) -> Result<(Plan, Vec<Bytes>)> {
    made(probe, start, (number, HOURS, BATCH))
}

fn made(
    probe: ProbeId,
    start: UnixMillis,
    (number, hours, batch): (u64, u64, Duration),
) -> Result<(Plan, Vec<Bytes>)> {
    let mut plan = plan(probe, start)?;
    plan.version.number = number;
    let mut random = StdRng::seed_from_u64(probe.0.wrapping_add(number));
    let bases: Vec<f64> = (0..NODES)
        .map(|_| random.random_range(3_000.0..250_000.0))
        .collect();
    let epoch = EpochId(random.random());
    let adopted = Adoption {
        version: plan.version,
        first_slot: start,
    };
    let (mut previous, mut run) = (Digest::ZERO, BTreeMap::new());
    let mut payloads = Vec::new();
    for number in 0..hours * 3_600 / batch.as_secs() {
        let from = UnixMillis(start.0 + number * batch.as_millis() as u64);
        let rows = rows(&mut random, (&plan, &bases), (from, from.plus(batch)));
        if rows.is_empty() {
            continue;
        }
        let hour = from.hour();
        *run.entry(hour).or_insert(0) += rows.len() as u64;
        let header = BatchHeader {
            epoch,
            sequence: Sequence(payloads.len() as u64 + 1),
            previous,
            adopted,
            plan: plan.version,
            cut: from.plus(batch),
            hours: vec![HourCount {
                hour,
                planned: run[&hour],
                run: run[&hour],
                skipped: 0,
                pending: 0,
            }],
            skipped: Vec::new(),
            events: Vec::new(),
            source_ports: Vec::new(),
        };
        let payload = codec::encode_batch(&Batch::pack(header, &rows)?);
        previous = Digest::of(&payload);
        payloads.push(payload.into());
    }
    Ok((plan, payloads))
}

fn plan(probe: ProbeId, start: UnixMillis) -> Result<Plan> {
    let mut plan = Plan {
        version: PlanVersion {
            promotion: 0,
            number: 1,
        },
        probe,
        probe_name: format!("probe-{}", probe.0),
        issued: start,
        expires: start.plus(Duration::from_secs(7 * 86_400)),
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    };
    for node in 0..NODES {
        let name = format!("node-{node}");
        let id = TargetId::of_node(&name);
        plan.targets.push(Target {
            id,
            name,
            address: TargetAddress::Endpoint {
                url: format!("https://node-{node}.example.org/distributor/"),
                asset: Some("1343".to_owned()),
            },
        });
        for (check, interval) in CHECKS {
            let kind = Kind::new(check, Family::V4);
            plan.checks.push(PlannedCheck {
                kind,
                target: node as u16,
                schedule: Schedule::spread(probe, id, kind, interval, 4_000)?,
            });
        }
    }
    Ok(plan)
}

/// Everything that is due in one batch's time.
fn rows(
    random: &mut StdRng,
    (plan, bases): (&Plan, &[f64]),
    (from, until): (UnixMillis, UnixMillis),
) -> Vec<Measurement> {
    let mut rows = Vec::new();
    for (place, check) in plan.checks.iter().enumerate() {
        let mut slot = check.schedule.first_from(from);
        while slot < until {
            let base = bases[usize::from(check.target)];
            rows.push(Measurement {
                check: place as u16,
                slot,
                lateness: micros(random.random_range(0.0..1_000.0)),
                outcome: outcome(random, check.kind.check, (usize::from(check.target), base)),
            });
            slot = UnixMillis(slot.0 + u64::from(check.schedule.interval_ms()));
        }
    }
    rows.sort_by_key(|row| (row.slot, row.check));
    rows
}

/// What became of a run of `check` towards a node, and how long its answers take.
pub(in crate::figures) fn outcome(random: &mut StdRng, check: Check, (node, base): (usize, f64)) -> Outcome {
    let address = format!("192.0.2.{node}").parse().ok();
    let certificate_expires = Some(1_800_000_000 + node as u64);
    let mut near = |us: f64| micros(us * random.random_range(1.0..1.1));
    let (connect, tls, first_byte) = (near(base), near(2.1 * base), near(1.2 * base));
    let (resolve, transfer, unattributed) = (near(400.0), near(300.0), near(60.0));
    let has_failed = random.random_bool(0.02);
    let failure = || {
        (
            Phase::Connect,
            FailureCause::Timeout,
            "no answer within 4 s".to_owned(),
        )
    };
    if check == Check::Connect {
        let result = match has_failed {
            true => {
                let (phase, cause, text) = failure();
                ConnectResult::Failed { phase, cause, text }
            }
            false => ConnectResult::Connected(ConnectPhases {
                resolve,
                connect,
                tls,
                unattributed,
            }),
        };
        return Outcome::Connect(Box::new(ConnectOutcome {
            address,
            certificate_expires: certificate_expires.filter(|_| !has_failed),
            result,
        }));
    }
    let is_status = check == Check::Status;
    let result = match has_failed {
        true => {
            let (phase, cause, text) = failure();
            EndpointResult::Failed { phase, cause, text }
        }
        false => EndpointResult::Ok {
            phases: Phases {
                resolve,
                connect,
                tls,
                first_byte,
                transfer,
                unattributed,
            },
            body_bytes: if is_status { 612 } else { 0 },
            node_uptime_s: is_status.then(|| random.random_range(1_000..900_000)),
            node_version: if is_status { "4.2.0" } else { "" }.to_owned(),
        },
    };
    Outcome::Endpoint(Box::new(EndpointOutcome {
        address,
        http_status: (!has_failed).then_some(200),
        cache: if is_status {
            CacheState::Absent
        } else {
            CacheState::Hit
        },
        certificate_expires: certificate_expires.filter(|_| !has_failed),
        result,
    }))
}
