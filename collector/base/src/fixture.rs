//! A small mesh for tests: probes, nodes, plans and batches, made without any I/O.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use isochrone_coverage::observations::AccessClass;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::ledger::Adoption;
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Measurement, Outcome, Phase, Phases, Stamp,
};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};

use crate::roster::{NodeEntry, ProbeEntry, Roster};

/// 2026-11-22T00:00:00Z.
pub const DAY0: u64 = 1_795_305_600_000;
/// Of every check.
pub const INTERVAL_MS: u64 = 10_000;

/// `probe("ada-berlin", "ada", Some(64500))`
pub fn probe(name: &str, worker: &str, network: Option<u32>) -> ProbeEntry {
    ProbeEntry {
        id: probe_id(name),
        name: name.into(),
        worker: worker.into(),
        site: "Berlin, DE".into(),
        latitude: Some(52.52),
        longitude: Some(13.4),
        country: Some("DE".into()),
        network,
        access: AccessClass::DataCentre,
        active: true,
        joined: UnixMillis(0),
    }
}

/// The id that [`probe`] gives to a probe of that name.
pub fn probe_id(name: &str) -> ProbeId {
    ProbeId(TargetId::of_node(name).0 | 1)
}

/// A node in Tokyo.
pub fn node(name: &str, worker: &str) -> NodeEntry {
    NodeEntry {
        id: TargetId::of_node(name),
        name: name.into(),
        url: format!("https://{name}.example.org/distributor/"),
        worker: Some(worker.into()),
        place: "Tokyo, JP".into(),
        latitude: Some(35.7),
        longitude: Some(139.7),
        country: Some("JP".into()),
        network: Some(64_999),
        paused: false,
        removed: false,
        interval: None,
    }
}

/// A plan of `probe`: each of `endpoints` against all nodes, `echo4` against all other probes.
pub fn plan(roster: &Roster, probe: ProbeId, endpoints: &[Kind]) -> Plan {
    let mut plan = Plan {
        version: PlanVersion {
            promotion: 0,
            number: 1,
        },
        probe,
        probe_name: "probe".into(),
        issued: UnixMillis(0),
        expires: UnixMillis(u64::MAX),
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    };
    let mut add = |id, name: &str, kinds: &[Kind]| {
        let target = plan.targets.len() as u16;
        let address = TargetAddress::Endpoint {
            url: "http://x/".into(),
            asset: Some("1".into()),
        };
        plan.targets.push(Target {
            id,
            name: name.into(),
            address,
        });
        let schedule = Schedule::new(INTERVAL_MS as u32, 0, 5_000).unwrap();
        plan.checks.extend(kinds.iter().map(|&kind| PlannedCheck {
            kind,
            target,
            schedule,
        }));
    };
    for node in roster.nodes() {
        add(node.id, &node.name, endpoints);
    }
    for peer in roster.probes().filter(|peer| peer.id != probe) {
        add(
            TargetId::of_peer(peer.id),
            &peer.name,
            &["echo4".parse().unwrap()],
        );
    }
    plan
}

/// Index of a check in a plan of [`plan`].
pub fn check(plan: &Plan, target: TargetId, kind: Kind) -> u16 {
    let found = (0..plan.checks.len() as u16).find(|&index| {
        let (check, of) = plan.target_of(index).unwrap();
        of.id == target && check.kind == kind
    });
    found.expect("the plan has this check")
}

/// The first batch of an epoch.
pub fn batch(plan: &Plan, rows: &[Measurement]) -> Batch {
    let header = BatchHeader {
        epoch: EpochId([7; 16]),
        sequence: Sequence(1),
        previous: Digest::ZERO,
        adopted: Adoption {
            version: plan.version,
            first_slot: UnixMillis(0),
        },
        plan: plan.version,
        cut: UnixMillis(0),
        hours: Vec::new(),
        skipped: Vec::new(),
        events: Vec::new(),
        source_ports: Vec::new(),
    };
    Batch::pack(header, rows).unwrap()
}

/// A run that started on time.
pub fn row(check: u16, slot: UnixMillis, outcome: Outcome) -> Measurement {
    Measurement {
        check,
        slot,
        lateness: Micros::default(),
        outcome,
    }
}

/// An endpoint outcome at 192.0.2.1.
pub fn endpoint(result: EndpointResult, http_status: Option<u16>, cache: CacheState) -> Outcome {
    Outcome::Endpoint(Box::new(EndpointOutcome {
        address: "192.0.2.1".parse().ok(),
        http_status,
        cache,
        certificate_expires: None,
        result,
    }))
}

/// Succeeded, with a connect of `connect_ms` and 10 ms more to the first byte.
pub fn good(connect_ms: u64) -> Outcome {
    let ms = |ms: u64| Micros::new(ms * 1_000).unwrap();
    let phases = Phases {
        connect: ms(connect_ms),
        first_byte: ms(10),
        ..Phases::default()
    };
    let result = EndpointResult::Ok {
        phases,
        body_bytes: 1,
        node_uptime_s: None,
        node_version: String::new(),
    };
    endpoint(result, Some(200), CacheState::Hit)
}

/// Failed in the connect phase.
pub fn timeout() -> Outcome {
    failed(Phase::Connect, FailureCause::Timeout, None)
}

/// Failed, with a text that says how.
pub fn failed(phase: Phase, cause: FailureCause, http_status: Option<u16>) -> Outcome {
    let result = EndpointResult::Failed {
        phase,
        cause,
        text: format!("{cause} in {phase}, verbatim"),
    };
    endpoint(result, http_status, CacheState::Absent)
}

/// A connection that took `ms`.
pub fn connected(ms: u64) -> Outcome {
    Outcome::Connect(Box::new(ConnectOutcome {
        address: Some(std::net::IpAddr::from([192, 0, 2, 1])),
        certificate_expires: None,
        result: ConnectResult::Connected(ConnectPhases {
            connect: Micros::new(ms * 1_000).unwrap(),
            ..ConnectPhases::default()
        }),
    }))
}

/// A connection that nobody answered.
pub fn unconnected() -> Outcome {
    let text = "timeout in connect, verbatim".to_owned();
    Outcome::failed(Check::Connect, Phase::Connect, FailureCause::Timeout, text)
}

/// An echo that came back.
pub fn replied(ms: u64) -> Outcome {
    Outcome::Echo(EchoOutcome::Replied {
        rtt: Micros::new(ms * 1_000).unwrap(),
        claimed_delay: Micros::default(),
        stamp: Stamp::Kernel,
        suspect: false,
    })
}

/// An echo that did not.
pub fn lost() -> Outcome {
    Outcome::Echo(EchoOutcome::TimedOut)
}
