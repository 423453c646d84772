//! A small mesh for tests: one probe's plan, and batches as an honest probe makes them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, DropCause, Event, HourCount, SkipCause, SkippedRange, Tombstone};
use isochrone_proto::measurement::{
    CacheState, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Measurement, Outcome, Phase,
    Phases, Stamp,
};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, SignedPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Hour, Micros, UnixMillis};
use tokio::sync::mpsc;

use super::{Incoming, Ingest, Ingested};
use crate::lossy::LossyBackend;
use crate::{Store, StoreError, StoreOptions};

/// The probe.
pub const ADA: ProbeId = ProbeId(0xada);
/// 2026-11-22T10:40:00Z: batches of a minute cross the hour with the 21st.
pub const START: UnixMillis = UnixMillis(1_795_344_000_000);
/// What one batch holds of slots: a minute's.
pub const STEP_MS: u64 = 60_000;
/// Measurements in a batch: 6 of check 0, 5 of check 1 (whose last slot is skipped), 1 of check 2.
pub const ROWS: u64 = 12;

/// The probe's first epoch.
pub const EPOCH: EpochId = EpochId([7; 16]);
/// The one after it.
pub const LATER_EPOCH: EpochId = EpochId([9; 16]);

/// Version `number` of its plan.
pub fn version(number: u64) -> PlanVersion {
    PlanVersion { promotion: 0, number }
}

/// Two echo checks every 10 s and a status check every minute.
pub fn plan(number: u64) -> Plan {
    let peer = |name: &str, probe: u64| Target {
        id: TargetId::of_peer(ProbeId(probe)),
        name: name.to_owned(),
        address: TargetAddress::Peer {
            probe: ProbeId(probe),
            v4: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7472)),
            v6: None,
            key: Some((
                KeyEpoch(1),
                PairKey::derive(&ResponderSecret([1; 32]), ADA, KeyEpoch(1)),
            )),
        },
    };
    let node = Target {
        id: TargetId::of_node("berlin"),
        name: "berlin".to_owned(),
        address: TargetAddress::Endpoint {
            url: "https://node.example.org/distributor/".to_owned(),
            asset: None,
        },
    };
    let check = |check, target, interval| PlannedCheck {
        kind: Kind::new(check, Family::V4),
        target,
        schedule: Schedule::new(interval, 0, 1_000).unwrap(),
    };
    Plan {
        version: version(number),
        probe: ADA,
        probe_name: "ada-1".to_owned(),
        issued: START,
        expires: UnixMillis(START.0 + 7 * 86_400_000),
        targets: vec![peer("bob-1", 0xb0b), peer("eve-1", 0xe0e), node],
        checks: vec![
            check(Check::Echo, 0, 10_000),
            check(Check::Echo, 1, 10_000),
            check(Check::Status, 2, 60_000),
        ],
        responder: ResponderPlan::default(),
    }
}

/// The plan, with a signature that nobody verifies here.
pub fn signed(plan: &Plan) -> SignedPlan {
    SignedPlan {
        plan: codec::encode_plan(plan),
        signature: vec![5; 64],
    }
}

/// A store on a disk that loses what is not synced.
pub fn store_on(disk: &LossyBackend) -> Store {
    let options = StoreOptions {
        cache_bytes: 4 << 20,
        ..StoreOptions::default()
    };
    Store::on_lossy(disk.clone(), options).unwrap()
}

/// Such a store with plan 1 in it, and its disk.
pub fn store_with_plan() -> (LossyBackend, Store) {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    (disk, store)
}

/// What `store` removes of what was replaced, as ten minutes pass.
pub fn ten_minutes_pass(store: &Store) -> Result<u64, StoreError> {
    store.remove_replaced(Duration::ZERO)?;
    store.remove_replaced(Duration::from_secs(600))
}

/// An ingest without a thread, and nobody who watches.
pub fn inline(store: &Store) -> Ingest {
    let (live, _) = mpsc::channel(1);
    Ingest::inline(store.clone(), live)
}

/// Runs one async call of an inline ingest.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// Submits one item and waits for its fate.
pub fn submit(ingest: &Ingest, incoming: Incoming) -> Ingested {
    now(async { ingest.submit(incoming).await.await })
}

/// Where batch `sequence` ends.
pub fn cut_of(sequence: u64) -> UnixMillis {
    UnixMillis(START.0 + sequence * STEP_MS)
}

/// An honest probe's cumulative counts after batch `sequence`, for the hour of that batch.
pub fn count_at(sequence: u64) -> HourCount {
    let hour = UnixMillis(cut_of(sequence).0 - 1).hour();
    let batches = (1..=sequence)
        .filter(|earlier| cut_of(earlier - 1).hour() == hour)
        .count() as u64;
    HourCount {
        hour,
        planned: batches * (ROWS + 1),
        run: batches * ROWS,
        skipped: batches,
        pending: 0,
    }
}

/// An echo; an RTT of 0 stands for a timeout.
pub fn echo(check: u16, slot: u64, rtt_us: u64) -> Measurement {
    let outcome = if rtt_us == 0 {
        EchoOutcome::TimedOut
    } else {
        EchoOutcome::Replied {
            rtt: Micros::new(rtt_us).unwrap(),
            claimed_delay: Micros::new(17).unwrap(),
            stamp: Stamp::Kernel,
            suspect: false,
        }
    };
    Measurement {
        check,
        slot: UnixMillis(slot),
        lateness: Micros::new(250).unwrap(),
        outcome: Outcome::Echo(outcome),
    }
}

/// A status check that succeeded, or was refused.
pub fn status(slot: u64, fails: bool) -> Measurement {
    let us = |us| Micros::new(us).unwrap();
    let result = if fails {
        EndpointResult::Failed {
            phase: Phase::Connect,
            cause: FailureCause::Refused,
            text: "connection refused".to_owned(),
        }
    } else {
        EndpointResult::Ok {
            phases: Phases {
                resolve: us(100),
                connect: us(20_000),
                tls: us(41_000),
                first_byte: us(22_000),
                transfer: us(300),
                unattributed: us(12),
            },
            body_bytes: 512,
            node_uptime_s: Some(3_600),
            node_version: "4.2.0".to_owned(),
        }
    };
    Measurement {
        check: 2,
        slot: UnixMillis(slot),
        lateness: Micros::new(900).unwrap(),
        outcome: Outcome::Endpoint(Box::new(EndpointOutcome {
            address: "192.0.2.7".parse().ok(),
            http_status: (!fails).then_some(200),
            cache: CacheState::Absent,
            certificate_expires: (!fails).then_some(1_800_000_000),
            result,
        })),
    }
}

/// The measurements of an honest probe's batch `sequence`; `flavour` changes RTTs and nothing else.
pub fn measurements(sequence: u64, flavour: u64) -> Vec<Measurement> {
    let start = cut_of(sequence - 1).0;
    let slots = (0..6).map(|slot| start + slot * 10_000);
    let first = slots.clone().map(|slot| echo(0, slot, 20_000 + flavour));
    let second = slots.take(5).map(|slot| echo(1, slot, 0));
    first
        .chain(second)
        .chain([status(start, sequence.is_multiple_of(5))])
        .collect()
}

/// An honest probe's header of batch `sequence`.
pub fn header(epoch: EpochId, sequence: u64, previous: Digest) -> BatchHeader {
    let skipped = SkippedRange {
        check: 1,
        first_slot: UnixMillis(cut_of(sequence - 1).0 + 50_000),
        count: 1,
        cause: SkipCause::Overlap,
    };
    BatchHeader {
        epoch,
        sequence: Sequence(sequence),
        previous,
        adopted: Adoption {
            version: version(1),
            first_slot: START,
        },
        plan: version(1),
        cut: cut_of(sequence),
        hours: vec![count_at(sequence)],
        skipped: vec![skipped],
        events: Vec::new(),
        source_ports: Vec::new(),
    }
}

/// A batch as it comes in, 30 ms after its cut.
pub fn incoming(header: BatchHeader, rows: &[Measurement]) -> Incoming {
    let received = header.cut.plus(std::time::Duration::from_millis(30));
    let batch = Batch::pack(header, rows).unwrap();
    incoming_at(&batch, received)
}

/// A batch as it comes in at `received`.
pub fn incoming_at(batch: &Batch, received: UnixMillis) -> Incoming {
    Incoming::batch(ADA, Bytes::from(codec::encode_batch(batch)), received).unwrap()
}

/// An honest probe's batch.
pub fn honest(epoch: EpochId, sequence: u64, previous: Digest) -> Incoming {
    incoming(header(epoch, sequence, previous), &measurements(sequence, 0))
}

/// A tombstone over honest batches.
pub fn tombstone(epoch: EpochId, first: u64, last: u64) -> Incoming {
    let hours: BTreeMap<Hour, HourCount> = (first..=last)
        .map(|sequence| (count_at(sequence).hour, count_at(sequence)))
        .collect();
    let tombstone = Tombstone {
        epoch,
        first: Sequence(first),
        last: Sequence(last),
        last_digest: Digest::of(&last.to_be_bytes()),
        cut: cut_of(last),
        hours: hours.into_values().collect(),
        adopted: vec![Adoption {
            version: version(1),
            first_slot: START,
        }],
        cause: DropCause::Full,
    };
    let received = cut_of(last);
    Incoming::tombstone(ADA, Bytes::from(codec::encode_tombstone(&tombstone)), received).unwrap()
}

/// The last batch of an epoch.
pub fn closing(epoch: EpochId, sequence: u64, previous: Digest) -> Incoming {
    let mut header = header(epoch, sequence, previous);
    header.events.push(Event::Closed);
    incoming(header, &measurements(sequence, 0))
}

/// Stores honest batches `1..=last`; returns the digest of the last.
pub fn store_honest(ingest: &Ingest, epoch: EpochId, last: u64) -> Digest {
    let mut previous = Digest::ZERO;
    for sequence in 1..=last {
        let batch = honest(epoch, sequence, previous);
        previous = batch.digest;
        let mark = Sequence(sequence);
        assert_eq!(submit(ingest, batch), Ingested::Stored { mark });
    }
    previous
}
